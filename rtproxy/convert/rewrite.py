"""Writes a new tape from another: records are copied byte for byte, left out, or replaced."""

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rtproxy.errors import TapeError
from rtproxy.tape.codec import encode_control, encode_event
from rtproxy.tape.placing import put, temporary
from rtproxy.tape.reader import Tape
from rtproxy.tape.record import Control, Event, Header, Record, Seal, Trailer
from rtproxy.tape.writer import TapeWriter

Edit = Callable[[Record], Record | None]
"""A record as it shall stand on the new tape: itself, another of the same seq, or None."""

PIECE = 1 << 20


def rewrite(tape: Tape, target: Path, fields: Mapping[str, Any], edit: Edit) -> int:
    """Write what `edit` makes of the records of `tape` to `target`; returns how many records.

    `fields` is the new header's map; its id is new, as it is another tape. The new tape is sealed
    and has its name only when it is complete. Raises TapeError when the tape is live or cannot be
    read, TapeWriteError when the new one cannot be written or is there already.
    """
    if tape.state == "live":
        raise TapeError(f"{tape.path} is still being recorded; end the recording first.")
    about = dict(fields) | {"id": secrets.token_hex(8), "made_from": tape.header.id}
    with temporary(target) as unfinished:
        writer = TapeWriter.create(unfinished, about, durability="none")
        count, t_ns, end_ns, flushed = 0, 0, None, writer.size
        try:
            for scanned in tape.scan():
                record = scanned.record
                if isinstance(record, Seal):
                    end_ns = record.t_ns
                if isinstance(record, Header | Seal | Trailer):
                    continue
                made = edit(record)
                if made is None:
                    continue
                count += 1
                t_ns = max(t_ns, getattr(made, "t_ns", 0))
                writer.copy(scanned.data if made is record else _framed(made), made)
                if writer.size - flushed > PIECE:
                    flushed = writer.size
                    writer.flush()
            writer.seal(t_ns if end_ns is None else end_ns)
        finally:
            writer.close()
        if writer.failed is not None:
            raise writer.failed
        put(unfinished, target)
    return count


def beside(path: Path, word: str) -> Path:
    """NAME.word.rtape beside NAME.rtape."""
    name = path.name.removesuffix(".zst").removesuffix(".rtape")
    return path.with_name(f"{name}.{word}.rtape")


def _framed(record: Record) -> bytes:
    match record:
        case Event():
            return encode_event(record.seq, record.t_ns, record.flags, record.payload)
        case Control():
            return encode_control(
                record.seq, record.t_ns, record.flags, record.name, dict(record.data)
            )
    raise TypeError(f"{type(record)} cannot be changed")
