"""Audio is measured by the format that the server confirmed."""

import json
from base64 import b64encode
from typing import Any

import pytest

from rtproxy.realtime.event import RealtimeEvent, parse
from rtproxy.realtime.formats import MAX_RESPONSES, AudioFormats
from rtproxy.tape.record import FROM_SERVER, Event

AUDIO = b64encode(bytes(4800)).decode()


def server(type_: str, **fields: Any) -> RealtimeEvent:
    return parse(Event(0, 0, FROM_SERVER, json.dumps({"type": type_, **fields})))


def client(type_: str, **fields: Any) -> RealtimeEvent:
    return parse(Event(0, 0, 0, json.dumps({"type": type_, **fields})))


APPEND = client("input_audio_buffer.append", audio=AUDIO)
DELTA = server("response.output_audio.delta", response_id="r1", delta=AUDIO)


def test_pcm16_at_24_khz_until_the_server_speaks() -> None:
    formats = AudioFormats()
    assert formats.duration_ms(APPEND) == 100
    assert formats.duration_ms(DELTA) == 100
    assert formats.duration_ms(server("response.done")) == 0


@pytest.mark.parametrize(
    "session",
    [
        {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_alaw"},
        {
            "audio": {
                "input": {"format": {"type": "audio/pcmu"}},
                "output": {"format": {"type": "audio/pcma"}},
            }
        },
    ],
)
def test_g711_in_either_dialect(session: dict[str, Any]) -> None:
    formats = AudioFormats()
    formats.observe(server("session.updated", session=session))
    assert formats.duration_ms(APPEND) == 600
    assert formats.duration_ms(DELTA) == 600


def test_a_request_is_no_confirmation() -> None:
    formats = AudioFormats()
    formats.observe(client("session.update", session={"input_audio_format": "g711_ulaw"}))
    assert formats.duration_ms(APPEND) == 100


def test_what_is_null_or_unknown_changes_nothing() -> None:
    formats = AudioFormats()
    formats.observe(server("session.created", session={"input_audio_format": "g711_ulaw"}))
    formats.observe(server("session.updated", session={"input_audio_format": None}))
    formats.observe(server("session.updated", session={"input_audio_format": "opus"}))
    formats.observe(server("session.updated", session=None))
    assert formats.duration_ms(APPEND) == 600


def test_a_response_may_have_its_own() -> None:
    formats = AudioFormats()
    response = {"id": "r1", "audio": {"output": {"format": {"type": "audio/pcmu"}}}}
    formats.observe(server("response.created", response=response))
    assert formats.duration_ms(DELTA) == 600
    other = server("response.audio.delta", response_id="r2", delta=AUDIO)
    assert formats.duration_ms(other) == 100


def test_voice_live_gives_the_rate_apart() -> None:
    session = {"input_audio_format": "pcm16", "input_audio_sampling_rate": 16000}
    formats = AudioFormats()
    formats.observe(server("session.updated", session=session))
    assert formats.duration_ms(APPEND) == 150


def test_responses_without_end_take_no_memory_without_end() -> None:
    formats = AudioFormats()
    for n in range(10 * MAX_RESPONSES):
        response = {"id": f"r{n}", "output_audio_format": "g711_ulaw"}
        formats.observe(server("response.created", response=response))
    assert len(formats._responses) == MAX_RESPONSES
