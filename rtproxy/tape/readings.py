r"""Readings of a text: what it says once its escapes are undone, and where that stood.

A secret may stand in a message as it is, as a JSON string (`\/`, `\u0041`), as JSON inside a JSON
string (`\\\"`), percent-encoded, or as a mixture of these. Each reading undoes one kind of escape;
`Reading.locate` leads from a place in the reading back to the place in the original text, so that
a secret can be cut out of the original and everything around it stays byte for byte.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

DEPTH = 3
"""How many escapes may lie around one another: JSON in JSON in a query is three."""


class Span(NamedTuple):
    """A secret's place: `text[start:end]`; `secret` is its value with all escapes undone.

    `kin` are other values that the secret gives away (the parts of Basic credentials);
    `bare` marks a span that stands outside a JSON string, so that its replacement needs quotes.
    """

    start: int
    end: int
    secret: str
    kin: tuple[str, ...] = ()
    bare: bool = False


def shifted(spans: Iterable[Span], by: int) -> Iterator[Span]:
    """Spans of a part of a text that begins at `by`, as spans of the whole."""
    return (span._replace(start=span.start + by, end=span.end + by) for span in spans)


def put_back(spans: Iterable[Span], parts: Sequence[tuple[int, int]]) -> Iterator[Span]:
    """Spans of parts of a text, joined by one character, as spans of the whole.

    One that leaves its part ends with it, and one that begins between parts is none.
    """
    starts = list(accumulate((end - start + 1 for start, end in parts), initial=0))
    for span in spans:
        number = bisect_right(starts, span.start) - 1
        start, end = parts[number]
        by = start - starts[number]
        if span.start + by < end:
            yield span._replace(start=span.start + by, end=min(span.end + by, end))


@dataclass(frozen=True, slots=True)
class Code:
    """One way to escape characters: `mark` starts every escape, `runs` matches several in a row."""

    mark: str
    runs: re.Pattern[str]
    undo: Callable[[str], str]
    units: Callable[[str], Iterator[int]]
    """Lengths of the escapes in a run, one for each character that it stands for."""

    def decode(self, text: str) -> str:
        return self.runs.sub(lambda run: self.undo(run[0]), text)


@dataclass(frozen=True, slots=True)
class Reading:
    """`text` is what `source` says once `code` is undone; the original has neither."""

    text: str
    source: "Reading | None" = None
    code: Code | None = None

    def locate(self, spans: Sequence[Span]) -> list[Span]:
        """The same spans as offsets into the original text, widened to whole JSON escapes."""
        if self.source is None or self.code is None:
            escaped = JSON.mark in self.text
            return [_aligned(self.text, span) if escaped else span for span in spans]
        if not spans:
            return []
        edges = sorted({edge for span in spans for edge in (span.start, span.end)})
        origin = dict(zip(edges, _origins(self.source.text, self.code, edges), strict=True))
        moved = [
            span._replace(start=origin[span.start], end=origin[span.end], bare=False)
            for span in spans
        ]
        return self.source.locate(moved)


def readings(text: str) -> Iterator[Reading]:
    """The text itself, then every different text that undoing up to DEPTH escapes makes of it."""
    original = Reading(text)
    yield original
    level, seen = [original], {text}
    for _ in range(DEPTH):
        deeper = []
        for source in level:
            for code in (JSON, PERCENT):
                if code.mark not in source.text:
                    continue
                decoded = code.decode(source.text)
                if decoded not in seen:
                    seen.add(decoded)
                    deeper.append(Reading(decoded, source, code))
        yield from deeper
        level = deeper


def is_plain(text: str) -> bool:
    """True if the text has no escapes and is its own only reading."""
    return JSON.mark not in text and PERCENT.mark not in text


def _aligned(text: str, span: Span) -> Span:
    """The span, widened by the escapes that it cuts."""
    return span._replace(
        start=_escape_around(text, span.start)[0], end=_escape_around(text, span.end)[1]
    )


def _escape_around(text: str, edge: int) -> tuple[int, int]:
    r"""Start and end of the JSON escape that `edge` cuts: in `x\nab`, 2 cuts one, 3 does not."""
    tail = text[max(0, edge - 5) : edge]
    if cut := _CUT_ESCAPE.search(tail):
        slash = edge - len(tail) + cut.start()
        head = text[max(0, slash - 64) : slash]
        is_escaped = (len(head) - len(head.rstrip("\\"))) % 2
        unit = _JSON_UNIT.match(text, slash)
        if unit and not is_escaped and unit.end() > edge:
            return slash, unit.end()
    return edge, edge


def _origins(source: str, code: Code, edges: Sequence[int]) -> Iterator[int]:
    """For each of the ascending offsets into the decoded text, the offset into its source."""
    wanted = iter(edges)
    edge = next(wanted, None)
    at = decoded = 0  # the same place in the source and in the decoded text
    for run in code.runs.finditer(source):
        plain = run.start() - at
        while edge is not None and edge <= decoded + plain:
            yield at + edge - decoded
            edge = next(wanted, None)
        at, decoded = run.start(), decoded + plain
        for length in code.units(run[0]):
            at, decoded = at + length, decoded + 1
            if edge == decoded:
                yield at
                edge = next(wanted, None)
        if edge is None:
            return
    while edge is not None:
        yield at + edge - decoded
        edge = next(wanted, None)


_SHORT = {
    r"\"": '"', r"\\": "\\", r"\/": "/", r"\b": "\b", r"\f": "\f",
    r"\n": "\n", r"\r": "\r", r"\t": "\t",
}  # fmt: skip
_JSON_UNIT = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[\"\\/bfnrt]"
)
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")


@lru_cache(4096)  # most texts repeat a few: \n, \", the accented letters of one language
def _json_undo(run: str) -> str:
    return _SHORT.get(run) or str(json.loads(f'"{run}"'))


def _json_units(run: str) -> Iterator[int]:
    return (len(unit) for unit in _JSON_UNIT.findall(run))


@lru_cache(4096)
def _percent_undo(run: str) -> str:
    return bytes.fromhex(run.replace("%", "")).decode("utf-8", "surrogateescape")


def _percent_units(run: str) -> Iterator[int]:
    return (3 * len(char.encode("utf-8", "surrogateescape")) for char in _percent_undo(run))


JSON = Code(
    "\\",
    re.compile(r'(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))++'),
    _json_undo,
    _json_units,
)
PERCENT = Code("%", re.compile(r"(?:%[0-9a-fA-F]{2})++"), _percent_undo, _percent_units)
