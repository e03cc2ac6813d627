"""A call drawn in character cells: lanes over one axis of time.

    timeline = Timeline(session, moments, Span(0, 7750), width=69)
    for lane in timeline.lanes():
        print(lane.name, "".join(text for text, tone in lane.runs()))

Each cell stands for the same length of time, and shows what of it matters most. Nothing from the
tape is in a lane but the names of tools, and of those only what is plain ASCII.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, Protocol, TypeVar

from rtproxy.realtime.finding import SEVERITIES, Finding
from rtproxy.realtime.item import ToolCall
from rtproxy.realtime.loudness import Loudness
from rtproxy.realtime.player import Track
from rtproxy.realtime.problem import Problem
from rtproxy.realtime.response import Response
from rtproxy.realtime.session import Session
from rtproxy.realtime.turn import Turn
from rtproxy.tape.record import Control, Event
from rtproxy.view.axis import clock, step_of

T = TypeVar("T")

Tone = Literal[
    "", "axis", "quiet", "caller", "waiting", "heard", "unheard", "dry",
    "good", "cut", "tool", "info", "warning", "error",
]  # fmt: skip

SPARK = "▁▂▃▄▅▆▇█"
SILENT_DB, LOUD_DB = -54.0, -12.0
"""Levels that the lowest and the highest bar stand for; speech lies between."""
SPEECH, WAITING, STREAMING, TOOL = "━", "╌", "─", "━"
HEARD, UNHEARD, DRY, ERROR = "█", "░", "×", "!"
ENDS: dict[str, tuple[str, Tone]] = {
    "completed": ("✓", "good"),
    "cancelled": ("~", "cut"),
    "incomplete": ("≈", "warning"),
    "failed": ("!", "error"),
}
"""How a response ended → what stands where it did."""
OPEN: tuple[str, Tone] = ("?", "warning")
MARKS: dict[str, str] = {"info": "●", "warning": "▲", "error": "■"}
LEGEND = {
    SPEECH: "speech",
    HEARD: "heard",
    UNHEARD: "never heard",
    DRY: "ran dry",
    WAITING: "waiting",
    "✓": "completed",
    "~": "cut short",
    "≈": "incomplete",
    "!": "failed",
    "?": "still open",
}
TICK_CELLS = 9
"""Cells between two ticks, at least."""
MARGIN_MS = 200.0
"""What is shown before and after a single turn."""


_TIMED = (Event, Control)  # written out in place it would be made anew for each record
_SEQS_END = 1 << 63
_LATEST_NS = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the tape's time, in ms."""

    start_ms: float
    end_ms: float

    @property
    def ms(self) -> float:
        return self.end_ms - self.start_ms


class Moments:
    """When each record of a tape came; 16 bytes are kept of each."""

    def __init__(self) -> None:
        self._seqs = array("q")
        self._times = array("q")

    def note(self, records: Iterable[T]) -> Iterator[T]:
        """The records as they come, of which the times are noted."""
        for record in records:
            self.take(record)
            yield record

    def take(self, record: object) -> None:
        """Note the time of a record, if it has one."""
        if isinstance(record, _TIMED) and 0 <= record.seq < _SEQS_END:
            self._seqs.append(record.seq)
            self._times.append(min(record.t_ns, _LATEST_NS))

    def ms(self, seq: int) -> float | None:
        """The time of a record; None for one that is not there."""
        at = bisect_left(self._seqs, seq)
        if at == len(self._seqs) or self._seqs[at] != seq:
            return None
        return self._times[at] / 1e6


class Lane:
    """A named row of cells, each a character and its tone."""

    def __init__(self, name: str, width: int) -> None:
        self.name = name
        self._chars = [" "] * width
        self._tones: list[Tone] = [""] * width

    def put(self, at: int, text: str, tone: Tone) -> None:
        """Write over the cells from `at`; what lies outside is left out."""
        for cell, char in enumerate(text, at):
            if 0 <= cell < len(self._chars):
                self._chars[cell], self._tones[cell] = char, tone

    def free(self, at: int, width: int) -> bool:
        """Whether nothing stands in these cells, and they are there."""
        end = at + width
        return at >= 0 and end <= len(self._chars) and not "".join(self._chars[at:end]).strip()

    @property
    def text(self) -> str:
        return "".join(self._chars)

    def runs(self) -> Iterator[tuple[str, Tone]]:
        """Neighbouring cells of one tone, as text."""
        cells = zip(self._chars, self._tones, strict=True)
        for tone, run in groupby(cells, key=lambda cell: cell[1]):
            yield "".join(char for char, _ in run), tone


