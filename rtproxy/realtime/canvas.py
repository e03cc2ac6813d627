"""One side's sound on the clock: samples are put where they belong, and taken in order.

What is put over other samples is added to them, and clipped.
"""

import numpy as np

from rtproxy.errors import ConvertError
from rtproxy.realtime.audio import Samples, to_int16

BLOCK = 24_000
MAX_HELD = 1 << 28
"""Samples that may wait to be taken, half a gigabyte: three hours at 24 kHz."""


class Canvas:
    """Positions are in samples from the tape's start; what is never put is silence."""

    def __init__(self) -> None:
        self.end = 0
        """After the last sample that was put."""
        self._taken = 0
        self._held = 0
        self._blocks: dict[int, Samples] = {}

    def skip(self, until: int) -> None:
        """What lies before is not wanted."""
        self._taken = until

    def hold(self, samples: int) -> None:
        """So many samples more, or fewer, are kept for later. Raises ConvertError for too many."""
        self._held += samples
        if self._held > MAX_HELD:
            raise ConvertError(
                "More than three hours of audio came at one time; export it by item, which needs "
                "no clock."
            )

    def put(self, at: int, samples: Samples) -> None:
        """Put samples; those before what was taken already are dropped.

        Raises ConvertError when too much would have to be kept.
        """
        if at < self._taken:
            samples, at = samples[self._taken - at :], self._taken
        while samples.size:
            number, offset = divmod(at, BLOCK)
            block = self._blocks.get(number)
            if block is None:
                self.hold(BLOCK)
                block = self._blocks[number] = np.zeros(BLOCK, np.int16)
            part = samples[: BLOCK - offset]
            place = block[offset : offset + part.size]
            both = min(max(self.end - at, 0), part.size)
            if both:
                place[:both] = to_int16(place[:both].astype(np.int32) + part[:both])
            place[both:] = part[both:]
            at += part.size
            self.end = max(self.end, at)
            samples = samples[part.size :]

    def take(self, until: int) -> Samples:
        """The samples from where the last ones ended up to `until`, which is in the same block."""
        number, offset = divmod(self._taken, BLOCK)
        count = until - self._taken
        block = self._blocks.get(number)
        self._taken = until
        if offset + count == BLOCK and self._blocks.pop(number, None) is not None:
            self.hold(-BLOCK)
        if block is None:
            return np.zeros(count, np.int16)
        return block[offset : offset + count]
