from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rtproxy.realtime.audio import G711_ULAW, resample
from rtproxy.simulate.vad import FRAME_MS, HANGOVER_MS, Change, Detector, level_needed
from rtproxy.simulate.voice import noise, silence, speech

RATE = 24_000
CAPTURE = Path(__file__).parents[2] / "../shared/captures/speech-24khz-s16le.pcm"


def found(samples: NDArray[np.int16], **options: float) -> list[Change]:
    return list(Detector(RATE, **options).feed(samples))  # type: ignore[arg-type]


def spoken(before_ms: float, words: str, after_ms: float) -> NDArray[np.int16]:
    return np.concatenate([silence(before_ms), speech(words), silence(after_ms)])


@pytest.mark.skipif(not CAPTURE.exists(), reason="the recorded speech is not here")
@pytest.mark.parametrize(
    ("prefix", "quiet", "start", "end"),
    [(300, 200, 1460, 4256), (300, 500, 1460, 4512)],
)
def test_recorded_speech_is_found_where_live_services_found_it(
    prefix: int, quiet: int, start: int, end: int
) -> None:
    samples = np.frombuffer(CAPTURE.read_bytes(), dtype="<i2")
    started, stopped = found(samples, silence_ms=quiet)
    assert started.at_ms - prefix == pytest.approx(start, abs=60)
    assert stopped.known_ms == pytest.approx(end, abs=60)


def test_silence_and_a_quiet_microphone_are_no_speech() -> None:
    assert found(silence(2_000)) == []
    assert found(noise(2_000, level=-60)) == []


def test_a_click_is_no_speech() -> None:
    click = np.concatenate([silence(500), np.full(24 * 20, 20_000, np.int16), silence(500)])
    assert found(click) == []


def test_a_pause_shorter_than_the_silence_asked_for_is_within_the_turn() -> None:
    tone = np.full(RATE, 8_000, np.int16)
    samples = np.concatenate([tone, silence(400), tone, silence(1_000)])
    assert [c.kind for c in found(samples, silence_ms=500)] == ["started", "stopped"]
    assert [c.kind for c in found(samples, silence_ms=200)] == ["started", "stopped"] * 2


def test_a_higher_threshold_needs_louder_audio() -> None:
    quiet = np.full(RATE, round(32_768 * 10 ** (-35 / 20)), np.int16)
    assert found(quiet, threshold=0.5)
    assert not found(quiet, threshold=0.9)
    assert level_needed(0.9) > level_needed(0.5)


def test_the_end_is_known_when_the_silence_is_over() -> None:
    tone_ms, silence_ms = 600, 300
    samples = np.concatenate([np.full(24 * tone_ms, 8_000, np.int16), silence(1_000)])
    started, stopped = found(samples, silence_ms=silence_ms)
    assert (started.at_ms, stopped.at_ms) == (0, tone_ms + HANGOVER_MS)
    assert stopped.known_ms == stopped.at_ms + silence_ms


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 3 * RATE), max_size=60), before=st.integers(0, 700))
def test_what_is_found_does_not_depend_on_how_the_audio_is_cut(
    cuts: list[int], before: int
) -> None:
    samples = spoken(before, "Hello, is anybody there?", 600)
    detector = Detector(RATE)
    edges = sorted({0, samples.size, *(cut for cut in cuts if cut < samples.size)})
    pieces = [change for a, b in pairwise(edges) for change in detector.feed(samples[a:b])]
    assert pieces == found(samples)


def test_telephone_audio_is_heard_too() -> None:
    narrow = resample(spoken(500, "Hello from a telephone.", 800), RATE, G711_ULAW.rate)
    heard = G711_ULAW.decode(G711_ULAW.encode(narrow))
    changes = list(Detector(G711_ULAW.rate).feed(heard))
    assert [change.kind for change in changes] == ["started", "stopped"]
    assert changes[0].at_ms == pytest.approx(500, abs=4 * FRAME_MS)
