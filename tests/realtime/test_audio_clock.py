"""Positions of the server's on the clock of the caller's audio, and when that audio arrived."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.realtime.audio import G711_ULAW, PCM16
from rtproxy.realtime.audio_clock import AudioClock


def test_a_position_arrives_with_the_append_that_reaches_it() -> None:
    clock = AudioClock()
    for n in range(10):
        clock.append(PCM16.size(20), PCM16, 1_000 + 20 * n)
    assert clock.total_ms == 200
    assert clock.wall(0) == 1_000
    assert clock.wall(20) == 1_000
    assert clock.wall(20.1) == 1_020
    assert clock.wall(200) == 1_180
    assert clock.wall(201) is None
    assert clock.position(1_040) == 60
    assert clock.position(999) == 0


def test_the_clock_goes_on_when_the_format_changes() -> None:
    clock = AudioClock()
    clock.append(PCM16.size(100), PCM16, 0)
    clock.append(G711_ULAW.size(100), G711_ULAW, 100)
    clock.append(PCM16.size(100), PCM16, 200)
    assert clock.total_ms == 300
    assert clock.wall(150) == 100


def test_halves_of_a_sample_are_put_together() -> None:
    clock = AudioClock()
    for n in range(48):
        clock.append(1, PCM16, n)
    assert clock.total_ms == 1


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=40))
def test_chunks_of_any_size_measure_the_same(sizes: list[int]) -> None:
    clock = AudioClock()
    for n, size in enumerate(sizes):
        clock.append(size, PCM16, n)
    assert clock.total_ms == PCM16.duration_ms(sum(sizes))
    assert clock.wall(clock.total_ms) is not None


def test_a_server_that_heard_more_than_is_there_proves_the_clock_wrong() -> None:
    clock = AudioClock()
    clock.append(PCM16.size(1_000), PCM16, 0)
    clock.check(1_050)
    assert clock.wall(500) == 0
    clock.check(4_256)
    assert not clock.whole
    assert clock.wall(500) is None


def test_after_a_loss_nothing_has_a_known_place() -> None:
    clock = AudioClock()
    clock.append(PCM16.size(100), PCM16, 0)
    clock.lose()
    clock.append(PCM16.size(100), PCM16, 100)
    assert clock.wall(100) == 0
    assert clock.wall(101) is None
    clock.check(9_000)
    assert clock.wall(100) == pytest.approx(0)
