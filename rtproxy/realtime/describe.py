"""The part of an event's payload that matters, as one short line.

One function per family of events, and a table that names the family of each.
"""

from collections.abc import Callable

from rtproxy.realtime.event import RealtimeEvent, mapping, mappings, number, string
from rtproxy.realtime.phrase import (
    MAX_QUOTE,
    Data,
    binary,
    call,
    fields,
    join,
    milliseconds,
    problem,
    quote,
    says,
    short,
    tokens,
    value_text,
)
from rtproxy.realtime.settings import settings, tool_names

MAX_LINE = 1000


def describe(event: RealtimeEvent) -> str:
    """One line of at most 1000 characters; "" when the type says it all. Never raises."""
    if event.form == "binary":
        payload = event.record.payload
        assert isinstance(payload, bytes)
        return binary(payload)
    if event.form != "object":
        return short(str(event.record.payload), MAX_QUOTE)
    family = FAMILIES.get(event.name)
    line = fields(event.data) if family is None else family(event.data)
    if not line and event.event_id and not event.from_server:
        line = event.event_id  # a server's error may refer to it
    return short(line, MAX_LINE)


# Sessions and responses.


def _session(data: Data) -> str:
    session = mapping(data, "session")
    return join([settings(session), string(session, "id")]) or fields(data)


def _response_create(data: Data) -> str:
    return settings(mapping(data, "response"))


def _response_created(data: Data) -> str:
    response = mapping(data, "response")
    return join([string(response, "id"), settings(response)])


def _response_done(data: Data) -> str:
    response = mapping(data, "response")
    details = mapping(response, "status_details")
    error = mapping(details, "error")
    status = string(response, "status") or string(details, "type")
    reason = string(details, "reason")
    return join([
        f"{status} ({reason})" if status and reason else status or reason,
        problem(error) if error else "",
        tokens(mapping(response, "usage")),
        *(item(entry, with_id=False) for entry in mappings(response, "output")),
        string(response, "id"),
    ])  # fmt: skip


# Items and their parts.


def part(content: Data) -> str:
    """One content part of an item: its text, the transcript of its audio, or its kind."""
    kind = string(content, "type") or "?"
    text = quote(string(content, "text") or string(content, "transcript"))
    if "text" in kind:
        return text or kind
    return f"{kind.removeprefix('input_').removeprefix('output_')} {text}".rstrip()


def item(entry: Data, with_id: bool = True) -> str:
    """One item of a conversation: role and text, or call and arguments, or output."""
    kind = string(entry, "type")
    name, label = string(entry, "name"), string(entry, "server_label")
    status = string(entry, "status")
    state = f"({status})" if status not in (None, "completed") else ""
    said: list[str] = []
    match kind:
        case "function_call" | "mcp_call" | "mcp_approval_request":
            asks = "approve?" if kind == "mcp_approval_request" else ""
            whole = f"{label}.{name}" if label else name
            said = [asks, call(whole, string(entry, "arguments")), state]
            said += [_outcome(entry)]
        case "function_call_output":
            said = [string(entry, "call_id") or "?", "→", quote(string(entry, "output")), state]
        case "mcp_list_tools":
            said = [f"{label or '?'}:", tool_names(entry.get("tools")) or "no tools", state]
        case "mcp_approval_response":
            verdict = "approved" if entry.get("approve") is True else "denied"
            said = [
                verdict,
                string(entry, "approval_request_id") or "",
                quote(string(entry, "reason")),
            ]
        case "message" | None:
            parts = [part(content) for content in mappings(entry, "content")]
            said = [string(entry, "role") or "", *parts, state]
        case _:
            said = [kind, state]
    return join([" ".join(filter(None, said)), string(entry, "id") if with_id else None])


def _outcome(entry: Data) -> str:
    error = mapping(entry, "error")
    if error:
        return f"→ {problem(error)}"
    output = quote(string(entry, "output"))
    return f"→ {output}" if output else ""


def _item(data: Data) -> str:
    return item(mapping(data, "item"))


def _item_id(data: Data) -> str:
    return string(data, "item_id") or ""


def _truncation(data: Data) -> str:
    return join([milliseconds(data, "audio_end_ms"), string(data, "item_id")])


def _content_part(data: Data) -> str:
    return join([part(mapping(data, "part")), string(data, "item_id")])


# Text, audio, calls.


def _text(data: Data) -> str:
    text = string(data, "text") or string(data, "transcript") or string(data, "delta")
    return join([quote(text), string(data, "item_id")])


def _delta(data: Data) -> str:
    return quote(string(data, "delta"))


def _append(data: Data) -> str:
    return "" if string(data, "audio") or string(data, "delta") else "no audio"


def _arguments(data: Data) -> str:
    name, call_id = string(data, "name"), string(data, "call_id")
    whole = call(name or call_id or string(data, "item_id"), string(data, "arguments"))
    return join([whole, call_id if name else None])


