"""A call on a terminal: what it is, how it went, its lanes, its turns, and what is wrong with it.

    for line in View(Screen(Console()), overview, session, moments).lines():
        print(line)

Nothing from the tape reaches the terminal unescaped.
"""

from collections.abc import Iterable, Iterator
from datetime import tzinfo
from itertools import pairwise
from math import ceil

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from rtproxy.inspect.digest import digest
from rtproxy.inspect.overview import Overview
from rtproxy.inspect.screen import (
    LABEL,
    LABEL_CELLS,
    MIN_WIDTH,
    PAUSE,
    PLAIN,
    QUIET,
    TROUBLE,
    Screen,
    cut,
)
from rtproxy.inspect.timeline import (
    Lane,
    Moments,
    Span,
    Timeline,
    Tone,
    legend,
    marks_of,
    span_of,
)
from rtproxy.inspect.turn_table import TurnTable
from rtproxy.realtime.finding import Finding
from rtproxy.realtime.session import Session
from rtproxy.realtime.settings import settings
from rtproxy.realtime.turn import Turn

PIPED = 100
"""Width where there is no terminal that has one."""
PROSE = 96
"""Cells of a line of prose, at most."""
TONES: dict[Tone, Style] = {
    "": PLAIN,
    "axis": QUIET,
    "quiet": QUIET,
    "caller": Style(color="cyan"),
    "waiting": QUIET,
    "heard": Style(color="green"),
    "unheard": Style(color="green", dim=True),
    "dry": TROUBLE,
    "good": Style(color="green"),
    "cut": PAUSE,
    "tool": Style(color="magenta"),
    "info": Style(color="blue", bold=True),
    "warning": Style(color="yellow", bold=True),
    "error": TROUBLE,
}
COARSE_MS = 1_500.0
"""Time in a cell from which a call is drawn in several strips, one below the other."""
MAX_STRIPS = 4


