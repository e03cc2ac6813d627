"""Runs one load: `python -m bench.load JSON`; marks and the result go to stdout as JSON lines."""

import inspect
import json
import signal
import sys
from collections.abc import Callable
from typing import Any

from bench import loop
from bench.load.connection import Address
from bench.load.drive import drive
from bench.load.echo import echo
from bench.load.flood import flood
from bench.load.idle import hour, idle
from bench.load.pace import pace
from bench.load.voice import voice

LOADS: dict[str, Callable[..., Any]] = {
    "drive": drive,
    "echo": echo,
    "flood": flood,
    "voice": voice,
    "idle": idle,
    "hour": hour,
    "pace": pace,
}


def main(asked: dict[str, Any]) -> None:
    """Run the load that `asked` names: kind, port, plan, timeout (s), and its own arguments."""
    signal.alarm(asked["timeout"])  # a target that hangs must not hang the benchmark
    load, address = LOADS[asked["kind"]], Address(asked["port"], asked["plan"])
    if inspect.iscoroutinefunction(load):

        async def run() -> None:
            report(await load(address, **asked["arguments"]))

        loop.run(run())
    else:
        report(load(address, **asked["arguments"]))


def report(result: object) -> None:
    print(json.dumps({"result": result}), flush=True)


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except OSError as error:
        sys.exit(f"{type(error).__name__}: {error}")
