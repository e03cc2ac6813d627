"""Records → rows of an event listing, one at a time, with runs of deltas folded into one row.

Folding. A delta is an event that carries a piece of something longer: an append, audio, text, a
transcript, arguments. Deltas of the same thing (direction, response, item) make a run; the audio
and the transcript of an answer are the same thing, said twice, and make one run together. Several
runs are under way at once, because the microphone does not stop while the assistant speaks.
A run ends, and all others with it,

- at any record that is no delta, so that nothing moves across an event that means something;
- when it pauses for more than a second, so that the pause shows as a gap;
- after a minute or 5,000 deltas, or when 16 others are under way, so that rows keep coming;
- on a tape that is still being recorded, when nothing else has come and it is a second old.

Rows come in the order in which they begin.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rtproxy.inspect.entry import OWN, Entry, entry_of
from rtproxy.inspect.filter import Predicate
from rtproxy.realtime.event import RealtimeEvent
from rtproxy.realtime.formats import AudioFormats
from rtproxy.realtime.phrase import MAX_QUOTE, join, quote
from rtproxy.tape.record import Control, Event, Record

PAUSE_NS = 1_000_000_000
SPAN_NS = 60_000_000_000
MAX_RUN = 5_000
MAX_OPEN = 16
HELD_NS = 1_000_000_000
"""How long a run of a live tape is held back to grow."""

DAMAGE = f"{OWN}damage"
"""Type of the row that stands where records are missing."""

_JOINT = {"audio": "speech", "transcript": "speech"}


@dataclass(frozen=True, slots=True)
class Missing:
    """A place where records are missing from the tape; `seq` is the first of them."""

    seq: int
    t_ns: int
    what: str


@dataclass(frozen=True, slots=True)
class Lull:
    """Nothing more has come on a live tape until `t_ns`, nanoseconds from the tape's start."""

    t_ns: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the listing: a record, or a run of `count` deltas.

    Times are nanoseconds from the tape's start; `gap_ns` is the time since the previous listed
    record, None for the first. `type` is as on the wire; for a run of two types it is a glob that
    fits both. `audio_ms` is None where there is no audio. `bytes` counts payload. `seqs` are the
    records of a run, among which there are others'; empty for a single record.
    """

    seq: int
    last_seq: int
    t_ns: int
    last_t_ns: int
    gap_ns: int | None
    from_server: bool
    type: str
    name: str
    detail: str
    bytes: int = 0
    count: int = 1
    audio_ms: float | None = None
    marks: tuple[str, ...] = ()
    seqs: Sequence[int] = field(default=(), compare=False, repr=False)

    def to_map(self) -> dict[str, Any]:
        """The row as it stands in `--json`; times in milliseconds."""
        return {
            "seq": self.seq,
            "last_seq": self.last_seq,
            "t_ms": milliseconds(self.t_ns),
            "last_t_ms": milliseconds(self.last_t_ns),
            "gap_ms": None if self.gap_ns is None else milliseconds(self.gap_ns),
            "direction": "server" if self.from_server else "client",
            "type": self.type,
            "count": self.count,
            "bytes": self.bytes,
            "audio_ms": None if self.audio_ms is None else round(self.audio_ms, 3),
            "marks": list(self.marks),
            "detail": self.detail,
        }


def milliseconds(ns: int) -> float:
    """Milliseconds, to the microsecond."""
    return round(ns / 1e6, 3)


@dataclass(slots=True)
class _Run:
    """Deltas of one thing, as far as they have come."""

    first: Entry
    gap_ns: int | None
    last_seq: int = 0
    last_t_ns: int = 0
    count: int = 0
    bytes: int = 0
    audio_ms: float = 0.0
    types: dict[str, None] = field(default_factory=dict)
    seqs: list[int] = field(default_factory=list)
    text: str = ""

    def add(self, entry: Entry, event: RealtimeEvent, audio_ms: float) -> None:
        self.last_seq, self.last_t_ns = entry.seq, entry.t_ns
        self.count += 1
        self.bytes += entry.size
        self.audio_ms += audio_ms
        self.types[entry.type] = None
        self.seqs.append(entry.seq)
        if len(self.text) <= MAX_QUOTE:
            self.text += event.text

    def has_room(self, entry: Entry) -> bool:
        return (
            entry.t_ns - self.last_t_ns <= PAUSE_NS
            and entry.t_ns - self.first.t_ns <= SPAN_NS
            and self.count < MAX_RUN
        )

    def row(self) -> Row:
        first = self.first
        audio = f"{length(self.audio_ms)} audio" if self.audio_ms else ""
        if audio and self.count > 1:
            audio += f" in {length((self.last_t_ns - first.t_ns) / 1e6)}"
        detail = join((audio, quote(self.text))) or first.describe()
        return Row(
            first.seq,
            self.last_seq,
            first.t_ns,
            self.last_t_ns,
            self.gap_ns,
            first.from_server,
            glob_of(list(self.types)),
            first.name,
            detail,
            self.bytes,
            self.count,
            self.audio_ms or None,
            tuple(first.marks),
            self.seqs,
        )


class Listing:
    """Makes rows of a tape's records. One pass, in time and memory that do not depend on length.

    Audio formats are followed through all records, also those that the filter leaves out.
    """

    def __init__(self, keep: Predicate | None = None, fold: bool = True) -> None:
        self._keep = keep
        self._fold = fold
        self._formats = AudioFormats()
        self._runs: dict[tuple[object, ...], _Run] = {}
        self._last_ns: int | None = None

    def rows(self, records: Iterable[Record | Missing | Lull]) -> Iterator[Row]:
        """Rows for the records, as early as they are known."""
        for record in records:
            if isinstance(record, Lull):
                yield from self.settle(record.t_ns)
            else:
                yield from self.take(record)
        yield from self.close()

    def take(self, record: Record | Missing) -> Iterator[Row]:
        """Rows that are complete with the next record."""
        if isinstance(record, Event | Control):
            yield from self.add(entry_of(record))
        elif isinstance(record, Missing):
            yield from self.close()
            yield self._missing(record)

    def settle(self, t_ns: int) -> Iterator[Row]:
        """Nothing has come until `t_ns`: rows of the runs, if one of them is a second old."""
        first = next(iter(self._runs.values()), None)
        if first is not None and t_ns - first.first.t_ns >= HELD_NS:
            yield from self.close()

    def add(self, entry: Entry) -> Iterator[Row]:
        """Rows that are complete with the next entry."""
        event = entry.event
        if event is not None:
            self._formats.observe(event)
        if self._keep is not None and not self._keep(entry):
            return
        gap_ns = None if self._last_ns is None else entry.t_ns - self._last_ns
        self._last_ns = entry.t_ns
        audio_ms = 0.0 if event is None else self._formats.duration_ms(event)
        lane = _lane(entry, event) if event is not None and self._fold else None
        if event is None or lane is None:
            yield from self.close()
            yield _single(entry, gap_ns, audio_ms)
            return
        run = self._runs.get(lane)
        full = len(self._runs) >= MAX_OPEN if run is None else not run.has_room(entry)
        if full:
            yield from self.close()
        if run is None or full:
            run = self._runs[lane] = _Run(entry, gap_ns)
        run.add(entry, event, audio_ms)

    def close(self) -> Iterator[Row]:
        """No more will come: rows of the runs that are under way."""
        for run in self._runs.values():
            yield run.row()
        self._runs.clear()

    def _missing(self, missing: Missing) -> Row:
        seq, t_ns = missing.seq, missing.t_ns
        return Row(seq, seq, t_ns, t_ns, None, True, DAMAGE, DAMAGE, missing.what)


def _lane(entry: Entry, event: RealtimeEvent) -> tuple[object, ...] | None:
    """What a delta is a piece of; None for what is no delta."""
    kind = event.delta_kind
    if kind is None:
        return None
    what = entry.type if kind == "other" else _JOINT.get(kind, kind)
    return (event.from_server, what, event.response_id, event.item_id, *entry.marks)


def _single(entry: Entry, gap_ns: int | None, audio_ms: float) -> Row:
    detail = entry.describe()
    if audio_ms:
        detail = join((f"{length(audio_ms)} audio", detail))
    return Row(
        entry.seq,
        entry.seq,
        entry.t_ns,
        entry.t_ns,
        gap_ns,
        entry.from_server,
        entry.type,
        entry.name,
        detail,
        entry.size,
        1,
        audio_ms or None,
        tuple(entry.marks),
    )


def length(ms: float) -> str:
    """A length of time in words, such as `200 ms` or `5.50 s`."""
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.2f} s"


def glob_of(types: list[str]) -> str:
    """The one type, or a glob that fits both, such as response.output_audio*.delta."""
    first = types[0]
    for other in types[1:]:
        start = 0
        while start < min(len(first), len(other)) and first[start] == other[start]:
            start += 1
        rest, rest_other = first[start:], other[start:]
        end = 0
        while end < min(len(rest), len(rest_other)) and rest[-1 - end] == rest_other[-1 - end]:
            end += 1
        first = f"{first[:start]}*{rest[len(rest) - end :]}"
    return first
