"""Comparing two tapes of an hour at the level of audio, and how the time grows with the length."""

import os
import subprocess
import time
from pathlib import Path

from bench.errors import MeasurementError
from bench.figure import Figure, ratio
from bench.process import python, python_environment
from bench.report import Report
from bench.stand import Stand, tell
from bench.tape import EVENTS, write_tape
from rtproxy.cli.main import COMMANDS

TURNS = 448
"""An hour, which can be halved twice."""
LENGTHS = {"a quarter of an hour": 4, "half an hour": 2, "an hour": 1}
"""What two tapes of so long are called → the part of an hour."""
SECONDS = 8.0
MEMORY_KB = 800_000
GROWTH = 4.5
"""Four times as long may take so many times as long."""


def measure_diff(stand: Stand, report: Report) -> None:
    """Time the command on two tapes, one of which is a turn shorter, from its start to its end."""
    if "diff" not in COMMANDS:
        report.skipped = "there is no `rtproxy diff` yet"
        return
    turns = TURNS // 8 if stand.quick else TURNS
    times: dict[str, list[float]] = {name: [] for name in LENGTHS}
    peaks: dict[str, list[float]] = {name: [] for name in LENGTHS}
    with stand.scratch() as folder:
        for name, part in LENGTHS.items():
            tell(f"diff: writing tapes of {name}")
            for which, length in (("a", turns // part), ("b", turns // part - 1)):
                write_tape(folder / f"{which}{part}.rtape", length)
        size = (folder / "a1.rtape").stat().st_size
        for _ in range(max(3, stand.rounds)):
            for name, part in LENGTHS.items():
                tell(f"diff: {name}")
                seconds, peak = _compare(folder / f"a{part}.rtape", folder / f"b{part}.rtape")
                times[name].append(seconds)
                peaks[name].append(peak)
    report.columns = ("time", "peak memory")
    figures = {name: Figure(tuple(times[name]), "s") for name in LENGTHS}
    memory = {name: Figure(tuple(peaks[name]), "KB") for name in LENGTHS}
    for name in LENGTHS:
        report.lines.append((name, (figures[name], memory[name])))
    quarter, *_, hour = LENGTHS
    report.at_most("two tapes of an hour", figures[hour], SECONDS)
    report.at_most("two tapes of an hour, memory", memory[hour], MEMORY_KB)
    report.at_most("4 × as long takes", ratio(figures[hour], figures[quarter]), GROWTH)
    report.notes.append(f"each of {turns * EVENTS + 1:,} events, {size / 1e6:,.0f} MB, sealed")


def _compare(a: Path, b: Path) -> tuple[float, int]:
    """Seconds that the command takes, and the most memory that it takes, in KB."""
    start = time.perf_counter()
    with subprocess.Popen(
        python("-m", "rtproxy", "diff", "--json", str(a), str(b)),
        env=python_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.read().decode(errors="replace")
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 1:
        raise MeasurementError(f"diff ended with {process.returncode}: {said.strip()[-200:]}")
    return time.perf_counter() - start, used.ru_maxrss
