"""A murmuring voice for simulated calls: no words, but syllables, pitch, breath and pauses.

Formant synthesis after Rodet's FOF: every pulse of the glottis starts one grain, a sum of decaying
sines at the vowel's formants (Peterson and Barney, 1952), so that no recursive filter is needed.
Fricatives and plosives are shaped noise. Words and seed decide every sample.
"""

import re
import unicodedata
import zlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
Wave = NDArray[np.float64]

RATE = 24_000
PEAK = 10 ** (-6 / 20) * 32_767
SYLLABLE_MS = 180
WORD_GAP_MS = 35
CLAUSE_GAP_MS = 85
SENTENCE_GAP_MS = 100
"""Together with the fades around it shorter than any sensible end-of-turn silence."""

GRAIN_S = 0.024
FORMANTS = {
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (300, 2200, 2950),
    "o": (570, 900, 2410),
    "u": (340, 950, 2240),
    "y": (390, 1990, 2550),
    "": (500, 1500, 2500),  # where the mouth rests between vowels
}
"""First three formants of a vowel, in Hz."""
BANDWIDTHS = (90, 110, 170)
AMPLITUDES = (1.0, 0.5, 0.22)

HISSES = set("sxzcfh")
STOPS = set("ptkqbdg")
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
SYLLABLE = re.compile(r"[^aeiouy]*[aeiouy]+(?:[^aeiouy]+$)?")


@dataclass(frozen=True, slots=True)
class Syllable:
    """One beat: its first sound, its vowel and last sound, its length and the pause after it."""

    onset: str
    vowel: str
    coda: str
    ms: int
    gap_ms: int = 0


