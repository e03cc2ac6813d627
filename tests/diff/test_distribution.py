"""What many pairs of sessions come to."""

from typing import Any

import numpy as np
import pytest

from rtproxy.diff.budget import parse_budget
from rtproxy.diff.difference import Diff, Metric, TurnPair
from rtproxy.diff.distribution import SetDiff, SetPair, gather, interval


def pair(name: str, *times: tuple[float | None, float | None]) -> SetPair:
    """A pair of sessions with a voice-to-voice time for each pair of turns."""
    turns = tuple(
        TurnPair("same", n, n, "hello", "hello", a_metrics={"v2v_ms": a}, b_metrics={"v2v_ms": b})
        for n, (a, b) in enumerate(times, start=1)
    )
    return SetPair(name, Diff("audio", turns, metrics=(Metric("tokens_out", 10, 12, "tokens"),)))


def slower(by: float, sessions: int, jitter: float = 30.0) -> list[SetPair]:
    """Sessions of four turns, each slower by so much, more or less."""
    chance = np.random.default_rng(3)

    def vary(ms: float) -> float:
        return float(ms + chance.uniform(-jitter, jitter))

    times = [[(vary(700), vary(700 + by)) for _ in range(4)] for _ in range(sessions)]
    return [pair(str(n), *turns) for n, turns in enumerate(times)]


def test_the_median_difference_and_its_interval() -> None:
    (spread,) = gather("audio", slower(100, 12)).spreads
    assert (spread.key, spread.unit, spread.turns, spread.sessions) == ("v2v_ms", "ms", 48, 12)
    assert spread.change == pytest.approx(100, abs=20)
    assert spread.low is not None
    assert spread.high is not None
    assert spread.change is not None
    assert 70 < spread.low < spread.change < spread.high < 130
    assert spread.certain


def test_chance_is_not_certain() -> None:
    (spread,) = gather("audio", slower(0, 12)).spreads
    assert spread.low is not None
    assert spread.high is not None
    assert spread.low < 0 < spread.high
    assert not spread.certain


@pytest.mark.parametrize(("sessions", "known"), [(1, False), (4, False), (5, True), (20, True)])
def test_few_sessions_have_no_interval(sessions: int, known: bool) -> None:
    (spread,) = gather("audio", slower(50, sessions)).spreads
    assert (spread.low is not None) is known
    assert spread.change is not None


def test_equal_sets_have_equal_intervals() -> None:
    assert gather("audio", slower(40, 9)).to_json() == gather("audio", slower(40, 9)).to_json()


def test_the_interval_holds_the_true_median() -> None:
    """In 95 of 100 sets; with few sessions somewhat less often."""
    chance = np.random.default_rng(5)
    hits = 0
    for _ in range(40):
        sessions = [chance.normal(chance.normal(50, 20), 30, 4) for _ in range(15)]
        low, high = interval(sessions)
        assert low is not None
        assert high is not None
        hits += low <= 50 <= high
    assert hits >= 34


def test_budgets_are_judged_over_all_turns() -> None:
    budgets = [parse_budget(text) for text in ("v2v.p50=+150ms", "v2v.max=+50ms", "tokens_out=+5%")]
    found = gather("audio", slower(100, 6), budgets=budgets)
    assert [verdict.ok for verdict in found.budgets] == [True, False, False]
    assert found
    assert found.budgets[2].a == 60


def test_a_turn_that_only_one_has_counts_for_its_side() -> None:
    alone = TurnPair("added", None, 2, b_metrics={"v2v_ms": 900.0})
    both = TurnPair("same", 1, 1, a_metrics={"v2v_ms": 500.0}, b_metrics={"v2v_ms": 600.0})
    (spread,) = gather("audio", [SetPair("x", Diff("audio", (both, alone)))]).spreads
    assert (spread.a, spread.b, spread.change, spread.turns) == (500.0, 750.0, 100.0, 1)


@pytest.mark.parametrize(
    ("options", "equal"),
    [({}, True), ({"only_a": ["x"]}, False), ({"only_b": ["x"]}, False)],
)
def test_a_session_that_has_no_other_is_a_difference(options: dict[str, Any], equal: bool) -> None:
    found = gather("audio", slower(0, 2), **options)
    assert found.equal is equal
    assert bool(found) is not equal


def test_nothing_to_compare() -> None:
    found = gather("text", [])
    assert found == SetDiff("text")
    assert found.equal
