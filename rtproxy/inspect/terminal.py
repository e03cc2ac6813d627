"""The event listing on a terminal: a header and a table, in colour, a page at a time.

Nothing from the tape reaches the terminal unescaped. Where the output is no terminal it is plain
text in the same columns, and the last column is as long as it is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from itertools import chain

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style

from rtproxy.inspect.listing import DAMAGE, Row
from rtproxy.inspect.overview import Overview, size
from rtproxy.inspect.screen import (
    CLIENT,
    LABEL,
    MIN_WIDTH,
    PAUSE,
    PLAIN,
    QUIET,
    SERVER,
    TROUBLE,
    Screen,
    cut,
    fit,
)
from rtproxy.realtime.phrase import short

FAMILIES = {
    "session": Style(color="magenta"),
    "conversation": Style(color="blue"),
    "input_audio_buffer": Style(color="cyan"),
    "output_audio_buffer": Style(color="green"),
    "response": Style(color="green"),
    "rate_limits": QUIET,
    "mcp_list_tools": Style(color="blue"),
    "error": TROUBLE,
    "rtproxy": QUIET,
}
"""Style of an event's name, by what it begins with."""
TROUBLES = {
    "rtproxy.close": PAUSE,
    "rtproxy.eof": PAUSE,
    "rtproxy.reset": TROUBLE,
    "rtproxy.refused": TROUBLE,
    "rtproxy.protocol_error": TROUBLE,
    "rtproxy.gap": TROUBLE,
    DAMAGE: TROUBLE,
}
MAX_TYPE = 200
LONG_PAUSE_NS = 500_000_000
BYTES_FROM = 100
"""Width from which there is room for the column of bytes."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Widths of the columns in cells; `total` is None where lines may be as long as they are."""

    seq: int
    time: int
    gap: int
    type: int
    bytes: int
    total: int | None


def columns_for(overview: Overview, width: int | None, fold: bool) -> Columns:
    """Columns that suit a tape and a width; as narrow as what is known of the tape allows."""
    summary = overview.summary
    known = overview.counted and summary.records > 0 and overview.state != "live"
    seq = max(3, len(str(summary.records - 1))) if known else 6
    time = max(5, len(seconds(summary.duration_ns))) if known else 8
    kinds = chain(*(counts for counts in summary.types.values()), ("rtproxy.protocol_error",))
    widest = max(len(kind) for kind in kinds) + (6 if fold else 0)
    if width is None:
        return Columns(seq, time, time + 1, widest if known else 44, 7, None)
    width = max(width, MIN_WIDTH)
    with_bytes = 7 if width >= BYTES_FROM else 0
    limit = 26 if width < BYTES_FROM else 38 if width < 140 else 60
    return Columns(seq, time, time + 1, min(limit, widest), with_bytes, width)


def seconds(ns: int) -> str:
    """Seconds to the millisecond."""
    return f"{ns / 1e9:.3f}"


def shorten(name: str, width: int) -> str:
    """A type in at most `width` cells: its last words say most, so the first ones go."""
    if cell_len(name) <= width:
        return name
    for at, char in enumerate(name):
        if char in "._" and cell_len(name[at:]) <= width:
            return f"…{name[at + 1 :]}"
    return cut(name, width)


class Terminal:
    """Shows a listing on a rich console; dates are in `zone`, or else in this machine's."""

    def __init__(
        self, console: Console, zone: tzinfo | None = None, *, ascii: bool = False
    ) -> None:
        self._screen = Screen(console, ascii)
        self._zone = zone
        self._width = self._screen.width

    def show(
        self,
        overview: Overview,
        rows: Iterable[Row],
        fold: bool,
        pager: bool,
        notes: Iterable[str] = (),
    ) -> None:
        """Print header, notes and table; through a pager if there is more than one screen of it.

        Rows are taken only as they are shown. Raises OSError (EPIPE) when nobody reads on.
        """
        self._screen.show(self.lines(overview, rows, fold, notes), pager)

    def lines(
        self, overview: Overview, rows: Iterable[Row], fold: bool, notes: Iterable[str] = ()
    ) -> Iterator[str]:
        """The header, the notes (painted as they are), a blank line, the table."""
        columns = columns_for(overview, self._width, fold)
        yield from self._screen.header(overview, self._zone)
        yield from notes
        yield ""
        yield self._paint(LABEL, _headings(columns))
        for row in rows:
            yield self._row(row, columns)

    def _row(self, row: Row, columns: Columns) -> str:
        style = _style_of(row)
        gap = "" if row.gap_ns is None or row.gap_ns < 500_000 else f"+{seconds(row.gap_ns)}"
        paused = row.gap_ns is not None and row.gap_ns >= LONG_PAUSE_NS
        times = f" ×{row.count}" if row.count > 1 else ""
        room = columns.type - len(times)
        named = self._screen.safe(short(row.type, MAX_TYPE))
        named = shorten(named, room) if columns.total is not None else named
        label = fit(f"{named}{times}", max(columns.type, cell_len(named) + len(times)))
        parts = [
            self._paint(QUIET, f"{row.seq:>{columns.seq}}"),
            f"{seconds(row.t_ns):>{columns.time}}",
            self._paint(PAUSE if paused else QUIET, f"{gap:>{columns.gap}}"),
            self._arrow(row),
            self._paint(style, label),
        ]
        used = columns.seq + columns.time + columns.gap + 1 + cell_len(label) + 5
        if columns.bytes:
            parts.append(self._paint(QUIET, f"{size(row.bytes) if row.bytes else '':>7}"))
            used += columns.bytes + 1
        detail = self._screen.safe(" ".join((*(f"[{mark}]" for mark in row.marks), row.detail)))
        if columns.total is not None:
            detail = cut(detail, max(0, columns.total - used))
        parts.append(self._paint(TROUBLE if style is TROUBLE else PLAIN, detail))
        return " ".join(parts).rstrip()

    def _arrow(self, row: Row) -> str:
        if row.type == DAMAGE:
            return self._paint(TROUBLE, "!")
        return self._paint(SERVER, "←") if row.from_server else self._paint(CLIENT, "→")

    def _paint(self, style: Style, text: str) -> str:
        return self._screen.paint(style, text)


def _headings(columns: Columns) -> str:
    parts = [
        f"{'seq':>{columns.seq}}",
        f"{'s':>{columns.time}}",
        f"{'gap':>{columns.gap}}",
        " ",
        f"{'event':<{columns.type}}",
    ]
    if columns.bytes:
        parts.append(f"{'bytes':>7}")
    return " ".join([*parts, "what matters"])


def _style_of(row: Row) -> Style:
    if row.name in TROUBLES:
        return TROUBLES[row.name]
    if row.name.endswith(".failed"):
        return TROUBLE
    return FAMILIES.get(row.name.split(".", 1)[0], PLAIN)
