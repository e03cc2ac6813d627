"""Commands on hostile files, each in a process of its own, whose time and memory are looked at.

One interpreter imports everything once and forks for each command.
"""

import gc
import importlib
import json
import os
import pkgutil
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

LIMIT_S = 20
"""No command may take more of the processor's time, or of the clock's."""
UNUSED = ("rtproxy.__main__", "rtproxy.pytest_plugin", "rtproxy.inspect.tui.")
LATE = ("numpy.ma", "pyarrow.parquet", "zstandard")


@dataclass(frozen=True)
class Outcome:
    """How a command ended. `code` is minus a signal if it was killed by one."""

    arguments: list[str]
    code: int
    out: str
    err: str
    peak: int
    """The most bytes of memory that it has had."""
    seconds: float
    """The processor's time that it took."""


class Runner:
    """The interpreter that has imported everything, to be closed or used in a `with`."""

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the runner
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.attacks.commands"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def run(self, cases: Iterable[list[str]], folder: Path) -> list[Outcome]:
        """Run `rtproxy` in a folder with each of these lists of arguments, one after another."""
        return [self._run(case, folder) for case in cases]

    def _run(self, case: list[str], folder: Path) -> Outcome:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([str(folder), case]), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise AssertionError(case, self._process.wait(), self._log.read())
        return Outcome(**json.loads(line))

    def close(self) -> None:
        self._process.communicate()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main() -> None:
    """Read folders and lists of arguments from stdin; write how each of the commands ended."""
    import rtproxy.cli.main

    for module in pkgutil.walk_packages(rtproxy.__path__, "rtproxy."):
        if not module.name.startswith(UNUSED):
            importlib.import_module(module.name)
    for name in LATE:
        importlib.import_module(name)
    gc.freeze()
    for line in sys.stdin:
        folder, case = json.loads(line)
        os.chdir(folder)
        print(json.dumps(fork(case, rtproxy.cli.main.main)), flush=True)


def fork(arguments: list[str], command: object) -> dict[str, object]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if not pid:
            become(arguments, out.fileno(), err.fileno(), command)
        _, status, usage = os.wait4(pid, 0)
        out.seek(0)
        err.seek(0)
        return {
            "arguments": arguments,
            "code": os.waitstatus_to_exitcode(status),
            "out": out.read(1 << 20).decode("utf-8", "replace"),
            "err": err.read(1 << 20).decode("utf-8", "replace"),
            "peak": usage.ru_maxrss * 1024,
            "seconds": usage.ru_utime + usage.ru_stime,
        }


def become(arguments: list[str], out: int, err: int, command: object) -> None:
    """Be the command, in a process that has been forked for it."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.argv = ["rtproxy", *arguments]
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    signal.alarm(LIMIT_S)
    code = 70
    try:
        assert callable(command)
        command()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
