"""What is known of every record of a tape without holding it: some fifty bytes of each.

Records are numbered by their place, from 0; `offset` and `length` lead back to a record's bytes.
A place of damage has a number of its own, and no bytes.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtproxy.inspect.entry import MARKS, Entry
from rtproxy.inspect.listing import DAMAGE, Missing
from rtproxy.realtime.audio import AudioFormat
from rtproxy.realtime.event import DeltaKind, RealtimeEvent
from rtproxy.realtime.formats import AudioFormats
from rtproxy.tape.record import FROM_SERVER

MAX_NAME = 200
"""Characters of a type that are kept."""
MAX_ID = 100
"""Characters of an id that are kept."""
MAX_NAMES = 1 << 16
MAX_SEQ = (1 << 63) - 1

_JOINT: dict[DeltaKind, str] = {"audio": "speech", "transcript": "speech"}
_MARKS = sum(MARKS)
_STRAND_FLAGS = _MARKS | FROM_SERVER

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Name:
    """A type as on the wire, and its canonical name."""

    type: str
    name: str


OTHER = Name("…", "…")
"""Stands for the types of a tape that has more of them than anybody made up in earnest."""


@dataclass(frozen=True, slots=True)
class Strand:
    """What a delta is a piece of: who sends it, and the ids that it names.

    Deltas of one strand in a row are folded into one; those of a response's audio and of its
    transcript are of one strand.
    """

    from_server: bool
    what: str
    response_id: str | None
    item_id: str | None
    flags: int


class Catalogue:
    """Takes records one by one. What is looked up is what was there when it was."""

    def __init__(self) -> None:
        self.seqs = array("q")
        self.times = array("q")
        self.names_at = array("H")
        self.flags = array("B")
        self.strands_at = array("I")
        self.sizes = array("I")
        """Bytes of payload."""
        self.audio_ms = array("d")
        self.offsets = array("q")
        self.lengths = array("I")
        """Bytes on the tape."""
        self.names: list[Name] = []
        self.strands: list[Strand | None] = [None]
        """By number; 0 is for what is no delta."""
        self.formats: list[AudioFormat] = []
        self.missing: dict[int, Missing] = {}
        self._reached = array("q")  # the latest time so far: times may run backwards
        self._formats_at = array("B")
        self._known: dict[Hashable, int] = {}
        self._audio = AudioFormats()

    def __len__(self) -> int:
        return len(self.seqs)

    def add(self, entry: Entry, offset: int, length: int) -> None:
        """Take the next record, and where it stands on the tape."""
        event, strand, ms, audio = entry.event, 0, 0.0, 0
        if event is not None:
            self._audio.observe(event)
            kind = event.delta_kind
            if kind is not None:
                strand = self._strand(entry, event, kind)
                ms = self._audio.duration_ms(event)
                audio = self._format(self._audio.of(event)) if ms else 0
        self._append(entry.seq, entry.t_ns, self._name(entry.type, entry.name))
        self.flags.append(entry.record.flags & 0xFF)
        self.strands_at.append(strand)
        self.sizes.append(entry.size)
        self.audio_ms.append(ms)
        self.offsets.append(offset)
        self.lengths.append(length)
        self._formats_at.append(audio)

    def miss(self, missing: Missing) -> None:
        """Records are missing here."""
        self.missing[len(self)] = missing
        self._append(missing.seq, missing.t_ns, self._name(DAMAGE, DAMAGE))
        self.flags.append(1)
        for column in (self.strands_at, self.sizes, self.offsets, self.lengths, self._formats_at):
            column.append(0)
        self.audio_ms.append(0.0)

    def _append(self, seq: int, t_ns: int, name: int) -> None:
        t_ns = min(max(t_ns, -MAX_SEQ), MAX_SEQ)
        self.seqs.append(seq)
        self.times.append(t_ns)
        self._reached.append(max(t_ns, self._reached[-1]) if self._reached else t_ns)
        self.names_at.append(name)

    def name(self, at: int) -> Name:
        return self.names[self.names_at[at]]

    def strand(self, at: int) -> Strand | None:
        """What a delta is a piece of; None for what is no delta."""
        return self.strands[self.strands_at[at]]

    def format(self, at: int) -> AudioFormat | None:
        """How the audio of a delta is to be read; None where there is none."""
        number = self._formats_at[at]
        return self.formats[number - 1] if number else None

    def from_server(self, at: int) -> bool:
        return bool(self.flags[at] & 1)

    def marks(self, at: int) -> tuple[str, ...]:
        """What the record's flags say beside the direction."""
        return tuple(word for flag, word in MARKS.items() if self.flags[at] & flag)

    def ms(self, seq: int) -> float | None:
        """The time of a record; None for one that is not there."""
        at = self.find(seq)
        return None if at is None else self.times[at] / 1e6

    def find(self, seq: int) -> int | None:
        """The number of a record."""
        at = bisect_left(self.seqs, seq)
        while at < len(self.seqs) and self.seqs[at] == seq:
            if at not in self.missing:
                return at
            at += 1
        return None

    def at_time(self, t_ms: float) -> int:
        """The number of the last record that had come by then, or else the first one."""
        return max(0, bisect_right(self._reached, round(t_ms * 1e6)) - 1)

    def since(self, t_ms: float) -> int:
        """The number of the first record that came then or later."""
        return bisect_left(self._reached, round(t_ms * 1e6))

    def milestones(self, start: int = 0) -> Numbers:
        """The numbers, from `start` on, of the records that are no deltas."""
        strands = np.array(self.strands_at[start:], dtype=np.int64)
        return np.flatnonzero(strands == 0) + start

    def _name(self, type_: str, name: str) -> int:
        known = self._known.get((type_, name))
        if known is not None:
            return known
        key = (type_[:MAX_NAME], name[:MAX_NAME])
        if len(self.names) >= MAX_NAMES - 1:
            key = (OTHER.type, OTHER.name)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = len(self.names)
            self.names.append(Name(*key))
        return known

    def _strand(self, entry: Entry, event: RealtimeEvent, kind: DeltaKind) -> int:
        what = entry.type[:MAX_NAME] if kind == "other" else _JOINT.get(kind, kind)
        flags = entry.record.flags
        ids = (_cut(event.response_id), _cut(event.item_id))
        key = (what, *ids, flags & _STRAND_FLAGS)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = len(self.strands)
            self.strands.append(Strand(bool(flags & FROM_SERVER), what, *ids, flags & _MARKS))
        return known

    def _format(self, audio: AudioFormat) -> int:
        known = self._known.get(audio)
        if known is None:
            if len(self.formats) >= 0xFF:
                return len(self.formats)
            self.formats.append(audio)
            known = self._known[audio] = len(self.formats)
        return known


def _cut(text: str | None) -> str | None:
    return text if text is None else text[:MAX_ID]
