"""The list of events as the page holds it: rows as the listing folds them, and each event in them.

Of each event a few numbers are kept, in columns; what the rows have in common stands in tables.
"""

from array import array
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import orjson

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
    """Takes entries as they come, and rows as they come of them.

    Rows are kept as the JSON that they become, as there may be as many of them as events.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self._types, self._marks = Table(), Table()
        self._seqs, self._times = array("d"), array("d")
        self._sizes, self._bodies = array("I"), array("i")
        self._kept = 0
        self._rows = bytearray()
        self._count = 0
        self._runs: list[tuple[int, int]] = []
        """Of each row of several events where it ends, and the last of them."""
        self._members, self._rows_of = array("d"), array("I")

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
        self._rows += orjson.dumps([
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
        ])[:-1]  # fmt: skip
        seqs = row.seqs or (() if row.type == DAMAGE else (row.seq,))
        if len(seqs) > 1:
            self._runs.append((len(self._rows), seqs[-1]))
            self._rows += b"],"
        else:
            self._rows += b",null],"
        self._members.extend(map(_number, seqs))
        self._rows_of.extend([self._count] * len(seqs))
        self._count += 1

    def to_map(self, whole: Callable[[int], int | None]) -> dict[str, Any]:
        """Rows, as JSON, with the tables that they point into; `whole` is what a delta is a part
        of."""
        rows = b"".join(self._completed(whole))
        return {
            "rows": orjson.Fragment(b"[%s]" % rows),
            "types": self._types.texts(),
            "marks": self._marks.texts(),
        }

    def _completed(self, whole: Callable[[int], int | None]) -> Iterator[bytes]:
        """The rows' JSON, with what each run is a part of."""
        rows, at = memoryview(self._rows)[:-1], 0
        for end, last in self._runs:
            yield bytes(rows[at:end])
            yield b"," + orjson.dumps(whole(_number(last)))
            at = end
        yield bytes(rows[at:])

    def columns(self) -> bytes:
        """Of each event: seq and time in ms (float64), size in bytes and number of its row
        (uint32), number of its body or −1 (int32); little-endian, column after column."""
        seqs, members = np.array(self._seqs), np.array(self._members)
        rows = np.zeros(seqs.size, dtype="<u4")
        order = np.argsort(seqs, kind="stable")
        found = np.searchsorted(seqs, members, sorter=order)
        known = found < seqs.size
        rows[order[found[known]]] = np.array(self._rows_of)[known]
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
