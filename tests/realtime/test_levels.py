"""How loud audio is, whatever pieces and formats it comes in."""

import base64
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.realtime.audio import G711_ALAW, G711_ULAW, PCM16, AudioFormat, level_db
from rtproxy.realtime.levels import QUIETEST_DB, Levels
from rtproxy.realtime.session import Session
from tests.realtime.scenarios import ANSWER, ASK
from tests.realtime.simulated import call_records

TONE = (8_000 * np.sin(np.arange(48_000) / 10)).astype(np.int16)


def levels(data: bytes, sizes: list[int], audio: AudioFormat = PCM16) -> list[float]:
    found, at = Levels(), 0
    for size in [*sizes, len(data)]:
        found.add(base64.b64encode(data[at : at + size]).decode(), audio)
        at += size
    return found.values()


@given(st.lists(st.integers(1, 30_000), max_size=20))
def test_pieces_of_any_size_are_as_loud(sizes: list[int]) -> None:
    loudness = TONE * np.repeat(np.linspace(0, 1, 20), 2_400)
    data = PCM16.encode(loudness)
    expected = [level_db(part) for part in PCM16.decode(data).reshape(20, 2_400)]
    found = levels(data, sizes)
    assert found == pytest.approx([max(QUIETEST_DB, db) for db in expected], abs=0.01)


@pytest.mark.parametrize("audio", [G711_ULAW, G711_ALAW])
def test_g711_is_decoded_first(audio: AudioFormat) -> None:
    found = levels(audio.encode(TONE[:8_000]), [160] * 50, audio)
    assert len(found) == 10
    assert found == pytest.approx([level_db(TONE)] * 10, abs=0.5)


def test_silence_nothing_and_what_is_no_audio() -> None:
    assert levels(bytes(4_800), []) == [QUIETEST_DB]
    assert levels(b"", []) == []
    broken = Levels()
    broken.add("no base64!", PCM16)
    assert broken.values() == []
    assert -inf not in levels(bytes(9_600), [1, 2, 3])


def test_a_session_keeps_them_for_both_sides_if_asked() -> None:
    records = call_records(ANSWER + "[caller]" + ASK)
    session = Session.fold(records, levels=True)
    assert session.input_levels is not None
    heard = session.input_levels.values()
    assert len(heard) == pytest.approx(session.clock.total_ms / 100, abs=1)
    speech = session.turns[0].speech[0]
    assert speech.end_position_ms is not None
    loud = max(heard[: round(speech.end_position_ms / 100)])
    assert loud > -30
    assert max(heard[round(speech.end_position_ms / 100) + 2 :]) < -55
    assert session.answers.levels is not None
    ((item, said),) = session.answers.levels.items()
    assert len(said.values()) == 15
    assert item in session.turns[0].responses[0].items
    assert Session.fold(records).input_levels is None
