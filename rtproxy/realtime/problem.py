"""Errors the server reported, what caused each, and how the session ended."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rtproxy.realtime.event import mapping, string
from rtproxy.tape.record import INJECTED, Control

Data = Mapping[str, Any]

ACTIVE_RESPONSE = "conversation_already_has_active_response"
EXPIRED = "session_expired"
RATE_LIMITED = frozenset({"rate_limit_exceeded", "rate_limit_error", "insufficient_quota"})
REMEMBERED = 4096
"""Client events that an error may still refer to."""

CAUSES = {
    ACTIVE_RESPONSE: "response.create",
    "response_cancel_not_active": "response.cancel",
    "cannot_update_voice": "session.update",
    "input_audio_buffer_commit_empty": "input_audio_buffer.commit",
    "invalid_tool_call_id": "conversation.item.create",
    "item_truncate_invalid_item_id": "conversation.item.truncate",
    "item_delete_invalid_item_id": "conversation.item.delete",
    "item_retrieve_invalid_item_id": "conversation.item.retrieve",
    "unsupported_content_type": "conversation.item.truncate",
}
"""Code of an error → the type of client event that it answers, for clients without event ids."""
PARAMS = {
    "item": "conversation.item.create",
    "response": "response.create",
    "session": "session.update",
}
"""The object that holds the parameter of an error → the same; some codes are of several events."""
STILL_ACTIVE = "Conversation already has an active response"
PHRASES = {
    STILL_ACTIVE: "response.create",
    "Audio content of ": "conversation.item.truncate",
    "Cancellation failed": "response.cancel",
    "Error committing input audio buffer": "input_audio_buffer.commit",
    "Passing a ": "session.update",
}
"""How messages begin → the same, where there is no code, or one that many errors have."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An `error` event. `cause_seq` is the client's event behind it; `certain` if it was named."""

    seq: int
    t_ms: float
    code: str | None
    type: str | None
    message: str | None
    param: str | None
    event_id: str | None
    cause_seq: int | None = None
    cause_type: str | None = None
    certain: bool = False

    @property
    def without_cause(self) -> "Problem":
        """The same, about nothing that the client did."""
        return replace(self, cause_seq=None, cause_type=None)

    @property
    def still_active(self) -> bool:
        """Whether it refused a response because of another; gateways leave the code out."""
        said = self.code is None and (self.message or "").startswith(STILL_ACTIVE)
        return said or self.code == ACTIVE_RESPONSE

    @property
    def rate_limited(self) -> bool:
        return self.code in RATE_LIMITED or self.type in RATE_LIMITED

    def to_json(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "t_ms": self.t_ms,
            "code": self.code,
            "type": self.type,
            "message": self.message,
            "param": self.param,
            "event_id": self.event_id,
            "cause_seq": self.cause_seq,
            "cause_certain": self.certain,
        }


class Causes:
    """Remembers the client's last events, to find the one that an error is about.

    Those with an id in two lots: of the older ones the whole lot is forgotten at once.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, tuple[int, str]] = {}
        self._older: dict[str, tuple[int, str]] = {}
        self._latest: dict[str, int] = {}

    def note(self, name: str, event_id: str | None, seq: int) -> None:
        """A client's event; `name` is canonical."""
        if event_id is not None:
            self._by_id[event_id] = (seq, name)
            if len(self._by_id) >= REMEMBERED:
                self._older, self._by_id = self._by_id, {}
        if name in self._latest or len(self._latest) < REMEMBERED:
            self._latest[name] = seq

    def problem(self, body: Data, t_ms: float, seq: int) -> Problem:
        """The problem that an error event tells of, with its cause."""
        error = mapping(body, "error")
        event_id = string(error, "event_id")
        cause = (self._by_id.get(event_id) or self._older.get(event_id)) if event_id else None
        certain = cause is not None
        if cause is None and not event_id:
            name = blamed(error)
            latest = self._latest.get(name) if name else None
            cause = None if latest is None or name is None else (latest, name)
        return Problem(
            seq,
            t_ms,
            string(error, "code"),
            string(error, "type"),
            string(error, "message"),
            string(error, "param"),
            event_id,
            cause[0] if cause else None,
            cause[1] if cause else None,
            certain,
        )


def blamed(error: Data) -> str | None:
    """The type of client event that an error is about, as far as it can be told without ids."""
    param, code = string(error, "param") or "", string(error, "code") or ""
    name = PARAMS.get(param.split(".")[0].split("[")[0]) or CAUSES.get(code)
    if name is None:
        message = string(error, "message") or ""
        name = next((PHRASES[words] for words in PHRASES if message.startswith(words)), None)
    return name


@dataclass(frozen=True, slots=True)
class Ending:
    """How the connection ended: `name` is close, eof, reset, refused or protocol_error."""

    name: str
    seq: int
    t_ms: float
    by_server: bool
    code: int | None = None
    reason: str | None = None
    injected: bool = False
    """A proxy made it; then `by_server` says that it was the client who got it."""

    @classmethod
    def of(cls, control: Control, t_ms: float) -> "Ending":
        code = control.data.get("status" if control.name == "refused" else "code")
        return cls(
            control.name,
            control.seq,
            t_ms,
            control.from_server,
            code if type(code) is int else None,
            string(control.data, "reason"),
            bool(control.flags & INJECTED) and control.name == "close",
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "by": "proxy" if self.injected else "server" if self.by_server else "client",
            "code": self.code,
            "reason": self.reason,
            "seq": self.seq,
            "t_ms": self.t_ms,
        }
