"""Levels over time: where they stand, and what is shown of them in few cells and in many."""

import numpy as np
import pytest

from rtproxy.realtime.audio import PCM16
from rtproxy.realtime.audio_clock import AudioClock
from rtproxy.realtime.loudness import Loudness
from rtproxy.realtime.session import Session
from tests.realtime.simulated import SimulatedCall
from tests.realtime.story import Story


def streamed(levels: list[float], *, pause_after: int = 99, pause_ms: float = 0.0) -> Loudness:
    """Of 100 ms each, appended as they were spoken, with one pause in the stream."""
    clock = AudioClock()
    for n in range(len(levels)):
        t_ms = (n + 1) * 100.0 + (pause_ms if n >= pause_after else 0.0)
        clock.append(PCM16.size(100), PCM16, t_ms)
    return Loudness.of(levels, clock)


def cells(loudness: Loudness, start: float, end: float, width: int) -> list[float | None]:
    return [None if np.isnan(db) else db for db in loudness.peaks(start, end, width).tolist()]


def test_each_level_stands_where_its_audio_came() -> None:
    loudness = streamed([-10.0, -20.0, -30.0])
    assert cells(loudness, 0, 400, 4) == [-10, -20, -30, None]


def test_of_several_in_a_cell_the_loudest_is_shown() -> None:
    loudness = streamed([-30.0, -10.0, -20.0, -40.0])
    assert cells(loudness, 0, 400, 2) == [-10, -20]
    assert cells(loudness, 0, 400, 1) == [-10]


def test_one_level_fills_many_cells() -> None:
    loudness = streamed([-30.0, -10.0])
    assert cells(loudness, 0, 200, 8) == [-30] * 4 + [-10] * 4
    assert cells(loudness, 150, 170, 5) == [-10] * 5


def test_a_pause_in_the_stream_is_empty() -> None:
    loudness = streamed([-30.0, -10.0, -20.0], pause_after=1, pause_ms=300)
    assert cells(loudness, 0, 600, 6) == [-30, None, None, None, -10, -20]


@pytest.mark.parametrize("span", [(-500.0, -100.0), (5000.0, 6000.0)])
def test_outside_of_the_stream_there_is_nothing(span: tuple[float, float]) -> None:
    assert cells(streamed([-10.0]), *span, 3) == [None] * 3
    assert cells(Loudness.of([], AudioClock()), 0, 100, 2) == [None] * 2


def test_a_session_has_it_where_it_keeps_levels() -> None:
    records = SimulatedCall(
        "[[reply]]\ntext='Yes.'\n[caller]\n[[caller.step]]\nsay='Hello?'"
    ).play()
    session = Session.fold(records.records, levels=True)
    assert session.loudness is not None
    peaks = session.loudness.peaks(0, session.now_ms, 40)
    assert np.nanmax(peaks) > -30
    assert Story().session.loudness is None
