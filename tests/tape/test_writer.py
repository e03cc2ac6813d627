"""A tape is created once, written record by record, sealed, and read back as it was written."""

from pathlib import Path

import pytest

from rtproxy.errors import TapeWriteError
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import FROM_SERVER, Control, Event, Header, Seal, Trailer
from rtproxy.tape.writer import Durability, TapeWriter

FIELDS = {"id": "4f2a9c", "connection": "websocket", "started_ns": 1_800_000_000_000_000_000}


@pytest.mark.parametrize("durability", ["none", "normal", "always"])
def test_what_is_written_is_read(tmp_path: Path, durability: Durability) -> None:
    path = tmp_path / "new" / "call.rtape"
    writer = TapeWriter.create(path, FIELDS, durability=durability)
    writer.event(5, 0, '{"type":"session.update"}')
    writer.control(7, FROM_SERVER, "ping", {"payload": b"\x00\x01"})
    assert writer.flush()
    writer.event(9, FROM_SERVER, b"\xff")
    writer.seal(10, {"note": "hello"})

    with open_tape(path) as tape:
        header, *records, seal, trailer = tape
        assert tape.state == "sealed"
        assert tape.damage == []
    assert isinstance(header, Header)
    assert header.fields["started_ns"] == FIELDS["started_ns"]
    assert records == [
        Event(0, 5, 0, '{"type":"session.update"}'),
        Control(1, 7, FROM_SERVER, "ping", {"payload": b"\x00\x01"}),
        Event(2, 9, FROM_SERVER, b"\xff"),
    ]
    assert isinstance(seal, Seal)
    assert seal.seq == 3
    assert seal.data["note"] == "hello"
    assert isinstance(trailer, Trailer)
    assert writer.size == path.stat().st_size
    assert writer.failed is None


def test_records_are_in_the_file_once_flushed(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    writer = TapeWriter.create(path, FIELDS)
    for n in range(3):
        writer.event(n, 0, "x" * n)
        assert writer.flush()
        with open_tape(path) as tape:
            assert tape.state == "live"
            assert [event.payload for event in tape.events()] == ["x" * i for i in range(n + 1)]
    writer.close()
    with open_tape(path) as tape:
        assert tape.state == "crashed"


def test_two_writers_cannot_have_one_path(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    writer = TapeWriter.create(path, FIELDS)
    with pytest.raises(TapeWriteError, match="exists already"):
        TapeWriter.create(path, FIELDS)
    writer.event(1, 0, "still mine")
    writer.seal(2)
    with open_tape(path) as tape:
        assert [event.payload for event in tape.events()] == ["still mine"]
