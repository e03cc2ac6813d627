"""What is kept of audio, and how two sounds differ by it."""

import base64
from collections.abc import Callable

import numpy as np
import pytest

from rtproxy.diff.ear import Ear
from rtproxy.diff.hearing import compare_sound
from rtproxy.diff.ledger import Ledger
from rtproxy.diff.sound import Sound, Trace, level_change
from rtproxy.realtime.audio import G711_ULAW, PCM16, AudioFormat, level_db
from rtproxy.simulate.voice import speech
from tests.diff.planting import Samples

WORDS = speech("It is foggy in the morning, and later it will be sunny and warm.").astype(np.int16)


def traced(samples: Samples, piece: int = 4800, audio: AudioFormat = PCM16) -> Sound:
    """The sound of samples that come in pieces of so many bytes."""
    trace, data = Trace(), audio.encode(samples)
    for at in range(0, len(data), piece):
        trace.add(base64.b64encode(data[at : at + piece]).decode(), audio)
    return Sound.whole(trace)


def differing(a: Sound | None, b: Sound | None, **how: bool) -> dict[str, tuple[object, object]]:
    ledger = Ledger("audio")
    compare_sound(ledger, a, b, ("audio",), (None, None), **how)
    return {d.path: (d.a, d.b) for d in ledger.differences}


def quieter(samples: Samples) -> Samples:
    return (samples * 0.9).astype(np.int16)


def shorter(samples: Samples) -> Samples:
    return samples[: -200 * 24]


def shorter_ahead(samples: Samples) -> Samples:
    return samples[200 * 24 :]


def paused(samples: Samples) -> Samples:
    found = samples.copy()
    found[24_000 : 24_000 + 500 * 24] = 0
    return found


def distorted(samples: Samples) -> Samples:
    return np.clip(samples.astype(np.int32) * 12, -32768, 32767).astype(np.int16)


def one_sample(samples: Samples) -> Samples:
    found = samples.copy()
    found[30_000] += 1
    return found


def noisy(samples: Samples) -> Samples:
    noise = np.random.default_rng(1).integers(-40, 40, samples.size)
    return (samples + noise).astype(np.int16)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda samples: samples, set()),
        (one_sample, set()),
        (noisy, set()),
        (quieter, {"audio.level_db"}),
        (shorter, {"audio.ms"}),
        (shorter_ahead, {"audio.ms"}),
        (paused, {"audio.pauses"}),
        (distorted, {"audio.level_db", "audio.clipped"}),
    ],
)
def test_what_differs(change: Callable[[Samples], Samples], found: set[str]) -> None:
    assert differing(traced(WORDS), traced(change(WORDS))).keys() == found


def test_a_replay_is_the_same_to_the_sample() -> None:
    found = differing(traced(WORDS), traced(one_sample(WORDS)), exact=True)
    assert found == {"audio.samples": ("as recorded", "other samples between 1 s and 2 s")}
    assert not differing(traced(WORDS), traced(WORDS, piece=333), exact=True)


def test_the_shorter_of_two_that_were_cut_is_compared() -> None:
    half = WORDS[: WORDS.size // 2]
    assert not differing(traced(WORDS), traced(half), cut=True)
    assert differing(traced(WORDS), traced(quieter(half)), cut=True).keys() == {"audio.level_db"}


def test_a_sound_that_only_one_has() -> None:
    sound = traced(WORDS[:24_000])
    assert differing(sound, None) == {"audio": ({"ms": 1000}, None)}
    assert differing(None, sound) == {"audio": (None, {"ms": 1000})}
    assert not differing(None, None)


@pytest.mark.parametrize("piece", [1, 333, 960, 48_000, 1_000_000])
def test_pieces_of_any_size_are_one_sound(piece: int) -> None:
    samples = WORDS[:12_000] if piece == 1 else WORDS
    one, two = traced(samples), traced(samples, piece)
    assert one.checks == two.checks
    assert np.array_equal(one.powers, two.powers)
    assert one.ms == two.ms == samples.size / 24


def test_levels_are_those_of_the_samples() -> None:
    tone = (8000 * np.sin(np.arange(24_000) / 10)).astype(np.int16)
    assert traced(tone).speech_db == pytest.approx(level_db(tone), abs=0.01)
    assert traced(np.zeros(2400, np.int16)).speech_db is None
    assert level_change(traced(tone), traced((tone / 2).astype(np.int16))) == pytest.approx(
        -6, abs=0.1
    )


def test_telephone_audio_is_as_loud_as_what_it_was_made_of() -> None:
    narrow = WORDS[::3]
    plain = traced(narrow, audio=AudioFormat("pcm16", 8000))
    coded = traced(narrow, audio=G711_ULAW)
    assert not differing(plain, coded)


def test_pauses() -> None:
    tone = (8000 * np.sin(np.arange(24_000) / 10)).astype(np.int16)
    silence = np.zeros(12_000, np.int16)
    found = traced(np.concatenate([silence, tone, silence[:4_800], tone, silence]))
    assert found.pauses() == [(0, 500), (2700, 3200)]
    hum = (200 * np.sin(np.arange(24_000) / 10)).astype(np.int16)
    assert traced(np.concatenate([tone, hum, tone])).pauses() == []


def test_what_is_no_base64_is_passed_over() -> None:
    trace = Trace()
    trace.add("?", PCM16)
    trace.add(base64.b64encode(bytes(960)).decode(), PCM16)
    assert Sound.whole(trace).ms == 20


def eared(samples: Samples, piece: int) -> Ear:
    ear, data = Ear(), PCM16.encode(samples)
    for at in range(0, len(data), piece):
        part = data[at : at + piece]
        start, end = PCM16.duration_ms(at), PCM16.duration_ms(at + len(part))
        # The session's format may be told again, as another object.
        audio = AudioFormat("pcm16", 24_000)
        ear.add(start, end, base64.b64encode(part).decode(), audio)
    return ear


@pytest.mark.parametrize("piece", [333, 960, 100_000])
def test_speech_is_listened_to(piece: int) -> None:
    """Also where a piece begins in the middle of a sample."""
    found = eared(WORDS, piece).listen(500, 1500)
    assert found is not None
    assert found.ms == pytest.approx(1000, abs=1)
    whole = traced(WORDS[12_000:36_000])
    change = level_change(whole, found)
    assert change is not None
    assert abs(change) < 0.3


def test_what_is_not_kept_is_not_known() -> None:
    ear = eared(WORDS, 960)
    assert ear.listen(1000, 1500) is not None
    assert ear.listen(500, 800) is None
    assert ear.listen(1600, 1800) is not None
    assert Ear().listen(0, 100) is None
