"""Both sides' audio as the page plays it: every sample once, and where each part of it stands.

    sound = Sound()
    for piece in Pieces(session, records):
        sound.take(piece)
    sound.finish()
    sound.caller.parts
    sound.delivered, sound.heard(session)

The assistant's audio is kept as it arrived. What was heard of it is the same samples at other
times, with parts left out, so the page holds them once and plays them either way. Where a part
stands is what `realtime.mixdown` says, of which this is the plan instead of the sum.
"""

from dataclasses import dataclass, field
from math import inf

from rtproxy.inspect.page.lanes import begins_of, unheard_of
from rtproxy.inspect.page.reel import Reel
from rtproxy.realtime.call import SHORTEST_MS
from rtproxy.realtime.microphone import LONGEST_MS, Microphone
from rtproxy.realtime.piece import Piece
from rtproxy.realtime.session import Session


@dataclass(frozen=True, slots=True)
class Part:
    """`count` samples of a reel from `first` on, which sound from `t_ms` on without a pause."""

    t_ms: float
    first: int
    count: int


class Parts(list[Part]):
    """Parts as they come; what follows directly on the last one is joined to it."""

    def put(self, t_ms: float, first: int, count: int, rate: int) -> None:
        last = self[-1] if self else Part(-inf, 0, 0)
        over_ms = last.t_ms + last.count * 1000 / rate
        if last.first + last.count == first and abs(over_ms - t_ms) < 500 / rate:
            self[-1] = Part(last.t_ms, last.first, last.count + count)
        else:
            self.append(Part(t_ms, first, count))

    def in_time(self) -> list[Part]:
        return sorted(self, key=lambda part: part.t_ms)


@dataclass(slots=True)
class Item:
    """An item's audio: which samples of the reel it is made of, and when it is over."""

    end_ms: float
    runs: list[tuple[int, int]] = field(default_factory=list)
    count: int = 0

    def add(self, first: int, count: int) -> None:
        last = self.runs[-1] if self.runs else None
        if last is not None and sum(last) == first:
            self.runs[-1] = (last[0], last[1] + count)
        else:
            self.runs.append((first, count))
        self.count += count

    def play(self, parts: Parts, t_ms: float, start: int, count: int, rate: int) -> None:
        """Put the samples `start` to `start + count` of it, to sound from `t_ms` on."""
        for first, length in self.runs:
            skipped = min(start, length)
            taken = min(length - skipped, count)
            if taken > 0:
                parts.put(t_ms, first + skipped, taken, rate)
                t_ms += taken * 1000 / rate
                count -= taken
            start -= skipped


class Side:
    """One side's reel. All of it has the rate of the first piece."""

    def __init__(self) -> None:
        self.reel: Reel | None = None
        self.events = 0

    @property
    def is_cut(self) -> bool:
        """Whether who made the tape left audio out: nobody sends so little at a time."""
        reel = self.reel
        return reel is not None and reel.length * 1000 / reel.rate < SHORTEST_MS * self.events

    def add(self, piece: Piece) -> tuple[Reel, int, int]:
        """Append a piece; returns the reel, and which samples of it they are."""
        reel = self.reel
        if reel is None:
            reel = self.reel = Reel(piece.audio.rate)
        self.events += len(piece.parts)
        first = reel.length
        return reel, first, reel.add(piece.audio.decode(piece.data), piece.audio.rate)


class Caller(Side):
    """What the client appended, where the microphone is thought to have heard it."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = Parts()
        self._microphone = Microphone()
        self._end_ms = 0.0

    def append(self, piece: Piece) -> None:
        self._microphone.append(piece)
        self.settle(piece.t_ms)

    def settle(self, now_ms: float) -> None:
        """Place what by now can be placed."""
        for piece, start_ms in self._microphone.settle(now_ms):
            reel, first, count = self.add(piece)
            begin = self._end_ms if start_ms is None else max(self._end_ms, start_ms)
            self.parts.put(begin, first, count, reel.rate)
            self._end_ms = begin + count * 1000 / reel.rate


class Sound:
    """Takes a tape's audio in order. All times are ms on the tape."""

    def __init__(self) -> None:
        self.caller = Caller()
        self.assistant = Side()
        self._delivered = Parts()
        self._items: dict[str, Item] = {}
        self._ends: dict[str, float] = {}  # of each response, as delivered

    def take(self, piece: Piece) -> None:
        """Take the next piece of either side."""
        if piece.side == "caller":
            self.caller.append(piece)
            return
        reel, first, count = self.assistant.add(piece)
        response = piece.response_id or piece.item_id
        item = self._items.get(piece.item_id)
        if item is None or piece.t_ms - item.end_ms > LONGEST_MS:
            item = self._items.setdefault(piece.item_id, Item(0.0))
            item.end_ms = max(piece.t_ms, self._ends.get(response, 0.0))
        item.add(first, count)
        self._delivered.put(item.end_ms, first, count, reel.rate)
        item.end_ms += count * 1000 / reel.rate
        self._ends[response] = item.end_ms

    def finish(self) -> None:
        """No more will come."""
        self.caller.settle(inf)
        for side in (self.caller, self.assistant):
            if side.reel is not None:
                side.reel.finish()

    @property
    def delivered(self) -> list[Part]:
        """The assistant's audio whole: each item from its first piece on, without a pause."""
        return self._delivered.in_time()

    def heard(self, session: Session) -> tuple[list[Part], list[Part]]:
        """Of the assistant's audio what the caller can have heard, when it was heard; and what
        was cut off, where it would have been."""
        heard, unheard = Parts(), Parts()
        if self.assistant.reel is None:
            return heard, unheard
        rate = self.assistant.reel.rate
        begins = begins_of(session)
        for track in session.tracks:
            item, start = self._items.get(track.item_id), 0
            if item is None:
                continue
            for segment in track.segments:
                count = round(segment.ms * rate / 1000)
                item.play(heard, segment.start_ms, start, count, rate)
                start += count
            rest = unheard_of(track, begins)
            if rest is not None:
                count = min(item.count - start, round((rest[1] - rest[0]) * rate / 1000))
                item.play(unheard, rest[0], start, count, rate)
        return heard.in_time(), unheard.in_time()
