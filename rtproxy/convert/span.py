"""A call as a tree of spans: the conversation, its turns, their responses, the tools in them.

conversation
  └─ turn          from the caller's first sound to the last that came of it
      ├─ speech    what the server heard, and `endpoint`, the wait until it said so
      ├─ response  from who asked for it to its end; in it `queue`, `model` and `stream`
      └─ tool      from the complete arguments to the client's output
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from rtproxy.realtime.item import ToolCall
from rtproxy.realtime.response import Response
from rtproxy.realtime.session import Session
from rtproxy.realtime.turn import Turn

Kind = Literal[
    "conversation", "turn", "speech", "endpoint", "response", "queue", "model", "stream", "tool"
]


@dataclass(slots=True)
class Span:
    """Something that lasts. Times are ms on the tape; `seq` is the event that it begins with.

    The one of `turn`, `response` and `call` that it is about is set. Children lie within it.
    """

    kind: Kind
    start_ms: float
    end_ms: float
    seq: int | None = None
    turn: Turn | None = None
    response: Response | None = None
    call: ToolCall | None = None
    children: list["Span"] = field(default_factory=list)

    def walk(self) -> Iterator["Span"]:
        """The span and all below it, each before its children."""
        yield self
        for child in self.children:
            yield from child.walk()


def conversation(session: Session) -> Span:
    """The spans of a session whose times are known.

    Responses outside of the conversation are children of the root.
    """
    root = Span("conversation", session.first_ms or 0.0, session.now_ms)
    root.children = [_turn(session, turn) for turn in session.turns]
    beside = [response for response in session.responses if response.out_of_band]
    root.children += [_response(session, response) for response in beside]
    return root


def _turn(session: Session, turn: Turn) -> Span:
    parts = _speech(session, turn)
    parts += [_response(session, response) for response in turn.responses]
    parts += [span for call in turn.calls if (span := _tool(session, call)) is not None]
    played = [
        track.end_ms
        for response in turn.responses
        for track in session.meter.tracks.get(response.id, ())
        if session.plays
    ]
    start = min([turn.began_ms, *(part.start_ms for part in parts)])
    end = max([start, *(part.end_ms for part in parts), *played])
    return Span("turn", start, min(end, session.now_ms), turn.seq, turn=turn, children=parts)


def _speech(session: Session, turn: Turn) -> list[Span]:
    found = []
    for speech in turn.speech:
        start = speech.started_ms if speech.onset_ms is None else speech.onset_ms
        stop = session.now_ms if speech.stopped_ms is None else speech.stopped_ms
        silent = stop if speech.fell_silent_ms is None else speech.fell_silent_ms
        silent = min(max(start, silent), stop)
        found.append(Span("speech", start, silent, speech.started_seq, turn=turn))
        if silent < stop:
            found.append(Span("endpoint", silent, stop, speech.stopped_seq, turn=turn))
    return found


def _response(session: Session, response: Response) -> Span:
    """Who asked for it, when it was created, when the first of it came, when it was done."""
    done = session.now_ms if response.done_ms is None else response.done_ms
    created = done if response.created_ms is None else min(response.created_ms, done)
    if response.created_ms is None:  # its beginning is not on the tape
        created = min((t for t in (response.first_ms, done) if t is not None), default=done)
    ask = created if response.ask_ms is None else min(response.ask_ms, created)
    first = done if response.first_ms is None else min(max(response.first_ms, created), done)
    parts = [
        Span("queue", ask, created, response.ask_seq, response=response),
        Span("model", created, first, response.seq, response=response),
        Span("stream", first, done, response=response),
    ]
    kept = [part for part in parts if part.end_ms > part.start_ms]
    return Span("response", ask, done, response.seq, response=response, children=kept)


def _tool(session: Session, call: ToolCall) -> Span | None:
    if call.done_ms is None:
        return None
    end = session.now_ms if call.output_ms is None else call.output_ms
    return Span("tool", call.done_ms, max(call.done_ms, end), call.done_seq, call=call)
