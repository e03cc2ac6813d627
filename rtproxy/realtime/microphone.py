"""When the caller said what was appended.

An append carries what was said just before it arrived. A microphone gives one sample after the
other, so appends that follow one another are one stream; networks only delay them. So each sample
sounds as late as can be: before the append that carried it arrived, and directly before the next
one, unless the microphone was off in between.
"""

from collections import deque
from collections.abc import Iterator

from rtproxy.realtime.piece import Piece

SLACK_MS = 100.0
"""What is late by no more than this belongs to the stream, in which it leaves no gap."""
AHEAD_MS = 2000.0
"""A stream that falters and has caught up after so long was late, not off."""
LONGEST_MS = 30_000.0
"""Nothing sounds earlier than this before it arrives."""


class Microphone:
    """Takes appends as they arrive, and gives them, a little later, with the time they begin at."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Piece, float, float]] = deque()  # with offset and length in ms
        self._least: deque[tuple[int, float]] = deque()  # the offsets that are least from there on
        self._first = 0  # number of the append that has waited longest
        self._total_ms = 0.0
        self._offset: float | None = None  # from positions in the audio to times

    def append(self, piece: Piece) -> None:
        """Audio arrived."""
        ms = piece.ms
        self._total_ms += ms
        # Audio that ends when it arrives would be offset by so much.
        offset = piece.t_ms - self._total_ms
        while self._least and self._least[-1][1] >= offset:
            self._least.pop()
        self._least.append((self._first + len(self._waiting), offset))
        self._waiting.append((piece, self._total_ms - ms, ms))

    def settle(self, now_ms: float) -> Iterator[tuple[Piece, float | None]]:
        """The appends of which it is known by now when they sound.

        Each with its first sample's time where the microphone had been off before it, else None.
        """
        while self._waiting and self._waiting[0][0].t_ms + AHEAD_MS <= now_ms:
            piece, position_ms, _ = self._waiting.popleft()
            least = self._least[0][1]
            if self._least[0][0] == self._first:
                self._least.popleft()
            self._first += 1
            earliest = max(0.0, piece.t_ms - LONGEST_MS) - position_ms
            if self._offset is None or least > self._offset + SLACK_MS:
                self._offset = max(least, earliest, self._offset or -position_ms)
                yield piece, position_ms + self._offset
            else:
                yield piece, None
