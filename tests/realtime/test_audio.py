"""Audio formats, G.711, base64, resampling and levels."""

import base64
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.realtime.audio import (
    G711_ALAW,
    G711_ULAW,
    PCM16,
    AudioFormat,
    base64_size,
    decode_base64,
    level_db,
    parse_format,
    resample,
)

CODES = bytes(range(256))
EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)


def tone(hz: float, rate: int, seconds: float = 1.0, peak: float = 8000) -> np.ndarray:
    return peak * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)


def test_ulaw_has_the_values_of_the_itu_table() -> None:
    decoded = G711_ULAW.decode(CODES)
    # G.711 table 2: decoder output values 8031, 7775, 4191, 99, 33, 2, 0, in units of 4.
    published = {0x80: 8031, 0x81: 7775, 0x8F: 4191, 0x9F: 2079, 0xEF: 33, 0xFE: 2, 0xFF: 0}
    for code, value in published.items():
        assert decoded[code] == 4 * value
        assert decoded[code ^ 0x80] == -4 * value


def test_alaw_has_the_values_of_the_itu_table() -> None:
    decoded = G711_ALAW.decode(CODES)
    # G.711 table 1: decoder output values 4032, 2112, 132, 66, 3, 1, in units of 8; on the
    # wire every even bit is inverted.
    published = {0xAA: 4032, 0xA5: 2112, 0xE5: 132, 0xF5: 66, 0xD4: 3, 0xD5: 1}
    for code, value in published.items():
        assert decoded[code] == 8 * value
        assert decoded[code ^ 0x80] == -8 * value


@pytest.mark.parametrize("form", [G711_ULAW, G711_ALAW], ids=lambda form: form.encoding)
def test_every_g711_code_survives_decoding_and_encoding(form: AudioFormat) -> None:
    again = form.encode(form.decode(CODES))
    differing = [code for code in CODES if again[code] != code]
    assert differing == ([0x7F] if form is G711_ULAW else [])  # µ-law has two zeros
    assert again[0x7F] == (0xFF if form is G711_ULAW else 0x7F)


@pytest.mark.parametrize("form", [G711_ULAW, G711_ALAW], ids=lambda form: form.encoding)
def test_g711_is_within_half_a_step_of_every_sample(form: AudioFormat) -> None:
    heard = form.decode(form.encode(EVERY_SAMPLE)).astype(int)
    error = np.abs(heard - EVERY_SAMPLE)
    assert (error <= np.maximum(16, np.abs(EVERY_SAMPLE.astype(int)) / 31 + 8)).all()


def test_g711_agrees_with_the_standard_library_on_every_sample() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop")
    pcm = EVERY_SAMPLE.tobytes()
    assert G711_ULAW.encode(EVERY_SAMPLE) == audioop.lin2ulaw(pcm, 2)
    assert G711_ALAW.encode(EVERY_SAMPLE) == audioop.lin2alaw(pcm, 2)
    assert G711_ULAW.decode(CODES).tobytes() == audioop.ulaw2lin(CODES, 2)
    assert G711_ALAW.decode(CODES).tobytes() == audioop.alaw2lin(CODES, 2)


@given(st.binary(max_size=200))
def test_pcm16_gives_back_whole_samples(data: bytes) -> None:
    assert PCM16.encode(PCM16.decode(data)) == data[: len(data) // 2 * 2]


def test_encoding_rounds_and_clips() -> None:
    assert PCM16.decode(PCM16.encode([0.6, -1.4, 40_000, -40_000])).tolist() == [
        1,
        -1,
        32767,
        -32768,
    ]


def test_durations() -> None:
    assert PCM16.duration_ms(48_000) == 1000
    assert PCM16.duration_ms(49) == 1.0
    assert G711_ULAW.duration_ms(160) == 20
    assert AudioFormat("pcm16", 16_000).duration_ms(3200) == 100
    assert PCM16.size(20) == 960
    assert G711_ALAW.size(20) == 160


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("pcm16", PCM16),
        ("g711_ulaw", G711_ULAW),
        ("g711_alaw", G711_ALAW),
        ("pcm16_16000hz", AudioFormat("pcm16", 16_000)),
        ({"type": "audio/pcm", "rate": 24000}, PCM16),
        ({"type": "audio/pcm"}, PCM16),
        ({"type": "audio/pcmu"}, G711_ULAW),
        ({"type": "audio/pcma"}, G711_ALAW),
    ],
)
def test_formats_of_both_dialects_are_known(value: object, form: AudioFormat) -> None:
    assert parse_format(value) == form
    assert parse_format(form.beta if form.rate != 16_000 else form.ga) == form
    assert parse_format(form.ga) == form


