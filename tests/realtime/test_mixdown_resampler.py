"""Resampling piece by piece is resampling of the whole."""

import numpy as np
import pytest

from rtproxy.realtime.audio import resample
from rtproxy.realtime.resampler import Resampler

PAIRS = [
    (24_000, 8_000), (8_000, 24_000), (24_000, 24_000), (16_000, 24_000), (48_000, 24_000),
    (24_000, 44_100), (44_100, 24_000), (8_000, 48_000), (24_000, 23_999), (192_000, 4_000),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("largest", [1, 37, 5000])
def test_pieces_give_what_the_whole_gives(source: int, target: int, largest: int) -> None:
    rng = np.random.default_rng(source + target + largest)
    samples = rng.integers(-20_000, 20_000, 400 if largest == 1 else 7777).astype(np.int16)
    resampler, given, at = Resampler(source, target), [], 0
    while at < samples.size:
        step = int(rng.integers(0, largest + 1))
        given.append(resampler.feed(samples[at : at + step]))
        at += step
    assert sum(part.size for part in given) <= resampler.length(samples.size)
    given.append(resampler.flush())
    assert np.array_equal(np.concatenate(given), resample(samples, source, target))
    assert np.concatenate(given).size == resampler.length(samples.size)


def test_after_a_flush_it_begins_anew() -> None:
    samples = np.arange(-500, 500, dtype=np.int16)
    resampler = Resampler(8_000, 24_000)
    first = [resampler.feed(samples), resampler.flush()]
    second = [resampler.feed(samples), resampler.flush()]
    assert np.array_equal(np.concatenate(first), np.concatenate(second))
    assert resampler.flush().size == 0


def test_what_it_gives_is_in_time() -> None:
    """A click stays where it was."""
    samples = np.zeros(8000, np.int16)
    samples[4000] = 20_000
    resampler = Resampler(8_000, 24_000)
    given = np.concatenate([resampler.feed(samples), resampler.flush()])
    assert int(np.argmax(np.abs(given))) == 12_000
