"""Inspecting a one-hour tape: first page of the call, of its events, first lines of NDJSON."""

import os
import subprocess
import time
from pathlib import Path

from bench.errors import MeasurementError
from bench.figure import Figure
from bench.process import python, python_environment
from bench.report import Report
from bench.stand import Stand, tell
from bench.tape import EVENTS, write_tape
from rtproxy.cli.main import COMMANDS

PAGE_LINES = 40
HEAD_LINES = 10
TURNS = 450
VIEWS: dict[str, tuple[tuple[str, ...], int, float]] = {
    f"the call, first {PAGE_LINES} lines": ((), PAGE_LINES, 2.0),
    f"--events, first {PAGE_LINES} lines": (("--events",), PAGE_LINES, 2.0),
    f"--ndjson | head -{HEAD_LINES}": (("--ndjson",), HEAD_LINES, 1.0),
}
"""View → its options, the lines that are read of it, and the most seconds they may take."""
MEMORY_KB = 400_000


def measure_inspect(stand: Stand, report: Report) -> None:
    """Time each view from the command's start to its end, which comes once nobody reads on."""
    if "inspect" not in COMMANDS:
        report.skipped = "there is no `rtproxy inspect` yet"
        return
    turns = TURNS // 10 if stand.quick else TURNS
    times: dict[str, list[float]] = {view: [] for view in VIEWS}
    peaks: dict[str, list[float]] = {view: [] for view in VIEWS}
    with stand.scratch() as folder:
        tape = folder / "hour.rtape"
        tell("inspect: writing a tape")
        write_tape(tape, turns)
        size = tape.stat().st_size
        for _ in range(max(3, stand.rounds)):
            for view, (options, lines, _) in VIEWS.items():
                tell(f"inspect: {view}")
                seconds, peak = _read_head(tape, options, lines)
                times[view].append(seconds)
                peaks[view].append(peak)
    report.columns = ("time", "peak memory")
    for view, (_, _, budget) in VIEWS.items():
        figure, memory = Figure(tuple(times[view]), "s"), Figure(tuple(peaks[view]), "KB")
        report.lines.append((view, (figure, memory)))
        report.at_most(view, figure, budget)
        report.at_most(f"{view}, memory", memory, MEMORY_KB)
    report.notes.append(f"a tape of {turns * EVENTS + 1:,} events, {size / 1e6:,.0f} MB, sealed")


def _read_head(tape: Path, options: tuple[str, ...], lines: int) -> tuple[float, int]:
    """Seconds until so many lines are read and the command, its output closed, has ended.

    Also the most memory that it took, in KB.
    """
    start = time.perf_counter()
    with subprocess.Popen(
        python("-m", "rtproxy", "inspect", *options, str(tape)),
        env=python_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        read = sum(1 for _ in zip(range(lines), process.stdout, strict=False))
        process.stdout.close()
        said = process.stderr.read().decode(errors="replace")
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if read < lines:
        what = " ".join(("inspect", *options))
        raise MeasurementError(f"{what} printed {read} lines: {said.strip()[-200:]}")
    return time.perf_counter() - start, used.ru_maxrss
