"""WAV files: what a recorder, a telephone system or an editor saves, as mono 16-bit samples.

RIFF WAVE with PCM of 8 to 32 bits, floating point, or G.711, of any number of channels. See the
Multimedia Programming Interface and Data Specifications 1.0 (IBM, Microsoft, 1991).
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtproxy.realtime.audio import (
    FULL_SCALE,
    G711_ALAW,
    G711_ULAW,
    MAX_RATE,
    MIN_RATE,
    Samples,
    to_int16,
)

PCM, FLOAT, ALAW, ULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
SIZES = {PCM: (8, 16, 24, 32), FLOAT: (32, 64), ALAW: (8,), ULAW: (8,)}
MAX_CHANNELS = 32
MAX_CHUNKS = 1000

_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")


@dataclass(frozen=True, slots=True)
class Wave:
    """A WAV file's layout: where in it the samples are, and how they are written."""

    encoding: int
    channels: int
    rate: int
    bits: int
    start: int
    size: int

    @classmethod
    def parse(cls, data: bytes | memoryview) -> "Wave":
        """Raises ValueError, in a clause, for what is no WAV file or of a kind not read here."""
        if len(data) < 12 or bytes(data[:4]) != b"RIFF" or bytes(data[8:12]) != b"WAVE":
            raise ValueError("is not a WAV file")
        found: tuple[int, int, int, int] | None = None
        at = 12
        for _ in range(MAX_CHUNKS):
            if at + _CHUNK.size > len(data):
                break
            name, size = _CHUNK.unpack_from(data, at)
            at += _CHUNK.size
            if name == b"fmt ":
                found = _format(bytes(data[at : at + min(size, 64)]))
            elif name == b"data" and found is not None:
                # One that was streamed does not know its length and claims the most there is.
                frame = found[1] * found[3] // 8
                whole = min(size, len(data) - at) // frame * frame
                return cls(*found, at, whole)
            at += size + size % 2
        raise ValueError("is a WAV file without samples")

    @property
    def seconds(self) -> float:
        return self.size / (self.channels * self.bits // 8) / self.rate

    def samples(self, data: bytes | memoryview) -> Samples:
        """The file's samples at its own rate; several channels are mixed."""
        raw = data[self.start : self.start + self.size]
        mixed = self._decoded(raw)
        if self.channels > 1:
            mixed = mixed.reshape(-1, self.channels).mean(axis=1)
        return to_int16(mixed)

    def _decoded(self, raw: bytes | memoryview) -> NDArray[Any]:
        match self.encoding, self.bits:
            case 1, 8:
                return (np.frombuffer(raw, np.uint8).astype(np.int16) - 128) * 256
            case 1, 16:
                return np.frombuffer(raw, "<i2")
            case 1, 24:
                parts = np.frombuffer(raw, np.uint8).reshape(-1, 3)
                return parts[:, 1:].copy().view("<i2")[:, 0]  # the upper two bytes
            case 1, 32:
                return (np.frombuffer(raw, "<i4") >> 16).astype(np.int16)
            case 3, _:
                real = np.frombuffer(raw, "<f4" if self.bits == 32 else "<f8").astype(np.float64)
                finite: NDArray[np.float64] = np.nan_to_num(real, posinf=1.0, neginf=-1.0)
                return finite.clip(-1, 1) * (FULL_SCALE - 1)
        return (G711_ALAW if self.encoding == ALAW else G711_ULAW).decode(bytes(raw))


def _format(chunk: bytes) -> tuple[int, int, int, int]:
    """Encoding, channels, rate and bits of a `fmt ` chunk."""
    if len(chunk) < _FORMAT.size:
        raise ValueError("is a WAV file whose format is cut off")
    encoding, channels, rate, _, _, bits = _FORMAT.unpack_from(chunk)
    if encoding == EXTENSIBLE and len(chunk) >= 26:
        encoding = int.from_bytes(chunk[24:26], "little")
    if bits not in SIZES.get(encoding, ()):
        raise ValueError(
            f"is a WAV file of encoding {encoding} with {bits} bits, which is not read here; "
            "make it 16-bit PCM (ffmpeg -i IN OUT.wav)"
        )
    if not (1 <= channels <= MAX_CHANNELS and MIN_RATE <= rate <= MAX_RATE):
        raise ValueError(f"is a WAV file of {channels} channels at {rate} Hz, which makes no sense")
    return encoding, channels, rate, bits
