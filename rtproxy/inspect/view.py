"""A call on a terminal: what it is, how it went, its lanes, its turns, and what is wrong with it.

    for line in View(Screen(Console()), overview, session, moments).lines():
        print(line)

Nothing from the tape reaches the terminal unescaped.
"""

from collections.abc import Iterable, Iterator
from datetime import tzinfo

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

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
from rtproxy.inspect.timeline import Lane, Moments, Timeline, Tone, legend, marks_of, span_of
from rtproxy.realtime.finding import SEVERITIES, Finding
from rtproxy.realtime.session import Session
from rtproxy.realtime.settings import settings
from rtproxy.realtime.turn import Turn

PIPED = 100
"""Width where there is no terminal that has one."""
PROSE = 96
"""Cells of a line of prose, at most."""
WORDS_FROM = 150
"""Width from which a turn's words stand beside its numbers instead of below them."""
MAX_WORDS = 2_000
"""Characters of a turn's words that are looked at."""

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
END_STYLES = {
    "completed": PLAIN,
    "interrupted": PAUSE,
    "cancelled": PAUSE,
    "open": PAUSE,
    "incomplete": PAUSE,
    "failed": TROUBLE,
    "unanswered": TROUBLE,
}
COLUMNS: tuple[tuple[str, str], ...] = (
    ("endpoint", "endpoint_ms"),
    ("queue", "queue_ms"),
    ("model", "model_ms"),
    ("tool", "tool_ms"),
    ("voice", "v2v_ms"),
    ("audio", "audio_ms"),
    ("prebuffer", "prebuffer_ms"),
)
"""Headings of the table of turns and the metrics below them, in ms; then the end, and heard_ms."""
LONGER = {"v2v_ms": "voice to voice"}
END_CELLS, CELLS = 11, 5


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
        self._screen = screen
        self._overview = overview
        self._session = session
        self._moments = moments
        self._turn = turn
        self._zone = zone
        self._width = max(MIN_WIDTH, screen.width or PIPED)
        self._columns = COLUMNS
        if self._width >= PIPED:
            self._columns = tuple((LONGER.get(key, head), key) for head, key in COLUMNS)
        self._marked = [
            (mark, finding)
            for mark, finding in marks_of(session.findings)
            if turn is None or finding.turn == turn.n
        ]

    def lines(self) -> Iterator[str]:
        """All of it, line by line."""
        yield from self._screen.header(self._overview, self._zone)
        yield from self.notes()
        if self._session.times_known:
            yield from self._lanes()
        yield from self._table()
        yield from self.findings()
        yield ""
        yield self._paint(QUIET, self._hint())

    def _hint(self) -> str:
        """How to see the events; a command line is of use only as a whole."""
        command = self._safe(f"rtproxy inspect {self._overview.path} --events")
        whole = f"{command}   lists the events"
        fits = self._screen.width is None or cell_len(whole) <= self._width
        return whole if fits else "--events lists the events"

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
        if fields:
            yield self._screen.labelled("settings", settings(fields))
        yield from self._labelled_parts("call", self.summary())
        if not session.times_known:
            yield from self._note("This tape has no times: how long things took is unknown.")
        elif not session.audio_complete:
            yield from self._note(
                "Not all audio is on this tape: what would rest on it is neither shown nor judged."
            )

    def summary(self) -> list[str]:
        """The call in a few words: latency, interruptions, tools, errors, tokens, findings."""
        metrics = self._session.metrics
        latency, found = metrics["v2v_ms"], self._session.findings
        tokens = (metrics["tokens_in"] or 0) + (metrics["tokens_out"] or 0)
        parts = [_count(metrics["turns"], "turn")]
        if latency["n"]:
            median, most = length(latency["p50"]), length(latency["max"])
            one = latency["n"] == 1
            parts.append(f"voice to voice {most if one else f'p50 {median}, max {most}'}")
        parts += [
            _count(metrics[key], word)
            for key, word in (
                ("barge_ins", "barge-in"),
                ("tool_calls", "tool call"),
                ("errors", "error"),
            )
            if metrics[key]
        ]
        if tokens:
            parts.append(f"{tokens:,} tokens")
        severities = [finding.severity for finding in found]
        counts = [
            f"{severities.count(severity)} info"
            if severity == "info"
            else _count(severities.count(severity), severity)
            for severity in reversed(SEVERITIES)
            if severity in severities
        ]
        wrong = f"{_count(len(found), 'finding')} ({', '.join(counts)})"
        return [*parts, wrong if found else "no findings"]

    def findings(self) -> Iterator[str]:
        """Each finding: what it is, where it shows, what happened, what to do about it."""
        for mark, finding in self._marked:
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

    def _lanes(self) -> Iterator[str]:
        span = span_of(self._session, self._turn)
        timeline = Timeline(self._session, self._moments, span, self._width - LABEL_CELLS)
        lanes = timeline.lanes(self._marked)
        yield ""
        for lane in lanes:
            yield self._lane(lane)
        key = legend(lanes)
        if key:
            yield self._paint(QUIET, f"{'':<{LABEL_CELLS}}{cut(key, self._width - LABEL_CELLS)}")

    def _lane(self, lane: Lane) -> str:
        cells = "".join(self._paint(TONES[tone], text) for text, tone in lane.runs())
        return f"{self._paint(LABEL, f'{lane.name:<{LABEL_CELLS}}')}{cells}".rstrip()

    def _table(self) -> Iterator[str]:
        turns = self._session.turns.all if self._turn is None else [self._turn]
        if not turns:
            return
        beside = self._width >= WORDS_FROM
        heads = " ".join(f"{head:>{max(CELLS, len(head))}}" for head, _ in self._columns)
        words = "  what was said (times in ms)" if beside else "  in ms"
        yield ""
        yield self._paint(LABEL, f"turn {heads}  {'end':<{END_CELLS}} {'heard':>{CELLS}}{words}")
        for turn in turns:
            row, cells = self._row(turn)
            if beside:
                said = cut(self._words(turn), self._width - cells - 2)
                yield f"{row}  {said}".rstrip()
                continue
            yield row
            said = cut(self._words(turn), self._width - 5)
            if said:
                yield f"     {self._paint(QUIET, said)}"

    def _row(self, turn: Turn) -> tuple[str, int]:
        """A turn's line and its width in cells."""
        metrics = self._session.measure(turn)
        slow = any(f.code == "slow-turn" and f.turn == turn.n for _, f in self._marked)
        parts, cells = [f"{turn.n:>4}"], 4
        for head, key in self._columns:
            width = max(CELLS, len(head))
            style = PLAIN
            if key == "v2v_ms":
                style = TONES["warning"] if slow else Style(bold=True)
            parts.append(self._paint(style, f"{_cell(metrics[key]):>{width}}"))
            cells += width + 1
        end = turn.end
        parts.append(self._paint(END_STYLES.get(end, PLAIN), f" {self._safe(end):<{END_CELLS}}"))
        heard, audio = metrics["heard_ms"], metrics["audio_ms"]
        lost = heard is not None and audio is not None and heard < audio - 1
        parts.append(self._paint(PAUSE if lost else PLAIN, f"{_cell(heard):>{CELLS}}"))
        return " ".join(parts), cells + 2 + END_CELLS + 1 + CELLS

    def _words(self, turn: Turn) -> str:
        """What the caller said, which tools were called, how the answer began."""
        called = ", ".join(f"{call.name or '?'}()" for call in turn.calls)
        user, assistant = turn.user, turn.assistant
        parts = [_quoted(user), called, _quoted(assistant)]
        return self._safe(" → ".join(part for part in parts if part))

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
        wrapped = Text(self._safe(text)).wrap(self._screen.console, width, overflow="fold")
        return [line.plain.rstrip() for line in wrapped]

    def _safe(self, text: str) -> str:
        return self._screen.safe(text)

    def _paint(self, style: Style, text: str) -> str:
        return self._screen.paint(style, text)


def length(ms: float) -> str:
    """A latency in words, such as `827 ms` or `1.11 s`."""
    return f"{ms:.0f} ms" if ms < 999.5 else f"{ms / 1000:.2f} s"


def _cell(ms: float | None) -> str:
    """Milliseconds in a column's width; seconds where they are many."""
    if ms is None:
        return "–"
    return f"{ms:.0f}" if ms < 99_999.5 else f"{ms / 1000:.0f} s"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _quoted(text: str | None) -> str:
    return f"“{text[:MAX_WORDS]}”" if text else ""
