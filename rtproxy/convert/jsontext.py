"""JSON as it stands in a file: steps from value to value and builds only what is asked for.

A recording of an hour is one JSON document of hundreds of megabytes. A cursor walks through it in
constant memory, and gives each value as its bytes:

    cursor = Cursor(data)
    for key in cursor.members():
        if key == "entries":
            for _ in cursor.elements():
                entry = cursor.take()

What is not taken is stepped over. Where the text is cut off, all that stands before is given first.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

MAX_TEXT = 1 << 29
"""A string longer than this, in bytes, is not built: no message on a tape is half as long."""
MAX_VALUE = 1 << 24
"""The same for objects and arrays, which take up to twenty times the memory of their text."""
MAX_KEY = 1 << 16
"""A key's first bytes; nobody asks for a longer one."""
MAX_DEPTH = 1 << 10
"""Brackets open at once; what is nested deeper is no JSON that anything could read."""

_BLANK = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)', re.DOTALL)
_SCALAR = re.compile(rb"[-+.0-9A-Za-z]++")
_SIMPLE = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[-+.0-9A-Za-z]++', re.DOTALL)
"""Strings and scalars, which are most values there are."""
_KEY = re.compile(
    rb'[ \t\r\n]*+(?:,[ \t\r\n]*+)?"((?:[^"\\]++|\\.)*+)"[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL
)
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)|([{\[])|[}\]]', re.DOTALL)

LONGEST_INT = 300
"""Digits of an integer that a double could hold; a longer one is infinite."""

CUT_OFF = "it ends in the middle"
_OPENING = frozenset(b"{[")
_COMMA, _QUOTE = b',"'
_BLANKS = b" \t\r\n"


class Cursor:
    """A place in JSON text, before a value. Every method raises ValueError where there is none."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes | memoryview, at: int = 0) -> None:
        self.data = data
        self.at = at

    def peek(self) -> int:
        """The first byte of the value, or what else stands here; -1 at the text's end."""
        found = _BLANK.match(self.data, self.at)
        assert found is not None
        self.at = found.end()
        return self.data[self.at] if self.at < len(self.data) else -1

    def skip(self) -> None:
        """Step over the value."""
        if found := _SIMPLE.match(self.data, self.at):
            self.at = found.end()
            return
        first = self.peek()
        if first in _OPENING:
            self._skip_nested()
            return
        found = (_STRING if first == _QUOTE else _SCALAR).match(self.data, self.at)
        if found is None:
            raise self.wrong()
        if first == _QUOTE and not found[1]:
            self.at = len(self.data)
            raise ValueError(CUT_OFF)
        self.at = found.end()

    def take(self) -> memoryview | bytes:
        """The value's bytes; steps over it."""
        if self.at >= len(self.data) or self.data[self.at] in _BLANKS:
            self.peek()
        start = self.at
        self.skip()
        return self.data[start : self.at]

    def value(self) -> Any:
        """The value, built; steps over it."""
        return parse(self.take())

    def members(self) -> Iterator[str]:
        """Each key of an object, with the cursor before its value; it is stepped over if need be.

        A value that is no object is stepped over and has none. Whoever breaks off loses the place.
        """
        if self.peek() != ord("{"):
            return self.skip()
        self.at += 1
        while True:
            found = _KEY.match(self.data, self.at)
            if found is None:
                if not self._next(ord("}")):
                    return
                self.skip()  # a key that is cut off, or else
                raise self.wrong()
            self.at = start = found.end()
            raw = found[1]
            if b"\\" in raw or not raw.isascii() or len(raw) > MAX_KEY:
                yield str(parse(b'"%s"' % raw)) if len(raw) <= MAX_KEY else ""
            else:
                yield raw.decode("ascii")
            if self.at == start:
                self.skip()

    def elements(self) -> Iterator[int]:
        """The number of each element of an array, with the cursor before it; else as `members`."""
        if self.peek() != ord("["):
            return self.skip()
        self.at += 1
        number = 0
        while self._next(ord("]")):
            start = self.at
            yield number
            if self.at == start:
                self.skip()
            number += 1

    def wrong(self) -> ValueError:
        """What is the matter with what stands here."""
        if self.at >= len(self.data):
            return ValueError(CUT_OFF)
        return ValueError(f"it is no JSON at byte {self.at:,}")

    def _next(self, closing: int) -> bool:
        """Step to the next element; False behind the last one, with the bracket stepped over."""
        first = self.peek()
        if first == _COMMA:
            self.at += 1
            first = self.peek()
        if first == closing:
            self.at += 1
            return False
        if first < 0:
            raise self.wrong()
        return True

    def _skip_nested(self) -> None:
        start, depth = self.at, 0
        for token in _TOKEN.finditer(self.data, self.at):
            if token[2]:
                depth += 1
                if depth > MAX_DEPTH:
                    raise ValueError(f"it is nested too deep at byte {start:,}")
            elif token[1] is None:
                depth -= 1
                if depth == 0:
                    self.at = token.end()
                    return
            elif not token[1]:
                break
        self.at = len(self.data)
        raise ValueError(CUT_OFF)


def parse(raw: bytes | memoryview) -> Any:
    """The value that a JSON text says. Raises ValueError, also for one that is too large."""
    if len(raw) > (MAX_TEXT if raw[:1] == b'"' else MAX_VALUE):
        raise ValueError(f"a value of {len(raw):,} bytes is too large")
    try:
        return orjson.loads(raw)
    except ValueError:
        # orjson refuses lone surrogates, which JavaScript writes, and numbers beyond a double.
        try:
            return json.loads(bytes(raw), parse_int=_number, parse_constant=_refuse)
        except UnicodeDecodeError:
            raise ValueError("it is not UTF-8") from None
        except (ValueError, RecursionError):
            raise ValueError("it is no JSON") from None


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) < LONGEST_INT else float(digits)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