def span_of(session: Session, turn: Turn | None = None) -> Span:
    """The whole call's time, or that from a turn's first sound to the next turn."""
    if turn is None:
        return Span(0.0, max(session.now_ms, 1.0))
    start = began(turn)
    after = session.turns.number(turn.n + 1)
    end = session.now_ms if after is None else after.began_ms
    marks = [r.done_ms for r in turn.responses if r.done_ms is not None]
    marks += [track.end_ms for r in turn.responses for track in session.meter.tracks.get(r.id, ())]
    if after is None and marks:
        end = min(end, max([turn.began_ms, *marks]))
    end = max(end, start + 1.0)
    return Span(max(0.0, start - MARGIN_MS), min(end + MARGIN_MS, max(session.now_ms, end)))


def began(turn: Turn) -> float:
    """When a turn's first sound came, or what else it began with, in ms."""
    return min([turn.began_ms, *(s.onset_ms for s in turn.speech if s.onset_ms is not None)])


def marks_of(findings: Iterable[Finding]) -> list[tuple[str, Finding]]:
    """Each finding with its mark: a sign of its severity and its number."""
    return [(f"{MARKS[found.severity]}{n}", found) for n, found in enumerate(findings, 1)]


class Scene(Protocol):
    """What is drawn: a session, or as much of one as there is to be seen."""

    now_ms: float

    @property
    def plays(self) -> bool: ...
    @property
    def loudness(self) -> Loudness | None: ...
    @property
    def turns(self) -> Iterable[Turn]: ...
    @property
    def responses(self) -> list[Response]: ...
    @property
    def tracks(self) -> list[Track]: ...
    @property
    def tool_calls(self) -> list[ToolCall]: ...
    @property
    def errors(self) -> list[Problem]: ...


class Clock(Protocol):
    """Knows when each record came."""

    def ms(self, seq: int) -> float | None: ...


