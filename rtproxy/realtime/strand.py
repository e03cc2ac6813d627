"""Audio that belongs together, on its way to the clock: decoded, resampled, put in its place."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from rtproxy.realtime.audio import AudioFormat, Samples
from rtproxy.realtime.canvas import Canvas
from rtproxy.realtime.player import Segment
from rtproxy.realtime.resampler import Resampler

BATCH = 1 << 15
"""Bytes that are decoded together."""

Tell = Callable[[int, int, int], None]
"""Is told of each part of an event's audio: its seq, the position where it sounds, its samples."""


class Strand:
    """Puts the pieces that it is fed one after the other, from where it was moved to.

    Positions and lengths are in samples of the canvas, at `rate` Hz.
    """

    def __init__(self, canvas: Canvas, rate: int, tell: Tell | None = None) -> None:
        self.at = 0
        """Where what is fed next will sound."""
        self._canvas = canvas
        self._rate = rate
        self._tell = tell
        self._audio: AudioFormat | None = None
        self._resampler: Resampler | None = None
        self._origin = 0  # where what was fed in this format begins
        self._fed = 0  # samples of it
        self.fed = False
        """Whether it has been fed at all."""
        self._put_until = 0
        self._waiting: list[bytes] = []
        self._size = 0

    def move(self, at: int) -> None:
        """What comes next sounds from `at` on."""
        self.flush()
        self.at = at

    def feed(self, data: bytes, audio: AudioFormat, seq: int) -> None:
        """The next samples, as bytes."""
        if self._resampler is None or (audio is not self._audio and audio != self._audio):
            self.flush()
            self._audio, self._resampler = audio, Resampler(audio.rate, self._rate)
            self._origin, self._fed, self._put_until = self.at, 0, self.at
        self.fed = True
        before = self.at
        self._fed += len(data) // audio.bytes_per_sample
        self.at = self._origin + self._resampler.length(self._fed)
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= BATCH:
            self.drain()
        if self._tell is not None:
            for at, _, count in self._parts(before, self.at - before):
                self._tell(seq, at, count)

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

    def _put(self, samples: Samples) -> None:
        for at, first, count in self._parts(self._put_until, samples.size):
            self._canvas.put(at, samples[first : first + count])
        self._put_until += samples.size

    def _parts(self, at: int, count: int) -> Iterator[tuple[int, int, int]]:
        """Where samples at a place in the strand sound: (position, the first of them, how many)."""
        yield at, 0, count


class PlayedStrand(Strand):
    """Audio of an item as it was played: in pieces, with pauses, and perhaps not to its end.

    It is fed from its beginning; `segments` say when which part of it sounded.
    """

    def __init__(
        self,
        canvas: Canvas,
        rate: int,
        segments: Iterable[Segment],
        tell: Tell | None = None,
        *,
        cut: bool = False,
    ) -> None:
        super().__init__(canvas, rate, tell)
        self._starts: list[int] = []  # where in the strand each segment begins
        self._places: list[int] = []  # and where it sounds
        played_ms = 0.0
        for segment in segments:
            self._starts.append(round(played_ms * rate / 1000))
            self._places.append(round(segment.start_ms * rate / 1000))
            played_ms += segment.ms
        # What was not cut off plays to its last sample, whatever a sum of ms comes to.
        self._end = round(played_ms * rate / 1000) if cut else None

    def _parts(self, at: int, count: int) -> Iterator[tuple[int, int, int]]:
        end = at + count if self._end is None else min(at + count, self._end)
        position, index = at, bisect_right(self._starts, at) - 1
        while position < end and 0 <= index < len(self._starts):
            last = index + 1 == len(self._starts)
            until = end if last else min(end, self._starts[index + 1])
            if until > position:
                sounds = self._places[index] + position - self._starts[index]
                yield sounds, position - at, until - position
            position, index = until, index + 1
