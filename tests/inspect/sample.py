"""A small made-up call, with something of everything that a listing shows."""

import json
from base64 import b64encode
from typing import Any

from rtproxy.tape.record import FROM_SERVER, INJECTED, Control, Event, Header, Record

Piece = Event | Control

HEADER = Header({
    "id": "5f1c",
    "connection": "websocket",
    "started_ns": 1_790_000_000_000_000_000,
    "origin": "simulated",
    "upstream": "http://127.0.0.1:9000",
    "request": {"method": "GET", "target": "/v1/realtime?model=gpt-realtime", "headers": []},
    "response": {"status": 101, "headers": []},
})  # fmt: skip

SESSION = {
    "type": "realtime",
    "id": "sess_1",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 200},
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"},
    },
}


class Script:
    """Collects records one after the other; times are in milliseconds."""

    def __init__(self) -> None:
        self.records: list[Piece] = []

    def client(self, t_ms: float, type_: str, **fields: Any) -> None:
        self._event(t_ms, 0, {"type": type_, **fields})

    def server(self, t_ms: float, type_: str, **fields: Any) -> None:
        self._event(t_ms, FROM_SERVER, {"type": type_, "event_id": f"event_{self.seq}", **fields})

    def raw(self, t_ms: float, flags: int, payload: str | bytes) -> None:
        self.records.append(Event(self.seq, round(t_ms * 1e6), flags, payload))

    def control(self, t_ms: float, flags: int, name: str, **data: Any) -> None:
        self.records.append(Control(self.seq, round(t_ms * 1e6), flags, name, data))

    @property
    def seq(self) -> int:
        return len(self.records)

    def _event(self, t_ms: float, flags: int, data: dict[str, Any]) -> None:
        self.raw(t_ms, flags, json.dumps(data, ensure_ascii=False))


def base64_of(n_bytes: int) -> str:
    return b64encode(bytes(n_bytes)).decode()


def sample() -> list[Piece]:
    """One spoken turn, a tool call, a barge-in, an error, and what else passes by."""
    call = Script()
    ids = {"response_id": "resp_1", "item_id": "item_2"}
    call.server(20, "session.created", session=SESSION)
    call.client(21, "session.update", session={"type": "realtime", "instructions": "Be brief."})
    call.server(86, "session.updated", session=SESSION | {"instructions": "Be brief."})
    for n in range(40):
        call.client(100 + 20 * n, "input_audio_buffer.append", audio=base64_of(960))
        if n == 20:
            call.server(
                505, "input_audio_buffer.speech_started", audio_start_ms=120, item_id="item_1"
            )
    call.server(1400, "input_audio_buffer.speech_stopped", audio_end_ms=800, item_id="item_1")
    call.server(1401, "input_audio_buffer.committed", item_id="item_1", previous_item_id=None)
    call.control(1405, FROM_SERVER, "ping", payload=b"\x01\x02\x03\x04")
    call.control(1406, 0, "pong", payload=b"\x01\x02\x03\x04")
    call.server(1431, "response.created", response={"id": "resp_1", "status": "in_progress"})
    transcript = ["こんにちは", "、", "Marcelo", "!"]
    for n in range(12):
        if n % 3 == 0:
            call.server(
                1700 + n * 4,
                "response.output_audio_transcript.delta",
                delta=transcript[n // 3],
                **ids,
            )
        call.server(1701 + n * 4, "response.output_audio.delta", delta=base64_of(4800), **ids)
        call.client(1702 + n * 4, "input_audio_buffer.append", audio=base64_of(960))
    call.client(
        2300, "conversation.item.truncate", item_id="item_2", content_index=0, audio_end_ms=480
    )
    call.server(
        2330,
        "conversation.item.input_audio_transcription.completed",
        item_id="item_1",
        transcript="Hello \x1b[31mred\u202e, I am\r\nMarcelo.",
        usage={"type": "duration", "seconds": 1},
    )
    for n, piece in enumerate(('{"city":', ' "London"}')):
        call.server(
            2400 + n, "response.function_call_arguments.delta", delta=piece, call_id="call_1", **ids
        )
    arguments = {"name": "get_weather", "arguments": '{"city": "London"}', "call_id": "call_1"}
    call.server(2410, "response.function_call_arguments.done", **arguments, **ids)
    call.server(
        2420,
        "response.done",
        response={
            "id": "resp_1",
            "status": "cancelled",
            "status_details": {"type": "cancelled", "reason": "turn_detected"},
            "output": [],
            "usage": {"input_tokens": 41, "output_tokens": 164},
        },
    )
    call.server(
        2450, "rate_limits.updated", rate_limits=[{"name": "tokens", "limit": 100, "remaining": 98}]
    )
    call.server(
        4000,
        "error",
        error={
            "type": "invalid_request_error",
            "code": "response_cancel_not_active",
            "message": "Cancellation failed: no active response found",
            "event_id": "evt_9",
        },
    )
    call.raw(4001, FROM_SERVER | INJECTED, b"\x00\x01\x02")
    call.raw(4002, 0, "not \x07 JSON")
    call.server(4003, "session.something_new", level=3, nested={"deep": True})
    call.control(4100, 0, "close", code=1000, reason="bye")
    return call.records


def tape_of(records: list[Piece]) -> list[Record]:
    return [HEADER, *records]
