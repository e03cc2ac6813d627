"""Audio that belongs together, on its way to the clock: decoded, resampled, put in its place."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from rtproxy.realtime.audio import AudioFormat, Samples
from rtproxy.realtime.player import Segment, Track
from rtproxy.realtime.resampler import Resampler

BATCH = 1 << 15
"""Bytes that are decoded together."""

Tell = Callable[[int, int, int], None]
"""Is told of each part of an event's audio: its seq, the position where it sounds, its samples."""
Parts = Sequence[tuple[int, float, int]]
"""Events that audio came in, as (seq, ms of arrival, samples)."""


class Surface(Protocol):
    """What samples are put on, at positions of its own."""

    def put(self, at: int, samples: Samples) -> None: ...

    def hold(self, samples: int) -> None:
        """So many samples more, or fewer, are kept for later."""


class Strand:
    """Puts the pieces that it is fed one after the other, from where it was moved to.

    Positions and lengths are in samples of the surface, at `rate` Hz.
    """

    def __init__(self, surface: Surface, rate: int, tell: Tell | None = None) -> None:
        self.at = 0
        """Where what is fed next will sound."""
        self.fed = False
        """Whether it has been fed at all."""
        self._surface = surface
        self._rate = rate
        self._tell = tell
        self._audio: AudioFormat | None = None
        self._resampler: Resampler | None = None
        self._origin = 0  # where what was fed in this format begins
        self._taken = 0  # samples of it
        self._put_until = 0
        self._waiting: list[bytes] = []
        self._size = 0

    def move(self, at: int) -> None:
        """What comes next sounds from `at` on."""
        self.flush()
        self.at = at

    def feed(self, data: bytes, audio: AudioFormat, parts: Parts) -> None:
        """The next samples, as bytes, and the events that they came in."""
        if self._resampler is None or (audio is not self._audio and audio != self._audio):
            self.flush()
            self._audio, self._resampler = audio, Resampler(audio.rate, self._rate)
            self._origin, self._taken, self._put_until = self.at, 0, self.at
        self.fed = True
        if self._tell is not None:
            for seq, at, samples in self._placed(parts):
                self._note(seq, at, samples)
        self._taken += len(data) // audio.bytes_per_sample
        self.at = self._origin + self._resampler.length(self._taken)
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= BATCH:
            self.drain()

    def drain(self) -> None:
        """Put what waits to be decoded."""
        if self._waiting and self._resampler is not None and self._audio is not None:
            data = b"".join(self._waiting)
            self._waiting, self._size = [], 0
            self._put(self._resampler.feed(self._audio.decode(data)))

    def flush(self) -> None:
        """Nothing more comes for now."""
        self.drain()
        if self._resampler is not None:
            self._put(self._resampler.flush())
            self._resampler = None

    @property
    def waits(self) -> bool:
        """Whether it has what cannot be put yet."""
        return False

    def advance(self, now_ms: float) -> None:
        """So much time has passed."""

    def _placed(self, parts: Parts) -> list[tuple[int, int, int]]:
        """The events with the positions and lengths of their audio, which is fed next."""
        assert self._resampler is not None
        found, taken, at = [], self._taken, self.at
        for seq, _, samples in parts:
            taken += samples
            end = self._origin + self._resampler.length(taken)
            found.append((seq, at, end - at))
            at = end
        return found

    def _note(self, seq: int, at: int, samples: int) -> None:
        if self._tell is not None:
            self._tell(seq, at, samples)

    def _put(self, samples: Samples) -> None:
        self._surface.put(self._put_until, samples)
        self._put_until += samples.size


class PlayedStrand(Strand):
    """Audio of an item as it was played: in segments, with pauses, and perhaps not to its end.

    It is fed from its beginning, and puts what the track says was played once that is past: until
    then it may still be cut. Here `at` counts from the item's beginning.
    """

    def __init__(self, surface: Surface, rate: int, track: Track, tell: Tell | None = None) -> None:
        super().__init__(surface, rate, tell)
        self._track = track
        self._ahead: deque[Samples] = deque()  # what has come and was not played yet
        self._first = 0  # where in the item that begins
        self._end = 0  # and ends
        self._segment = 0
        self._before_ms = 0.0  # lengths of the segments before that one
        self._cut = False
        self._notes: deque[tuple[int, int, int]] = deque()  # of what is ahead: seq, from, to

    @property
    def waits(self) -> bool:
        return bool(self._ahead)

    def advance(self, now_ms: float) -> None:
        """Put what was played by now."""
        if self._cut:
            return
        cut_ms = self._track.cut_ms
        self._cut = cut_ms is not None and cut_ms <= now_ms
        if self._cut:
            self._segment, self._before_ms = 0, 0.0  # empty ones may have gone
        segments = self._track.segments
        while self._segment < len(segments):
            segment = segments[self._segment]
            last, over = self._segment + 1 == len(segments), segment.end_ms <= now_ms
            played_ms = min(segment.ms, now_ms - segment.start_ms)
            until = self._samples(self._before_ms + played_ms)
            # Whatever a sum of ms comes to, what is not cut off plays to its last sample.
            self._play(segment, self._end if last and over and cut_ms is None else until)
            if last or not over or self._first < until:
                break
            self._before_ms += segment.ms
            self._segment += 1
        if self._cut:
            self._drop(self._end)

    def _play(self, segment: Segment, until: int) -> None:
        """Put what is ahead up to a place in the item."""
        lead = self._samples(segment.start_ms) - self._samples(self._before_ms)
        while self._ahead and self._first < until:
            samples = self._ahead[0][: until - self._first]
            self._surface.put(self._first + lead, samples)
            while self._notes and self._notes[0][1] < until:
                seq, begin, end = self._notes.popleft()
                super()._note(seq, begin + lead, min(end, until) - begin)
                if end > until:
                    self._notes.appendleft((seq, until, end))
                    break
            self._drop(self._first + samples.size)

    def _drop(self, until: int) -> None:
        """What is ahead up to a place in the item is no longer needed."""
        while self._ahead and self._first < until:
            samples = self._ahead.popleft()
            if samples.size > until - self._first:
                self._ahead.appendleft(samples[until - self._first :])
                samples = samples[: until - self._first]
            self._first += samples.size
            self._surface.hold(-samples.size)

    def _put(self, samples: Samples) -> None:
        self._end += samples.size
        if self._cut:
            self._first = self._end
        elif samples.size:
            self._ahead.append(samples)
            self._surface.hold(samples.size)

    def _note(self, seq: int, at: int, samples: int) -> None:
        if not self._cut:
            self._notes.append((seq, at, at + samples))

    def _samples(self, ms: float) -> int:
        return round(ms * self._rate / 1000)
