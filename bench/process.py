"""Child processes: started on their cores, and ended with all that they started."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.errors import MeasurementError

ROOT = Path(__file__).parent.parent
START_S = 30.0
END_S = 60.0
"""How long a process may take to listen, and to end (sealing a large tape takes seconds)."""


def python_environment() -> dict[str, str]:
    """The environment for our own processes: this source tree, no RTPROXY_* settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RTPROXY_")}
    return kept | {"PYTHONPATH": str(ROOT)}


def python(*arguments: str) -> list[str]:
    """A command that runs this interpreter."""
    return [sys.executable, *arguments]


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    folder: Path,
    cores: frozenset[int] | None = None,
    environment: Mapping[str, str] | None = None,
    pipes: bool = False,
) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a session of its own; end it, and what it started, on the way out.

    Its stderr goes to `folder`/stderr; with `pipes` its stdin and stdout are text pipes.
    """
    with (folder / "stderr").open("a") as log:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipes else log,
            stderr=log,
            text=True,
            start_new_session=True,
            preexec_fn=_pin(cores),
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Ask the process to end, then make sure that nothing of its session is left."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def free_port() -> int:
    """A port on loopback that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until_it_listens(process: subprocess.Popen[str], port: int, folder: Path) -> None:
    """Return once the port accepts. Raises MeasurementError if the process ends or takes long."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise MeasurementError(f"ended at once: {last_words(folder)}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise MeasurementError(f"does not listen after {START_S:.0f} s: {last_words(folder)}")


def last_words(folder: Path) -> str:
    """The last line that a process in `folder` wrote to stderr."""
    lines = (folder / "stderr").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _pin(cores: frozenset[int] | None) -> Callable[[], None] | None:
    if cores is None:
        return None
    return lambda: os.sched_setaffinity(0, cores)
