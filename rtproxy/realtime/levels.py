"""How loud audio is over its length: one number for each tenth of a second, and no audio."""

from array import array
from math import log10

import numpy as np

from rtproxy.realtime.audio import FULL_SCALE, PCM16, AudioFormat, decode_base64

BUCKET_MS = 100
QUIETEST_DB = -96.0
"""Silence: below the lowest bit of a 16-bit sample."""
AT_ONCE = 10
"""Buckets that are computed together."""


class Levels:
    """Takes base64 audio in pieces of any size. 4 bytes are kept of every 100 ms."""

    def __init__(self) -> None:
        self._levels = array("f")
        self._format: AudioFormat = PCM16
        self._data = bytearray()

    def add(self, encoded: str, audio: AudioFormat) -> None:
        """The next piece; what is no base64 is passed over."""
        if audio != self._format:
            self._measure(len(self._data))
            self._data.clear()
            self._format = audio
        try:
            self._data += decode_base64(encoded)
        except ValueError:
            return
        bucket = self._format.size(BUCKET_MS)
        if len(self._data) >= AT_ONCE * bucket:
            self._measure(len(self._data) // bucket * bucket)

    def values(self) -> list[float]:
        """RMS levels in dBFS, from −96 to 0; the last may be of less than 100 ms."""
        rest = bytes(self._data)
        return [*self._levels, *self._of(rest)]

    def _measure(self, size: int) -> None:
        """Turn the first `size` bytes that wait into levels."""
        self._levels.extend(self._of(bytes(self._data[:size])))
        del self._data[:size]

    def _of(self, data: bytes) -> list[float]:
        samples = self._format.decode(data).astype(np.float64)
        bucket = self._format.rate * BUCKET_MS // 1000
        whole = samples.size // bucket * bucket
        frames = samples[:whole].reshape(-1, bucket)
        powers = np.einsum("ij,ij->i", frames, frames) / bucket
        if whole < samples.size:
            powers = np.append(powers, np.mean(samples[whole:] ** 2))
        return [_db(power) for power in powers.tolist()]


def _db(power: float) -> float:
    return max(QUIETEST_DB, 10 * log10(power / FULL_SCALE**2)) if power else QUIETEST_DB
