"""A process and all that it has started, and what they have: found, told and counted.

A process group of their own would keep them from the terminal: it could not be read, and Ctrl-C
and Ctrl-Z would not reach them. So they stay in ours, and are looked for among all processes.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Kin:
    """A process. A number is used again, but not with the same beginning."""

    pid: int
    began: str


class Family:
    """A process and its descendants, also those whose parents have ended since we looked."""

    def __init__(self, pid: int) -> None:
        self._known = {kin for kin, _ in processes() if kin.pid == pid}

    def living(self) -> list[Kin]:
        """Those that run, parents before their children."""
        running = dict(processes())
        family = self._known & running.keys()
        while True:
            parents = {kin.pid for kin in family}
            more = {kin for kin, parent in running.items() if parent in parents} - family
            if not more:
                break
            family |= more
        self._known |= family
        return parents_first({kin: running[kin] for kin in family})

    def signal(self, number: int) -> None:
        """Send a signal to all that run.

        To parents first: a shell whose child ends before it goes on to its next command.
        """
        for kin in self.living():
            send(kin, number)

    def kill(self) -> None:
        """Kill all that run. They are stopped first, so that none starts another meanwhile."""
        stopped: set[Kin] = set()
        while new := [kin for kin in self.living() if kin not in stopped]:
            for kin in new:
                send(kin, signal.SIGSTOP)
            stopped.update(new)
        for kin in self.living():
            send(kin, signal.SIGKILL)


def send(kin: Kin, number: int) -> None:
    """Send a signal to a process that may have ended, or be somebody else's."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(kin.pid, number)


def parents_first(parents: Mapping[Kin, int]) -> list[Kin]:
    """Processes by generation; of each, its parent's number is given."""
    ordered: list[Kin] = []
    rest = set(parents)
    while rest:
        numbers = {kin.pid for kin in rest}
        # They were not all looked at in one moment: numbers used again could make a circle.
        eldest = {kin for kin in rest if parents[kin] not in numbers} or rest
        ordered += eldest
        rest = rest - eldest
    return ordered


def processes() -> Iterator[tuple[Kin, int]]:
    """What runs on this machine, each with its parent's number; none if that cannot be known."""
    return _from_proc() if (PROC / "self" / "stat").exists() else _from_ps()


def _from_proc() -> Iterator[tuple[Kin, int]]:
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):  # it has ended
            text = (entry / "stat").read_text("utf-8", "replace")
            # proc(5): "pid (command) state ppid …", the beginning is the 22nd; a command may hold
            # anything.
            state, parent, *rest = text.rpartition(")")[2].split()
            if state not in "ZX":
                yield Kin(int(entry.name), rest[17]), int(parent)


def _from_ps() -> Iterator[tuple[Kin, int]]:
    """Where there is no /proc, as on macOS."""
    command = ("ps", "-A", "-o", "pid=,ppid=,stat=,lstart=")
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return
    for line in ran.stdout.splitlines():
        pid, parent, state, began = line.split(maxsplit=3)
        if not state.startswith("Z"):
            yield Kin(int(pid), began), int(parent)