class View:
    """The lines of the view of a session; with `turn` of that turn alone."""

    def __init__(
        self,
        screen: Screen,
        overview: Overview,
        session: Session,
        moments: Moments,
        *,
        turn: Turn | None = None,
        zone: tzinfo | None = None,
    ) -> None:
        self.screen = screen
        self._overview = overview
        self._session = session
        self._moments = moments
        self._turn = turn
        self._zone = zone
        self._width = max(MIN_WIDTH, screen.width or PIPED)
        self._marked = [
            (mark, finding)
            for mark, finding in marks_of(session.findings)
            if turn is None or finding.turn == turn.n
        ]

    def lines(self) -> Iterator[str]:
        """All of it, line by line."""
        yield from self.screen.header(self._overview, self._zone)
        yield from self.body()
        yield ""
        for line in self._hints():
            yield self._paint(QUIET, line)

    def body(self) -> Iterator[str]:
        """All between the header and the hints."""
        yield from self.notes()
        if self._session.times_known:
            span = span_of(self._session, self._turn)
            yield from self.lanes([span] if self._turn else self._strips(span))
        turns = self._session.turns.all if self._turn is None else [self._turn]
        if turns:
            yield ""
            yield from self.table(turns)
        yield from self.findings()

    def _hints(self) -> Iterator[str]:
        """How to see more; a command line is of use only as a whole."""
        command = self._safe(f"rtproxy inspect {self._overview.path} --events")
        whole = f"{command}   lists the events"
        fits = self.screen.width is None or cell_len(whole) <= self._width
        yield whole if fits else "--events lists the events"
        if self._turn is None and self._session.now_ms > self._lane_cells * COARSE_MS:
            yield "--turn N zooms in on a turn"

    def without_turns(self) -> Iterator[str]:
        """What there is to say where there are no turns, before the events are listed."""
        if self._overview.header.connection != "websocket":
            why = "This is no call: here is what was sent."
        elif self._session.dialect is None:
            why = "There are no Realtime events on this tape: here is what was sent."
        else:
            why = "Nobody spoke, typed or was answered on this tape: here are its events."
        yield ""
        for line in self._wrapped(why, self._width):
            yield self._paint(PAUSE, line)
        yield from self.findings()

    def notes(self) -> Iterator[str]:
        """How the call went in one line, how it was set up, and what cannot be known of it."""
        session = self._session
        fields = {
            key: value
            for key, value in session.config.fields.items()
            if key not in ("model", "instructions")
        }
        if shown := settings(fields):
            yield self.screen.labelled("settings", shown)
        yield from self._labelled_parts("call", digest(session))
        if not session.times_known:
            yield from self._note("This tape has no times: how long things took is unknown.")
        elif not session.audio_complete:
            yield from self._note(
                "Not all audio is on this tape: what would rest on it is neither shown nor judged."
            )

    def findings(self, latest: int | None = None) -> Iterator[str]:
        """Each finding: what it is, where it shows, what happened, what to do about it.

        With `latest` no more than so many, the last ones.
        """
        for mark, finding in self._marked[-latest if latest else 0 :]:
            yield ""
            yield from self._finding(mark, finding)

    def _finding(self, mark: str, finding: Finding) -> Iterator[str]:
        style = TONES[finding.severity]
        events = " ".join(f"#{seq}" for seq in finding.events)
        turn = "" if finding.turn is None else f" · turn {finding.turn}"
        title = self._paint(style, f"{mark:<3} {finding.severity} {finding.code}")
        where = cut(f"{turn} · {events}" if events else turn, self._width - 30)
        yield title + self._paint(QUIET, where)
        yield from self._prose(finding.message, "    ", "    ")
        yield from self._prose(finding.next, "  → ", "    ")

    def lanes(self, strips: Iterable[Span], share: float = 1.0) -> Iterator[str]:
        """The lanes of each span of time, one below the other, and what the signs mean.

        They fill a `share` of the width.
        """
        drawn: list[Lane] = []
        cells = max(1, round(self._lane_cells * share))
        for span in strips:
            timeline = Timeline(self._session, self._moments, span, cells)
            lanes = timeline.lanes(self._marked)
            drawn += lanes
            yield ""
            for lane in lanes:
                yield self._lane(lane)
        key = legend(drawn)
        if key:
            yield self._paint(QUIET, f"{'':<{LABEL_CELLS}}{cut(key, self._lane_cells)}")

    @property
    def _lane_cells(self) -> int:
        return self._width - LABEL_CELLS

    def _strips(self, span: Span) -> list[Span]:
        """A span in so many parts that a cell is not too long a time."""
        wanted = ceil(span.ms / (self._lane_cells * COARSE_MS))
        parts = max(1, min(MAX_STRIPS, wanted))
        ends = [span.start_ms + span.ms * n / parts for n in range(parts + 1)]
        return [Span(start, end) for start, end in pairwise(ends)]

    def table(self, turns: Iterable[Turn]) -> Iterator[str]:
        """The table of turns."""
        slow = {f.turn for _, f in self._marked if f.code == "slow-turn" and f.turn is not None}
        yield from TurnTable(self.screen, self._session, self._width, slow).lines(turns)

    def _lane(self, lane: Lane) -> str:
        cells = "".join(self._paint(TONES[tone], text) for text, tone in lane.runs())
        return f"{self._paint(LABEL, f'{lane.name:<{LABEL_CELLS}}')}{cells}".rstrip()

    def _note(self, text: str) -> Iterator[str]:
        for line in self._wrapped(text, self._width - LABEL_CELLS):
            yield f"{'':<{LABEL_CELLS}}{self._paint(PAUSE, line)}"

    def _labelled_parts(self, label: str, parts: Iterable[str]) -> Iterator[str]:
        """Parts with dots between them, on as many lines as they need."""
        room, line = self._width - LABEL_CELLS, ""
        for part in parts:
            longer = f"{line} · {part}" if line else part
            if line and cell_len(longer) > room:
                yield self._label_and(label, line)
                label, longer = "", part
            line = longer
        yield self._label_and(label, line)

    def _label_and(self, label: str, text: str) -> str:
        bold = self._paint(Style(bold=True), text)
        return f"{self._paint(LABEL, f'{label:<{LABEL_CELLS - 1}}')} {bold}"

    def _prose(self, text: str, first: str, then: str) -> Iterator[str]:
        for line in self._wrapped(text, min(PROSE, self._width) - len(first)):
            yield first + line
            first = then

    def _wrapped(self, text: str, width: int) -> list[str]:
        wrapped = Text(self._safe(text)).wrap(self.screen.console, width, overflow="fold")
        return [line.plain.rstrip() for line in wrapped]

    def _safe(self, text: str) -> str:
        return self.screen.safe(text)

    def _paint(self, style: Style, text: str) -> str:
        return self.screen.paint(style, text)
