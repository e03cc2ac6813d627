"""How exactly a replay keeps the recorded pace."""

from bench.errors import MeasurementError
from bench.figure import Figure, percentile
from bench.proxies import Endpoint
from bench.report import Report
from bench.rows.replay import replaying
from bench.stand import Load, Stand, tell
from bench.tape import TURN_S, write_tape

TURNS = 2
BUDGET_MS = 5.0


def measure_pace(stand: Stand, report: Report) -> None:
    """Play a tape at speed 1 to a client that is on time; compare with the tape's times."""
    medians, worst = [], []
    for number in range(stand.rounds):
        tell(f"pace: round {number + 1} of {stand.rounds}")
        try:
            errors = [abs(late) * 1e3 for late in _play_once(stand)]
        except MeasurementError as error:
            raise MeasurementError(f"rtproxy replay: {error}") from None
        medians.append(percentile(errors, 0.5))
        worst.append(percentile(errors, 0.99))
    report.columns = ("median error", "p99 error")
    figures = Figure(tuple(medians), "ms"), Figure(tuple(worst), "ms")
    report.lines.append(("rtproxy replay --speed 1", figures))
    report.at_most("median error of a server event", figures[0], BUDGET_MS)
    report.notes.append(f"{TURNS * TURN_S} s of a call in each round")


def _play_once(stand: Stand) -> list[float]:
    with stand.scratch() as folder:
        tape = folder / "call.rtape"
        write_tape(tape, TURNS)
        with replaying(stand, folder, tape, "1") as (port, pid):
            load = Load("pace", "replay", {"tape": str(tape)})
            late: list[float] = stand.run(load, Endpoint(port, pid)).result
            return late
