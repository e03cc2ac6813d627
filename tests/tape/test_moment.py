"""Times on a tape as people write them."""

import pytest

from rtproxy.tape.moment import moment_ns


@pytest.mark.parametrize(
    ("text", "ms"),
    [("2.5", 2500), ("2.5s", 2500), ("800ms", 800), (".5s", 500), ("1m30s", 90_000), ("1h", 3.6e6)],
)
def test_a_time(text: str, ms: float) -> None:
    assert moment_ns(text) == ms * 1_000_000


@pytest.mark.parametrize("text", ["", "soon", "1m 30s", "1 30s", "-1", "1d", "٣s", "1" * 100])
def test_what_is_no_time_says_how_one_looks(text: str) -> None:
    with pytest.raises(ValueError, match=r"one looks like 2\.5, 800ms or 1m30s"):
        moment_ns(text)
