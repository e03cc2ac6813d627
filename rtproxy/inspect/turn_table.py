"""The table of turns on a terminal: a line of numbers each, what was said beside or below it."""

from collections.abc import Iterable, Iterator

from rich.style import Style

from rtproxy.inspect.screen import LABEL, PAUSE, PLAIN, QUIET, TROUBLE, Screen, cut, fit
from rtproxy.realtime.session import Session
from rtproxy.realtime.turn import Turn

WORDS_FROM = 150
"""Width from which a turn's words stand beside its numbers instead of below them."""
LONGER_FROM = 100
"""Width from which the headings are written out."""
MAX_WORDS = 2_000
"""Characters of a turn's words that are looked at."""

SLOW = Style(color="yellow", bold=True)
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
"""Headings of the table and the metrics below them, in ms; then the end, and heard_ms."""
LONGER = {"v2v_ms": "voice to voice"}
DISPENSABLE = ("prebuffer_ms", "audio_ms", "tool_ms")
"""What is left out where there is no room for it, in this order."""
NUMBER_CELLS, END_CELLS, CELLS = 4, 11, 5
UNIT = "  in ms"


class TurnTable:
    """Shows turns of a session in `width` cells; `slow` are the numbers of those that stand out."""

    def __init__(self, screen: Screen, session: Session, width: int, slow: Iterable[int]) -> None:
        self._screen = screen
        self._session = session
        self._width = width
        self._slow = frozenset(slow)
        columns = COLUMNS
        if width >= LONGER_FROM:
            columns = tuple((LONGER.get(key, head), key) for head, key in COLUMNS)
        for key in DISPENSABLE:
            if _cells(columns) > width:
                columns = tuple(column for column in columns if column[1] != key)
        self._columns = columns

    def lines(self, turns: Iterable[Turn]) -> Iterator[str]:
        """The headings, then of each turn one or two lines."""
        cells, beside = _cells(self._columns), self._width >= WORDS_FROM
        yield self._headings(beside)
        for turn in turns:
            room = self._width - (cells + 2 if beside else NUMBER_CELLS + 1)
            said = cut(self._words(turn), room)
            if beside:
                yield f"{self._row(turn)}  {said}".rstrip()
                continue
            yield self._row(turn)
            if said:
                yield f"{'':{NUMBER_CELLS + 1}}{self._paint(QUIET, said)}"

    def _headings(self, beside: bool) -> str:
        heads = " ".join(f"{head:>{max(CELLS, len(head))}}" for head, _ in self._columns)
        line = f"turn {heads}  {'end':<{END_CELLS}} {'heard':>{CELLS}}"
        if beside:
            line += "  what was said (times in ms)"
        elif len(line + UNIT) <= self._width:
            line += UNIT
        return self._paint(LABEL, line)

    def _row(self, turn: Turn) -> str:
        metrics = self._session.measure(turn)
        parts = [f"{turn.n:>{NUMBER_CELLS}}"]
        for head, key in self._columns:
            style = PLAIN
            if key == "v2v_ms":
                style = SLOW if turn.n in self._slow else Style(bold=True)
            parts.append(self._paint(style, f"{_cell(metrics[key]):>{max(CELLS, len(head))}}"))
        end = fit(self._screen.safe(turn.end[:MAX_WORDS]), END_CELLS)
        parts.append(self._paint(END_STYLES.get(turn.end, PLAIN), f" {end}"))
        heard, audio = metrics["heard_ms"], metrics["audio_ms"]
        lost = heard is not None and audio is not None and heard < audio - 1
        parts.append(self._paint(PAUSE if lost else PLAIN, f"{_cell(heard):>{CELLS}}"))
        return " ".join(parts)

    def _words(self, turn: Turn) -> str:
        """What the caller said, which tools were called, how the answer began."""
        called = ", ".join(f"{call.name or '?'}()" for call in turn.calls)
        parts = [_quoted(turn.user), called, _quoted(turn.assistant)]
        return self._screen.safe(" → ".join(part for part in parts if part))

    def _paint(self, style: Style, text: str) -> str:
        return self._screen.paint(style, text)


def _cells(columns: Iterable[tuple[str, str]]) -> int:
    """Width of a row of numbers."""
    numbers = sum(max(CELLS, len(head)) + 1 for head, _ in columns)
    return NUMBER_CELLS + numbers + 2 + END_CELLS + 1 + CELLS


def _cell(ms: float | None) -> str:
    """Milliseconds in a column's width; seconds where they are many."""
    if ms is None:
        return "–"
    return f"{ms:.0f}" if ms < 99_999.5 else f"{ms / 1000:.0f} s"


def _quoted(text: str | None) -> str:
    return f"“{text[:MAX_WORDS]}”" if text else ""
