"""One message of a client, read as far as matching needs it."""

import json
import re
from collections.abc import Iterable
from typing import Any

from rtproxy.realtime.audio import base64_size
from rtproxy.realtime.dialect import CLIENT_EVENTS, LIVE_EVENTS, SERVER_EVENTS, canonical
from rtproxy.tape.summary import peek_type

APPENDS = frozenset({
    "input_audio_buffer.append",
    "session.input_audio.append",
    "session.input_audio_buffer.append",
})  # fmt: skip
"""Types of the events that stream the caller's audio, in every vocabulary."""
COMMIT = "input_audio_buffer.commit"
TRUNCATE = "conversation.item.truncate"
CLEAR = "input_audio_buffer.clear"
REALTIME_EVENTS = (CLIENT_EVENTS | SERVER_EVENTS | LIVE_EVENTS) - {"error"}
"""Types that show that a tape is of the Realtime protocol; others have events named "error"."""

MAX_DEPTH = 200
"""JSON nested deeper than this is compared as text, which keeps every walk within the stack."""

MAX_VALUES = 200_000
"""JSON with more values than this is compared as text too: to walk it would take too long."""

_NESTS = frozenset({dict, list})
_AUDIO = re.compile(r'"audio"\s*:\s*"')


def parse_message(payload: str | bytes) -> Any:
    """The JSON value of a text message; the payload itself if it is binary or no JSON."""
    if isinstance(payload, bytes):
        return payload
    if len(payload) > MAX_VALUES and sum(map(payload.count, ",[{")) > MAX_VALUES:
        return payload
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return payload
    if payload.count("[") + payload.count("{") > MAX_DEPTH and _is_deep(value):
        return payload
    return value


def type_of(value: Any) -> str:
    """The `type` of a parsed event; empty if it has none."""
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else ""


def peek(payload: str | bytes) -> str:
    """The `type` of a message, without parsing more of it than needed; empty if it has none."""
    return (peek_type(payload) or "") if isinstance(payload, str) else ""


def appended_audio(payload: str) -> str | None:
    """The base64 text of an append; None if it carries none."""
    found = _AUDIO.search(payload)
    if found:
        end = payload.find('"', found.end())
        audio = payload[found.end() : end]
        if end >= 0 and "\\" not in audio:
            return audio
    value = parse_message(payload)
    text = value.get("audio") if isinstance(value, dict) else None
    return text if isinstance(text, str) else None


def audio_size(audio: str) -> int:
    """Number of bytes that base64 `audio` decodes to: `base64_size`, quicker for clean text."""
    if " " in audio or "\n" in audio:
        return base64_size(audio)
    return len(audio.rstrip("=")) * 3 // 4


def is_servers(kind: str) -> bool:
    """True for the type of an event that only servers send."""
    return canonical(kind) in SERVER_EVENTS - CLIENT_EVENTS


def _is_deep(value: Any) -> bool:
    level: list[Iterable[Any]] = [[value]]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner.values() if type(inner) is dict else inner
            for outer in level
            for inner in outer
            if type(inner) in _NESTS
        ]
        if not level:
            return False
    return True