@pytest.mark.parametrize(
    "value",
    [
        None, 7, "opus", [], ["pcm16"], {}, {"type": ["audio/pcm"]}, {"type": "audio/opus"},
        {"type": "audio/pcm", "rate": 0}, {"type": "audio/pcm", "rate": "24000"},
        {"type": "audio/pcm", "rate": True}, {"type": "audio/pcm", "rate": 10**12},
    ],
)  # fmt: skip
def test_an_unknown_format_is_none(value: object) -> None:
    assert parse_format(value) is None


@given(st.binary(max_size=300), st.integers(0, 2), st.integers(1, 80))
def test_base64_forgives_padding_and_blanks(data: bytes, cut: int, line: int) -> None:
    text = base64.b64encode(data).decode()
    cut_text = text.rstrip("=") if cut == 0 else text
    wrapped = "\r\n".join(cut_text[i : i + line] for i in range(0, len(cut_text), line))
    for form in (cut_text, wrapped, wrapped + "\n"):
        assert decode_base64(form) == data
        assert base64_size(form) == len(data)


@pytest.mark.parametrize("text", ["A", "AAAAA", "AA$A", "ÄAAA", "AA=AA=AA", "A=A=", "\x00"])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not base64"):
        decode_base64(text)


@given(st.text(max_size=40))
def test_any_text_is_base64_or_a_value_error(text: str) -> None:
    try:
        data = decode_base64(text)
    except ValueError:
        return
    assert len(data) <= len(text)


RATES = [
    (8_000, 24_000), (24_000, 8_000), (16_000, 24_000), (24_000, 16_000),
    (48_000, 24_000), (44_100, 24_000), (24_000, 44_100),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target"), RATES)
def test_a_tone_keeps_pitch_phase_and_level_at_another_rate(source: int, target: int) -> None:
    heard = resample(tone(1000, source), source, target)
    assert heard.size == target
    error = (heard - tone(1000, target))[300:-300]
    assert level_db(error) < -80


@pytest.mark.parametrize("hz", [4_500, 5_000, 7_900, 11_000])
def test_what_the_lower_rate_cannot_carry_does_not_fold_back(hz: int) -> None:
    heard = resample(tone(hz, 24_000), 24_000, 8_000)[100:-100]
    assert level_db(heard) < level_db(tone(hz, 24_000)) - 60


@given(st.lists(st.integers(-32768, 32767), max_size=50), st.sampled_from(RATES))
def test_resampling_keeps_the_duration(samples: list[int], rates: tuple[int, int]) -> None:
    source, target = rates
    heard = resample(np.array(samples, dtype=np.int16), source, target)
    assert heard.size == round(len(samples) * target / source)


def test_resampling_to_the_same_rate_changes_nothing() -> None:
    assert resample(EVERY_SAMPLE, 8_000, 8_000).tolist() == EVERY_SAMPLE.tolist()
    assert resample([], 8_000, 24_000).size == 0
    with pytest.raises(ValueError, match="positive"):
        resample([1], 0, 8_000)


def test_levels() -> None:
    assert level_db([]) == -math.inf
    assert level_db(np.zeros(10)) == -math.inf
    assert level_db([-32768] * 10) == 0
    assert level_db([3276.8] * 10) == pytest.approx(-20)
    assert level_db(tone(100, 8000, peak=32768)) == pytest.approx(-3.01, abs=0.01)
