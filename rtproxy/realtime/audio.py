"""Audio as Realtime sessions carry it: formats, G.711, base64, resampling, levels.

Samples are mono, signed 16-bit, in numpy arrays. G.711 is ITU-T G.711 (11/88) on 16-bit samples:
a µ-law code stands for a 14-bit value times 4, an A-law code for a 13-bit value times 8.
"""

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import gcd, inf, log10
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Samples = NDArray[np.int16]

MIN_RATE = 4_000
MAX_RATE = 192_000
FULL_SCALE = 32_768
MAX_WEIGHTS = 1 << 17
"""A kernel has no more; only of rates without a common measure would it have."""
TAPS = 16
"""Zero crossings of the kernel on either side; what would fold back is lowered by 60 dB."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How samples are laid out in bytes. `rate` is in Hz."""

    encoding: Literal["pcm16", "g711_ulaw", "g711_alaw"]
    rate: int

    @property
    def bytes_per_sample(self) -> int:
        return 2 if self.encoding == "pcm16" else 1

    @property
    def beta(self) -> str:
        """The format's name in the beta dialect, such as "pcm16"."""
        return self.encoding

    @property
    def ga(self) -> dict[str, Any]:
        """The format as the GA dialect writes it, such as {"type": "audio/pcm", "rate": 24000}."""
        if self.encoding == "pcm16":
            return {"type": "audio/pcm", "rate": self.rate}
        return {"type": "audio/pcmu" if self.encoding == "g711_ulaw" else "audio/pcma"}

    def duration_ms(self, n_bytes: int) -> float:
        """Milliseconds of audio in `n_bytes`; a last half of a sample does not count."""
        return n_bytes // self.bytes_per_sample * 1000 / self.rate

    def size(self, ms: float) -> int:
        """Bytes that hold `ms` milliseconds, rounded to a whole sample."""
        return round(ms * self.rate / 1000) * self.bytes_per_sample

    def silence(self, n_bytes: int) -> bytes:
        """So many bytes of silence."""
        return _SILENCE[self.encoding] * n_bytes

    def decode(self, data: bytes) -> Samples:
        """Samples from bytes, perhaps read-only; an odd last byte of pcm16 is dropped."""
        if self.encoding == "pcm16":
            pcm = np.frombuffer(data, dtype="<i2", count=len(data) // 2)
            return pcm.astype(np.int16, copy=False)
        table = _ULAW_DECODE if self.encoding == "g711_ulaw" else _ALAW_DECODE
        return table[np.frombuffer(data, dtype=np.uint8)]

    def encode(self, samples: ArrayLike) -> bytes:
        """Bytes from samples; what is beyond 16 bits is clipped."""
        pcm = to_int16(samples)
        if self.encoding == "pcm16":
            return pcm.astype("<i2", copy=False).tobytes()
        table = _ULAW_ENCODE if self.encoding == "g711_ulaw" else _ALAW_ENCODE
        return table[pcm.view(np.uint16)].tobytes()


_SILENCE = {"pcm16": b"\0", "g711_ulaw": b"\xff", "g711_alaw": b"\xd5"}

PCM16 = AudioFormat("pcm16", 24_000)
G711_ULAW = AudioFormat("g711_ulaw", 8_000)
G711_ALAW = AudioFormat("g711_alaw", 8_000)

_NAMED = {
    "pcm16": PCM16,
    "pcm16-8000hz": AudioFormat("pcm16", 8_000),  # these two are Azure Voice Live's
    "pcm16-16000hz": AudioFormat("pcm16", 16_000),
    "g711_ulaw": G711_ULAW,
    "g711_alaw": G711_ALAW,
}


def parse_format(value: object) -> AudioFormat | None:
    """The format that a session names, in either dialect; None for what is not known.

    Beta: "pcm16", "g711_ulaw", "g711_alaw". GA: {"type": "audio/pcm", "rate": 24000},
    {"type": "audio/pcmu"}, {"type": "audio/pcma"}.
    """
    if isinstance(value, str):
        return _NAMED.get(value.replace("_8000hz", "-8000hz").replace("_16000hz", "-16000hz"))
    if not isinstance(value, Mapping):
        return None
    match value.get("type"):
        case "audio/pcm":
            rate = value.get("rate", PCM16.rate)
            known = type(rate) is int and MIN_RATE <= rate <= MAX_RATE
            return AudioFormat("pcm16", rate) if known else None
        case "audio/pcmu":
            return G711_ULAW
        case "audio/pcma":
            return G711_ALAW
    return None


def base64_size(text: str) -> int:
    """Number of bytes that base64 `text` decodes to, without decoding it."""
    padding = text.find("=")
    if padding >= len(text) - 2 or padding < 0:  # looking is much quicker than counting
        size = len(text) if padding < 0 else padding
        if not (" " in text or "\n" in text or "\r" in text or "\t" in text):
            return size * 3 // 4
    other = sum(map(text.count, "= \n\r\t"))
    return (len(text) - other) * 3 // 4


def decode_base64(text: str) -> bytes:
    """Bytes of base64 `text`; blanks and missing padding are forgiven, ValueError for the rest."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # also what is not ASCII
        pass
    if any(blank in text for blank in " \n\r\t"):
        text = "".join(text.split())
    body = text.rstrip("=")
    try:
        return binascii.a2b_base64(body + "=" * (-len(body) % 4), strict_mode=True)
    except ValueError as error:
        raise ValueError(f"not base64: {error}") from None


def to_int16(samples: ArrayLike) -> Samples:
    """Samples as int16: rounded if they are fractions, clipped if they are too large."""
    array = np.asarray(samples)
    if array.dtype == np.int16:
        return np.ascontiguousarray(array)
    whole = np.rint(array) if array.dtype.kind == "f" else array
    pcm: Samples = np.clip(whole, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return pcm


def level_db(samples: ArrayLike) -> float:
    """RMS level in dBFS: 0 is a full-scale square wave, a sine is at most −3; −inf is silence."""
    array = np.asarray(samples, dtype=np.float64)
    power = float(np.mean(array * array)) if array.size else 0.0
    return 10 * log10(power / FULL_SCALE**2) if power else -inf


def resample(samples: ArrayLike, from_rate: int, to_rate: int) -> Samples:
    """Samples at another rate (Hz), band-limited: a polyphase filter with a Kaiser-windowed sinc.

    The result has round(n · to_rate / from_rate) samples and is aligned with the input.
    Raises ValueError for a rate that is not positive.
    """
    if from_rate <= 0 or to_rate <= 0:
        raise ValueError("a sample rate is a positive number")
    pcm = to_int16(samples)
    if from_rate == to_rate or not pcm.size:
        return pcm
    divisor = gcd(from_rate, to_rate)
    up, down = to_rate // divisor, from_rate // divisor
    phases = kernel(up, down)
    width = phases.shape[1]
    n_out = round(pcm.size * up / down)
    padded = np.zeros(pcm.size + 2 * width)
    padded[width : width + pcm.size] = pcm
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    result = np.empty(n_out)
    for first in range(min(up, n_out)):
        # Outputs first, first + up, … fall between input samples at the same place: one phase.
        # Each is a weighted sum of a window of inputs; the windows are `down` inputs apart.
        whole, phase = divmod(first * down, up)
        start = whole + width // 2 + 1
        count = (n_out - first - 1) // up + 1
        result[first::up] = windows[start::down][:count] @ phases[phase * len(phases) // up]
    return to_int16(result)


@lru_cache(maxsize=16)
def kernel(up: int, down: int) -> NDArray[np.float64]:
    """Filter weights: of n rows, row p·n // up is for outputs p/up after an input sample.

    There is a row for each phase, unless that were too many: then the nearest stands for others.
    """
    cutoff = min(1.0, up / down)  # of the input's Nyquist frequency
    half = int(np.ceil(TAPS / cutoff))
    rows = min(up, MAX_WEIGHTS // (2 * half))
    offsets = np.arange(-half + 1, half + 1)[None, :] - np.arange(rows)[:, None] / rows
    inside = np.clip(1 - (offsets / half) ** 2, 0, None)
    # The transition band ends at the new Nyquist frequency, so that nothing folds back.
    weights = np.sinc(0.93 * cutoff * offsets) * np.i0(7.0 * np.sqrt(inside))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)


def _ulaw_decode_table() -> Samples:
    code = ~np.arange(256) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 132) << ((code >> 4) & 7)) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_decode_table() -> Samples:
    code = np.arange(256) ^ 0x55
    segment = (code >> 4) & 7
    step = ((code & 0x0F) << 4) + 8
    magnitude = np.where(segment, (step + 256) << np.maximum(segment - 1, 0), step)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _all_samples() -> NDArray[np.int64]:
    """Every 16-bit sample, in the order of its bits read as unsigned."""
    return np.arange(1 << 16).astype(np.uint16).view(np.int16).astype(np.int64)


def _ulaw_encode_table() -> NDArray[np.uint8]:
    value = _all_samples() >> 2
    biased = np.minimum(np.abs(value) + 33, 0x1FFF)
    segment = np.searchsorted((0x40 << np.arange(8)) - 1, biased)
    code = (segment << 4) | ((biased >> (segment + 1)) & 0x0F)
    table: NDArray[np.uint8] = (code ^ np.where(value < 0, 0x7F, 0xFF)).astype(np.uint8)
    return table


def _alaw_encode_table() -> NDArray[np.uint8]:
    value = _all_samples() >> 3
    magnitude = np.where(value < 0, -value - 1, value)
    segment = np.searchsorted((0x20 << np.arange(8)) - 1, magnitude)
    code = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 0x0F)
    table: NDArray[np.uint8] = (code ^ np.where(value < 0, 0x55, 0xD5)).astype(np.uint8)
    return table


_ULAW_DECODE = _ulaw_decode_table()
_ALAW_DECODE = _alaw_decode_table()
_ULAW_ENCODE = _ulaw_encode_table()
_ALAW_ENCODE = _alaw_encode_table()
