"""Inspecting a one-hour tape: its first page, and the first lines of its events as NDJSON."""

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
VIEWS = {
    f"--events, first {PAGE_LINES} lines": ("--events", PAGE_LINES, 2.0),
    f"--ndjson | head -{HEAD_LINES}": ("--ndjson", HEAD_LINES, 1.0),
}
"""View → its option, the lines that are read of it, and the most seconds they may take."""


def measure_inspect(stand: Stand, report: Report) -> None:
    """Time each view from the command's start to its end, which comes once nobody reads on."""
    if "inspect" not in COMMANDS:
        report.skipped = "there is no `rtproxy inspect` yet"
        return
    turns = TURNS // 10 if stand.quick else TURNS
    times: dict[str, list[float]] = {view: [] for view in VIEWS}
    with stand.scratch() as folder:
        tape = folder / "hour.rtape"
        tell("inspect: writing a tape")
        write_tape(tape, turns)
        size = tape.stat().st_size
        for _ in range(max(3, stand.rounds)):
            for view, (option, lines, _) in VIEWS.items():
                tell(f"inspect: {view}")
                times[view].append(_read_head(tape, option, lines))
    report.columns = ("time",)
    for view, (_, _, budget) in VIEWS.items():
        figure = Figure(tuple(times[view]), "s")
        report.lines.append((view, (figure,)))
        report.at_most(view, figure, budget)
    report.notes.append(f"a tape of {turns * EVENTS + 1:,} events, {size / 1e6:,.0f} MB, sealed")


def _read_head(tape: Path, option: str, lines: int) -> float:
    """Seconds until so many lines are read and the command, its output closed, has ended."""
    start = time.perf_counter()
    with subprocess.Popen(
        python("-m", "rtproxy", "inspect", option, str(tape)),
        env=python_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        read = sum(1 for _ in zip(range(lines), process.stdout, strict=False))
        process.stdout.close()
        said = process.stderr.read().decode(errors="replace")
        process.wait()
    if read < lines:
        raise MeasurementError(f"inspect {option} printed {read} lines: {said.strip()[-200:]}")
    return time.perf_counter() - start
