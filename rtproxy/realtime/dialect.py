"""The dialects of the Realtime protocol as tables: beta, GA, and how the one maps to the other.

Inside rtproxy the GA vocabulary is the only one; `canonical` leads into it. Sources: the beta
reference (9 client and 28 server events), the GA types of openai-python (11 and 46), and what
servers have been seen to send. A name that is in no table keeps its place as it is.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

Dialect = Literal["beta", "ga"]

BETA_CLIENT_EVENTS = frozenset({
    "session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.truncate",
    "conversation.item.delete",
    "response.create",
    "response.cancel",
})  # fmt: skip
LATE_BETA_CLIENT_EVENTS = frozenset({
    "conversation.item.retrieve",
    "output_audio_buffer.clear",
    "transcription_session.update",
})  # fmt: skip
GA_CLIENT_EVENTS = (BETA_CLIENT_EVENTS | LATE_BETA_CLIENT_EVENTS) - {"transcription_session.update"}

BETA_SERVER_EVENTS = frozenset({
    "error",
    "session.created",
    "session.updated",
    "conversation.created",
    "conversation.item.created",
    "conversation.item.truncated",
    "conversation.item.deleted",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.failed",
    "input_audio_buffer.committed",
    "input_audio_buffer.cleared",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "response.created",
    "response.done",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.text.delta",
    "response.text.done",
    "response.audio_transcript.delta",
    "response.audio_transcript.done",
    "response.audio.delta",
    "response.audio.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "rate_limits.updated",
})  # fmt: skip
LATE_BETA_SERVER_EVENTS = frozenset({
    "conversation.item.retrieved",
    "conversation.item.input_audio_transcription.delta",
    "transcription_session.updated",
    "output_audio_buffer.started",
    "output_audio_buffer.stopped",
    "output_audio_buffer.cleared",
})  # fmt: skip

RENAMED = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "transcription_session.update": "session.update",
    "transcription_session.updated": "session.updated",
}
"""Beta name of an event → its GA name, where GA no longer knows the beta name."""

CANONICAL = RENAMED | {
    "conversation.item.created": "conversation.item.added",
    "transcription_session.created": "session.created",
}
"""Name of an event → the name that stands for it inside.

GA still types conversation.item.created, but says added, and later done, instead.
transcription_session.created is on the wire, but in no published list of types.
"""

GA_ONLY_SERVER_EVENTS = frozenset({
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.segment",
    "input_audio_buffer.timeout_triggered",
    "input_audio_buffer.dtmf_event_received",
    "mcp_list_tools.in_progress",
    "mcp_list_tools.completed",
    "mcp_list_tools.failed",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_call.in_progress",
    "response.mcp_call.completed",
    "response.mcp_call.failed",
})  # fmt: skip
GA_SERVER_EVENTS = (
    (BETA_SERVER_EVENTS | LATE_BETA_SERVER_EVENTS) - frozenset(RENAMED)
    | (frozenset(RENAMED.values()) - {"session.update"})
    | GA_ONLY_SERVER_EVENTS
)

LIVE_EVENTS = frozenset({
    "session.start",
    "session.started",
    "session.close",
    "session.closed",
    "session.input_audio.append",
    "session.input_audio_buffer.append",
    "session.input_transcript.delta",
    "session.output_audio.delta",
    "session.output_transcript.delta",
})  # fmt: skip
"""Events of the live and translation sessions that are decoded: the third vocabulary."""

CLIENT_EVENTS = BETA_CLIENT_EVENTS | LATE_BETA_CLIENT_EVENTS | GA_CLIENT_EVENTS
SERVER_EVENTS = BETA_SERVER_EVENTS | LATE_BETA_SERVER_EVENTS | GA_SERVER_EVENTS

CONTENT_TYPES = {"text": "output_text", "audio": "output_audio"}
"""Beta type of a content part of an assistant's item → its GA type.

In content_part events, `part.type` stays "text" or "audio" in GA.
"""

SESSION_FIELDS: dict[str, tuple[str, ...]] = {
    "modalities": ("output_modalities",),
    "max_response_output_tokens": ("max_output_tokens",),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "input_audio_format": ("audio", "input", "format"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
}
"""Beta field of a session or response → path of the GA field. Other fields keep their names."""

_BETA_NAMES = frozenset(RENAMED)
_GA_NAMES = frozenset(RENAMED.values()) - {"session.update", "session.updated"} | {
    "conversation.item.added"
}
_BETA_SESSION = frozenset(SESSION_FIELDS) | {"temperature"}
_GA_SESSION = frozenset({"audio", "output_modalities", "max_output_tokens"})


def canonical(name: str) -> str:
    """The name that an event has inside: its GA name, or its own if no table knows it."""
    return CANONICAL.get(name, name)


def dialect_of(names: Iterable[str]) -> Dialect | None:
    """The dialect that event names speak; None while they could be either.

    Names that GA replaced decide over names that GA added: some beta servers (Azure Voice Live)
    send conversation.item.done too. Reads no further than it must.
    """
    ga = False
    for name in names:
        if name in _BETA_NAMES:
            return "beta"
        ga = ga or name in _GA_NAMES
    return "ga" if ga else None


def dialect_of_session(session: Mapping[str, Any]) -> Dialect | None:
    """The dialect that the fields of a `session` object are written in; None if they fit both."""
    fields = {name for name, value in session.items() if value is not None}
    if fields & _BETA_SESSION:
        return "beta"
    return "ga" if fields & _GA_SESSION or session.get("type") == "realtime" else None


def session_field(session: Mapping[str, Any], beta_name: str, default: Any = None) -> Any:
    """The value that a session or response of either dialect has for a field.

    `beta_name` is the flat name, such as "input_audio_format". A field that is null gives None,
    one that is not there gives `default`.
    """
    value: Any = session
    for step in SESSION_FIELDS.get(beta_name, (beta_name,)):
        if not isinstance(value, Mapping) or step not in value:
            return session.get(beta_name, default)
        value = value[step]
    return value
