"""The records of a tape: the vocabulary that every room shares.

A tape is a sequence of records. `codec` turns them into bytes and back; nothing here knows how.
Times are nanoseconds on a monotonic clock that starts at the tape's start.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FROM_SERVER = 1
"""Flag: the record travelled from the server to the client."""
REDACTED = 2
"""Flag: a secret in it was replaced."""
NOT_FORWARDED = 4
"""Flag: the proxy received it but did not pass it on."""
INJECTED = 8
"""Flag: the proxy made it; the peer did not."""

MAX_LEFT_OUT = 1000
"""Ranges of records that a header may say were left out."""

MAGIC = "rtproxy-tape"
MAJOR = 1
MINOR = 0

KIND_HEADER = 0
KIND_EVENT = 1
KIND_CONTROL = 2
KIND_SEAL = 4
KIND_TRAILER = 5


@dataclass(frozen=True, slots=True)
class Header:
    """First record of a tape: what was connected to what, and when.

    `fields` is the map as it stands on the tape: `id` and `connection` ("websocket" or "http")
    are always there; `started_ns` (wall clock, ns since 1970), `writer`, `request`, `response`,
    `origin` and `requires` usually are; unknown keys are kept.
    """

    fields: Mapping[str, Any]
    major: int = MAJOR
    minor: int = MINOR

    @property
    def id(self) -> str:
        return str(self.fields.get("id", ""))

    @property
    def connection(self) -> str:
        return str(self.fields.get("connection", "websocket"))

    @property
    def started_ns(self) -> int | None:
        started = self.fields.get("started_ns")
        return started if isinstance(started, int) else None

    @property
    def origin(self) -> str:
        return str(self.fields.get("origin", "recorded"))

    @property
    def left_out(self) -> list[range]:
        """Numbers of records that were left out on purpose, by cutting the tape."""
        ranges = self.fields.get("left_out")
        found = ranges[:MAX_LEFT_OUT] if isinstance(ranges, list) else []
        return [
            range(pair[0], pair[1] + 1)
            for pair in found
            if isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair)
        ]


@dataclass(frozen=True, slots=True)
class Event:
    """One message: `payload` is str for text, verbatim, and bytes for binary."""

    seq: int
    t_ns: int
    flags: int
    payload: str | bytes

    @property
    def from_server(self) -> bool:
        return bool(self.flags & FROM_SERVER)


@dataclass(frozen=True, slots=True)
class Control:
    """Something on the connection that is no message.

    `name` is ping, pong, close, eof, reset, protocol_error, refused, gap or marker;
    `data` says more (close: code, reason; ping and pong: payload).
    """

    seq: int
    t_ns: int
    flags: int
    name: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def from_server(self) -> bool:
        return bool(self.flags & FROM_SERVER)


@dataclass(frozen=True, slots=True)
class Seal:
    """Last word of a finished tape: `data` holds counts, duration, index and the SHA-256."""

    seq: int
    t_ns: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trailer:
    """Fixed-width end of a sealed tape: where in the file the seal starts."""

    seal_offset: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A sound record of a kind that this version does not know; readers pass over it."""

    kind: int
    seq: int | None
    body: tuple[Any, ...]


Record = Header | Event | Control | Seal | Trailer | Unknown
