"""Simulated calls for what compares them, as records and as tapes on disk."""

from dataclasses import replace
from pathlib import Path

from rtproxy.simulate.library import load
from rtproxy.tape.record import Control, Event, Header, Record
from rtproxy.tape.writer import TapeWriter
from tests.realtime.simulated import call_records


def simulated(name: str = "support-call", seed: int = 0) -> list[Record]:
    """A call from the library; another seed makes other ids and other delays."""
    return call_records(replace(load(name), seed=seed))


def reworded(records: list[Record], old: str, new: str) -> list[Record]:
    """The records with a text of their payloads replaced by another."""
    changed: list[Record] = []
    for record in records:
        if isinstance(record, Event) and isinstance(record.payload, str):
            record = replace(record, payload=record.payload.replace(old, new))
        changed.append(record)
    assert changed != records, f"{old!r} is not in the call"
    return changed


def write(path: Path, records: list[Record], seal: bool = True) -> Path:
    """A tape of these records, the header first."""
    header, *rest = records
    assert isinstance(header, Header)
    path.unlink(missing_ok=True)
    writer = TapeWriter.create(path, {**header.fields, "id": path.stem}, durability="none")
    t_ns = 0
    for record in rest:
        assert isinstance(record, Event | Control)
        t_ns = record.t_ns
        if isinstance(record, Event):
            writer.event(record.t_ns, record.flags, record.payload)
        else:
            writer.control(record.t_ns, record.flags, record.name, record.data)
    writer.flush()
    if seal:
        writer.seal(t_ns)
    else:
        writer.close()
    return path
