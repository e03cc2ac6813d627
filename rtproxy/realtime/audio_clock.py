"""The session's input-audio clock: milliseconds of audio ever appended ↔ time on the tape.

The server counts the caller's audio, not time: `audio_start_ms` and `audio_end_ms` are positions
in all that was appended since the session began, across commits and clears. W(ms), the arrival of
the append whose audio reaches `ms`, leads from there to the tape's time.
"""

from array import array
from bisect import bisect_left, bisect_right

import numpy as np

from rtproxy.realtime.audio import PCM16, AudioFormat

SLACK_MS = 100.0
"""How far a server may be ahead of what was appended before the tape must have missed some."""


PAUSE_MS = 250.0
"""What waits longer than this, and than two usual ones, does not follow on the append before."""

FEWEST = 20
"""Appends of a stream whose pace can be told."""


class AudioClock:
    """Grows with each append; 16 bytes are kept of each. Times and positions are ms."""

    def __init__(self) -> None:
        self.whole = True
        """Whether all audio since the session's start is known to be counted."""
        self.rates: set[int] = set()
        """Sample rates in Hz of all that was appended."""
        self._ends = array("d")
        self._times = array("d")
        self._format: AudioFormat = PCM16
        self._width, self._rate = PCM16.bytes_per_sample, PCM16.rate
        self._origin_ms = 0.0  # where on the clock the format in use began
        self._bytes = 0  # since then
        self._lost = False

    @property
    def total_ms(self) -> float:
        """All audio appended so far."""
        return self._origin_ms + self._format.duration_ms(self._bytes)

    @property
    def last_ms(self) -> float | None:
        """When the last audio arrived; None if there was none."""
        return self._times[-1] if self._times else None

    def append(self, size: int, audio: AudioFormat, t_ms: float) -> None:
        """`size` bytes of audio arrived. Halves of a sample wait for their other half."""
        if audio is not self._format or not self._ends:
            self._turn_to(audio)
        if self._lost:
            return
        self._bytes += size
        # AudioFormat.duration_ms, written out: this is for nine events of ten.
        self._ends.append(self._origin_ms + self._bytes // self._width * 1000 / self._rate)
        self._times.append(t_ms)

    def _turn_to(self, audio: AudioFormat) -> None:
        """What is appended from here on is in this format."""
        self.rates.add(audio.rate)
        if self._lost:
            return
        if audio != self._format:
            self._origin_ms, self._bytes = self.total_ms, 0
        self._format = audio
        self._width, self._rate = audio.bytes_per_sample, audio.rate

    def wall(self, ms: float) -> float | None:
        """W(ms): when the append arrived whose audio reaches `ms`; None where that is unknown."""
        index = bisect_left(self._ends, ms)
        if not self.whole or index == len(self._ends):
            return None
        return self._times[index]

    def position(self, t_ms: float) -> float:
        """How much audio had been appended by `t_ms`."""
        index = bisect_right(self._times, t_ms)
        return self._ends[index - 1] if index else 0.0

    def paces(self, at_least_ms: float) -> tuple[float, float] | None:
        """Audio for each ms of time, in both halves of the longest stream of appends.

        A stream has no pauses, and enough appends to tell. None if none lasts so long.
        """
        times, ends = np.array(self._times), np.array(self._ends)
        if times.size < FEWEST:
            return None
        waits = np.diff(times)
        pauses = np.flatnonzero(waits > 2 * np.median(waits) + PAUSE_MS)
        firsts = np.concatenate(([0], pauses + 1))
        lasts = np.concatenate((pauses, [times.size - 1]))
        longest = np.argmax(times[lasts] - times[firsts])
        first, last = int(firsts[longest]), int(lasts[longest])
        if times[last] - times[first] < at_least_ms:
            return None
        middle = int(np.searchsorted(times, (times[first] + times[last]) / 2))
        if last - first < FEWEST or not times[first] < times[middle] < times[last]:
            return None
        return (
            float((ends[middle] - ends[first]) / (times[middle] - times[first])),
            float((ends[last] - ends[middle]) / (times[last] - times[middle])),
        )

    def check(self, ms: float) -> None:
        """The server names the position `ms`; if so much was never appended, the clock is wrong."""
        if not self._lost and ms > self.total_ms + SLACK_MS:
            self.whole = False

    def lose(self) -> None:
        """Records are missing: what comes from here on has no known position."""
        self._lost = True
