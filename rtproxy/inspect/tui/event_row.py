"""A row of the event list as a line of its columns, by the room that there is."""

from dataclasses import dataclass

from rtproxy.inspect.listing import DAMAGE, Row
from rtproxy.inspect.overview import size
from rtproxy.inspect.terminal import shorten
from rtproxy.inspect.tui.line import Line, Piece, arrow, ink_of, line
from rtproxy.inspect.tui.painting import fitted
from rtproxy.realtime.phrase import short
from rtproxy.tape.escape import visible

MAX_TYPE = 200
LONG_PAUSE_NS = 500_000_000
SHORTEST_GAP_NS = 500_000


@dataclass(frozen=True, slots=True)
class Columns:
    """Widths of the columns in cells; 0 for one that is left out."""

    seq: int
    time: int
    gap: int
    type: int
    bytes: int


def columns_for(width: int, last_seq: int, last_ms: float) -> Columns:
    """Columns for a list that ends with this seq and time."""
    seq = max(3, len(str(last_seq)))
    time = max(5, len(f"{last_ms / 1000:.3f}"))
    kind = 26 if width < 80 else 34 if width < 110 else 44
    return Columns(seq, time, 7 if width >= 70 else 0, kind, 7 if width >= 96 else 0)


def heading(columns: Columns) -> Line:
    """The names of the columns."""
    parts = [f"{'seq':>{columns.seq}}", f"{'s':>{columns.time}}"]
    if columns.gap:
        parts.append(f"{'gap':>{columns.gap}}")
    parts += [" ", f"{'event':<{columns.type}}"]
    if columns.bytes:
        parts.append(f"{'bytes':>{columns.bytes}}")
    return line((" ".join([*parts, "what matters"]), "label"))


def event_line(row: Row, columns: Columns) -> Line:
    """A row; `…` stands for what there is no room for."""
    ink = ink_of(row.name)
    times = f" ×{row.count}" if row.count > 1 else ""
    named = shorten(visible(short(row.type, MAX_TYPE)), columns.type - len(times))
    pieces: list[Piece] = [
        (f"{row.seq:>{columns.seq}} ", "quiet"),
        (f"{row.t_ns / 1e9:>{columns.time}.3f} ", ""),
    ]
    if columns.gap:
        pieces.append(_gap(row, columns.gap))
    pieces.append(("!", "error") if row.type == DAMAGE else arrow(from_server=row.from_server))
    pieces.append((f" {fitted(named + times, columns.type)} ", ink))
    if columns.bytes:
        pieces.append((f"{size(row.bytes) if row.bytes else '':>{columns.bytes}} ", "quiet"))
    detail = " ".join((*(f"[{mark}]" for mark in row.marks), row.detail))
    return line(*pieces, (detail, "error" if ink == "error" else ""), seq=row.seq)


def _gap(row: Row, width: int) -> Piece:
    if row.gap_ns is None or row.gap_ns < SHORTEST_GAP_NS:
        return " " * (width + 1), ""
    ink = row.gap_ns >= LONG_PAUSE_NS
    return f"{f'+{row.gap_ns / 1e9:.3f}':>{width}} ", "pause" if ink else "quiet"
