"""Live voice sessions: 50 appends a second up and bursts of deltas down in each of them."""

from collections.abc import Sequence

from bench.figure import Figure, difference, percentile
from bench.proxies import DIRECT, RTPROXY
from bench.report import Report
from bench.stand import Load, Outcome, Stand

ADDED_MS = 10.0
HOPELESS_MS = 100.0
"""A target that adds this much is not given more sessions."""
PLAN = "every=10&reply=small&talk=1"


def measure_voice(stand: Stand, report: Report) -> None:
    """Measure the answers' latency with more and more sessions."""
    seconds, warm_up = (1.5, 0.5) if stand.quick else (8.0, 2.0)
    report.columns = ("median", "p99", "added, median", "added, p99", "core used", "load late, p99")
    names = [target.name for target in stand.targets]
    for sessions in (25, 50) if stand.quick else (100, 300, 500):
        arguments = {"sessions": sessions, "seconds": seconds, "warm_up": warm_up}
        measured = stand.measure(Load("voice", PLAN, arguments), only=names)
        medians = _latencies(measured.outcomes, 0.5)
        p99s = _latencies(measured.outcomes, 0.99)
        report.notes += measured.failed
        for name, outcomes in measured.outcomes.items():
            added = None if name == DIRECT else difference(p99s[name], p99s[DIRECT])
            report.lines.append(
                (
                    f"{name}, {sessions} sessions",
                    (
                        medians[name],
                        p99s[name],
                        None if name == DIRECT else difference(medians[name], medians[DIRECT]),
                        added,
                        None if name == DIRECT else _core(outcomes),
                        Figure(
                            tuple(percentile(it.result["lateness"], 0.99) / 1e3 for it in outcomes),
                            "ms",
                        ),
                    ),
                )
            )
            _note_losses(report, name, sessions, outcomes)
            if name == RTPROXY:
                report.at_most(f"added at {sessions} sessions, p99", added, ADDED_MS)
        names = [name for name in p99s if p99s[name].median < HOPELESS_MS]
        if RTPROXY not in names or DIRECT not in names:
            report.notes.append(f"more than {sessions} sessions were not tried")
            break
    report.note_noise("direct, p99", p99s[DIRECT])


def _latencies(outcomes: dict[str, list[Outcome]], share: float) -> dict[str, Figure]:
    """The percentile of each target's latencies, in ms; endless when there was no answer."""
    return {
        name: Figure(
            tuple(
                percentile(it.result["latencies"] or [float("inf")], share) / 1e3 for it in rounds
            ),
            "ms",
        )
        for name, rounds in outcomes.items()
    }


def _core(outcomes: Sequence[Outcome]) -> Figure:
    """CPU time of the proxy's processes over the time that passed."""
    shares = []
    for outcome in outcomes:
        begin, end = outcome.readings["begin"], outcome.readings["end"]
        shares.append((end.cpu - begin.cpu) / (end.clock - begin.clock) * 100)
    return Figure(tuple(shares), "%")


def _note_losses(report: Report, name: str, sessions: int, outcomes: Sequence[Outcome]) -> None:
    lost = sum(outcome.result["lost"] for outcome in outcomes)
    unanswered = sum(outcome.result["unanswered"] for outcome in outcomes)
    if lost or unanswered:
        report.notes.append(
            f"{name}, {sessions} sessions: {lost} sessions lost, {unanswered} answers late by 1 s"
        )
