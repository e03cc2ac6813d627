"""A tape that is being recorded is read as it grows."""

import threading
from collections.abc import Callable
from pathlib import Path

from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Event, Header, Record, Seal, Trailer
from rtproxy.tape.tail import follow
from rtproxy.tape.writer import TapeWriter
from tests.tape.samples import BODY, HEADER

FIELDS = {"id": "4f2a9c", "connection": "websocket"}


def steps(*actions: Callable[[], object]) -> Callable[[], object]:
    """A wait that lets the writer do the next thing, and stops following after the last."""
    left = iter(actions)

    def wait() -> object:
        action = next(left, None)
        return False if action is None else action() and None

    return wait


def test_records_come_as_they_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    writer = TapeWriter.create(path, FIELDS)

    def say(text: str) -> Callable[[], None]:
        def write() -> None:
            writer.event(1, 0, text)
            writer.flush()

        return write

    wait = steps(say("one"), lambda: None, say("two"), lambda: writer.seal(2))
    records = list(follow(path, wait=wait))
    assert [type(record) for record in records] == [Header, Event, Event, Seal, Trailer]


def test_following_ends_when_the_writer_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    writer = TapeWriter.create(path, FIELDS)
    records = list(follow(path, wait=steps(writer.close)))
    assert [type(record) for record in records] == [Header]


def test_following_ends_when_waiting_says_so(tmp_path: Path) -> None:
    writer = TapeWriter.create(tmp_path / "call.rtape", FIELDS)
    assert len(list(follow(writer.path, wait=steps()))) == 1
    writer.close()


def test_a_sealed_tape_is_followed_to_its_end_without_waiting(tmp_path: Path) -> None:
    writer = TapeWriter.create(tmp_path / "call.rtape", FIELDS)
    writer.event(1, 0, "x")
    writer.seal(2)
    assert len(list(follow(writer.path, wait=steps()))) == 4


def test_an_incomplete_record_is_waited_for_and_then_damage(tmp_path: Path) -> None:
    writer = TapeWriter.create(tmp_path / "call.rtape", FIELDS)
    writer.event(0, 0, "whole")
    writer.flush()
    with writer.path.open("ab") as file, open_tape(writer.path) as tape:

        def append(data: bytes) -> Callable[[], None]:
            def write() -> None:
                file.write(data)
                file.flush()

            return write

        got: list[Record] = []
        wait = steps(append(BODY[1][:20]), append(BODY[1][20:]), append(BODY[2][:9]), writer.close)
        got.extend(follow(tape, wait=wait))
        assert [record.seq for record in got if isinstance(record, Event)] == [0, 1]
        assert [(place.length, place.what) for place in tape.damage] == [
            (9, "the last record is incomplete")
        ]


def test_a_reader_of_a_live_tape_sees_no_damage_at_its_end(tmp_path: Path) -> None:
    writer = TapeWriter.create(tmp_path / "call.rtape", FIELDS)
    with writer.path.open("ab") as file:
        file.write(BODY[0][:20])
    with open_tape(writer.path) as tape:
        assert tape.state == "live"
        assert len(list(tape)) == 1
        assert tape.damage == []
    writer.close()


def test_a_writer_in_another_thread_is_followed_by_polling(tmp_path: Path) -> None:
    writer = TapeWriter.create(tmp_path / "call.rtape", FIELDS)

    def write() -> None:
        for n in range(2000):
            writer.event(n, 0, f"message {n}")
            writer.flush()
        writer.seal(2000)

    thread = threading.Thread(target=write)
    thread.start()
    payloads = [record.payload for record in follow(writer.path) if isinstance(record, Event)]
    thread.join()
    assert payloads == [f"message {n}" for n in range(2000)]


def test_a_tape_whose_header_is_damaged_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    path.write_bytes(b"\xff" + HEADER[1:] + BODY[0])
    assert [type(record) for record in follow(path)] == [Header, Event]
