"""Each known event has one line that says what matters of it."""

import json
from typing import Any

import pytest

from rtproxy.realtime.describe import FAMILIES, describe
from rtproxy.realtime.dialect import CLIENT_EVENTS, LIVE_EVENTS, SERVER_EVENTS, canonical
from rtproxy.realtime.event import parse
from rtproxy.tape.record import FROM_SERVER, Event

ITEM = {
    "id": "item_1",
    "type": "message",
    "role": "user",
    "status": "completed",
    "content": [{"type": "input_text", "text": "Hello"}],
}
CALL = {"id": "item_2", "type": "function_call", "name": "f", "arguments": '{"a": 1}'}
RESPONSE = {
    "id": "resp_1",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_audio", "transcript": "Hi"}],
        }
    ],
    "usage": {
        "input_tokens": 9,
        "output_tokens": 4,
        "input_token_details": {"cached_tokens": 5},
    },
}
FAILED = {
    "id": "resp_1",
    "status": "failed",
    "status_details": {"type": "failed", "error": {"code": "server_error", "message": "Sorry"}},
}
CANCELLED = {
    "id": "resp_1",
    "status": "cancelled",
    "status_details": {"type": "cancelled", "reason": "turn_detected"},
}
GA_SESSION = {
    "type": "realtime",
    "id": "sess_1",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "transcription": {"model": "whisper-1"},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "create_response": False,
            },
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"},
    },
    "tools": [{"type": "function", "name": "f"}, {"type": "mcp", "server_label": "docs"}],
    "instructions": "Be brief.",
}
BETA_SESSION = {
    "id": "sess_1",
    "model": "gpt-realtime",
    "modalities": ["audio"],
    "voice": "alloy",
    "input_audio_format": "g711_ulaw",
    "output_audio_format": "pcm16",
    "input_audio_transcription": {"model": "whisper-1"},
    "turn_detection": None,
    "tools": [],
}
GA_LINE = (
    "gpt-realtime · audio · voice alloy · "
    "server_vad 0.5, prefix 300 ms, silence 200 ms, no reply · "
    "in audio/pcmu, out audio/pcm@24000 · transcription whisper-1 · 2 tools (f, docs) · "
    "“Be brief.” · sess_1"
)
BETA_LINE = (
    "gpt-realtime · audio · voice alloy · vad off · in g711_ulaw, out pcm16 · "
    "transcription whisper-1 · sess_1"
)
IDS = {"response_id": "resp_1", "item_id": "item_1"}
LIMITS = [
    {"name": "requests", "limit": 100, "remaining": 99, "reset_seconds": 0.5},
    {"name": "tokens", "limit": 5000, "remaining": 0},
]

