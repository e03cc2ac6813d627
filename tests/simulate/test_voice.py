"""The synthetic voice: deterministic, sized by its syllables, and taken for speech by a VAD."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtproxy.realtime.audio import level_db
from rtproxy.simulate.voice import noise, silence, speech, speech_ms

WORDS = "Hello, where is my order? I placed it on Monday. It has not arrived yet, you see."


def frame_levels(samples: np.ndarray, rate: int = 24_000) -> list[float]:
    """Level of every 10 ms."""
    step = rate // 100
    return [level_db(samples[at : at + step]) for at in range(0, len(samples), step)]


def test_the_same_words_and_seed_give_the_same_sound() -> None:
    first = speech(WORDS)
    assert np.array_equal(first, speech(WORDS))
    assert not np.array_equal(first, speech(WORDS, seed=1))
    assert not np.array_equal(first[:20_000], speech("Something else entirely.")[:20_000])


@given(st.text(max_size=30), st.sampled_from([8_000, 16_000, 24_000]), st.integers(-5, 5))
@settings(max_examples=40, deadline=None)
def test_any_words_last_as_long_as_announced(words: str, rate: int, seed: int) -> None:
    samples = speech(words, rate=rate, seed=seed)
    assert samples.dtype == np.int16
    assert len(samples) == round(speech_ms(words) * rate / 1000)
    if len(samples):
        assert abs(int(np.abs(samples.astype(int)).max()) - 16_422) <= 1  # −6 dBFS


@pytest.mark.parametrize(
    ("words", "syllables"),
    [("Hi.", 1), ("where is my order", 5), ("supercalifragilistic", 8), ("42", 2), ("さくら", 2)],
)
def test_a_syllable_takes_about_180_ms(words: str, syllables: int) -> None:
    assert syllables * 150 <= speech_ms(words) <= syllables * 240


def test_no_words_are_no_sound() -> None:
    assert speech_ms(" … !") == 0
    assert len(speech("")) == 0


def test_pauses_between_words_are_too_short_to_end_a_turn() -> None:
    quiet = longest = 0
    for level in frame_levels(speech(WORDS)):
        quiet = quiet + 1 if level < -40 else 0
        longest = max(longest, quiet)
    assert 50 <= longest * 10 < 150


def test_it_starts_and_ends_softly() -> None:
    samples = speech(WORDS)
    assert abs(int(samples[0])) < 10
    assert abs(int(samples[-1])) < 10


def test_it_is_a_voice_and_not_a_beep() -> None:
    samples = speech(WORDS * 2)
    spectrum = np.abs(np.fft.rfft(samples.astype(float))) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / 24_000)
    total = spectrum.sum()

    def share(low: float, high: float) -> float:
        return float(spectrum[(hz >= low) & (hz < high)].sum() / total)

    assert share(80, 1000) > 0.6  # most of a voice's power
    assert share(1000, 4000) > 0.02  # the formants that tell vowels apart
    assert share(4000, 12_000) > 0.002  # hisses
    assert spectrum.max() / total < 0.05  # no single tone stands out


def test_speakers_and_questions_differ_in_pitch() -> None:
    def pitch(samples: np.ndarray) -> float:
        part = samples.astype(float)
        size = 1 << (2 * len(part)).bit_length()
        correlation = np.fft.irfft(np.abs(np.fft.rfft(part, size)) ** 2)[: len(part)]
        return 24_000 / (80 + int(np.argmax(correlation[80:400])))

    assert 90 < pitch(speech(WORDS, seed=0)) < 135
    assert pitch(speech(WORDS, seed=2)) > 1.3 * pitch(speech(WORDS, seed=0))
    end = slice(-3000, None)
    assert pitch(speech("Is it gone?")[end]) > pitch(speech("Is it gone.")[end])


def test_noise_has_its_level_and_silence_has_none() -> None:
    assert level_db(noise(500, 24_000, -50)) == pytest.approx(-50, abs=0.3)
    assert not np.array_equal(noise(50, 8_000, -50), noise(50, 8_000, -50, seed=1))
    assert len(noise(20, 8_000)) == 160
    assert not silence(20, 24_000).any()
    assert len(silence(20, 24_000)) == 480
    assert noise(100, 8_000, 20).max() == 32_767


def test_a_rate_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        speech("Hello", rate=0)
