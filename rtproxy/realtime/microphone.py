"""When the caller said what was appended.

An append carries what was said just before it arrived. A microphone gives one sample after the
other, so appends that follow one another are one stream; networks only delay them. So each sample
sounds as late as can be: before the append that carried it arrived, and directly before the next
one, unless the microphone was off in between.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf

from rtproxy.realtime.piece import Piece

SLACK_MS = 100.0
"""What is late by no more than this belongs to the stream, in which it leaves no gap."""
AHEAD_MS = 2000.0
"""A stream that falters and has caught up after so long was late, not off."""
LONGEST_MS = 30_000.0
"""Nothing sounds earlier than this before it arrives."""


@dataclass(slots=True)
class Utterance:
    """Appends that follow one another: audio from `position_ms` of all audio on.

    `offset_ms` leads from positions to times; what begins with it ends when the last of it arrived.
    """

    piece: Piece
    position_ms: float
    offset_ms: float
    arrived_ms: float


class Microphone:
    """Takes appends as they arrive, and gives them, a little later, with the time they begin at."""

    def __init__(self) -> None:
        self._waiting: deque[Utterance] = deque()
        self._least: deque[tuple[int, float]] = deque()  # the offsets that are least from there on
        self._first = 0  # number of the utterance that has waited longest
        self._total_ms = 0.0
        self._offset: float | None = None  # from positions in the audio to times

    def append(self, piece: Piece) -> None:
        """Audio arrived."""
        ms_per_sample = 1000 / piece.audio.rate
        first, begin, end = 0, 0, 0
        start_ms, least = self._total_ms, inf
        for number, (_, t_ms, samples) in enumerate(piece.parts):
            total_ms = self._total_ms + samples * ms_per_sample
            offset = t_ms - total_ms
            if offset > least + SLACK_MS:
                self._wait(piece, first, number, begin, end, start_ms, least)
                first, begin, start_ms, least = number, end, self._total_ms, inf
            if offset < least:
                least = offset
            self._total_ms = total_ms
            end += samples
        self._wait(piece, first, len(piece.parts), begin, end, start_ms, least)

    def _wait(
        self,
        piece: Piece,
        first: int,
        last: int,
        begin: int,
        end: int,
        start_ms: float,
        offset: float,
    ) -> None:
        """Parts `first` to `last` of a piece, samples `begin` to `end`, wait."""
        if begin > 0 or last < len(piece.parts):
            size = piece.audio.bytes_per_sample
            piece = replace(
                piece, data=piece.data[begin * size : end * size], parts=piece.parts[first:last]
            )
        while self._least and self._least[-1][1] >= offset:
            self._least.pop()
        self._least.append((self._first + len(self._waiting), offset))
        self._waiting.append(Utterance(piece, start_ms, offset, piece.parts[-1][1]))

    def settle(self, now_ms: float) -> Iterator[tuple[Piece, float | None]]:
        """The appends of which it is known by now when they sound.

        Each with its first sample's time where the microphone had been off before it, else None.
        """
        while self._waiting and self._waiting[0].arrived_ms + AHEAD_MS <= now_ms:
            said = self._waiting.popleft()
            least = self._least[0][1]
            if self._least[0][0] == self._first:
                self._least.popleft()
            self._first += 1
            earliest = max(0.0, said.piece.t_ms - LONGEST_MS) - said.position_ms
            if self._offset is None or least > self._offset + SLACK_MS:
                before = -inf if self._offset is None else self._offset
                self._offset = max(least, earliest, before)
                yield said.piece, said.position_ms + self._offset
            else:
                yield said.piece, None
