"""The audio of a one-hour tape: both sides to a stereo WAV file, as heard and as delivered."""

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

TURNS = 450
WAYS = ("heard", "delivered")
SECONDS = 5.0
MEMORY_KB = 300_000


def measure_export(stand: Stand, report: Report) -> None:
    """Time the command from its start to its end, and ask how much memory it took."""
    turns = TURNS // 10 if stand.quick else TURNS
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    peaks: dict[str, list[float]] = {way: [] for way in WAYS}
    with stand.scratch() as folder:
        tape, out = folder / "hour.rtape", folder / "hour.wav"
        tell("export: writing a tape")
        write_tape(tape, turns)
        size = tape.stat().st_size
        for _ in range(max(3, stand.rounds)):
            for way in WAYS:
                tell(f"export: as {way}")
                seconds, peak = _export(tape, out, way)
                times[way].append(seconds)
                peaks[way].append(peak)
        written = out.stat().st_size
    report.columns = ("time", "peak memory")
    for way in WAYS:
        figures = Figure(tuple(times[way]), "s"), Figure(tuple(peaks[way]), "KB")
        report.lines.append((f"as {way}", figures))
        report.at_most(f"wav, as {way}", figures[0], SECONDS)
        report.at_most(f"wav, as {way}, memory", figures[1], MEMORY_KB)
    report.notes.append(
        f"a tape of {turns * EVENTS + 1:,} events, {size / 1e6:,.0f} MB, sealed; the file has "
        f"{written / 1e6:,.0f} MB"
    )


def _export(tape: Path, out: Path, way: str) -> tuple[float, int]:
    """Seconds that the command takes, and the most memory that it takes, in KB."""
    start = time.perf_counter()
    with subprocess.Popen(
        python("-m", "rtproxy", "export", "wav", str(tape), "-o", str(out), "--force", "--as", way),
        env=python_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.read().decode(errors="replace")
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise MeasurementError(f"export ended with {process.returncode}: {said.strip()[-200:]}")
    return time.perf_counter() - start, used.ru_maxrss
