"""What the page draws of a session over the axis of time: spans in lanes, in milliseconds."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from rtproxy.realtime.player import Track
from rtproxy.realtime.session import Session
from rtproxy.realtime.turn import Turn

Lane = Literal["caller", "assistant", "responses", "tools"]
LANES: tuple[Lane, ...] = ("caller", "assistant", "responses", "tools")

Look = Literal[
    "speech", "waiting", "heard", "unheard", "dry", "streaming", "tool",
    "completed", "cancelled", "incomplete", "failed", "open",
]  # fmt: skip
ENDS: Mapping[str, Look] = {
    "completed": "completed",
    "cancelled": "cancelled",
    "incomplete": "incomplete",
    "failed": "failed",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a lane. `about` is a word on it."""

    lane: Lane
    start_ms: float
    end_ms: float
    look: Look
    about: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """A session as it is drawn; `times` are those of the events that differences name, in ms."""

    session: Session
    times: Mapping[int, float] = field(default_factory=dict)

    @property
    def end_ms(self) -> float:
        """When the last event came, or the last sound."""
        ends = [track.end_ms for track in self.session.tracks if track.segments]
        return max([self.session.now_ms, *ends])

    def turn_span(self, n: int) -> tuple[float, float] | None:
        """When a turn began, and when the next one did or all was over."""
        turns = self.session.turns
        turn, after = turns.number(n), turns.number(n + 1)
        if turn is None:
            return None
        start = began(turn)
        end = self.end_ms if after is None else began(after)
        return start, max(start, end)


def began(turn: Turn) -> float:
    """When a turn's first sound came, or what else it began with, in ms."""
    return min([turn.began_ms, *(s.onset_ms for s in turn.speech if s.onset_ms is not None)])


def spans(session: Session) -> Iterator[Span]:
    """All spans, those that lie on top after those that they cover."""
    yield from _caller(session)
    yield from _assistant(session)
    yield from _responses(session)
    for call in session.tool_calls:
        if call.done_ms is not None:
            end = call.done_ms if call.output_ms is None else call.output_ms
            yield Span("tools", call.done_ms, end, "tool", call.name or "")


def _caller(session: Session) -> Iterator[Span]:
    for turn in session.turns:
        for speech in turn.speech:
            over = session.now_ms if speech.stopped_ms is None else speech.stopped_ms
            start = speech.started_ms if speech.onset_ms is None else speech.onset_ms
            silent = over if speech.fell_silent_ms is None else speech.fell_silent_ms
            yield Span("caller", silent, over, "waiting", "waiting for the end of speech")
            yield Span("caller", start, silent, "speech", turn.user or "speech")


def _assistant(session: Session) -> Iterator[Span]:
    if not session.plays:
        return
    begins = sorted(t.segments[0].start_ms for t in session.tracks if t.segments)
    for track in session.tracks:
        yield from _unheard(track, begins)
    for track in session.tracks:
        for part in track.segments:
            yield Span("assistant", part.start_ms, part.end_ms, "heard", "heard")
        for hole in track.underruns:
            yield Span("assistant", hole.at_ms, hole.at_ms + hole.ms, "dry", "ran dry")


def _unheard(track: Track, begins: list[float]) -> Iterator[Span]:
    """What was cut off before it was played, up to what is heard next."""
    rest = track.received_ms - sum(part.ms for part in track.segments)
    if track.cut_ms is not None and rest >= 1:
        start = max(track.cut_ms, track.first_ms)
        after = bisect_left(begins, start)
        end = min([start + rest, *begins[after : after + 1]])
        yield Span("assistant", start, end, "unheard", "never heard")


def _responses(session: Session) -> Iterator[Span]:
    for response in session.responses:
        start = response.created_ms
        if start is None:
            continue
        done = session.now_ms if response.done_ms is None else response.done_ms
        first = done if response.first_ms is None else min(response.first_ms, done)
        end = ENDS.get(response.status or "", "open")
        yield Span("responses", start, first, "waiting", "waiting for the first word")
        yield Span("responses", first, done, "streaming", response.status or "still open")
        yield Span("responses", done, done, end, response.status or "still open")
