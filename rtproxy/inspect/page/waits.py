"""Where the time went between the caller's last word and the assistant's first, span after span."""

from dataclasses import dataclass
from typing import Literal

from rtproxy.realtime.item import ToolCall
from rtproxy.realtime.response import Response
from rtproxy.realtime.session import Session
from rtproxy.realtime.turn import Turn

What = Literal["endpoint", "queue", "model", "tool", "client"]
"""What is waited for. client: for the client to go on, when nothing else is under way."""
LEAST_MS = 1.0


@dataclass(frozen=True, slots=True)
class Wait:
    what: What
    start_ms: float
    end_ms: float

    @property
    def ms(self) -> float:
        return self.end_ms - self.start_ms


def waits(session: Session, turn: Turn) -> list[Wait]:
    """The waits of a turn, one after the other, from its end to the first sound or word of an
    answer; empty where they are not known. Together they are the turn's `v2v_ms`, if it has one.
    """
    if not session.times_known or turn.damaged:
        return []
    first = session.meter.first_said(turn)
    until = first.first_ms if first is not None else None
    begin = _end_of_speech(session, turn)
    if until is None or begin is None or first is None or until <= begin:
        return []
    spans: list[Wait] = []
    if turn.speech and turn.kind == "speech" and turn.ended_ms is not None:
        spans.append(Wait("endpoint", begin, turn.ended_ms))
    for response in turn.responses[: turn.responses.index(first) + 1]:
        spans += _waits_of(response)
    return _joined(spans, begin, until)


def _waits_of(response: Response) -> list[Wait]:
    created = response.created_ms
    if created is None:
        return []
    spans = [] if response.ask_ms is None else [Wait("queue", response.ask_ms, created)]
    calls = [call for call in response.calls.values() if call.done_ms is not None]
    ends = [response.first_ms, *(call.done_ms for call in calls), response.done_ms]
    said = next((ms for ms in ends if ms is not None), None)
    if said is not None:
        spans.append(Wait("model", created, said))
    return spans + _tools(calls)


def _tools(calls: list[ToolCall]) -> list[Wait]:
    """Calls of one response run side by side: from the first to the slowest."""
    begins = [call.done_ms for call in calls if call.done_ms is not None]
    ends = [call.output_ms for call in calls if call.output_ms is not None]
    return [Wait("tool", min(begins), max(ends))] if begins and ends else []


def _end_of_speech(session: Session, turn: Turn) -> float | None:
    """What voice to voice is counted from; where there is none, when an answer was due."""
    whole = session.meter.value(turn, "v2v_ms")
    first = session.meter.first_audio(turn)
    if whole is not None and first is not None:
        return first - whole
    speech = turn.speech[-1] if turn.speech else None
    if speech is not None and speech.fell_silent_ms is not None and session.input_complete:
        return speech.fell_silent_ms
    return turn.due_ms if turn.due_ms is not None else turn.ended_ms


def _joined(spans: list[Wait], begin: float, until: float) -> list[Wait]:
    """Spans from `begin` to `until` without overlaps; what lies between them is the client's."""
    joined: list[Wait] = []
    at = begin
    for span in [*spans, Wait("client", until, until)]:
        start, end = min(max(span.start_ms, at), until), min(span.end_ms, until)
        if start - at >= LEAST_MS:
            joined.append(Wait("client", at, start))
            at = start
        if end > at:
            joined.append(Wait(span.what, at, end))
            at = end
    return joined