class Timeline:
    """Draws the lanes of a session for a span of its time in `width` cells."""

    def __init__(self, session: Scene, moments: Clock, span: Span, width: int) -> None:
        self._session = session
        self._moments = moments
        self._span = span
        self._width = width

    def lanes(self, findings: Iterable[tuple[str, Finding]] = ()) -> list[Lane]:
        """The axis and every lane in which there is something; `findings` with their marks."""
        lanes = [
            self._caller(),
            self._speech(),
            self._assistant(),
            self._responses(),
            self._tools(),
            self._errors(),
            self._findings(list(findings)),
        ]
        return [self._axis(), *(lane for lane in lanes if lane.text.strip())]

    def _cell(self, t_ms: float) -> int:
        return int((t_ms - self._span.start_ms) / self._span.ms * self._width)

    def _lane(self, name: str) -> Lane:
        return Lane(name, self._width)

    def _draw(self, lane: Lane, start_ms: float, end_ms: float, char: str, tone: Tone) -> None:
        """Fill the cells of a span of time, at least one."""
        if end_ms < self._span.start_ms or start_ms > self._span.end_ms:
            return
        first = min(max(0, self._cell(start_ms)), self._width - 1)
        last = min(max(first + 1, self._cell(end_ms)), self._width)
        lane.put(first, char * (last - first), tone)

    def _axis(self) -> Lane:
        lane = self._lane("")
        step = step_of(TICK_CELLS * self._span.ms / 1000 / self._width)
        tick = -int(-self._span.start_ms / 1000 // step)
        while (t_s := tick * step) * 1000 < self._span.end_ms:
            at = self._cell(t_s * 1000)
            label = clock(t_s, step)
            if lane.free(at, len(label) + 1):
                lane.put(at, f"╷{label}", "axis")
            tick += 1
        return lane

    def _caller(self) -> Lane:
        """How loud the caller's audio was when it came."""
        lane, loudness = self._lane("caller"), self._session.loudness
        if loudness is None:
            return lane
        peaks = loudness.peaks(self._span.start_ms, self._span.end_ms, self._width)
        for cell, db in enumerate(peaks.tolist()):
            if db == db:  # no NaN
                bar = round((db - SILENT_DB) / (LOUD_DB - SILENT_DB) * (len(SPARK) - 1))
                bar = min(max(0, bar), len(SPARK) - 1)
                lane.put(cell, SPARK[bar], "caller" if bar else "quiet")
        return lane

    def _speech(self) -> Lane:
        """Speech as the server detected it, and the wait until it said so; turns by number."""
        lane, session = self._lane("turns"), self._session
        for turn in session.turns:
            for speech in turn.speech:
                begin = speech.started_ms if speech.onset_ms is None else speech.onset_ms
                over = session.now_ms if speech.stopped_ms is None else speech.stopped_ms
                silent = over if speech.fell_silent_ms is None else speech.fell_silent_ms
                self._draw(lane, silent, over, WAITING, "waiting")
                self._draw(lane, begin, silent, SPEECH, "caller")
        self._numbers(lane)
        return lane

    def _numbers(self, lane: Lane) -> None:
        """Where each turn begins its number, as far as there is room for them."""
        room_from = 0
        for turn in self._session.turns:
            begun_ms, number = began(turn), str(turn.n)
            if not self._span.start_ms <= begun_ms <= self._span.end_ms:
                continue
            at = min(self._cell(begun_ms), self._width - len(number))
            if at >= room_from:
                lane.put(at, number, "")
                room_from = at + len(number) + 1

    def _assistant(self) -> Lane:
        lane = self._lane("assistant")
        if not self._session.plays:
            return lane
        tracks = self._session.tracks
        begins = sorted(track.segments[0].start_ms for track in tracks if track.segments)
        for track in tracks:
            self._unheard(lane, track, begins)
        for track in tracks:
            for part in track.segments:
                self._draw(lane, part.start_ms, part.end_ms, HEARD, "heard")
            for hole in track.underruns:
                self._draw(lane, hole.at_ms, hole.at_ms + hole.ms, DRY, "dry")
        return lane

    def _unheard(self, lane: Lane, track: Track, begins: list[float]) -> None:
        """What was still to be played when the track was cut, until something else is heard."""
        if track.cut_ms is None:
            return
        rest = track.received_ms - sum(part.ms for part in track.segments)
        if rest >= 1:
            start = max(track.cut_ms, track.first_ms)
            after = bisect_left(begins, start)
            end = min([start + rest, *begins[after : after + 1]])
            self._draw(lane, start, end, UNHEARD, "unheard")

    def _responses(self) -> Lane:
        lane = self._lane("responses")
        for response in self._session.responses:
            self._response(lane, response)
        return lane

    def _response(self, lane: Lane, response: Response) -> None:
        start, now = response.created_ms, self._session.now_ms
        if start is None:
            return
        done = now if response.done_ms is None else response.done_ms
        if done < self._span.start_ms or start > self._span.end_ms:
            return
        first = done if response.first_ms is None else min(response.first_ms, done)
        self._draw(lane, start, first, WAITING, "waiting")
        if first < done:
            self._draw(lane, first, done, STREAMING, "")
        end, tone = OPEN if response.status is None else ENDS.get(response.status, OPEN)
        if done <= self._span.end_ms:
            at = max(0, self._cell(start), self._cell(done) - 1)
            lane.put(min(at, self._width - 1), end, tone)

    def _tools(self) -> Lane:
        lane = self._lane("tools")
        for call in self._session.tool_calls:
            if call.done_ms is not None:
                end = call.done_ms if call.output_ms is None else call.output_ms
                self._draw(lane, call.done_ms, end, TOOL, "tool")
        for call in self._session.tool_calls:
            if call.name and _plain(call.name):
                self._name(lane, call.name, call.done_ms, call.output_ms)
        return lane

    def _name(self, lane: Lane, name: str, done_ms: float | None, output_ms: float | None) -> None:
        """Write a tool's name after its call, or before it, where there is room."""
        if done_ms is None or not self._span.start_ms <= done_ms <= self._span.end_ms:
            return
        begin, room = self._cell(done_ms), len(name) + 2
        end = max(begin + 1, begin if output_ms is None else self._cell(output_ms))
        if lane.free(end, room):
            lane.put(end + 1, name, "tool")
        elif lane.free(begin - room, room):
            lane.put(begin - room + 1, name, "tool")

    def _errors(self) -> Lane:
        """Where the server said `error`."""
        lane = self._lane("errors")
        for problem in self._session.errors:
            self._draw(lane, problem.t_ms, problem.t_ms, ERROR, "error")
        return lane

    def _findings(self, found: list[tuple[str, Finding]]) -> Lane:
        """A mark where each finding shows; of two in one place the more severe one."""
        lane = self._lane("findings")
        for mark, finding in sorted(found, key=lambda f: SEVERITIES.index(f[1].severity)):
            t_ms = self._moments.ms(finding.events[-1]) if finding.events else None
            if t_ms is None or not self._span.start_ms <= t_ms <= self._span.end_ms:
                continue
            at = max(0, min(self._cell(t_ms), self._width - len(mark)))
            lane.put(at, mark, finding.severity)
        return lane


def legend(lanes: Iterable[Lane]) -> str:
    """What the signs mean that stand in these lanes."""
    used = {char for lane in lanes if lane.name in LEGEND_LANES for char in lane.text}
    return "  ".join(f"{char} {word}" for char, word in LEGEND.items() if char in used)


LEGEND_LANES = {"turns", "assistant", "responses"}


def _plain(name: str) -> bool:
    return name.isascii() and name.isprintable()
