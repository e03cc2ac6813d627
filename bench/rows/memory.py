"""Memory: what an open session takes, and what an hour's events in one session leave behind."""

from bench import machine
from bench.figure import Figure
from bench.message import APPENDS_PER_SECOND
from bench.proxies import DIRECT, RTPROXY
from bench.report import Report
from bench.stand import Load, Outcome, Stand

ANSWERED = 16
"""Every so many appends bring a delta: about as much audio down as in a long call."""
SESSION_KB = 200.0
NOISE_KB = 1000.0
"""Growth that an allocator's habits explain."""


def measure_memory(stand: Stand, report: Report) -> None:
    """Compare resident memory (all processes of a target) before and after."""
    if not machine.have_proc():
        report.skipped = "the memory of other processes is read from /proc, which is not here"
        return
    sessions = 100 if stand.quick else 500
    appends = 3600 * APPENDS_PER_SECOND // (10 if stand.quick else 1)
    others = [target.name for target in stand.targets if target.name != DIRECT]
    rounds = min(stand.rounds, 3)
    open_ = stand.measure(
        Load("idle", "every=1&reply=small", {"sessions": sessions}), only=others, rounds=rounds
    )
    hour = stand.measure(
        Load(
            "hour",
            f"every={ANSWERED}&reply=delta",
            {"appends": appends, "answered": ANSWERED},
            timeout=300,
        ),
        only=others,
        rounds=rounds,
    )
    report.columns = ("per open session", "growth", "at the end")
    for name in others:
        each = _figure(open_.outcomes.get(name), "begin", "open", sessions)
        growth = _figure(hour.outcomes.get(name), "warm", "end", 1)
        at_end = _figure(hour.outcomes.get(name), None, "end", 1)
        report.lines.append((name, (each, growth, at_end)))
        if name == RTPROXY:
            report.at_most("per open session", each, SESSION_KB)
            report.at_most("growth over an hour's events", growth, NOISE_KB, "none (≤ 1,000 KB)")
    report.notes += [*open_.failed, *hour.failed]
    report.notes.append(f"{sessions} open sessions; {appends:,} appends in the long one")


def _figure(
    outcomes: list[Outcome] | None, before: str | None, after: str, parts: int
) -> Figure | None:
    """KB between two marks, in so many parts; from nothing when there is no mark before."""
    if not outcomes:
        return None
    return Figure(
        tuple(
            (it.readings[after].memory - (it.readings[before].memory if before else 0))
            / parts
            / 1e3
            for it in outcomes
        ),
        "KB",
    )