SHOWN: list[tuple[str, dict[str, Any], str]] = [
    ("session.update", {"session": {"turn_detection": None}}, "vad off"),
    ("session.update", {"session": {"voice": {"id": "voice_9"}}}, "voice voice_9"),
    ("session.update", {"session": {"type": "transcription"}}, "transcription only"),
    ("session.created", {"session": GA_SESSION}, GA_LINE),
    ("session.updated", {"session": BETA_SESSION}, BETA_LINE),
    ("transcription_session.update", {"session": {"input_audio_format": "pcm16"}}, "in pcm16"),
    ("transcription_session.updated", {"session": BETA_SESSION}, BETA_LINE),
    ("session.start", {"session": {"model": "m"}}, "m"),
    ("session.started", {"session": {"model": "m"}}, "m"),
    ("session.close", {"reason": "bye"}, "reason=bye"),
    ("session.closed", {"reason": "bye"}, "reason=bye"),
    ("session.input_audio.append", {"audio": "AAAA"}, ""),
    ("session.input_audio_buffer.append", {"audio": "AAAA"}, ""),
    ("session.input_transcript.delta", {"delta": "Hi"}, "“Hi”"),
    ("session.output_audio.delta", {"delta": "AAAA"}, ""),
    ("session.output_transcript.delta", {"delta": "Hi"}, "“Hi”"),
    ("error", {"error": {"code": "c", "message": "m", "event_id": "e"}}, "c: m (event_id e)"),
    ("error", {"error": {"type": "t", "code": None, "message": "m", "param": "p"}}, "t: m [p]"),
    ("error", {"error": "broken"}, "“broken”"),
    ("error", {"message": "broken"}, "message=broken"),
    ("conversation.created", {"conversation": {"id": "conv_1"}}, "conv_1"),
    ("conversation.item.create", {"item": ITEM}, "user “Hello” · item_1"),
    ("conversation.item.created", {"item": CALL}, 'f({"a": 1}) · item_2'),
    ("conversation.item.added", {"item": {**CALL, "status": "in_progress"}},
     'f({"a": 1}) (in_progress) · item_2'),
    ("conversation.item.done", {"item": {"type": "function_call_output", "call_id": "call_1",
     "output": "12°"}}, "call_1 → “12°”"),
    ("conversation.item.done", {"item": {"type": "mcp_call", "server_label": "docs", "name": "g",
     "arguments": "{}", "output": "ok"}}, "docs.g({}) → “ok”"),
    ("conversation.item.done", {"item": {"type": "mcp_call", "server_label": "docs", "name": "g",
     "arguments": "{}", "error": {"type": "http_error", "code": 500, "message": "no"}}},
     "docs.g({}) → 500: no"),
    ("conversation.item.added", {"item": {"type": "mcp_approval_request", "server_label": "docs",
     "name": "g", "arguments": "{}"}}, "approve? docs.g({})"),
    ("conversation.item.create", {"item": {"type": "mcp_approval_response", "approve": False,
     "approval_request_id": "apr_1", "reason": "no"}}, "denied apr_1 “no”"),
    ("conversation.item.done", {"item": {"type": "mcp_list_tools", "server_label": "docs",
     "tools": [{"name": "g"}]}}, "docs: 1 tool (g)"),
    ("conversation.item.added", {"item": {"type": "item_reference", "id": "item_1"}},
     "item_reference · item_1"),
    ("conversation.item.retrieve", {"item_id": "item_1"}, "item_1"),
    ("conversation.item.retrieved", {"item": ITEM}, "user “Hello” · item_1"),
    ("conversation.item.delete", {"item_id": "item_1"}, "item_1"),
    ("conversation.item.deleted", {"item_id": "item_1"}, "item_1"),
    ("conversation.item.truncate", {"item_id": "item_1", "audio_end_ms": 480},
     "audio_end_ms 480 · item_1"),
    ("conversation.item.truncated", {"item_id": "item_1", "audio_end_ms": 480},
     "audio_end_ms 480 · item_1"),
    ("conversation.item.input_audio_transcription.delta", {"delta": "Hi"}, "“Hi”"),
    ("conversation.item.input_audio_transcription.segment",
     {"start": 0.5, "end": 1.25, "speaker": "A", "text": "Hi"}, "0.5–1.25 s · speaker A · “Hi”"),
    ("conversation.item.input_audio_transcription.completed",
     {"transcript": "Hi", "usage": {"seconds": 3}, **IDS}, "“Hi” · 3 s · item_1"),
    ("conversation.item.input_audio_transcription.completed", {"transcript": ""}, "nothing heard"),
    ("conversation.item.input_audio_transcription.failed",
     {"error": {"code": "c", "message": "m"}, **IDS}, "c: m · item_1"),
    ("input_audio_buffer.append", {"audio": "AAAA"}, ""),
    ("input_audio_buffer.append", {}, "no audio"),
    ("input_audio_buffer.commit", {"event_id": "evt_1"}, "evt_1"),
    ("input_audio_buffer.committed", IDS, "item_1"),
    ("input_audio_buffer.clear", {}, ""),
    ("input_audio_buffer.cleared", {"event_id": "event_1"}, ""),
    ("input_audio_buffer.speech_started", {"audio_start_ms": 0, **IDS},
     "audio_start_ms 0 · item_1"),
    ("input_audio_buffer.speech_stopped", {"audio_end_ms": 42, **IDS}, "audio_end_ms 42 · item_1"),
    ("input_audio_buffer.timeout_triggered", {"audio_start_ms": 1, "audio_end_ms": 2, **IDS},
     "audio_start_ms 1 · audio_end_ms 2 · item_1"),
    ("input_audio_buffer.dtmf_event_received", {"event": "5"}, "key 5"),
    ("output_audio_buffer.clear", {}, ""),
    ("output_audio_buffer.started", IDS, "resp_1"),
    ("output_audio_buffer.stopped", IDS, "resp_1"),
    ("output_audio_buffer.cleared", IDS, "resp_1"),
    ("response.create", {}, ""),
    ("response.create", {"response": {"conversation": "none", "input": [{}], "metadata": {"k": 1}}},
     "conversation none · 1 input item · metadata k=1"),
    ("response.cancel", IDS, "resp_1"),
    ("response.created", {"response": {"id": "resp_1", "output_modalities": ["text"]}},
     "resp_1 · text"),
    ("response.done", {"response": RESPONSE},
     "completed · tokens 9 in (5 cached), 4 out · assistant audio “Hi” · resp_1"),
    ("response.done", {"response": FAILED}, "failed · server_error: Sorry · resp_1"),
    ("response.done", {"response": CANCELLED}, "cancelled (turn_detected) · resp_1"),
    ("response.output_item.added", {"item": ITEM}, "user “Hello” · item_1"),
    ("response.output_item.done", {"item": CALL}, 'f({"a": 1}) · item_2'),
    ("response.content_part.added", {"part": {"type": "text", "text": ""}, **IDS}, "text · item_1"),
    ("response.content_part.done", {"part": {"type": "audio", "transcript": "Hi"}, **IDS},
     "audio “Hi” · item_1"),
    ("response.text.delta", {"delta": "Hi"}, "“Hi”"),
    ("response.text.done", {"text": "Hi", **IDS}, "“Hi” · item_1"),
    ("response.output_text.delta", {"delta": "Hi"}, "“Hi”"),
    ("response.output_text.done", {"text": "Hi", **IDS}, "“Hi” · item_1"),
    ("response.audio.delta", {"delta": "AAAA"}, ""),
    ("response.audio.done", IDS, "item_1"),
    ("response.output_audio.delta", {"delta": "AAAA"}, ""),
    ("response.output_audio.done", IDS, "item_1"),
    ("response.audio_transcript.delta", {"delta": "Hi"}, "“Hi”"),
    ("response.audio_transcript.done", {"transcript": "Hi", **IDS}, "“Hi” · item_1"),
    ("response.output_audio_transcript.delta", {"delta": "Hi"}, "“Hi”"),
    ("response.output_audio_transcript.done", {"transcript": "Hi", **IDS}, "“Hi” · item_1"),
    ("response.function_call_arguments.delta", {"delta": "{"}, "“{”"),
    ("response.function_call_arguments.done", {"name": "f", "arguments": '{"a":\n 1}',
     "call_id": "call_1"}, 'f({"a": 1}) · call_1'),
    ("response.function_call_arguments.done", {"arguments": "{}", "call_id": "call_1"},
     "call_1({})"),
    ("response.mcp_call_arguments.delta", {"delta": "{"}, "“{”"),
    ("response.mcp_call_arguments.done", {"arguments": "{}", "item_id": "mcp_1"}, "mcp_1({})"),
    ("response.mcp_call.in_progress", IDS, "item_1"),
    ("response.mcp_call.completed", IDS, "item_1"),
    ("response.mcp_call.failed", IDS, "item_1"),
    ("mcp_list_tools.in_progress", IDS, "item_1"),
    ("mcp_list_tools.completed", IDS, "item_1"),
    ("mcp_list_tools.failed", IDS, "item_1"),
    ("rate_limits.updated", {"rate_limits": LIMITS},
     "requests 99/100, reset in 0.5 s · tokens 0/5000"),
]  # fmt: skip


