"""Records put on a tape, for what reads files."""

from collections.abc import Iterable
from pathlib import Path

from rtproxy.tape.record import Control, Event, Header, Record
from rtproxy.tape.writer import TapeWriter


def write_tape(path: Path, records: Iterable[Record], *, seal: bool = True) -> Path:
    """A tape of these records, in the order given; without a header it has one of no facts."""
    writer, t_ns = None, 0
    for record in records:
        if isinstance(record, Header):
            writer = TapeWriter.create(path, dict(record.fields), durability="none")
            continue
        writer = writer or TapeWriter.create(path, {}, durability="none")
        if isinstance(record, Event):
            writer.event(record.t_ns, record.flags, record.payload)
            t_ns = record.t_ns
        elif isinstance(record, Control):
            writer.control(record.t_ns, record.flags, record.name, dict(record.data))
            t_ns = record.t_ns
    assert writer is not None
    assert writer.flush()
    if seal:
        writer.seal(t_ns)
    writer.close()
    return path
