"""What is kept of audio for comparison: its length, its loudness, its checksums; no samples.

Loudness is kept for each 20 ms, so that silence can be mapped; a checksum for each second, so that
two sounds can be told to be the same to the sample, and else where they begin to differ.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rtproxy.realtime.audio import FULL_SCALE, PCM16, AudioFormat, Samples, decode_base64

STEP_MS = 20
BLOCK_MS = 1000
LOUDEST = FULL_SCALE - 1
"""A sample this far from zero has been clipped, or is as loud as can be."""
SILENCE_DB = 35.0
"""Silence is what lies so far below the loudness of what is said, or lower."""
FLOOR_DB = -60.0
"""Below this it is silence, whatever else is heard."""
SHORTEST_MS = 300
"""Shorter pauses belong to the words."""


class Trace:
    """Takes base64 audio in pieces of any size; 0.2 KB are kept of each second.

    `exact`: also what it takes to compare it to the sample, and clipping.
    """

    __slots__ = ("_block", "_data", "_exact", "_format", "checks", "clipped", "ms", "powers")

    def __init__(self, *, exact: bool = True) -> None:
        self.ms = 0.0
        """Its length, once it is finished."""
        self.powers = array("f")
        """Mean square of the samples of each 20 ms."""
        self.checks = array("I")
        """CRC-32 of each second's samples."""
        self.clipped = 0
        """Samples that are as loud as can be."""
        self._exact = exact
        self._format: AudioFormat = PCM16
        self._block = PCM16.size(BLOCK_MS)
        self._data = bytearray()

    def begin(self, audio: AudioFormat, before: int) -> None:
        """What comes first stands after so many bytes, perhaps in the middle of a sample."""
        self._format, self._block = audio, audio.size(BLOCK_MS)
        self._data += bytes(before % audio.bytes_per_sample)

    def add(self, encoded: str, audio: AudioFormat) -> None:
        """The next piece; what is no base64 is passed over."""
        if audio != self._format:
            self.finish()
            self._format, self._block = audio, audio.size(BLOCK_MS)
        try:
            self._data += decode_base64(encoded)
        except ValueError:
            return
        if len(self._data) >= self._block:
            data, at = bytes(self._data), 0
            while at + self._block <= len(data):
                self._take(data[at : at + self._block])
                at += self._block
            self._data = bytearray(data[at:])

    def finish(self) -> None:
        """No more comes, or what comes is of another format."""
        if self._data:
            self._take(bytes(self._data))
            self._data.clear()

    def _take(self, data: bytes) -> None:
        self.ms += self._format.duration_ms(len(data))
        samples = self._format.decode(data)
        if self._exact:
            # Of samples, not of bytes: the same sound in other bytes is the same sound.
            self.checks.append(crc32(samples.tobytes()))
            if samples.size and max(int(samples.max()), -int(samples.min())) >= LOUDEST:
                self.clipped += int(np.count_nonzero(np.abs(samples.astype(np.int32)) >= LOUDEST))
        self.powers.frombytes(_powers(samples, self._format.rate * STEP_MS // 1000).tobytes())


def _powers(samples: Samples, step: int) -> NDArray[np.float32]:
    whole = samples.size // step * step
    frames = samples[:whole].reshape(-1, step).astype(np.float32)
    powers = np.einsum("ij,ij->i", frames, frames) / np.float32(step)
    if whole < samples.size:
        rest = samples[whole:].astype(np.float32)
        powers = np.append(powers, np.dot(rest, rest) / np.float32(rest.size))
    return np.asarray(powers, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Sound:
    """A stretch of audio. `powers` is the mean square of each 20 ms.

    `checks` are checksums of each second, None where the stretch is not known to the sample;
    `clipped` counts the samples that are as loud as can be, None where it is unknown.
    """

    ms: float
    powers: NDArray[np.float32]
    checks: tuple[int, ...] | None = None
    clipped: int | None = None

    @classmethod
    def whole(cls, trace: Trace) -> "Sound":
        """All of a trace, which is finished by it."""
        trace.finish()
        powers = np.frombuffer(trace.powers.tobytes(), np.float32)
        return cls(trace.ms, powers, tuple(trace.checks), trace.clipped)

    @classmethod
    def part(cls, trace: Trace, start_ms: float, end_ms: float) -> "Sound":
        """What lies between two positions of a trace that is finished."""
        first, last = (max(0, round(ms / STEP_MS)) for ms in (start_ms, end_ms))
        powers = np.frombuffer(trace.powers[first:last].tobytes(), np.float32)
        return cls(max(0.0, min(end_ms, trace.ms) - start_ms), powers)

    @classmethod
    def joined(cls, sounds: Sequence["Sound"]) -> "Sound":
        """One after the other."""
        powers = np.concatenate([sound.powers for sound in sounds])
        return cls(sum(sound.ms for sound in sounds), powers)

    def first(self, ms: float) -> "Sound":
        """Its beginning; whole seconds of it are known to the sample."""
        if self.ms <= ms:
            return self
        checks = self.checks[: int(ms // BLOCK_MS)] if self.checks is not None else None
        return Sound(ms, self.powers[: int(ms // STEP_MS)], checks)

    @property
    def speech_db(self) -> float | None:
        """Level of what is not silence in dBFS; None if all is silence."""
        return loudness(self.powers)

    def pauses(self) -> list[tuple[int, int]]:
        """Where it is silent for 300 ms and more: (from, to) in ms."""
        level = self.speech_db
        below = FLOOR_DB if level is None else max(FLOOR_DB, level - SILENCE_DB)
        quiet = np.concatenate(([False], self.powers < _power(below), [False]))
        edges = np.flatnonzero(quiet[1:] != quiet[:-1]).tolist()
        spans = [(a * STEP_MS, b * STEP_MS) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        return [(start, end) for start, end in spans if end - start >= SHORTEST_MS]

    def differs_from(self, other: "Sound") -> tuple[int, int] | None:
        """The seconds from and to which samples differ; None if none do, or it is unknown."""
        if self.checks is None or other.checks is None or self.checks == other.checks:
            return None
        pairs = list(zip(self.checks, other.checks, strict=False))
        differing = [n for n, (one, two) in enumerate(pairs) if one != two]
        longest = max(len(self.checks), len(other.checks))
        first = differing[0] if differing else len(pairs)
        last = longest if len(self.checks) != len(other.checks) else differing[-1] + 1
        return first, last


def loudness(powers: NDArray[np.float32]) -> float | None:
    """Level in dBFS of what is heard: all that is at most 30 dB below the loudest."""
    if not powers.size:
        return None
    loudest = float(np.max(powers))
    loud = powers[powers >= max(loudest * 1e-3, _power(FLOOR_DB))]
    return 10 * log10(float(np.mean(loud)) / FULL_SCALE**2) if loud.size else None


def level_change(a: Sound, b: Sound) -> float | None:
    """How much louder `b` is in dB, where one may be cut short at either end."""
    length = min(a.powers.size, b.powers.size)
    if not length:
        return None
    changes = []
    for one, two in (
        (a.powers[:length], b.powers[:length]),
        (a.powers[-length:], b.powers[-length:]),
    ):
        before, after = loudness(one), loudness(two)
        if before is None or after is None:
            continue
        changes.append(after - before)
    return min(changes, key=abs) if changes else None


def same_pauses(
    a: Sequence[tuple[int, int]], b: Sequence[tuple[int, int]], tolerance_ms: float
) -> bool:
    """Whether each pause has one at the same place; those hardly long enough may have none."""
    return _covered(a, b, tolerance_ms) and _covered(b, a, tolerance_ms)


def _covered(
    spans: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]], tolerance_ms: float
) -> bool:
    starts = [start for start, _ in others]
    for start, end in spans:
        index = bisect_left(starts, start - tolerance_ms)
        found = index < len(others) and (
            abs(others[index][0] - start) <= tolerance_ms
            and abs(others[index][1] - end) <= tolerance_ms
        )
        if not found and end - start > SHORTEST_MS + tolerance_ms:
            return False
    return True


def _power(db: float) -> float:
    return float(10 ** (db / 10) * FULL_SCALE**2)
