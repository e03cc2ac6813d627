"""The list of events as the page holds it: rows as the listing folds them, and each event in them.

Of each event a few numbers are kept, in columns; what the rows have in common stands in tables.
"""

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np

from rtproxy.inspect.entry import Entry
from rtproxy.inspect.listing import DAMAGE, Row, milliseconds
from rtproxy.tape.escape import visible

MAX_EVENTS = 1_000_000
"""Events that are listed; a page with more would take too long to open."""
MAX_SEQ = 2**53
"""From here on a browser cannot tell neighbours apart."""


class Table:
    """Different texts, numbered as they come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def texts(self) -> list[str]:
        return [
            visible(text.encode("utf-8", "backslashreplace").decode()) for text in self._numbers
        ]


class EventList:
    """Takes entries as they come, and rows as they come of them."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self.left_out = 0
        self._types, self._marks = Table(), Table()
        self._seqs, self._times = array("d"), array("d")
        self._sizes, self._bodies = array("I"), array("i")
        self._kept = 0
        self._members: list[array[float]] = []

    @property
    def full(self) -> bool:
        return len(self._seqs) >= MAX_EVENTS

    def note(self, entry: Entry, kept: bool) -> None:
        """The next event; `kept` is whether its body is on the page."""
        self._seqs.append(_number(entry.seq))
        self._times.append(milliseconds(entry.t_ns))
        self._sizes.append(min(entry.size, 2**32 - 1))
        self._bodies.append(self._kept if kept else -1)
        self._kept += kept

    def add(self, row: Row) -> None:
        """The next row, of events that were noted before."""
        self.rows.append([
            _number(row.seq),
            milliseconds(row.t_ns),
            None if row.gap_ns is None else milliseconds(row.gap_ns),
            int(row.from_server),
            self._types.number(row.type),
            self._types.number(row.name),
            _safe(row.detail),
            row.bytes,
            row.count,
            None if row.audio_ms is None else round(row.audio_ms, 1),
            self._marks.number(", ".join(row.marks)),
        ])  # fmt: skip
        seqs = row.seqs or (() if row.type == DAMAGE else (row.seq,))
        self._members.append(array("d", map(_number, seqs)))

    def to_map(self, whole: Callable[[int], int | None]) -> dict[str, Any]:
        """Rows with the tables that they point into; `whole` is what a delta is a part of."""
        for row, members in zip(self.rows, self._members, strict=True):
            row.append(whole(int(members[-1])) if len(members) > 1 else None)
        return {"rows": self.rows, "types": self._types.texts(), "marks": self._marks.texts()}

    def columns(self) -> bytes:
        """Of each event: seq and time in ms (float64), size in bytes and number of its row
        (uint32), number of its body or −1 (int32); little-endian, column after column."""
        seqs = np.array(self._seqs)
        rows = np.zeros(seqs.size, dtype="<u4")
        order = np.argsort(seqs, kind="stable")
        for number, members in enumerate(self._members):
            found = np.searchsorted(seqs, members, sorter=order)
            rows[order[found[found < seqs.size]]] = number
        columns = (
            seqs.astype("<f8"),
            np.array(self._times, dtype="<f8"),
            np.array(self._sizes, dtype="<u4"),
            rows,
            np.array(self._bodies, dtype="<i4"),
        )
        return b"".join(column.tobytes() for column in columns)

    def __len__(self) -> int:
        return len(self._seqs)


def _number(seq: int) -> int:
    return min(max(seq, -MAX_SEQ), MAX_SEQ)


def _safe(text: str) -> str:
    return visible(text.encode("utf-8", "backslashreplace").decode())
