"""One side's audio, piece after piece, and its peaks.

    reel = Reel(24_000)
    reel.add(samples, 24_000)
    reel.finish()
    reel.pieces    # to be taken out by who packs and writes them
    reel.peaks()   # two bytes for each hundredth of a second

A reel knows no time: where its samples stand on the tape's clock is another matter.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

from rtproxy.realtime.audio import FULL_SCALE, Samples, resample

PIECE = 1 << 19
"""Samples in a piece: 22 s at 24 kHz."""
PEAKS_A_SECOND = 100


class Reel:
    """`rate` is in Hz, `length` in samples; each pair of peaks is of `bucket` samples."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.length = 0
        self.bucket = max(1, rate // PEAKS_A_SECOND)
        self.pieces: list[Samples] = []
        """Finished ones: taken out as they come, a reel of an hour takes no memory."""
        self._waiting: list[Samples] = []
        self._held = 0
        self._rest: Samples = np.zeros(0, np.int16)
        self._peaks = bytearray()

    def add(self, samples: Samples, rate: int) -> int:
        """Append samples, brought to the reel's rate; returns how many they are then."""
        samples = resample(samples, rate, self.rate)
        added = samples.size
        self.length += added
        while samples.size:
            part = samples[: PIECE - self._held]
            samples = samples[part.size :]
            self._waiting.append(part)
            self._held += part.size
            if self._held == PIECE:
                self._close()
        return added

    def finish(self) -> None:
        """Close the last piece, which is shorter."""
        if self._held:
            self._close()
        if self._rest.size:
            self._peaks += _extremes(self._rest.reshape(1, -1))
            self._rest = self._rest[:0]

    def peaks(self) -> bytes:
        """Lowest and highest sample of each bucket as a signed byte: the square root of its
        share of full scale times 127, as quiet speech would else be flat."""
        return bytes(self._peaks)

    def _measure(self, samples: Samples) -> None:
        joined = np.concatenate((self._rest, samples)) if self._rest.size else samples
        whole = joined.size // self.bucket * self.bucket
        self._peaks += _extremes(joined[:whole].reshape(-1, self.bucket))
        self._rest = joined[whole:]

    def _close(self) -> None:
        samples = np.concatenate(self._waiting)
        self._waiting, self._held = [], 0
        self._measure(samples)
        self.pieces.append(samples)


def pack(samples: Samples) -> bytes:
    """Samples as zlib of their differences, all low bytes before all high ones.

    Speech becomes a third smaller by it, silence disappears. Slower levels gain another 2 %.
    """
    differences = np.diff(samples, prepend=np.int16(0)).astype("<i2", copy=False)
    return zlib.compress(differences.view(np.uint8).reshape(-1, 2).T.tobytes(), 1)


def unpack(piece: bytes) -> Samples:
    """The samples that `pack` was given."""
    planes = np.frombuffer(zlib.decompress(piece), dtype=np.uint8).reshape(2, -1)
    differences = np.ascontiguousarray(planes.T).view("<i2").reshape(-1)
    samples: Samples = np.cumsum(differences, dtype=np.int16)
    return samples


def _extremes(buckets: Samples) -> bytes:
    if not buckets.size:
        return b""
    pairs = np.stack((buckets.min(axis=1), buckets.max(axis=1)), axis=1)
    return _squeezed(pairs).tobytes()


def _squeezed(samples: Samples) -> NDArray[np.int8]:
    share = samples.astype(np.float32) / FULL_SCALE
    squeezed: NDArray[np.int8] = np.rint(np.sign(share) * np.sqrt(np.abs(share)) * 127).astype(
        np.int8
    )
    return squeezed
