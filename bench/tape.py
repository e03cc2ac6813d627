"""Tapes as long as a row needs them: spoken turns, eight seconds each."""

import json
from pathlib import Path

from bench.message import APPENDS_PER_SECOND, ITEM_ID, RESPONSE_ID, append, delta, small
from rtproxy.tape.record import FROM_SERVER
from rtproxy.tape.writer import TapeWriter

TURN_S = 8
APPENDS = TURN_S * APPENDS_PER_SECOND
DELTAS = 20
EVENTS = APPENDS + 2 * DELTAS + 5
"""Events of one turn; 450 turns are an hour, 200,000 events and about 370 MB."""
STEP_NS = 1_000_000_000 // APPENDS_PER_SECOND
PADDING_MS, SILENCE_MS = 300, 200
SESSION = {
    "type": "realtime",
    "id": "sess_BenchBenchBenchBench1",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": PADDING_MS,
                "silence_duration_ms": SILENCE_MS,
            },
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"},
    },
}


def write_tape(path: Path, turns: int) -> None:
    """Write a sealed tape of so many turns."""
    writer = TapeWriter.create(path, {"origin": "simulated"}, durability="none")
    _server(writer, 0, "session.created", session=SESSION)
    for turn in range(turns):
        _turn(writer, turn)
    writer.seal(turns * TURN_S * 1_000_000_000)
    if writer.failed is not None:
        raise writer.failed


def _turn(writer: TapeWriter, turn: int) -> None:
    """The caller speaks for four seconds, then hears the answer while the microphone is open."""
    item, answer = f"item_{turn:023}", f"item_{turn:022}a"
    response = {"id": f"resp_{turn:023}", "object": "realtime.response", "output": []}
    for number in range(APPENDS):
        t_ns = (turn * APPENDS + number) * STEP_NS
        writer.event(t_ns, 0, append(turn * APPENDS + number))
        audio_ms = t_ns // 1_000_000 + 1000 // APPENDS_PER_SECOND
        if number == 20:
            start = {"audio_start_ms": audio_ms - PADDING_MS - 100, "item_id": item}
            _server(writer, t_ns, "input_audio_buffer.speech_started", **start)
        elif number == APPENDS // 2:
            stop = {"audio_end_ms": audio_ms, "item_id": item}
            _server(writer, t_ns, "input_audio_buffer.speech_stopped", **stop)
            _server(writer, t_ns, "input_audio_buffer.committed", item_id=item)
            _server(writer, t_ns, "response.created", response=response)
        elif APPENDS // 2 < number <= APPENDS // 2 + DELTAS:
            for text in (delta(number), small(number)):
                own = text.replace(RESPONSE_ID, str(response["id"])).replace(ITEM_ID, answer)
                writer.event(t_ns, FROM_SERVER, own)
        elif number == APPENDS // 2 + DELTAS + 1:
            _server(writer, t_ns, "response.done", response=response | {"status": "completed"})
        writer.flush()


def _server(writer: TapeWriter, t_ns: int, type_: str, **fields: object) -> None:
    event = {"type": type_, "event_id": f"event_{t_ns:020}", **fields}
    writer.event(t_ns, FROM_SERVER, json.dumps(event))
    writer.flush()
