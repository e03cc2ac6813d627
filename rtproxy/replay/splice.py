"""Replacing single values in JSON text, so that every other byte stays as it was recorded."""

from collections.abc import Iterable, Sequence
from json import JSONDecoder
from re import compile as pattern

_DECODER = JSONDecoder()
_BLANK = pattern(r"[ \t\n\r]*")


def value_span(text: str, path: Sequence[str | int]) -> tuple[int, int] | None:
    """Where in JSON `text` the value at `path` stands, as (start, end); None if it has none.

    Keys are str, indices int. Raises ValueError for text that is not JSON.
    """
    start = _skip(text, 0)
    for step in path:
        found = _member(text, start, step)
        if found is None:
            return None
        start = found
    return start, _DECODER.raw_decode(text, start)[1]


def replace_spans(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    """`text` with each (start, end) replaced by its new text; spans ascend and do not overlap."""
    pieces: list[str] = []
    done = 0
    for start, end, new in spans:
        pieces += (text[done:start], new)
        done = end
    pieces.append(text[done:])
    return "".join(pieces)


def _member(text: str, start: int, step: str | int) -> int | None:
    """Start of the member `step` of the object or array that starts at `start`."""
    opening = "{" if isinstance(step, str) else "["
    if text[start : start + 1] != opening:
        return None
    at = _skip(text, start + 1)
    index = 0
    found = None  # of keys that stand twice, the last one counts, as in every JSON parser
    while at < len(text) and text[at] not in "}]":
        key: str | int = index
        if opening == "{":
            key, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        if key == step:
            found = at
        at = _skip(text, _DECODER.raw_decode(text, at)[1])
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        index += 1
    return found


def _skip(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at
