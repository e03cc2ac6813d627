"""Findings about what the service refused, ignored or broke off."""

from bisect import bisect_left
from collections.abc import Iterator

from rtproxy.realtime.event import string
from rtproxy.realtime.finding import Finding, evidence
from rtproxy.realtime.metrics import Meter
from rtproxy.realtime.phrase import problem as problem_text
from rtproxy.realtime.phrase import short, value_text
from rtproxy.realtime.problem import EXPIRED, Ending
from rtproxy.realtime.reply_rules import rate_limited
from rtproxy.realtime.thresholds import NO_ANSWER_MS
from rtproxy.realtime.updates import Update

NORMAL = {None, 1000, 1005}
"""Close codes of sessions that ended as they should; RFC 6455 §7.4.1."""
MAX_NAMED = 4


def response_active(meter: Meter) -> Iterator[Finding]:
    """A response was asked for, or due, while another was under way."""
    call = meter.call
    turns = {t.refused.seq: t for t in call.turns.all if t.refused is not None}
    responses = list(call.answers.responses.by_id.values())
    created = [response.seq for response in responses]
    for problem in call.problems:
        if not problem.still_active:
            continue
        turn = turns.get(problem.seq)
        before = bisect_left(created, problem.seq)
        active = responses[before - 1].seq if before else None
        unanswered = turn is not None and not turn.produced
        who = "The client asked for a response" if problem.cause_seq else "A turn was over"
        yield Finding(
            "response-active",
            "error" if unanswered else "warning",
            turn.n if turn is not None else None,
            evidence(problem.cause_seq, active, problem.seq),
            f"{who} while another was under way, and the server refused it"
            + (f"; turn {turn.n} got no reply." if unanswered and turn else "."),
            "Wait for response.done before the next response.create, and do not ask for what turn "
            "detection asks for by itself (create_response).",
        )


def config_refused(meter: Meter) -> Iterator[Finding]:
    """A session.update did not come into force."""
    call = meter.call
    for update in call.updates:
        if update.problem is not None:
            problem = update.problem
            why = problem.message or problem.code or "no reason is given"
            yield Finding(
                "config-refused",
                "error",
                None,
                evidence(update.seq, problem.seq),
                f"The server refused a session.update, all of it: {short(why, 200)}",
                f"Correct {problem.param or 'the setting that the error names'}; until then the "
                "session runs with what it had before.",
            )
        elif update.ignored:
            yield _ignored(update)
        elif update.answer_seq is None and call.times_known and not call.gaps:
            waited_ms = call.now_ms - update.t_ms
            if waited_ms > NO_ANSWER_MS:
                yield Finding(
                    "config-refused",
                    "warning",
                    None,
                    evidence(update.seq),
                    f"The server has not answered a session.update for {waited_ms / 1000:.0f} s.",
                    "Check that the server supports session.update; wait for session.updated "
                    "before relying on it.",
                )


def _ignored(update: Update) -> Finding:
    named = [
        f"{path} is {_told(found)}, not {_told(wanted)}" for path, wanted, found in update.ignored
    ]
    more = f", and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    return Finding(
        "config-refused",
        "warning",
        None,
        evidence(update.seq, update.answer_seq),
        f"The server ignored settings: {'; '.join(named[:MAX_NAMED])}{more}.",
        "Look up which values this server and model support.",
    )


def _told(value: object) -> str:
    return "null" if value is None else value_text(value)


def session_dropped(meter: Meter) -> Iterator[Finding]:
    """The service stopped serving: the session expired, a limit was reached, the line broke."""
    call = meter.call
    told: set[str | None] = set()
    for turn in call.turns.all:
        for response in turn.responses:
            if response.status == "failed" and rate_limited(response):
                told.add(string(response.error, "message"))
                yield Finding(
                    "session-dropped",
                    "error",
                    turn.n,
                    evidence(response.seq, response.done_seq),
                    f"A rate limit kept turn {turn.n} from being answered: "
                    f"{problem_text(response.error)}",
                    "Wait as long as rate_limits.updated says, then ask again; spend fewer tokens "
                    "on instructions and history, or have the limit raised.",
                )
    for problem in call.problems:
        # The same limit may be told in an error and in the response that it fails.
        if problem.code == EXPIRED or (problem.rate_limited and problem.message not in told):
            expired = problem.code == EXPIRED
            ended = call.ending.seq if expired and call.ending is not None else None
            yield Finding(
                "session-dropped",
                "error",
                _unfinished(meter),
                evidence(problem.seq, ended),
                problem.message or str(problem.code or problem.type),
                "Open a new session in time, and give it the conversation so far."
                if expired
                else "Wait before the next request.",
            )
    ending = call.ending
    explained = any(problem.code == EXPIRED for problem in call.problems)
    if ending is not None and not explained and _broken(ending):
        last = call.problems[-1] if call.problems else None
        said = f"; its last error was: {last.message or last.code}" if last is not None else ""
        yield Finding(
            "session-dropped",
            "error",
            _unfinished(meter),
            evidence(last.seq if last is not None else None, ending.seq),
            f"{_how(ending)}{said}.",
            "Reconnect, and give the new session the conversation so far."
            if ending.name != "refused"
            else "Check the key, the URL, the model and the limits of the account.",
        )


def _unfinished(meter: Meter) -> int | None:
    """The turn that was not through when the session ended."""
    turn = meter.call.turns.current
    if turn is None or turn.end not in ("open", "unanswered"):
        return None
    return turn.n


def _broken(ending: Ending) -> bool:
    if ending.injected:
        return False
    if ending.name == "close":
        return ending.by_server and ending.code not in NORMAL
    return ending.by_server or ending.name in ("refused", "protocol_error")


def _how(ending: Ending) -> str:
    code = "" if ending.code is None else f" with {ending.code}"
    reason = f" ({short(ending.reason, 200)})" if ending.reason else ""
    match ending.name:
        case "close":
            return f"The server closed the session{code}{reason}"
        case "refused":
            return f"The server refused the connection{code}{reason}"
        case "protocol_error":
            return f"The connection broke the WebSocket protocol{reason}"
        case "reset":
            return "The server reset the connection"
    return "The server ended the connection without closing the session"