def _transcribed(data: Data) -> str:
    text = quote(string(data, "transcript")) or "nothing heard"
    return join([text, tokens(mapping(data, "usage")), string(data, "item_id")])


def _segment(data: Data) -> str:
    start, end = number(data, "start"), number(data, "end")
    span = "" if start is None or end is None else f"{start}–{end} s"
    speaker = string(data, "speaker")
    return join([span, speaker and f"speaker {speaker}", quote(string(data, "text"))])


# The input buffer and the rest.


def _speech(data: Data) -> str:
    start, end = milliseconds(data, "audio_start_ms"), milliseconds(data, "audio_end_ms")
    return join([start, end, string(data, "item_id")])


def _dtmf(data: Data) -> str:
    return f"key {value_text(data['event'])}" if says(data.get("event")) else ""


def _response_id(data: Data) -> str:
    return string(data, "response_id") or ""


def _conversation(data: Data) -> str:
    return string(mapping(data, "conversation"), "id") or ""


def _error(data: Data) -> str:
    error = mapping(data, "error")
    if not error:
        return quote(string(data, "error")) or fields(data)
    param, cause = string(error, "param"), string(error, "event_id")
    parts = (problem(error), param and f"[{param}]", cause and f"(event_id {cause})")
    return " ".join(filter(None, parts))


def _failure(data: Data) -> str:
    return join([problem(mapping(data, "error")), string(data, "item_id")])


def _rate_limits(data: Data) -> str:
    said = []
    for limit in mappings(data, "rate_limits"):
        left, most = number(limit, "remaining"), number(limit, "limit")
        reset = number(limit, "reset_seconds")
        said.append(
            f"{string(limit, 'name') or '?'} {'?' if left is None else left}"
            f"/{'?' if most is None else most}" + ("" if reset is None else f", reset in {reset} s")
        )
    return join(said)


FAMILIES: dict[str, Callable[[Data], str]] = {
    "error": _error,
    "session.update": _session,
    "session.created": _session,
    "session.updated": _session,
    "session.start": _session,
    "session.started": _session,
    "session.close": fields,
    "session.closed": fields,
    "session.input_audio.append": _append,
    "session.input_audio_buffer.append": _append,
    "session.input_transcript.delta": _delta,
    "session.output_audio.delta": _append,
    "session.output_transcript.delta": _delta,
    "conversation.created": _conversation,
    "conversation.item.create": _item,
    "conversation.item.added": _item,
    "conversation.item.done": _item,
    "conversation.item.retrieved": _item,
    "conversation.item.retrieve": _item_id,
    "conversation.item.delete": _item_id,
    "conversation.item.deleted": _item_id,
    "conversation.item.truncate": _truncation,
    "conversation.item.truncated": _truncation,
    "conversation.item.input_audio_transcription.delta": _delta,
    "conversation.item.input_audio_transcription.segment": _segment,
    "conversation.item.input_audio_transcription.completed": _transcribed,
    "conversation.item.input_audio_transcription.failed": _failure,
    "input_audio_buffer.append": _append,
    "input_audio_buffer.commit": lambda _: "",
    "input_audio_buffer.committed": _item_id,
    "input_audio_buffer.clear": lambda _: "",
    "input_audio_buffer.cleared": lambda _: "",
    "input_audio_buffer.speech_started": _speech,
    "input_audio_buffer.speech_stopped": _speech,
    "input_audio_buffer.timeout_triggered": _speech,
    "input_audio_buffer.dtmf_event_received": _dtmf,
    "output_audio_buffer.clear": lambda _: "",
    "output_audio_buffer.started": _response_id,
    "output_audio_buffer.stopped": _response_id,
    "output_audio_buffer.cleared": _response_id,
    "response.create": _response_create,
    "response.cancel": _response_id,
    "response.created": _response_created,
    "response.done": _response_done,
    "response.output_item.added": _item,
    "response.output_item.done": _item,
    "response.content_part.added": _content_part,
    "response.content_part.done": _content_part,
    "response.output_text.delta": _delta,
    "response.output_text.done": _text,
    "response.output_audio.delta": _append,
    "response.output_audio.done": _item_id,
    "response.output_audio_transcript.delta": _delta,
    "response.output_audio_transcript.done": _text,
    "response.function_call_arguments.delta": _delta,
    "response.function_call_arguments.done": _arguments,
    "response.mcp_call_arguments.delta": _delta,
    "response.mcp_call_arguments.done": _arguments,
    "response.mcp_call.in_progress": _item_id,
    "response.mcp_call.completed": _item_id,
    "response.mcp_call.failed": _item_id,
    "mcp_list_tools.in_progress": _item_id,
    "mcp_list_tools.completed": _item_id,
    "mcp_list_tools.failed": _item_id,
    "rate_limits.updated": _rate_limits,
}
"""Canonical name of an event → what is shown of it."""
