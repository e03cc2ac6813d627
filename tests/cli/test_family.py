"""What a command has started, parents before children."""

import itertools
import os
import signal
import subprocess
import time
from pathlib import Path

from rtproxy.cli.family import Family, Kin, parents_first


def test_parents_are_told_before_their_children() -> None:
    """A shell whose child is killed first would go on to its next command."""
    ages = range(1, 5)
    for pids in itertools.permutations(ages):
        line = [Kin(pid, "then") for pid in pids]
        parents = dict(zip(line, (99, *pids), strict=False))
        for order in (parents, dict(reversed(parents.items()))):
            assert parents_first(order) == line


def test_numbers_that_make_a_circle() -> None:
    """A number was used again while we looked."""
    circle = {Kin(1, "then"): 2, Kin(2, "now"): 1}
    assert set(parents_first(circle)) == set(circle)


def test_a_family_is_found_and_killed() -> None:
    """A shell in a shell with a child; and none goes on when its child is dead."""
    script = "sh -c 'sh -c \"echo up; sleep 60; echo on\"; echo on'; echo on"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == "up\n"
        family = Family(shell.pid)
        generations = family.living()
        assert generations[0].pid == shell.pid
        assert len(generations) >= 3
        family.kill()
        assert shell.wait() == -signal.SIGKILL
        assert shell.stdout.read() == ""
        assert family.living() == []


def test_what_starts_one_after_the_other_leaves_none_behind() -> None:
    """Whoever is looked for and then killed may have started another in between."""
    mark = f"3141.{os.getpid()}"
    script = f"echo up; n=0; while [ $n -lt 500 ]; do sleep {mark} & n=$((n+1)); done; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        Family(shell.pid).kill()
        assert shell.wait() == -signal.SIGKILL
    try:
        deadline = time.monotonic() + 30
        while sleeping(mark) and time.monotonic() < deadline:
            time.sleep(0.01)  # what is killed takes a moment to end
        assert sleeping(mark) == []
    finally:
        for pid in sleeping(mark):
            os.kill(pid, signal.SIGKILL)


def sleeping(mark: str) -> list[int]:
    """The processes with these words in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended
    return found
