"""What is on a tape in a few numbers: it is gathered while the tape is written, and sealed with it.

The counts are by direction ("client", "server") and by the "type" of the JSON in an event.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from rtproxy.tape.record import FROM_SERVER, Control, Event, Record, Unknown

Direction = Literal["client", "server"]
Dialect = Literal["beta", "ga"]

INDEX_NS = 1_000_000_000
"""Least time between two entries of the sparse index, until it is full."""
MAX_INDEX = 1 << 14
"""Entries of a full index: every other one is then left out, and the time between them doubled."""
MAX_TYPES = 2000
"""Types counted by name in each direction; further ones are counted as OTHER."""
MAX_TYPE_LENGTH = 128
OTHER = "…"
"""Stands for types that are too many or too long to be counted by name."""
UNTYPED = "(no type)"
"""Stands for text that is no JSON object with a "type"."""
BINARY = "(binary)"
"""Stands for binary messages."""

# Real servers and clients write "type" first, or second after "event_id".
_TYPE_IN_FRONT = re.compile(
    r'\s*\{\s*(?:"event_id"\s*:\s*"[^"\\]*"\s*,\s*)?"type"\s*:\s*"([^"\\]*)"'
)
_DIALECT_BY_TYPE: dict[str, Dialect] = {
    "conversation.item.added": "ga",
    "conversation.item.created": "beta",
    "response.output_text.delta": "ga",
    "response.output_audio.delta": "ga",
    "response.output_audio_transcript.delta": "ga",
    "response.text.delta": "beta",
    "response.audio.delta": "beta",
    "response.audio_transcript.delta": "beta",
}
_SESSION_TYPES = {
    "session.created",
    "session.updated",
    "transcription_session.created",
    "transcription_session.updated",
}


def peek_type(payload: str) -> str | None:
    """The top-level "type" of a JSON object, or None when it has none or is no JSON.

    Looks no further than the first members where "type" is among them, so that a big audio payload
    is not parsed.
    """
    if found := _TYPE_IN_FRONT.match(payload):
        return found[1]
    value = _load(payload)
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else None


def _load(payload: str) -> Any:
    try:
        return orjson.loads(payload)
    except ValueError:
        return None


def _by_direction() -> dict[Direction, int]:
    return {"client": 0, "server": 0}


def _types() -> dict[Direction, dict[str, int]]:
    return {"client": {}, "server": {}}


@dataclass(slots=True)
class Summary:
    """Counts, duration and index of the records between header and seal.

    `records` counts all of them; `events`, `payload_bytes` and `types` the messages; `controls` the
    controls by name. `index` holds (seq, t_ns, offset in the file) about once a second. `model`,
    `session` (its id) and `dialect` are known once the server has said them.
    """

    records: int = 0
    events: dict[Direction, int] = field(default_factory=_by_direction)
    payload_bytes: dict[Direction, int] = field(default_factory=_by_direction)
    types: dict[Direction, dict[str, int]] = field(default_factory=_types)
    controls: dict[str, int] = field(default_factory=dict)
    duration_ns: int = 0
    model: str | None = None
    session: str | None = None
    dialect: Dialect | None = None
    index: list[tuple[int, int, int]] = field(default_factory=list)
    _index_ns: int = INDEX_NS
    _next_index_ns: int = 0

    def add(self, record: Record, offset: int) -> None:
        """Count any record that starts at `offset` of the file."""
        if isinstance(record, Event):
            self.add_event(record.seq, record.t_ns, record.flags, record.payload, offset)
        elif isinstance(record, Control):
            self.add_control(record.seq, record.t_ns, record.name, offset)
        elif isinstance(record, Unknown):
            self.records += 1

    def add_event(self, seq: int, t_ns: int, flags: int, payload: str | bytes, offset: int) -> None:
        """Count a message."""
        direction: Direction = "server" if flags & FROM_SERVER else "client"
        self.events[direction] += 1
        size = len(payload)
        if isinstance(payload, str):
            if not payload.isascii():
                size = len(payload.encode("utf-8", "surrogatepass"))
            kind = peek_type(payload)
            if kind is None:
                kind = UNTYPED
            elif flags & FROM_SERVER and (self.dialect is None or self.model is None):
                self._learn(kind, payload)
        else:
            kind = BINARY
        counts = self.types[direction]
        if kind in counts:
            counts[kind] += 1
        else:
            self._count(counts, kind)
        self.payload_bytes[direction] += size
        self._advance(seq, t_ns, offset)

    def add_control(self, seq: int, t_ns: int, name: str, offset: int) -> None:
        """Count something on the connection that is no message."""
        self._count(self.controls, name)
        self._advance(seq, t_ns, offset)

    def _advance(self, seq: int, t_ns: int, offset: int) -> None:
        self.records += 1
        if t_ns > self.duration_ns:
            self.duration_ns = t_ns
        if t_ns >= self._next_index_ns:
            self.index.append((seq, t_ns, offset))
            if len(self.index) == MAX_INDEX:
                del self.index[1::2]
                self._index_ns *= 2
            self._next_index_ns = t_ns + self._index_ns

    @staticmethod
    def _count(counts: dict[str, int], name: str) -> None:
        if name not in counts and (len(counts) >= MAX_TYPES or len(name) > MAX_TYPE_LENGTH):
            name = OTHER
        counts[name] = counts.get(name, 0) + 1

    def _learn(self, kind: str, payload: str) -> None:
        if kind in _SESSION_TYPES:
            value = _load(payload)
            session = value.get("session") if isinstance(value, dict) else None
            if isinstance(session, dict):
                self.model = self.model or _text(session.get("model"))
                self.session = self.session or _text(session.get("id"))
                self.dialect = self.dialect or dialect_of_session(session)
        self.dialect = self.dialect or _DIALECT_BY_TYPE.get(kind)

    def to_map(self) -> dict[str, Any]:
        """The summary as it stands in a seal."""
        return {
            "records": self.records,
            "events": dict(self.events),
            "bytes": dict(self.payload_bytes),
            "types": {direction: dict(counts) for direction, counts in self.types.items()},
            "controls": dict(self.controls),
            "duration_ns": self.duration_ns,
            "model": self.model,
            "session": self.session,
            "dialect": self.dialect,
            "index": [list(entry) for entry in self.index],
        }

    @classmethod
    def from_map(cls, data: Mapping[str, Any]) -> "Summary":
        """Read the summary in a seal; whatever is not as expected counts as not known."""
        dialect = data.get("dialect")
        return cls(
            records=_number(data.get("records")),
            events=_directions(data.get("events")),
            payload_bytes=_directions(data.get("bytes")),
            types={
                "client": _counts(_map(data.get("types")).get("client")),
                "server": _counts(_map(data.get("types")).get("server")),
            },
            controls=_counts(data.get("controls")),
            duration_ns=_number(data.get("duration_ns")),
            model=_text(data.get("model")),
            session=_text(data.get("session")),
            dialect=dialect if dialect in ("beta", "ga") else None,
            index=_index(data.get("index")),
        )


def dialect_of_session(session: Mapping[str, Any]) -> Dialect | None:
    """Tell the dialect by a session's members: only GA has type, output_modalities and audio."""
    if session.keys() & {"type", "output_modalities", "audio"}:
        return "ga"
    if session.keys() & {"modalities", "input_audio_format", "output_audio_format"}:
        return "beta"
    return None


def _text(value: Any) -> str | None:
    return value[:MAX_TYPE_LENGTH] if isinstance(value, str) else None


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _counts(value: Any) -> dict[str, int]:
    return {str(name): _number(count) for name, count in _map(value).items()}


def _directions(value: Any) -> dict[Direction, int]:
    counts = _map(value)
    return {"client": _number(counts.get("client")), "server": _number(counts.get("server"))}


def _index(value: Any) -> list[tuple[int, int, int]]:
    entries = value if isinstance(value, list) else []
    return [
        (seq, t_ns, offset)
        for entry in entries
        if isinstance(entry, list) and len(entry) >= 3 and all(type(n) is int for n in entry[:3])
        for seq, t_ns, offset in (entry[:3],)
    ]
