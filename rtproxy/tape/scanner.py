"""Bytes → records, past any damage. Pure: the bytes come from a function `read(offset, size)`.

    sound, in order ──→ yield, step on
    incomplete, and more may come ──→ wait (return; scan again later)
    anything else ──→ damage: find the next record that can be believed, note what lies between

After damage, a record is believed when its CRC matches, its seq is larger than the last one's, and
it is not inside the payload of the damaged record (which may hold a tape itself):

1. the damaged record's own length leads to the record with the right seq: go on there;
2. else the first sound record from which the damaged one's CRC comes out right (only its length
   was damaged);
3. else the sound records that follow are taken in chains of successors. Of two chains whose seqs
   contradict each other the likelier is believed, and reading goes on at the first that is left.

The work of searching is bounded by a multiple of the tape's size; beyond it the rest is given up.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from rtproxy.errors import TapeDamagedError
from rtproxy.tape.checksum import crc32
from rtproxy.tape.codec import (
    FRAME_SIZE,
    MAX_BODY,
    MAX_SEQ,
    TRAILER_SIZE,
    Frame,
    crc_of,
    crc_of_head,
    decode_sound,
    frame_at,
    kind_and_seq,
)
from rtproxy.tape.plain_events import plain_events
from rtproxy.tape.record import KIND_HEADER, KIND_TRAILER, Header, Record, Seal, Trailer

CHUNK = 1 << 18
"""Bytes asked of `read` at once; more only for a record that is larger and sound."""
SEARCH_FACTOR = 8
"""Searching may look at this many times the tape's size, and SEARCH_FLOOR bytes more."""
SEARCH_FLOOR = 1 << 24
MAX_DAMAGE = 1000
"""Places of damage that are told apart; further ones are added to the last."""

LONG = 64
"""Records in a row that are enough to believe them."""
MIN_RECORD = FRAME_SIZE + 4
"""No record that has a seq is shorter: kind, seq, time and one more byte."""

