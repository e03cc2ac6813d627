"""Tapes that their authors have made to hurt whoever opens them, by name."""

import base64
import hashlib
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

from rtproxy.tape.codec import (
    encode_event,
    encode_header,
    encode_seal,
    encode_trailer,
)
from rtproxy.tape.record import FROM_SERVER
from tests.tape.framing import framed

ID = "4f2a9c"
REQUEST = {"method": "GET", "target": "/v1/realtime?model=gpt-realtime", "headers": []}
RESPONSE = {"status": 101, "headers": [["Upgrade", "websocket"]]}
FIELDS: dict[str, Any] = {
    "id": ID, "connection": "websocket", "request": REQUEST, "response": RESPONSE,
}  # fmt: skip
HEADER = encode_header(FIELDS)
MS = 1_000_000
SECOND = base64.b64encode(b"\x01\x02" * 2_400).decode()
"""A tenth of a second of audio, in fact."""

Say = tuple[int, int, Any]
"""Time in ms, who speaks (0 or FROM_SERVER), and an event."""


def said(*events: Say, first: int = 0) -> list[bytes]:
    """Events as records; what is no text is written as JSON."""
    return [
        encode_event(seq, int(ms * MS), who, data if isinstance(data, str | bytes) else text(data))
        for seq, (ms, who, data) in enumerate(events, start=first)
    ]


def text(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"))


def sealed(body_: list[bytes], header: bytes = HEADER, **data: Any) -> bytes:
    """A whole tape. The seal says whatever `data` says."""
    body = header + b"".join(body_)
    true = {"id": ID, "records": len(body_), "sha256": hashlib.sha256(body).hexdigest()}
    seal = encode_seal(len(body_), 10**10, true | data)
    return body + seal + encode_trailer(len(body))


def claim(size: int, first: int = 0x97) -> bytes:
    """The front of a record that announces so many bytes, which are not there."""
    head = struct.pack(">BBI", first, 0xCE, size)
    return head + struct.pack(">BI", 0xCE, zlib.crc32(head))


def raw(seq: int, t_ns: bytes, payload: bytes, flags: bytes = b"\x01") -> bytes:
    """An event of which every element is given as msgpack."""
    return framed(body=b"\x01" + bytes([seq]) + t_ns + flags + payload, elements=5)


def call(*, server: dict[str, Any] | None = None) -> list[Say]:
    """A turn of a call, every event of which could be changed."""
    session = {"id": "sess_1", "model": "gpt-realtime", "type": "realtime"} | (server or {})
    up, down = 0, FROM_SERVER
    return [
        (0, down, {"type": "session.created", "session": session}),
        (10, up, {"type": "session.update", "session": {"type": "realtime"}}),
        (20, up, {"type": "input_audio_buffer.append", "audio": SECOND}),
        (30, down, {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0,
                    "item_id": "item_1"}),
        (120, up, {"type": "input_audio_buffer.append", "audio": SECOND}),
        (130, down, {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 150,
                     "item_id": "item_1"}),
        (131, down, {"type": "input_audio_buffer.committed", "item_id": "item_1"}),
        (132, down, {"type": "conversation.item.added", "item": {
            "id": "item_1", "type": "message", "role": "user",
            "content": [{"type": "input_audio"}]}}),
        (140, down, {"type": "response.created", "response": {"id": "resp_1"}}),
        (150, down, {"type": "response.output_item.added", "response_id": "resp_1",
                     "output_index": 0, "item": {"id": "item_2", "type": "message",
                                                 "role": "assistant", "content": []}}),
        (160, down, {"type": "response.content_part.added", "response_id": "resp_1",
                     "item_id": "item_2", "output_index": 0, "content_index": 0,
                     "part": {"type": "audio"}}),
        (170, down, {"type": "response.output_audio.delta", "response_id": "resp_1",
                     "item_id": "item_2", "output_index": 0, "content_index": 0, "delta": SECOND}),
        (180, down, {"type": "response.output_audio_transcript.delta", "response_id": "resp_1",
                     "item_id": "item_2", "output_index": 0, "content_index": 0, "delta": "Hi."}),
        (190, up, {"type": "conversation.item.truncate", "item_id": "item_2", "content_index": 0,
                   "audio_end_ms": 50}),
        (200, down, {"type": "conversation.item.truncated", "item_id": "item_2",
                     "content_index": 0, "audio_end_ms": 50}),
        (210, down, {"type": "response.done", "response": {
            "id": "resp_1", "status": "completed", "usage": {"total_tokens": 7},
            "output": [{"id": "item_2", "type": "message", "role": "assistant",
                        "content": [{"type": "output_audio", "transcript": "Hi."}]}]}}),
    ]  # fmt: skip


def changed(value: Any, change: Callable[[str, Any], Any]) -> Any:
    """A value in which each member has been given to `change(key, member)`."""
    if isinstance(value, dict):
        return {key: change(key, changed(inner, change)) for key, inner in value.items()}
    return [changed(inner, change) for inner in value] if isinstance(value, list) else value


def with_members(**members: Any) -> bytes:
    """The call with all members of these names replaced."""
    return sealed(said(*[
        (ms, who, changed(data, lambda key, old: members.get(key, old)))
        for ms, who, data in call()
    ]))  # fmt: skip


def with_numbers(literal: str) -> bytes:
    """The call with this literal wherever an event has a number."""

    def mark(_: str, old: Any) -> Any:
        return "@@" if isinstance(old, int) else old

    events = [(ms, who, text(changed(data, mark)).replace('"@@"', literal))
              for ms, who, data in call()]  # fmt: skip
    return sealed(said(*events))


def timed(times: list[int]) -> bytes:
    """The call at these times in ns, over and over."""
    records = [
        encode_event(seq, times[seq % len(times)], who, text(data))
        for seq, (_, who, data) in enumerate(call())
    ]
    return sealed(records)


DEEP = 100_000
NESTED = {
    "arrays": "[" * DEEP + "]" * DEEP,
    "objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "open": "[" * DEEP,
    "typed": '{"type":"session.created","session":' + '{"a":' * DEEP + "1" + "}" * (DEEP + 1),
    "shallow": '{"type":"session.created","session":' + '{"a":' * 900 + "1" + "}" * 901,
}
"""JSON that is nested deeply. `shallow` is what some parsers take and others do not."""


def deep_body(front: bytes, mark: bytes) -> bytes:
    return front + mark * DEEP + b"\xc0"


BAD_NAMES = [
    "../../../../tmp/hostile-name",
    "/etc/hostile",
    "a\0b",
    "n" * 10_000,
    "..",
    ".",
    "",
    "a/b\\c",
    "\x1b]0;title\x07\x1b[31m",
    "\u202etxt.exe",
    "CON",
    "-rf",
    "\n",
    "é" * 300,
]
SCRIPT = (
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u2028\u2029"
    "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2066<!--<script>\"'&"
)
