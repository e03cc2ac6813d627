"""Replaying a three-minute session as fast as it goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import MeasurementError
from bench.figure import Figure
from bench.process import (
    free_port,
    python,
    python_environment,
    running,
    wait_until_it_listens,
)
from bench.proxies import Endpoint
from bench.report import Report
from bench.stand import Load, Stand, tell
from bench.tape import EVENTS, TURN_S, write_tape

TURNS = 180 // TURN_S
BUDGET_MS = 100.0


def measure_replay(stand: Stand, report: Report) -> None:
    """Time a client that says all at once what is on the tape, until it has heard all."""
    times = []
    for number in range(stand.rounds):
        tell(f"replay: round {number + 1} of {stand.rounds}")
        try:
            times.append(_replay_once(stand))
        except MeasurementError as error:
            raise MeasurementError(f"rtproxy replay: {error}") from None
    report.columns = ("time",)
    figure = Figure(tuple(times), "ms")
    report.lines.append(("rtproxy replay --speed max", (figure,)))
    report.at_most("all events replayed", figure, BUDGET_MS)
    report.notes.append(f"{TURNS * EVENTS + 1:,} events")


@contextmanager
def replaying(stand: Stand, folder: Path, tape: Path, speed: str) -> Iterator[tuple[int, int]]:
    """`rtproxy replay` of a tape on the proxy's core; yields its port and process id."""
    port = free_port()
    command = python(
        *("-m", "rtproxy", "replay", str(tape), "--speed", speed),
        *("--listen", f"127.0.0.1:{port}"),
    )
    with running(
        command, folder=folder, cores=stand.cores.proxy, environment=python_environment()
    ) as process:
        wait_until_it_listens(process, port, folder)
        yield port, process.pid


def _replay_once(stand: Stand) -> float:
    with stand.scratch() as folder:
        tape = folder / "three-minutes.rtape"
        write_tape(tape, TURNS)
        with replaying(stand, folder, tape, "max") as (port, pid):
            load = Load("drive", "replay", {"tape": str(tape)})
            seconds: float = stand.run(load, Endpoint(port, pid)).result
            return seconds * 1e3
