"""How loud the caller was at each moment: levels by the time at which the audio came."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rtproxy.realtime.audio_clock import AudioClock
from rtproxy.realtime.levels import BUCKET_MS, QUIETEST_DB

Values = NDArray[np.float64]


class Loudness:
    """Levels in dBFS with the times from which and until which they hold, in order."""

    def __init__(self, starts_ms: Values, ends_ms: Values, levels_db: Values) -> None:
        self._starts = starts_ms
        self._ends = ends_ms
        self._levels = levels_db

    @classmethod
    def of(cls, levels_db: Sequence[float], clock: AudioClock) -> "Loudness":
        """Of levels by position in the input audio, one for each bucket."""
        total_ms, before_ms = clock.total_ms, -2.0 * BUCKET_MS
        starts, ends, levels = [], [], []
        for n, db in enumerate(levels_db):
            t_ms = clock.wall(min((n + 1) * BUCKET_MS, total_ms))
            if t_ms is None:
                continue
            # Buckets of one stream touch, though their arrivals are a little uneven.
            streamed = t_ms - before_ms < 2 * BUCKET_MS
            starts.append(before_ms if streamed else t_ms - BUCKET_MS)
            ends.append(t_ms)
            levels.append(db)
            before_ms = t_ms
        return cls(np.array(starts), np.array(ends), np.array(levels))

    def peaks(self, start_ms: float, end_ms: float, width: int) -> Values:
        """The highest level in each of `width` equal parts of a time; NaN where there is none."""
        peaks = np.full(width, -np.inf)
        first = int(np.searchsorted(self._ends, start_ms))
        last = int(np.searchsorted(self._starts, end_ms, side="right"))
        scale = width / (end_ms - start_ms)
        begin = np.floor((self._starts[first:last] - start_ms) * scale).astype(np.int64)
        stop = np.floor((self._ends[first:last] - start_ms) * scale).astype(np.int64)
        stop = np.clip(np.maximum(stop, begin + 1), 0, width)
        begin = np.clip(begin, 0, width)
        levels = self._levels[first:last]
        lengths = stop - begin
        cells = np.repeat(begin, lengths)
        # Counts up within each run of cells: 0, 1, … of the cells that a level covers.
        cells += np.arange(len(cells)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        np.maximum.at(peaks, cells, np.repeat(levels, lengths))
        return np.where(peaks >= QUIETEST_DB, peaks, np.nan)
