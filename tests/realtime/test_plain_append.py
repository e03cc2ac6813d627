"""Appends are told without the way by an event, and nothing else is."""

import pytest

from rtproxy.realtime.event import RealtimeEvent, plain_append
from rtproxy.realtime.session import Session
from rtproxy.simulate.library import load
from rtproxy.tape.record import Event
from tests.realtime.simulated import call_records


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ('{"type":"input_audio_buffer.append","audio":"AAAA"}', (None, "AAAA")),
        ('{"type": "input_audio_buffer.append", "audio": "AAA="}', (None, "AAA=")),
        ('{"event_id":"e","type":"input_audio_buffer.append","audio":""}', ("e", "")),
        ('{"type":"input_audio_buffer.append","audio":"AA\\nAA"}', (None, "AA\nAA")),
        ('{"audio":"AAAA","type":"input_audio_buffer.append","event_id":"e"} ', ("e", "AAAA")),
        ('{"type":"input_audio_buffer.append","audio":"A","audio":"AAAA"}', (None, "AAAA")),
        ('{"type":"input_audio_buffer.append","audio":"AAAA","event_id":5}', (None, "AAAA")),
        ('{"type":"input_audio_buffer.append","audio":"\x01"}', None),
        ('{"type":"input_audio_buffer.append","audio":"AAAA"', None),
        ('{"type":"input_audio_buffer.append","audio":null}', None),
        ('{"type":"input_audio_buffer.append"}', None),
        ('{"type":"input_audio_buffer.commit","audio":"AAAA"}', None),
        ('{"x":{"type":"input_audio_buffer.append","audio":"AAAA"}}', None),
        ("", None),
    ],
)
def test_only_appends_are_told(payload: str, expected: tuple[str | None, str] | None) -> None:
    assert plain_append(payload) == expected


class Thorough(Session):
    """Wants to meet every event, so that none is told in a hurry."""

    def meet(self, event: RealtimeEvent) -> None:
        super().meet(event)


@pytest.mark.parametrize("name", ["support-call", "beta", "g711", "choppy"])
def test_a_session_is_the_same_either_way(name: str) -> None:
    records = call_records(load(name))
    assert sum(isinstance(r, Event) and bool(plain_append(str(r.payload))) for r in records) > 50
    quick, thorough = Session.fold(records, levels=True), Thorough.fold(records, levels=True)
    assert quick.to_json() == thorough.to_json()
    assert quick.input_levels is not None
    assert thorough.input_levels is not None
    assert quick.input_levels.values() == thorough.input_levels.values()
