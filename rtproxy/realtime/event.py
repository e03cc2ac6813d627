"""One message of a session as a Realtime event: a typed view that forgives everything.

Whatever a tape holds, `parse` makes an event of it: JSON of any shape, text that is no JSON,
binary, fields that are missing, null or of the wrong type.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from rtproxy.realtime.audio import base64_size
from rtproxy.realtime.dialect import canonical
from rtproxy.tape.record import Event

Form = Literal["object", "json", "text", "binary"]
"""What a payload is: a JSON object, other JSON, other text, or bytes."""

DeltaKind = Literal[
    "input_audio", "input_transcript", "audio", "transcript", "text", "arguments", "other"
]

DELTAS: dict[str, DeltaKind] = {
    "input_audio_buffer.append": "input_audio",
    "conversation.item.input_audio_transcription.delta": "input_transcript",
    "response.output_audio.delta": "audio",
    "response.output_audio_transcript.delta": "transcript",
    "response.output_text.delta": "text",
    "response.function_call_arguments.delta": "arguments",
    "response.mcp_call_arguments.delta": "arguments",
    "session.input_audio.append": "input_audio",
    "session.input_audio_buffer.append": "input_audio",
    "session.input_transcript.delta": "input_transcript",
    "session.output_audio.delta": "audio",
    "session.output_transcript.delta": "transcript",
}
"""Events that carry a piece of something longer, by canonical name, and what they carry."""

_TYPE_FIRST = re.compile(r'\s*\{\s*"type"\s*:\s*"([^"\\]{1,200})"')


@dataclass(frozen=True, slots=True)
class RealtimeEvent:
    """A tape's event, decoded as far as it can be.

    `type` is the name on the wire, None where there is none; `name` is the canonical one, ""
    for none. `data` is the JSON object, empty where the payload is something else.
    """

    record: Event
    type: str | None
    name: str
    data: Mapping[str, Any]
    form: Form

    @property
    def seq(self) -> int:
        return self.record.seq

    @property
    def t_ns(self) -> int:
        return self.record.t_ns

    @property
    def from_server(self) -> bool:
        return self.record.from_server

    @property
    def size(self) -> int:
        """Bytes of the payload on the wire, before any compression."""
        return payload_size(self.record.payload)

    @property
    def event_id(self) -> str | None:
        return string(self.data, "event_id")

    @property
    def response_id(self) -> str | None:
        return string(self.data, "response_id") or string(mapping(self.data, "response"), "id")

    @property
    def item_id(self) -> str | None:
        return string(self.data, "item_id") or string(mapping(self.data, "item"), "id")

    @property
    def call_id(self) -> str | None:
        return string(self.data, "call_id") or string(mapping(self.data, "item"), "call_id")

    @property
    def delta_kind(self) -> DeltaKind | None:
        """What the event carries a piece of; "other" for a delta of unknown kind, None for none."""
        kind = DELTAS.get(self.name)
        return "other" if kind is None and self.name.endswith(".delta") else kind

    @property
    def audio(self) -> str | None:
        """Base64 of the audio that an append or an audio delta carries."""
        kind = DELTAS.get(self.name)
        if kind == "input_audio":
            return string(self.data, "audio")
        return string(self.data, "delta") if kind == "audio" else None

    @property
    def audio_size(self) -> int:
        """Bytes of audio that an append or an audio delta carries, decoded."""
        audio = self.audio
        return base64_size(audio) if audio else 0

    @property
    def text(self) -> str:
        """The piece of text that a delta of text, transcript or arguments carries."""
        kind = DELTAS.get(self.name)
        return "" if kind in ("audio", "input_audio") else string(self.data, "delta") or ""


def parse(record: Event) -> RealtimeEvent:
    """The Realtime event that a tape's event holds. Never raises.

    Audio is parsed along with the rest: up to 13 KB of base64, orjson is quicker at that than
    any way around it.
    """
    payload = record.payload
    if isinstance(payload, bytes):
        return RealtimeEvent(record, None, "", {}, "binary")
    try:
        data = _load(payload)
    except (ValueError, RecursionError):
        # It may be nested too deep; its type may be plain to see all the same.
        match = _TYPE_FIRST.match(payload)
        type_ = match[1] if match else None
        return RealtimeEvent(record, type_, canonical(type_ or ""), {}, "text")
    if not isinstance(data, dict):
        return RealtimeEvent(record, None, "", {}, "json")
    named = data.get("type")
    type_ = named if isinstance(named, str) and named else None
    return RealtimeEvent(record, type_, canonical(type_ or ""), data, "object")


def plain_append(payload: str) -> tuple[str | None, str] | None:
    """The event_id and the base64 of an append; None for all else, which `parse` understands.

    Nine events of ten are such: they are spared the way by a RealtimeEvent.
    """
    try:
        data = orjson.loads(payload)
    except ValueError:
        return None
    if type(data) is not dict or data.get("type") != "input_audio_buffer.append":
        return None
    audio = data.get("audio")
    return (string(data, "event_id"), audio) if type(audio) is str else None


def _load(text: str) -> Any:
    """JSON as a value. Raises ValueError, and RecursionError for what is nested too deep."""
    try:
        return orjson.loads(text)
    except ValueError:
        if not text.lstrip().startswith("{"):
            raise
        # orjson refuses numbers beyond a double and lone surrogates, which JavaScript writes.
        return json.loads(text, parse_int=_number, parse_constant=_refuse)


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def payload_size(payload: str | bytes) -> int:
    """Bytes that a payload takes on the wire."""
    if isinstance(payload, bytes) or payload.isascii():
        return len(payload)
    return len(payload.encode("utf-8", "surrogatepass"))


def string(data: Mapping[str, Any], key: str) -> str | None:
    """The value of a field if it is a string that is not empty."""
    value = data.get(key)
    return value if isinstance(value, str) and value else None


def number(data: Mapping[str, Any], key: str) -> int | float | None:
    """The value of a field if it is a number."""
    value = data.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The value of a field if it is an object, else an empty one."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def mappings(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The objects in a field that is an array; what is no object is left out."""
    value = data.get(key)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