_PEEK = FRAME_SIZE + 10
# Overlapping, because a record may start inside what only looks like one.
_LOOKS_LIKE_A_RECORD = re.compile(
    rb"(?=[\x93-\x9f]\xce[\x00-\x0f].{3}\xce.{4}[\x00-\x7f])", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Damage:
    """A place where the tape is not what was written.

    `length` bytes at `offset` are unreadable, and the records `missing` (a range of seq, empty when
    not known) are not on the tape. `what` says it in words.
    """

    offset: int
    length: int
    missing: range
    what: str


class Scanned(NamedTuple):
    """A sound record: where it starts, its bytes with the frame, and what it says."""

    offset: int
    data: bytes
    record: Record


class _Candidate(NamedTuple):
    offset: int
    end: int
    kind: int
    seq: int | None


class _Chain:
    """Sound records that follow one another without a break.

    `plausible` says that the bytes before it have room for the records that its first seq skips.
    """

    def __init__(self, links: list[_Candidate], plausible: bool) -> None:
        self.offset = links[0].offset
        self.first = links[0].seq
        self.highest = max((link.seq for link in links if link.seq is not None), default=-1)
        self.weight = (plausible, len(links))


class _GaveUp(Exception):  # noqa: N818
    """The search for sound records took too long; never leaves this module."""


class Scanner:
    """Steps through a tape. `read(offset, size)` returns the bytes there, fewer at the end."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self.position = 0
        self.damage: list[Damage] = []
        self._read = read
        self._chunk = b""
        self._base = 0
        self._last = -1  # seq of the last record that had one
        self._seal_at = -1
        self._headed = False
        self._left_out: list[range] = []
        self._ended = False
        self._work = 0
        self._allowance = 0

    def scan(self, size: int, *, final: bool = True) -> Iterator[Scanned]:
        """Yield the sound records from `position` to the file's end at `size`.

        Not `final` means that the tape still grows: an incomplete record at its end is left for the
        next scan. Every place of damage passed is noted in `damage`.
        """
        self._chunk = b""
        self._allowance = SEARCH_FACTOR * size + SEARCH_FLOOR
        while self.position < size:
            yield from self._plain_events(size)
            if (start := self.position) == size:
                return
            frame = frame_at(self._take(start, FRAME_SIZE))
            if not final and start + (frame.size if frame else FRAME_SIZE) > size:
                return
            data = self._load(start, frame, size)
            if data is None:
                if not self._resume(start, frame, size, final):
                    return
                continue
            self.position = start + len(data)
            try:
                record = decode_sound(data)
            except TapeDamagedError:
                self._note(start, len(data), range(0), "the record is malformed")
                continue
            if self._accept(start, record, len(data)):
                yield Scanned(start, data, record)

    def _plain_events(self, size: int) -> Iterator[Scanned]:
        """The events that follow in the chunk at hand, as long as nothing is special."""
        base, begin = self._base, self.position - self._base
        end = min(len(self._chunk), size - base)
        if self._headed and not self._ended and begin >= 0:
            for at, data, event in plain_events(self._chunk, begin, end, self._last + 1):
                self._last = event.seq
                self.position = base + at + len(data)
                yield Scanned(base + at, data, event)

    def _load(self, offset: int, frame: Frame | None, size: int) -> bytes | None:
        """The record's bytes when it is sound; a large one is not held before that is known."""
        if frame is None or offset + frame.size > size:
            return None
        if frame.size <= CHUNK:
            data = self._take(offset, frame.size)
            return data if len(data) == frame.size and crc_of(data) == frame.crc else None
        if not self._is_sound(offset, frame):
            return None
        data = self._read(offset, frame.size)
        return data if len(data) == frame.size else None

    def _accept(self, offset: int, record: Record, length: int) -> bool:
        """Whether a sound record has its place here; notes the damage when it has not."""
        if self._ended:
            self._note(offset, length, range(0), "bytes after the trailer")
            return False
        if isinstance(record, Header):
            if self._headed or self._last >= 0:
                self._note(offset, length, range(0), "a second header")
                return False
            self._headed = True
            self._left_out = record.left_out
            return True
        if not self._headed:
            self._headed = True
            if not self.damage:
                self._note(offset, 0, range(0), "the header is missing")
        if isinstance(record, Trailer):
            self._ended = True
            return True
        if record.seq is None:
            return True
        if record.seq > MAX_SEQ:
            self._note(offset, length, range(0), "the record is malformed")
            return False
        if record.seq <= self._last:
            self._note(offset, length, range(0), f"record {record.seq} is out of order")
            return False
        if record.seq > self._last + 1:
            missing = range(self._last + 1, record.seq)
            for left_out in self._left_out:
                missing = _without(missing, left_out)
            if missing:
                self._miss(offset, missing)
        if isinstance(record, Seal):
            self._seal_at = offset
        self._last = record.seq
        return True

    def _resume(self, start: int, frame: Frame | None, size: int, final: bool) -> bool:
        """Move on from damage at `start`. False when there is nothing more to read for now."""
        incomplete = frame is not None and start + frame.size > size
        try:
            found = self._next_believable(start, size)
        except _GaveUp:
            self._note(start, size - start, range(0), "too damaged to search; the rest is given up")
            self.position = size
            return False
        if found is None and not final:
            return False
        if self._ended:
            what = "bytes after the trailer"
        elif found is None and (incomplete or size - start < FRAME_SIZE):
            what = "the last record is incomplete"
        elif start == 0:
            what = "the header is damaged"
        else:
            what = "the bytes are not what was written"
        self.position = size if found is None else found
        self._note(start, self.position - start, range(0), what)
        return found is not None

    def _next_believable(self, start: int, size: int) -> int | None:
        """The offset of the record to go on with after damage at `start`."""
        head = self._take(start, FRAME_SIZE)
        own_end = None
        if len(head) == FRAME_SIZE and (length := int.from_bytes(head[2:6], "big")) <= MAX_BODY:
            own_end = start + FRAME_SIZE + length
        if own_end is not None and own_end < size and self._follows(start, own_end, size):
            return own_end
        chains: list[_Chain] = []
        at, reach = start + 1, start + FRAME_SIZE + MAX_BODY
        while first := self._first_candidate(at, min(size, reach) if chains else size, size):
            links: list[_Candidate] = []
            for link in self._chain(first, size):
                near = not links or link.offset - start < CHUNK
                if near and self._fits(start, head, link.offset):
                    return link.offset
                links.append(link)
            if first.kind == KIND_HEADER and len(links) == 1 and first.end < size:
                at = first.end  # no tape begins like this
                continue
            room = (first.offset - start) // MIN_RECORD + 2
            chain = _Chain(links, first.seq is None or first.seq <= self._last + room)
            if _weigh(chains, chain) and len(links) == LONG:
                break
            at = links[-1].end
        if not chains or own_end == size:
            return None  # nothing sound follows, or only inside the last record's payload
        return chains[0].offset

    def _follows(self, damaged: int, offset: int, size: int) -> bool:
        """Whether the record at `offset` is the very one that was written after the damaged one."""
        candidate = self._candidate(offset, size)
        if candidate is None:
            return False
        if candidate.kind == KIND_TRAILER:
            return self._seal_offset(candidate) == damaged
        if damaged == 0:
            return candidate.seq == 0  # the header has no seq
        # The damaged record had the seq between, unless it was of a kind that has none.
        return candidate.seq in (self._last + 1, self._last + 2)

    def _first_candidate(self, at: int, limit: int, size: int) -> _Candidate | None:
        """The first sound record that starts between `at` and `limit` and could go on the tape."""
        while at < limit:
            step = min(CHUNK, limit - at)
            self._spend(step)
            piece = self._read(at, step + _PEEK)
            for match in _LOOKS_LIKE_A_RECORD.finditer(piece):
                if match.start() >= step:
                    break
                candidate = self._candidate(at + match.start(), size)
                if candidate is not None and self._could_go_on(candidate, size):
                    return candidate
            at += step
        return None

    def _could_go_on(self, candidate: _Candidate, size: int) -> bool:
        if candidate.kind == KIND_HEADER:
            return not self._headed and self._last < 0
        if candidate.kind == KIND_TRAILER:
            seal = self._seal_offset(candidate)  # of what was read, or hit by the damage
            return candidate.end == size and (seal == self._seal_at or seal >= self.position)
        return candidate.seq is not None and candidate.seq > self._last

    def _candidate(self, offset: int, size: int) -> _Candidate | None:
        """The record at `offset` when it is sound."""
        peek = self._read(offset, _PEEK)
        frame = frame_at(peek)
        if frame is None or offset + frame.size > size:
            return None
        kind, seq = kind_and_seq(peek[: frame.size])
        if kind < 0 or (seq is not None and seq <= self._last):
            return None
        if kind == KIND_HEADER:
            seq = -1  # so that it is the one before the first
        self._spend(frame.size)
        if not self._is_sound(offset, frame):
            return None
        return _Candidate(offset, offset + frame.size, kind, seq)

    def _seal_offset(self, candidate: _Candidate) -> int:
        if candidate.end - candidate.offset != TRAILER_SIZE:
            return -1
        try:
            record = decode_sound(self._read(candidate.offset, TRAILER_SIZE))
        except TapeDamagedError:
            return -1
        return record.seal_offset if isinstance(record, Trailer) else -1

    def _fits(self, damaged: int, head: bytes, end: int) -> bool:
        """Whether the damaged record is sound but for its length, were it to end at `end`."""
        length = end - damaged - FRAME_SIZE
        if not 0 < length <= MAX_BODY or len(head) < FRAME_SIZE:
            return False
        self._spend(length)
        crc = self._crc(damaged + FRAME_SIZE, length, crc_of_head(head, length))
        return crc == int.from_bytes(head[7:11], "big")

    def _chain(self, link: _Candidate, size: int) -> Iterator[_Candidate]:
        """The records from `link` on that follow one another without a break, LONG at most."""
        yield link
        for _ in range(LONG - 1):
            follower = self._candidate(link.end, size)
            if follower is None or link.kind == KIND_TRAILER:
                return
            if follower.kind != KIND_TRAILER and (link.seq is None or follower.seq != link.seq + 1):
                return
            link = follower
            yield link

    def _is_sound(self, offset: int, frame: Frame) -> bool:
        """Whether the CRC of the record at `offset` matches, read a piece at a time."""
        head = self._take(offset, FRAME_SIZE)
        crc = self._crc(offset + FRAME_SIZE, frame.body_size, crc_of_head(head))
        return crc == frame.crc

    def _crc(self, offset: int, length: int, crc: int) -> int:
        """Go on with a CRC-32 over bytes of the tape, a piece at a time."""
        end = offset + length
        while offset < end:
            piece = self._take(offset, min(CHUNK, end - offset))
            if not piece:
                return -1
            crc = crc32(piece, crc)
            offset += len(piece)
        return crc

    def _take(self, offset: int, length: int) -> bytes:
        """Bytes of the tape, by way of the chunk that was read last."""
        at = offset - self._base
        if at < 0 or at + length > len(self._chunk):
            if length > CHUNK:
                return self._read(offset, length)
            self._chunk = self._read(offset, CHUNK)
            self._base, at = offset, 0
        return self._chunk[at : at + length]

    def _spend(self, work: int) -> None:
        self._work += work
        if self._work > self._allowance:
            raise _GaveUp

    def _note(self, offset: int, length: int, missing: range, what: str) -> None:
        """Remember damage, together with what lies directly before it."""
        last = self.damage[-1] if self.damage else None
        if last is not None and last.offset + last.length == offset and last.length:
            self.damage[-1] = replace(last, length=last.length + length)
        elif len(self.damage) < MAX_DAMAGE:
            self.damage.append(Damage(offset, length, missing, what))
        elif last is not None:
            self.damage[-1] = replace(
                last, length=offset + length - last.offset, what="damaged in many places"
            )

    def _miss(self, offset: int, missing: range) -> None:
        """Remember that records are missing: where bytes before `offset` were lost, or cut out."""
        last = self.damage[-1] if self.damage else None
        if last and last.offset + last.length == offset and not last.missing:
            self.damage[-1] = replace(last, missing=missing)
        else:
            self._note(offset, 0, missing, "records are missing")


def _without(missing: range, left_out: range) -> range:
    """What is missing beyond what was left out; a range in its middle changes nothing."""
    start, stop = missing.start, missing.stop
    if left_out.start <= start < left_out.stop:
        start = left_out.stop
    if left_out.start < stop <= left_out.stop:
        stop = left_out.start
    return range(start, max(start, stop))


def _weigh(chains: list[_Chain], chain: _Chain) -> bool:
    """Add a chain to those before it, of two that contradict each other keeping the likelier.

    They contradict each other when the seqs of the later do not lie above those of the earlier:
    one of them is inside a payload. False when the new one is not kept.
    """
    while chains and chain.first is not None and chain.first <= chains[-1].highest:
        if chains[-1].weight > chain.weight:
            return False
        chains.pop()
    chains.append(chain)
    return True
