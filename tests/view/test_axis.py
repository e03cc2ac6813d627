"""Ticks of an axis of time, which the terminal and the pages share."""

import pytest

from rtproxy.view.axis import STEPS, clock, step_of


@pytest.mark.parametrize(
    ("t_s", "step", "label"),
    [
        (0.05, 0.05, "50 ms"),
        (0.5, 0.1, "0.5 s"),
        (59, 1, "59 s"),
        (60, 1, "1:00"),
        (60, 60, "1:00"),
        (0, 60, "0:00"),
        (3599.9, 1, "1:00:00"),
        (7325, 5, "2:02:05"),
    ],
)
def test_the_clock(t_s: float, step: float, label: str) -> None:
    assert clock(t_s, step) == label


def test_steps_grow_and_the_least_that_is_long_enough_is_taken() -> None:
    assert list(STEPS) == sorted(STEPS)
    assert step_of(0.03) == 0.05
    assert step_of(1) == 1
    assert step_of(1e9) == STEPS[-1]