def line_of(data: object, from_server: bool = True) -> str:
    payload = data if isinstance(data, str | bytes) else json.dumps(data)
    return describe(parse(Event(0, 0, FROM_SERVER if from_server else 0, payload)))


@pytest.mark.parametrize(("type_", "fields", "line"), SHOWN)
def test_what_matters_is_shown(type_: str, fields: dict[str, Any], line: str) -> None:
    assert line_of({"type": type_, **fields}, from_server=type_ in SERVER_EVENTS) == line


def test_every_event_of_both_dialects_is_among_them() -> None:
    assert {type_ for type_, _, _ in SHOWN} == CLIENT_EVENTS | SERVER_EVENTS | LIVE_EVENTS


def test_the_table_knows_every_event_by_its_canonical_name() -> None:
    assert set(FAMILIES) == {
        canonical(name) for name in CLIENT_EVENTS | SERVER_EVENTS | LIVE_EVENTS
    }


def test_an_unknown_event_shows_what_it_has() -> None:
    line = line_of({
        "type": "session.new", "event_id": "e", "obfuscation": "xxxx", "level": 3, "none": None,
        "list": [1, 2], "nested": {"deep": True, "deeper": {"x": 1}}, "text": "t" * 200,
    })  # fmt: skip
    assert line == f"level=3 list=[2] nested.deep=true text={'t' * 79}…"


def test_a_gateway_without_types_shows_what_it_has() -> None:
    answer = {"id": "1", "object": "chat.completion", "model": "m", "choices": [{}]}
    assert line_of(answer) == "id=1 object=chat.completion model=m choices=[1]"


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        ("hello", "hello"),
        ("[1,2]", "[1,2]"),
        (b"", ""),
        (b"\x00\xff", "2 bytes: 00 ff"),
        (bytes(17), "17 bytes: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 …"),
    ],
)
def test_what_is_no_event_shows_itself(payload: str | bytes, line: str) -> None:
    assert line_of(payload) == line


def test_a_line_is_short() -> None:
    assert len(line_of({"type": "response.text.done", "text": "x" * 10_000})) < 420
    items = [{"type": "message", "content": [{"type": "text", "text": "x" * 300}]}] * 50
    assert len(line_of({"type": "response.done", "response": {"output": items}})) == 1000