def speech(words: str, *, rate: int = RATE, seed: int = 0) -> Samples:
    """A voice murmuring `words` for `speech_ms(words)` milliseconds, at `rate` Hz, peak −6 dBFS.

    The seed chooses the speaker. Raises ValueError for a rate that is not positive.
    """
    if rate <= 0:
        raise ValueError("a sample rate is a positive number")
    syllables = _syllables(words)
    rng = np.random.default_rng([seed & 0xFFFFFFFF, zlib.crc32(words.encode())])
    edges = np.cumsum([0, *(syllable.ms + syllable.gap_ms for syllable in syllables)]) / 1000
    length = round(float(edges[-1]) * rate)
    if not length:
        return np.zeros(0, dtype=np.int16)
    # Room for what rings on after the end; cut off again below.
    wave = np.zeros(length + round(2 * GRAIN_S * rate))
    pitch = _pitch(syllables, words, seed, rng)
    for n, (syllable, start) in enumerate(zip(syllables, edges[:-1], strict=True)):
        _voice(wave, syllable, float(start), (pitch[n], pitch[n + 1]), rate, rng)
        _breathe(wave, syllable, float(start), rate, rng)
    wave = wave[:length]
    fade = min(length // 2, round(0.012 * rate))
    ramp = np.sin(np.linspace(0, np.pi / 2, fade)) ** 2
    wave[:fade] *= ramp
    wave[length - fade :] *= ramp[::-1]
    loudest = float(np.abs(wave).max())
    return np.rint(wave * (PEAK / loudest if loudest else 0)).astype(np.int16)


def speech_ms(words: str) -> int:
    """How long `speech(words)` lasts: about 180 ms a syllable, and the pauses between words."""
    return sum(syllable.ms + syllable.gap_ms for syllable in _syllables(words))


def silence(ms: float, rate: int = RATE) -> Samples:
    """Digital silence."""
    return np.zeros(round(ms * rate / 1000), dtype=np.int16)


def noise(ms: float, rate: int = RATE, level: float = -60.0, seed: int = 0) -> Samples:
    """White noise at `level` dBFS RMS, as an idle microphone gives."""
    rng = np.random.default_rng(seed & 0xFFFFFFFF)
    sigma = 10 ** (level / 20) * 32_768
    wave = rng.standard_normal(round(ms * rate / 1000)) * sigma
    return np.clip(np.rint(wave), -32_768, 32_767).astype(np.int16)


@lru_cache(maxsize=64)
def _syllables(words: str) -> tuple[Syllable, ...]:
    found: list[Syllable] = []
    matches = list(WORD.finditer(words))
    for match, following in pairwise([*matches, None]):
        assert match is not None
        parts = _split(match.group())
        between = words[match.end() : following.start()] if following else None
        for n, (onset, vowel, coda) in enumerate(parts):
            last = n == len(parts) - 1
            ms = SYLLABLE_MS + 4 * (len(onset + coda) - 2) + (15 if last else 0)
            if last and (between is None or _gap(between) > WORD_GAP_MS):
                ms += 40  # the last syllable of a phrase is drawn out
            gap_ms = _gap(between) if last and between is not None else 0
            found.append(Syllable(onset, vowel, coda, min(max(ms, 140), 260), gap_ms))
    return tuple(found)


def _gap(between: str) -> int:
    if any(mark in between for mark in ".!?…。"):
        return SENTENCE_GAP_MS
    if any(mark in between for mark in ",;:–—()、"):
        return CLAUSE_GAP_MS
    return WORD_GAP_MS


def _split(word: str) -> list[tuple[str, str, str]]:
    """Onset, vowel and coda of each syllable; what has no Latin vowel is a vowel per letter or so.

    >>> _split("proxies")
    [('pr', 'o', ''), ('x', 'ie', 's')]
    """
    plain = unicodedata.normalize("NFKD", word.lower().replace("ß", "ss"))
    letters = "".join(letter for letter in plain if letter.isalnum())
    if len(letters) > 3 and letters[-1] == "e" and letters[-2] not in "aeiouyl":
        letters = letters[:-1]  # silent, mostly
    if not SYLLABLE.match(letters):
        spoken = letters if letters.isdigit() else letters[::2]
        return [("", "aeiou"[ord(letter) % 5], "") for letter in spoken] or [("", "a", "")]
    parts = []
    for match in SYLLABLE.finditer(letters):
        onset, vowel, coda = re.split(r"([aeiouy]+)", match.group(), maxsplit=1)
        parts.append((onset, vowel, coda))
    return parts


def _pitch(
    syllables: tuple[Syllable, ...], words: str, seed: int, rng: np.random.Generator
) -> Wave:
    """Pitch in Hz at the edges of the syllables: falling over a phrase, up at a question's end."""
    speaker = 112 + (seed * 37) % 90
    contour = np.empty(len(syllables) + 1)
    since = 0
    for n, syllable in enumerate(syllables):
        accent = 1.10 if syllable.ms > SYLLABLE_MS and since % 2 else 1.0
        contour[n] = max(1.12 * 0.975**since, 0.86) * accent
        since = 0 if syllable.gap_ms > WORD_GAP_MS else since + 1
    contour[-1] = 1.35 if words.rstrip().endswith("?") else 0.8
    return np.asarray(speaker * contour * rng.uniform(0.97, 1.03, contour.size))


@lru_cache(maxsize=128)
def _grain(vowel: str, rate: int) -> Wave:
    """The sound that one pulse of the glottis makes in a mouth that says `vowel`."""
    t = np.arange(round(GRAIN_S * rate)) / rate
    attack = np.where(t < 0.0012, 0.5 - 0.5 * np.cos(np.pi * t / 0.0012), 1.0)
    release = np.cos(np.linspace(0, np.pi / 2, t.size))
    wave = 0.5 * np.exp(-np.pi * 70 * t) * np.sin(2 * np.pi * 160 * t)  # the chest
    for hz, width, amplitude in zip(FORMANTS[vowel], BANDWIDTHS, AMPLITUDES, strict=True):
        if hz < 0.45 * rate:
            wave += amplitude * np.exp(-np.pi * width * t) * np.sin(2 * np.pi * hz * t)
    return np.asarray(wave * attack * release)


def _voice(
    wave: Wave,
    syllable: Syllable,
    start: float,
    pitch: tuple[float, float],
    rate: int,
    rng: np.random.Generator,
) -> None:
    """Add the voiced part of a syllable to `wave`: glottal pulses through gliding formants."""
    lead = 0.045 if syllable.onset[:1] in HISSES | STOPS and syllable.onset else 0.0
    length = syllable.ms / 1000 - lead
    rest, first = _grain("", rate), _grain(syllable.vowel[0], rate)
    last = _grain(syllable.vowel[-1], rate)
    at = 0.0
    while at < length:
        x = at / length
        hz = pitch[0] + (pitch[1] - pitch[0]) * x
        vowel = first + (last - first) * min(max((x - 0.35) / 0.4, 0.0), 1.0)
        open_ = min(x / 0.2, (1 - x) / 0.25, 1.0)  # how far the mouth has reached the vowel
        loud = (0.35 + 0.65 * open_) * rng.uniform(0.92, 1.08)
        begin = round((start + lead + at) * rate)
        wave[begin : begin + rest.size] += loud * (rest + (vowel - rest) * max(open_, 0.0))
        at += rng.uniform(0.985, 1.015) / hz


def _breathe(
    wave: Wave, syllable: Syllable, start: float, rate: int, rng: np.random.Generator
) -> None:
    """Add the unvoiced sounds of a syllable to `wave`: hiss and bursts, as shaped noise."""
    sounds = []
    if syllable.onset[:1] in HISSES and syllable.onset:
        sounds.append((start, 0.075, 0.16))
    elif syllable.onset[:1] in STOPS and syllable.onset:
        sounds.append((start + 0.025, 0.022, 0.25))
    if syllable.coda[-1:] in HISSES and syllable.coda:
        sounds.append((start + syllable.ms / 1000 - 0.06, 0.07, 0.12))
    sounds.append((start, syllable.ms / 1000, 0.012))  # breath under the voice
    for at, length, loud in sounds:
        white = rng.standard_normal(round(length * rate) + 1)
        bright = np.diff(white) * np.sin(np.linspace(0, np.pi, white.size - 1))
        begin = round(at * rate)
        wave[begin : begin + bright.size] += loud * bright
