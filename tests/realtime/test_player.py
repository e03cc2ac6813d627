"""What a caller can have heard, by an ideal player."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.realtime.player import Player


def test_audio_that_comes_in_a_burst_plays_at_its_own_pace() -> None:
    player = Player()
    for n in range(5):
        player.add("a", "r", 200, n, n)
    track = player.tracks["a"]
    assert track.received_ms == 1_000
    assert track.heard_ms(500) == 500
    assert track.heard_ms(5_000) == 1_000
    assert track.prebuffer_ms == 0
    assert track.underruns == []
    assert track.lead_ms == 199
    assert player.playing(999)
    assert not player.playing(1_000)


def test_the_next_item_waits_for_the_one_before() -> None:
    player = Player()
    player.add("a", "r", 300, 0, 1)
    player.add("b", "r", 300, 10, 2)
    assert player.tracks["b"].heard_ms(300) == 0
    assert player.tracks["b"].heard_ms(400) == 100


def test_running_dry_is_noted_with_time_and_length() -> None:
    player = Player()
    player.add("a", "r", 100, 0, 1)
    player.add("a", "r", 100, 350, 2)
    player.add("a", "r", 100, 460, 3)
    track = player.tracks["a"]
    assert [(hole.at_ms, hole.ms, hole.seq) for hole in track.underruns] == [
        (100, 250, 2),
        (450, 10, 3),
    ]
    assert track.prebuffer_ms == 260
    assert track.heard_ms(400) == 150
    assert track.heard_ms(1_000) == 300


def test_a_pause_between_items_is_no_underrun() -> None:
    player = Player()
    player.add("a", "r", 100, 0, 1)
    player.add("b", "r", 100, 900, 2)
    assert player.tracks["b"].underruns == []
    assert player.tracks["b"].prebuffer_ms == 0


def test_a_flush_cuts_what_sounds_and_drops_what_waits() -> None:
    player = Player()
    player.add("a", "r", 1_000, 0, 1)
    player.add("b", "r", 1_000, 5, 2)
    cut = player.flush(400)
    assert cut is player.tracks["a"]
    assert not player.playing(400)
    player.add("a", "r", 1_000, 450, 3)  # it comes too late
    assert player.tracks["a"].heard_ms(9_000) == 400
    assert player.tracks["a"].received_ms == 2_000
    assert player.tracks["b"].heard_ms(9_000) == 0
    assert player.flush(500) is None
    player.add("c", "r2", 100, 600, 4)
    assert player.tracks["c"].heard_ms(650) == 50


def test_an_item_that_was_truncated_plays_no_more() -> None:
    player = Player()
    player.add("a", "r", 100, 0, 1)
    assert player.drop("a", 500) is None  # it had played to its end
    player.add("a", "r", 100, 510, 2)
    assert player.tracks["a"].heard_ms(9_000) == 100
    player.add("b", "r", 100, 600, 3)
    assert player.drop("b", 650) is player.tracks["b"]
    assert player.drop("nothing", 700) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from("abc"), st.integers(1, 300)), max_size=30
    ),
    st.integers(0, 5_000),
)
def test_nobody_hears_more_than_arrived_or_than_time_allows(
    deltas: list[tuple[int, str, int]], later: int
) -> None:
    player, now = Player(), 0
    for wait, item, ms in deltas:
        now += wait
        player.add(item, "r", ms, now, 0)
    now += later
    player.flush(now)
    heard = {item: track.heard_ms(now) for item, track in player.tracks.items()}
    assert all(heard[item] <= player.tracks[item].received_ms + 1e-6 for item in heard)
    assert sum(heard.values()) <= now + 1e-6


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 300)), min_size=1, max_size=30))
def test_holding_back_for_the_prebuffer_would_have_avoided_every_hole(
    deltas: list[tuple[int, int]],
) -> None:
    player, now, arrivals = Player(), 0, []
    for wait, ms in deltas:
        now += wait
        arrivals.append((now, ms))
        player.add("a", "r", ms, now, 0)
    start = arrivals[0][0] + player.tracks["a"].prebuffer_ms
    received = 0
    for arrival, ms in arrivals:
        assert start + received >= arrival - 1e-6
        received += ms
    holes = player.tracks["a"].underruns
    assert sum(hole.ms for hole in holes) == pytest.approx(player.tracks["a"].prebuffer_ms)
