"""tnetstrings, as mitmproxy writes its flows: `LENGTH:PAYLOAD` and a byte that says what it is.

    11:hello world,    5:12345#    4:true!    19:5:12345#4:true!1:0#]

A node is a place in the bytes; nothing is built but what is asked for, so that a flow of any size
takes little memory. mitmproxy adds `;` for text to the tags of https://tnetstrings.info.

    ,  bytes    ;  text    #  integer    ^  float    !  boolean    ~  null    ]  list    }  map
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rtproxy.convert.jsontext import CUT_OFF, MAX_TEXT

Scalar = str | bytes | int | float | bool | None

LONGEST_NUMBER = 40
MAX_KEY = 1000

_LENGTH = re.compile(rb"(\d{1,12}):")
_DIGITS = re.compile(rb"\d{0,12}")


@dataclass(frozen=True, slots=True)
class Node:
    """A value in `data`; its payload is from `start` to `end`. `tag` is "" where it is cut off."""

    data: bytes | memoryview
    tag: str
    start: int
    end: int

    @classmethod
    def at(cls, data: bytes | memoryview, at: int, limit: int) -> "Node":
        """The node that begins at `at` and ends before `limit`. Raises ValueError for none.

        One that goes on behind the end of the bytes has no tag, and may be looked into.
        """
        found = _LENGTH.match(data, at, limit)
        if found is None:
            partly = _DIGITS.match(data, at, limit)
            if limit == len(data) and partly is not None and partly.end() == limit:
                raise ValueError(CUT_OFF)
            raise ValueError(f"it is no tnetstring at byte {at:,}")
        start = found.end()
        end = start + int(found[1])
        if end >= limit:
            if limit == len(data):
                return cls(data, "", start, limit)
            raise ValueError(f"a length at byte {at:,} is too large")
        return cls(data, chr(data[end]), start, end)

    @property
    def whole(self) -> bool:
        return self.tag != ""

    @property
    def after(self) -> int:
        """Where the next node begins."""
        return self.end + 1 if self.whole else self.end

    def children(self) -> Iterator["Node"]:
        """The nodes of a list; of a map, its keys and values in turn. Others have none."""
        if self.tag not in ("]", "}", ""):
            return
        at = self.start
        while at < self.end:
            child = Node.at(self.data, at, self.end)
            yield child
            at = child.after
        if not self.whole:
            raise ValueError(CUT_OFF)

    def members(self) -> Iterator[tuple[str, "Node"]]:
        """The keys and values of a map."""
        if self.tag == "]":
            return
        nodes = self.children()
        for key in nodes:
            value = next(nodes, None)
            if value is None:
                raise ValueError(f"a key at byte {key.start:,} has no value")
            yield key.text()[:MAX_KEY], value

    def text(self) -> str:
        """What text or bytes say, as text; empty for anything else."""
        value = self.value() if self.tag in (",", ";") else ""
        return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)

    def value(self) -> Scalar:
        """The value of anything but a list or a map, for which it is None. Raises ValueError."""
        if not self.whole:
            raise ValueError(CUT_OFF)
        size = self.end - self.start
        if size > (MAX_TEXT if self.tag in (",", ";") else LONGEST_NUMBER):
            return None
        raw = bytes(self.data[self.start : self.end])
        match self.tag:
            case ",":
                return raw
            case ";":
                return raw.decode("utf-8", "backslashreplace")
            case "#" | "^":
                try:
                    return int(raw) if self.tag == "#" else float(raw)
                except ValueError:
                    raise ValueError(f"it is no number at byte {self.start:,}") from None
            case "!":
                return raw == b"true"
        return None
