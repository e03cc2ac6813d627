"""The parts of a session that lie within a span of time, found without looking at all of them."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from itertools import accumulate
from math import inf
from typing import Generic, TypeVar

from rtproxy.inspect.timeline import Span, began
from rtproxy.realtime.item import ToolCall
from rtproxy.realtime.loudness import Loudness
from rtproxy.realtime.player import Track
from rtproxy.realtime.problem import Problem
from rtproxy.realtime.response import Response
from rtproxy.realtime.session import Session
from rtproxy.realtime.turn import Turn

T = TypeVar("T")
Extent = tuple[float, float]


class Extents(Generic[T]):
    """Things that begin and end, to be found by time."""

    def __init__(self, things: Iterable[T], extent: Callable[[T], Extent | None]) -> None:
        placed = [(found, thing) for thing in things if (found := extent(thing)) is not None]
        placed.sort(key=lambda pair: pair[0])
        self._things = [thing for _, thing in placed]
        self._starts = [start for (start, _), _ in placed]
        # The latest end so far: what stands before the first that reaches the span is over.
        self._ends = list(accumulate((end for (_, end), _ in placed), max))

    def __len__(self) -> int:
        return len(self._things)

    def within(self, span: Span) -> list[T]:
        """What may be seen in a span; what is not among it cannot."""
        first = bisect_left(self._ends, span.start_ms)
        return self._things[first : bisect_right(self._starts, span.end_ms)]


class Stage:
    """What a timeline draws of a session as it stands."""

    def __init__(self, session: Session, loudness: Loudness | None) -> None:
        self._session = session
        self.loudness = loudness
        self._turns = Extents(session.turns, lambda turn: _of_turn(turn, session.now_ms))
        self._responses = Extents(session.responses, _of_response)
        self._tracks = Extents(session.tracks, _of_track)
        self._calls = Extents(session.tool_calls, _of_call)
        self._errors = Extents(session.errors, lambda problem: (problem.t_ms, problem.t_ms))

    def within(self, span: Span) -> "Scenery":
        """What can be seen of it in a span of time."""
        return Scenery(
            self._session.now_ms,
            self._session.plays,
            self.loudness,
            self._turns.within(span),
            self._responses.within(span),
            self._tracks.within(span),
            self._calls.within(span),
            self._errors.within(span),
        )


class Scenery:
    """As much of a session as a timeline needs to draw a part of it."""

    def __init__(
        self,
        now_ms: float,
        plays: bool,
        loudness: Loudness | None,
        turns: list[Turn],
        responses: list[Response],
        tracks: list[Track],
        tool_calls: list[ToolCall],
        errors: list[Problem],
    ) -> None:
        self.now_ms = now_ms
        self.plays = plays
        self.loudness = loudness
        self.turns = turns
        self.responses = responses
        self.tracks = tracks
        self.tool_calls = tool_calls
        self.errors = errors


def _of_turn(turn: Turn, now_ms: float) -> Extent:
    ends = (now_ms if s.stopped_ms is None else s.stopped_ms for s in turn.speech)
    return began(turn), max([turn.began_ms, *ends])


def _of_response(response: Response) -> Extent | None:
    if response.created_ms is None:
        return None
    return response.created_ms, inf if response.done_ms is None else response.done_ms


def _of_track(track: Track) -> Extent:
    # What was cut is drawn as unheard for as long as it would have played.
    start = track.segments[0].start_ms if track.segments else track.first_ms
    cut = track.first_ms if track.cut_ms is None else track.cut_ms
    return min(start, track.first_ms), max(track.end_ms, cut) + track.received_ms


def _of_call(call: ToolCall) -> Extent | None:
    if call.done_ms is None:
        return None
    return call.done_ms, call.done_ms if call.output_ms is None else call.output_ms
