"""Where speech starts and ends in a stream of samples, by its energy.

The stream may come in pieces of any size; what is found depends on the samples alone. Levels are
looked at in frames of 10 ms. Speech starts where 40 ms in a row are loud enough, and has ended
when nothing was loud for the silence asked for, counted from 100 ms after the last loud frame:
the inertia of the live service's detector, as measured on recorded speech.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FRAME_MS = 10
ONSET_MS = 40
HANGOVER_MS = 100
QUIETEST_DB = -60.0
RANGE_DB = 40.0


@dataclass(frozen=True, slots=True)
class Change:
    """Speech started or stopped.

    `at_ms` is where: the first loud frame's start; or the end of speech, before the silence.
    `known_ms` is how much audio it took to know.
    """

    kind: Literal["started", "stopped"]
    at_ms: int
    known_ms: int


def level_needed(threshold: float) -> float:
    """The level in dBFS that counts as speech: threshold 0 is −60, 0.5 is −40, 1 is −20."""
    return QUIETEST_DB + RANGE_DB * threshold


class Detector:
    """Finds speech in samples at `rate` Hz; positions are ms since the first sample."""

    def __init__(self, rate: int, threshold: float = 0.5, silence_ms: int = 200) -> None:
        self._frame = rate * FRAME_MS // 1000
        power = 10 ** (level_needed(threshold) / 10) * 32_768**2
        self._loud_energy = power * self._frame
        self._silence_ms = silence_ms + HANGOVER_MS
        self._rest: NDArray[np.int16] = np.zeros(0, dtype=np.int16)
        self._frames = 0
        self._loud_run = 0
        self._quiet_run = 0
        self.speaking = False

    def configure(self, threshold: float, silence_ms: int) -> None:
        """Use another threshold and silence from the next sample on."""
        power = 10 ** (level_needed(threshold) / 10) * 32_768**2
        self._loud_energy = power * self._frame
        self._silence_ms = silence_ms + HANGOVER_MS

    def reset(self) -> None:
        """Forget that somebody was speaking; the clock goes on."""
        self.speaking = False
        self._loud_run = 0
        self._quiet_run = 0

    def feed(self, samples: NDArray[np.int16]) -> Iterator[Change]:
        """Take the next samples; yield what they show. Must be consumed to the end."""
        stream = np.concatenate((self._rest, samples))
        whole = stream.size // self._frame * self._frame
        self._rest = stream[whole:]
        frames = stream[:whole].reshape(-1, self._frame).astype(np.float64)
        for loud in (np.einsum("ij,ij->i", frames, frames) >= self._loud_energy).tolist():
            self._frames += 1
            change = self._step(loud)
            if change:
                yield change

    def _step(self, loud: bool) -> Change | None:
        now_ms = self._frames * FRAME_MS
        self._loud_run = self._loud_run + 1 if loud else 0
        self._quiet_run = 0 if loud else self._quiet_run + 1
        if not self.speaking:
            if self._loud_run * FRAME_MS >= ONSET_MS:
                self.speaking = True
                return Change("started", now_ms - self._loud_run * FRAME_MS, now_ms)
        elif self._quiet_run * FRAME_MS >= self._silence_ms:
            self.speaking = False
            return Change("stopped", now_ms - self._quiet_run * FRAME_MS + HANGOVER_MS, now_ms)
        return None
