"""Which part of a tape to keep: a stretch of time, some turns, or some records.

Numbers, times and ids stay as they are, so that what is said of the whole tape is true of the part.
What was left out stands in the header, as ranges of seq.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rtproxy.realtime.event import parse
from rtproxy.realtime.session import Session
from rtproxy.realtime.turn import Turn
from rtproxy.tape.record import Control, Event, Record

SETUP = {
    "session.created", "session.update", "session.updated", "conversation.created",
    "transcription_session.created", "transcription_session.update",
    "transcription_session.updated",
}  # fmt: skip
"""What sets a session up: without it a part cannot be understood, or replayed."""
ENDS = {"close", "eof", "reset"}


@dataclass(slots=True)
class Part:
    """What to keep: records from `from_ns` to before `to_ns` whose seq is in `seqs`, and `also`.

    With `frame` what sets the session up before the part is kept too, and the connection's end.
    """

    from_ns: int = 0
    to_ns: int | None = None
    seqs: range | None = None
    also: frozenset[int] = frozenset()
    frame: bool = True
    kept: int = 0
    left_out: list[list[int]] = field(default_factory=list)
    """First and last seq of each stretch that is not kept; filled by `choose`."""

    def wants(self, record: Event | Control) -> bool:
        """Whether a record lies in the part."""
        if record.seq in self.also:
            return True
        if record.t_ns < self.from_ns or (self.to_ns is not None and record.t_ns >= self.to_ns):
            return False
        return self.seqs is None or record.seq in self.seqs

    def frames(self, record: Event | Control) -> bool:
        """Whether a record outside of the part belongs to its frame."""
        if not self.frame:
            return False
        if isinstance(record, Control):
            return record.name in ENDS
        event = parse(record)
        return self.kept == 0 and event.name in SETUP


def choose(part: Part, records: Iterable[Record]) -> set[int]:
    """The seqs of the records to keep; `part.left_out` is then known."""
    chosen: set[int] = set()
    gap: list[int] | None = None
    for record in records:
        if not isinstance(record, Event | Control):
            continue
        wanted = part.wants(record)
        if wanted or part.frames(record):
            part.kept += wanted
            chosen.add(record.seq)
            gap = None
        elif gap is None:
            gap = [record.seq, record.seq]
            part.left_out.append(gap)
        else:
            gap[1] = record.seq
    return chosen


def turns_part(session: Session, first: int, last: int, *, frame: bool = True) -> Part:
    """The part with the turns `first` to `last` whole, and what led up to them.

    It begins with the audio in which the first one's speech lies, padding included, and ends before
    that of the turn after the last one, but for what comes later and is about them.
    """
    turns = session.turns.all
    begins, after = turns[first - 1], session.turns.number(last + 1)
    also = frozenset(seq for turn in turns[first - 1 : last] for seq in _about(turn))
    if not session.times_known:
        start = begins.seq if first > 1 else 0
        return Part(seqs=range(start, after.seq if after else 1 << 62), also=also, frame=frame)
    return Part(
        _begins_ns(session, begins) if first > 1 else 0,
        None if after is None else _begins_ns(session, after),
        also=also,
        frame=frame,
    )


def _begins_ns(session: Session, turn: Turn) -> int:
    """The time from which on a turn's own audio comes."""
    speech = turn.speech[0] if turn.speech else None
    start = speech.start_ms if speech is not None else None
    wall = session.clock.wall(start) if start is not None else None
    return int(min(turn.began_ms, turn.began_ms if wall is None else wall) * 1e6)


def _about(turn: Turn) -> Iterator[int]:
    """What may come after the next turn began, and is about this one."""
    for response in turn.responses:
        yield from (seq for seq in (response.done_seq, response.cancel_seq) if seq is not None)
    for call in turn.calls:
        yield from (seq for seq in (call.done_seq, call.output_seq) if seq is not None)
    for cut in turn.interruptions:
        yield from (s for s in (cut.seq, cut.reaction_seq, cut.truncated_seq) if s is not None)
    for said in turn.transcripts:
        if said.done_seq is not None:
            yield said.done_seq
