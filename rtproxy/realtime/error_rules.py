"""Findings about errors that no other finding rests on."""

from bisect import bisect_right
from collections.abc import Collection, Iterator

from rtproxy.realtime.finding import Finding, Severity, evidence
from rtproxy.realtime.metrics import Meter
from rtproxy.realtime.phrase import problem as problem_text
from rtproxy.realtime.phrase import short
from rtproxy.realtime.problem import EXPIRED, Problem

TOO_LATE = "response_cancel_not_active"
"""The code where a response had ended before it was cancelled, as happens to every client."""
INVALID = "invalid_request_error"
LONGEST = 80
"""Characters of a name that a peer has chosen."""


def untold_errors(meter: Meter, told: Collection[int]) -> Iterator[Finding]:
    """Errors but those whose seqs are in `told`; what comes again and again is one finding."""
    alike: dict[tuple[str | None, ...], list[Problem]] = {}
    for problem in meter.call.problems:
        drops = problem.code == EXPIRED or problem.rate_limited  # told of as that, once
        if problem.seq not in told and not drops:
            which = problem.code or problem.message, problem.type, problem.cause_type, problem.param
            alike.setdefault(which, []).append(problem)
    turns = [turn.seq for turn in meter.call.turns.all]
    for problems in alike.values():
        turn = bisect_right(turns, problems[0].seq) or None
        yield _refusal(turn, problems) if _refuses(problems[0]) else _failure(turn, problems)


def _refuses(problem: Problem) -> bool:
    """Whether it is about something that the client did, rather than about the server."""
    return problem.type == INVALID or problem.cause_seq is not None


def _refusal(turn: int | None, problems: list[Problem]) -> Finding:
    first = problems[0]
    severity: Severity = "warning"
    step = f"Correct {short(first.param or 'it', LONGEST)}: the server has done nothing of it."
    if first.code == TOO_LATE:
        severity, step = "info", "Nothing is lost; cancel only while a response is under way."
    request = short(first.cause_type or "a request", LONGEST)
    return Finding(
        "request-refused",
        severity,
        turn,
        evidence(first.cause_seq, *(problem.seq for problem in problems)),
        f"The server refused {request}{_times(problems)}, {_said(first)}",
        step,
    )


def _failure(turn: int | None, problems: list[Problem]) -> Finding:
    first = problems[0]
    return Finding(
        "server-error",
        "warning",
        turn,
        evidence(*(problem.seq for problem in problems)),
        f"The server had an error{_times(problems)}, {_said(first)}",
        "See what did not come after it, and ask again; report the session's id to the provider.",
    )


def _times(problems: list[Problem]) -> str:
    return f" {len(problems):,} times" if len(problems) > 1 else ""


def _said(problem: Problem) -> str:
    words = problem_text({"code": problem.code, "type": problem.type, "message": problem.message})
    return words if words.endswith(".") else f"{words or 'and gave no reason'}."
