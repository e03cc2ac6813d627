"""What came of a simulated call: every event in order, the turns, the errors, how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One message as the caller sent or received it, `t_ms` of real time after its connection."""

    t_ms: float
    from_server: bool
    raw: str | bytes

    @property
    def event(self) -> Mapping[str, Any]:
        """The message as JSON; empty if it is no JSON object."""
        try:
            value = orjson.loads(self.raw)
        except orjson.JSONDecodeError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def type(self) -> str:
        return str(self.event.get("type", ""))


@dataclass(slots=True)
class Turn:
    """What the caller said and what it was answered. Times are milliseconds of the call."""

    said: str
    started_ms: float
    replies: dict[str, str] = field(default_factory=dict)
    """Id of an item → its text or transcript so far."""
    transcript: str | None = None
    """What the server understood, if it told."""
    tools: list[str] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    """How each response to it ended."""
    first_audio_ms: float | None = None
    received_ms: float = 0.0
    heard_ms: float = 0.0
    interrupted: bool = False

    @property
    def reply(self) -> str:
        return " ".join(text for text in self.replies.values() if text)


@dataclass(slots=True)
class CallReport:
    """The whole call. `close_code` and `close_reason` are the server's last word."""

    events: list[CallEvent] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    errors: list[Mapping[str, Any]] = field(default_factory=list)
    """The `error` objects that the server sent."""
    session_id: str | None = None
    model: str | None = None
    close_code: int | None = None
    close_reason: str = ""

    @property
    def sent(self) -> list[CallEvent]:
        return [event for event in self.events if not event.from_server]

    @property
    def received(self) -> list[CallEvent]:
        return [event for event in self.events if event.from_server]

    def types(self, *, from_server: bool) -> list[str]:
        """Types of the events of one direction, in order."""
        return [event.type for event in self.events if event.from_server is from_server]
