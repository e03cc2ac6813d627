"""A call as sound: both sides on one clock, the caller on the left, the assistant on the right.

    session = Session.from_tape(tape)
    for block in render(session, tape, heard=True):
        ...  # int16, (n, 2)

The caller's audio is where `microphone` puts it. The assistant's is, as *heard*, what the virtual
player played and when; as *delivered*, all that the server sent: an item from its first delta on
without a pause, items of a response one after the other. Where a response begins before the audio
of the last one is over, both are to be heard.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from rtproxy.realtime.audio import PCM16, Samples
from rtproxy.realtime.canvas import BLOCK, Canvas
from rtproxy.realtime.microphone import LONGEST_MS, Microphone
from rtproxy.realtime.piece import Faults, Piece, Pieces, Side
from rtproxy.realtime.session import Session
from rtproxy.realtime.strand import PlayedStrand, Strand
from rtproxy.tape.record import Record

Stereo = NDArray[np.int16]

HOLD_MS = LONGEST_MS + 10_000.0
"""How long after its time a sample may still come: what is older is given away."""
IDLE_MS = 5_000.0
"""A strand that was fed nothing for so long is flushed."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where audio of an event sounds: `samples` at the mixdown's rate from `start_ms` on."""

    seq: int
    side: Side
    item_id: str
    start_ms: float
    samples: int


Place = Callable[[Placement], None]


def rate_of(session: Session) -> int:
    """The highest sample rate in Hz of all the session's audio; 24,000 if there is none."""
    return max(session.clock.rates | session.answers.rates, default=PCM16.rate)


def render(
    session: Session,
    records: Iterable[Record],
    *,
    heard: bool,
    rate: int | None = None,
    start_ms: float = 0.0,
    end_ms: float | None = None,
    fold: bool = False,
    faults: Faults | None = None,
    place: Place | None = None,
) -> Iterator[Stereo]:
    """Sound from `start_ms` to `end_ms` as blocks of shape (n, 2): caller left, assistant right.

    `session` has taken the records, or with `fold` takes them now, in one pass. `rate` in Hz is the
    highest of the call's audio, or with `fold`, when that is not known yet, 24,000. Unless given,
    `end_ms` is the end of the call, and as delivered that of its last sound if that is later. As
    `heard` it is by the virtual player, which knows nothing unless `session.plays`. Memory does not
    grow with the call. What is wrong with the audio is added to `faults`; `place` is told where
    each event's audio sounds. Raises ConvertError for hours of audio that come at one time.
    """
    pieces = Pieces(session, records, fold=fold, faults=faults)
    mixdown = Mixdown(session, heard, rate or rate_of(session), place)
    return mixdown.blocks(pieces, start_ms, end_ms)


class Mixdown:
    """The machine behind `render`: takes pieces and gives blocks."""

    def __init__(self, session: Session, heard: bool, rate: int, place: Place | None) -> None:
        self.rate = rate
        self._session = session
        self._heard = heard
        self._place = place
        self._canvases = (Canvas(), Canvas())
        self._microphone = Microphone()
        self._caller = Strand(self._canvases[0], rate, self._teller("caller", ""))
        self._items: dict[str, Strand] = {}
        self._active: dict[Strand, float] = {}  # those not flushed, with their last piece's time
        self._ends: dict[str, int] = {}  # of each response, as delivered

    def blocks(
        self, pieces: Iterable[Piece], start_ms: float, end_ms: float | None
    ) -> Iterator[Stereo]:
        """The sound between two times."""
        at = self._sample(max(0.0, start_ms))
        end = None if end_ms is None else self._sample(end_ms)
        for canvas in self._canvases:
            canvas.skip(at)
        for piece in pieces:
            safe = self._sample(piece.t_ms - HOLD_MS)
            if at + BLOCK <= safe:
                self._settle(piece.t_ms)
                while at + BLOCK <= safe and (end is None or at < end):
                    block = self._take(at, end)
                    at += len(block)
                    yield block
            if end is not None and at >= end:
                return
            self._add(piece)
        self._settle(inf)
        if end is None:
            end = self._sample(self._session.now_ms)
            if not self._heard:
                end = max(end, *(canvas.end for canvas in self._canvases))
        while at < end:
            block = self._take(at, end)
            at += len(block)
            yield block

    def _take(self, at: int, end: int | None) -> Stereo:
        until = (at // BLOCK + 1) * BLOCK
        until = until if end is None else min(until, end)
        return np.stack([canvas.take(until) for canvas in self._canvases], axis=1)

    def _add(self, piece: Piece) -> None:
        if piece.side == "caller":
            self._canvases[0].hold(piece.samples)
            self._microphone.append(piece)
            return
        strand = self._items.get(piece.item_id)
        if strand is None:
            strand = self._items[piece.item_id] = self._strand(piece)
        if not isinstance(strand, PlayedStrand):
            self._deliver(piece, strand)
        strand.feed(piece.data, piece.audio, piece.parts)
        self._active[strand] = piece.t_ms

    def _strand(self, piece: Piece) -> Strand:
        tell = self._teller("assistant", piece.item_id)
        track = self._session.answers.player.tracks.get(piece.item_id)
        if not self._heard or track is None:
            return Strand(self._canvases[1], self.rate, tell)
        return PlayedStrand(self._canvases[1], self.rate, track, tell)

    def _deliver(self, piece: Piece, strand: Strand) -> None:
        """Move an item that begins, or goes on after very long, to where it belongs."""
        now, response = self._sample(piece.t_ms), piece.response_id or piece.item_id
        if not strand.fed or now - strand.at > self._sample(LONGEST_MS):
            strand.move(max(now, self._ends.get(response, 0)))
        self._ends[response] = strand.at + self._sample(piece.ms)

    def _settle(self, now_ms: float) -> None:
        """Put all that waits; what has not gone on for long is complete."""
        for piece, start_ms in self._microphone.settle(now_ms):
            if start_ms is not None:
                self._caller.move(max(self._caller.at, self._sample(start_ms)))
            self._canvases[0].hold(-piece.samples)
            self._caller.feed(piece.data, piece.audio, piece.parts)
            self._active[self._caller] = piece.t_ms
        for strand, last_ms in list(self._active.items()):
            idle = last_ms + IDLE_MS < now_ms
            if idle:
                strand.flush()
            else:
                strand.drain()
            strand.advance(now_ms)
            if idle and not strand.waits:
                del self._active[strand]

    def _sample(self, ms: float) -> int:
        return round(ms * self.rate / 1000)

    def _teller(self, side: Side, item_id: str) -> Callable[[int, int, int], None] | None:
        place = self._place
        if place is None:
            return None

        def tell(seq: int, at: int, samples: int) -> None:
            place(Placement(seq, side, item_id, at * 1000 / self.rate, samples))

        return tell


def item_audio(session: Session, records: Iterable[Record], item_id: str) -> Iterator[Samples]:
    """An item's audio as the server sent it, sample for sample, at the rate it was sent at."""
    for piece in Pieces(session, records):
        if piece.side == "assistant" and piece.item_id == item_id:
            yield piece.audio.decode(piece.data)


def response_audio(
    session: Session, records: Iterable[Record], response_id: str
) -> Iterator[Samples]:
    """A response's audio as the server sent it, sample for sample, at the rate it was sent at."""
    for piece in Pieces(session, records):
        if piece.side == "assistant" and piece.response_id == response_id:
            yield piece.audio.decode(piece.data)
