"""Two large tapes read at once, the second by a process of its own: each takes a core for a while.

    read_both ─┬─ this process ─── a
               └─ python -m rtproxy.diff.beside ─── b, as it is when it is read

Where that cannot be, one is read after the other.
"""

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rtproxy.diff.difference import Level
from rtproxy.diff.tapes import Recording, read_tape

LARGE = 1 << 26
"""Bytes of a tape from which on it is worth to start a process; one is read in half a second."""


def read_both(a: Path, b: Path, level: Level) -> tuple[Recording, Recording]:
    """Read two tapes. Raises TapeError. The second may come without what is `kept` of it."""
    process = _start(b, level) if min(_size(a), _size(b)) >= LARGE and _cores() > 1 else None
    if process is None:
        return read_tape(a, level), read_tape(b, level)
    with process:
        try:
            first = read_tape(a, level)
            second = _result(process)
        finally:
            process.kill()
    return first, second or read_tape(b, level)


def _start(path: Path, level: Level) -> "subprocess.Popen[bytes] | None":
    if getattr(sys, "frozen", False) or not sys.executable:
        return None  # there is no interpreter that could be started
    # What this process can import is all that the other one may: nothing from where it stands.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-P", "-m", "rtproxy.diff.beside", str(path), level]
    with suppress(OSError):
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    return None


def _result(process: "subprocess.Popen[bytes]") -> Recording | None:
    """What it has read; None if it failed, and somebody else should say why."""
    data, _ = process.communicate()
    if process.returncode != 0:
        return None
    found: Recording = pickle.loads(data)  # our own process has made it
    return found


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _cores() -> int:
    with suppress(AttributeError):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def main() -> None:
    """Read a tape and write what it comes to, for the process that asked."""
    path, level = sys.argv[1:]
    recording = read_tape(Path(path), level)  # type: ignore[arg-type]
    sys.stdout.buffer.write(pickle.dumps(replace(recording, kept=None), protocol=5))


if __name__ == "__main__":
    main()
