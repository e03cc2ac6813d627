"""Audio at another rate, piece by piece: what `audio.resample` makes of all of it at once."""

from math import gcd

import numpy as np

from rtproxy.realtime.audio import MAX_WEIGHTS, Samples, kernel, to_int16

EMPTY: Samples = np.zeros(0, np.int16)
FEW_PHASES = 512
"""Above this many phases each output is computed by itself, not phase by phase."""


class Resampler:
    """Takes samples at `source` Hz and gives them at `target` Hz, in time with them.

    After `flush` the samples given are round(n · target / source) for n taken since the last one.
    What it gives lags behind by half a kernel, 0.7 ms at 24 kHz.
    """

    def __init__(self, source: int, target: int) -> None:
        divisor = gcd(source, target)
        self._up, self._down = target // divisor, source // divisor
        self._phases = None if source == target else kernel(self._up, self._down)
        self._waiting: Samples = EMPTY
        self._first = 0
        """Which input sample the first that waits is."""
        self._reset()

    def feed(self, samples: Samples) -> Samples:
        """The next samples; what can be computed of the result, perhaps nothing."""
        self.taken += samples.size
        if self._phases is None:
            return samples
        self._waiting = np.concatenate((self._waiting, samples))
        half = self._phases.shape[1] // 2
        # Output k lies at input k·down/up and needs `half` inputs after it.
        last = self.taken - 1 - half
        return self._compute(0 if last < 0 else (last * self._up + self._up - 1) // self._down + 1)

    def flush(self) -> Samples:
        """The rest, as if silence followed; then it begins anew."""
        rest = EMPTY
        if self._phases is not None and self.taken:
            padding = np.zeros(self._phases.shape[1], np.int16)
            self._waiting = np.concatenate((self._waiting, padding))
            rest = self._compute(round(self.taken * self._up / self._down))
        self._reset()
        return rest

    def length(self, taken: int) -> int:
        """How many samples come of so many, all in all."""
        return taken if self._phases is None else round(taken * self._up / self._down)

    def _reset(self) -> None:
        self.taken = 0
        self._given = 0
        width = self._phases.shape[1] if self._phases is not None else 0
        self._waiting = np.zeros(max(0, width // 2 - 1), np.int16)
        self._first = -self._waiting.size

    def _compute(self, until: int) -> Samples:
        """Outputs up to, and without, the number `until`."""
        assert self._phases is not None
        count = until - self._given
        if count <= 0:
            return EMPTY
        rows, half = len(self._phases), self._phases.shape[1] // 2
        numbers = np.arange(self._given, until) * self._down
        starts = numbers // self._up - half + 1 - self._first
        windows = np.lib.stride_tricks.sliding_window_view(
            self._waiting.astype(np.float64), 2 * half
        )
        if self._up <= FEW_PHASES:
            result = np.empty(count)
            for n in range(min(self._up, count)):
                phase = int(numbers[n]) % self._up
                parts = windows[starts[n] :: self._down][: -(-(count - n) // self._up)]
                result[n :: self._up] = parts @ self._phases[phase * rows // self._up]
        else:
            phases = numbers % self._up * rows // self._up
            step = MAX_WEIGHTS // (2 * half)
            result = np.concatenate([
                np.einsum("ij,ij->i", windows[starts[n : n + step]],
                          self._phases[phases[n : n + step]])
                for n in range(0, count, step)
            ])  # fmt: skip
        self._given = until
        needed = until * self._down // self._up - half + 1 - self._first
        if needed > 0:
            self._waiting = self._waiting[needed:].copy()
            self._first += needed
        return to_int16(result)
