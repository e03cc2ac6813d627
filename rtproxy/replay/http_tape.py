"""An HTTP exchange from a tape: does the request's body mean the same, and what is the answer."""

from collections.abc import Iterator
from typing import Any

from rtproxy.errors import ReplayError
from rtproxy.replay.diagnosis import broken_matcher, leave_out
from rtproxy.replay.expiry import refresh
from rtproxy.replay.ids import IdMap
from rtproxy.replay.matching import ABSENT, Difference, Rules, compare
from rtproxy.replay.message import parse_message
from rtproxy.replay.recording import Recording
from rtproxy.replay.report import Place, Report
from rtproxy.replay.selection import ORIGIN_HEADER
from rtproxy.wire.handshake import Headers, end_to_end_headers, header_values

_MADE_ANEW = {"content-length", "content-encoding", ORIGIN_HEADER}
_RECORD = "Record the tape again, if the client was changed on purpose (rtproxy record)."
_LENIENT = "Use --match lenient to be warned and go on."


def compare_body(recording: Recording, body: bytes, rules: Rules) -> Report | None:
    """How the body of a request differs from the recorded one; None if it does not.

    JSON is compared by value, anything else by bytes; what was redacted matches anything.
    """
    script = recording.script
    if script.gaps and not script.client:
        return None  # it was too long for the tape
    value = _read(body)
    if not script.client:
        if not body:
            return None
        return Report(
            "unexpected",
            "the request has a body, where the recorded one has none.",
            received=value,
            advice=(_RECORD, _LENIENT),
        )
    step = script.client[0]
    recorded = Place(step.seq, step.t_ns, "the body", step.value)
    received = value if body else ABSENT
    try:
        comparison = compare(script, step, value, rules, IdMap())
    except ReplayError as error:
        return broken_matcher(recorded, received, str(error))
    differences = comparison.differences
    if not differences:
        return None
    if comparison.matcher:
        return Report(
            "differing",
            f"the request's body differs from the tape, says the matcher {comparison.matcher}.",
            recorded,
            received,
            advice=(_RECORD, _LENIENT),
        )
    return Report(
        "differing",
        f"the request's body differs from the tape at {_paths(differences)}.",
        recorded,
        received,
        tuple(differences),
        advice=(leave_out(differences), _RECORD, _LENIENT),
    )


def answer_headers(recording: Recording) -> Headers:
    """The recorded answer's headers that can be sent again; its body goes uncompressed."""
    return [
        (name, value)
        for name, value in end_to_end_headers(recording.headers, websocket=False)
        if name.lower() not in _MADE_ANEW
    ]


def answer_parts(recording: Recording, now_s: float) -> Iterator[tuple[float, bytes]]:
    """The answer's body: (seconds after the part before it or the request, bytes).

    A streamed answer has one part for each server-sent event. JSON is brought up to date: see
    `expiry`; `now_s` is seconds since 1970.
    """
    if recording.body:
        yield 0.0, _bytes(recording.body)
    header = recording.script.header
    started_ns = header.started_ns if header else None
    recorded_s = started_ns / 1e9 if started_ns else None
    is_json = "json" in (header_values(recording.headers, "Content-Type") or "").lower()
    client = recording.script.client
    before_ns = client[-1].t_ns if client else 0
    for step in recording.script.server:
        if step.kind == "message":
            payload = step.payload
            if is_json and isinstance(payload, str):
                payload = refresh(payload, recorded_s, now_s)
            yield max(0, step.t_ns - before_ns) / 1e9, _bytes(payload)
            before_ns = step.t_ns


def breaks_off(recording: Recording) -> bool:
    """Whether the recorded answer ended before it was complete."""
    ending = recording.script.ending
    return ending is not None and ending.kind == "reset"


def _read(body: bytes) -> Any:
    try:
        return parse_message(body.decode())
    except UnicodeDecodeError:
        return body


def _bytes(payload: str | bytes) -> bytes:
    return payload.encode("utf-8", "replace") if isinstance(payload, str) else payload


def _paths(differences: list[Difference]) -> str:
    return ", ".join("its whole" if one.path == "$" else one.path for one in differences[:3])
