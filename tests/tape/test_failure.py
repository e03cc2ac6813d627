"""When the disk fails or the process dies, what was written stays, up to a whole record."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rtproxy.errors import TapeWriteError
from rtproxy.tape import writer as writing
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Event
from rtproxy.tape.repair import repair, verify
from rtproxy.tape.tail import follow
from rtproxy.tape.writer import TapeWriter

FIELDS = {"id": "4f2a9c", "connection": "websocket"}

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from rtproxy.tape.writer import TapeWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
writer = TapeWriter.create(Path(sys.argv[1]), {"id": "x"})
flushed = 0
for n in range(100):
    for k in range(4):
        writer.event(n, 0, f"{n}.{k} " + "x" * 300)
    if writer.flush():
        flushed += 4
writer.seal(200)
print(flushed, writer.size, writer.failed, sep="\\n")
"""

ENDLESS = """
import sys
from pathlib import Path
from rtproxy.tape.writer import TapeWriter
writer = TapeWriter.create(Path(sys.argv[1]), {"id": "x"})
n = 0
while True:
    writer.event(n, n % 2, f"{n} " + "x" * (n % 3000))
    writer.flush()
    sys.stdout.write(f"{n}\\n")
    sys.stdout.flush()
    n += 1
"""


def test_a_full_disk_ends_the_tape_at_a_record_and_is_said(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True
    )
    flushed, size, failed = done.stdout.splitlines()
    assert re.search(r"File too large.*ends after \d+ bytes", failed)
    assert int(size) == path.stat().st_size <= 20_000
    report = verify(path)
    assert report.state == "crashed"
    assert not report.damaged
    # Every whole record of the batch that did not fit is kept too.
    assert int(flushed) <= report.records <= int(flushed) + 3
    assert path.stat().st_size > 20_000 - 400


def test_a_killed_writer_loses_nothing_that_it_flushed(tmp_path: Path) -> None:
    for round_ in range(4):
        path = tmp_path / f"{round_}.rtape"
        with subprocess.Popen(
            [sys.executable, "-c", ENDLESS, str(path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(200 + 37 * round_):
                process.stdout.readline()
            process.kill()
            said = process.stdout.read().splitlines()
        last = int(said[-1] if said and said[-1] else 199 + 37 * round_)
        with open_tape(path) as tape:
            assert tape.state == "crashed"
            events = list(tape.events())
        assert len(events) > last - 1
        assert [event.seq for event in events] == list(range(len(events)))
        mended = repair(path)
        assert verify(mended).ok
        with open_tape(mended) as tape:
            assert list(tape.events()) == events


def test_following_another_process_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        drain = threading.Thread(target=process.stdout.read)
        drain.start()
        seqs = []
        for record in follow(path):
            if isinstance(record, Event):
                seqs.append(record.seq)
                if len(seqs) == 300:
                    process.kill()
        drain.join()
    assert len(seqs) >= 300
    assert seqs == list(range(len(seqs)))
    assert len(seqs) == verify(path).events


class Disk:
    """Stands for os.write: `room` bytes fit, and then each write writes nothing or raises."""

    def __init__(self, room: int, error: OSError | None) -> None:
        self.room, self.error = room, error

    def write(self, fd: int, data: bytes) -> int:
        fits = min(self.room, len(data))
        if not fits and self.error is not None:
            raise self.error
        self.room -= fits
        return REAL_WRITE(fd, bytes(data)[:fits])


REAL_WRITE = os.write


@pytest.mark.parametrize("error", [None, OSError(5, "Input/output error")])
@pytest.mark.parametrize("room", [0, 1, 10, 50, 51, 99, 100, 101, 120])
def test_a_short_write_is_cut_at_the_last_whole_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, error: OSError | None
) -> None:
    path = tmp_path / "call.rtape"
    writer = TapeWriter.create(path, FIELDS)
    start = writer.size
    for _ in range(3):
        writer.event(1, 0, "x" * 33)
    assert writer.size == start + 150
    monkeypatch.setattr(os, "write", Disk(room, error).write)
    assert not writer.flush()
    assert isinstance(writer.failed, TapeWriteError)
    assert writer.size == path.stat().st_size == start + room // 50 * 50
    monkeypatch.undo()
    writer.event(2, 0, "dropped")
    writer.control(2, 0, "ping")
    assert not writer.flush()
    writer.seal(3)
    with open_tape(path) as tape:
        assert tape.state == "crashed"
        assert len(list(tape.events())) == room // 50
        assert tape.damage == []


def test_a_write_that_is_short_once_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "call.rtape"
    writer = TapeWriter.create(path, FIELDS)
    writer.event(1, 0, "x" * 1000)
    writes = iter([10, 10_000])
    monkeypatch.setattr(os, "write", lambda fd, data: REAL_WRITE(fd, bytes(data)[: next(writes)]))
    assert writer.flush()
    monkeypatch.undo()
    writer.seal(2)
    assert verify(path).ok


def test_a_disk_that_fails_at_sync_fails_the_tape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(5, "Input/output error")

    writer = TapeWriter.create(tmp_path / "always.rtape", FIELDS, durability="always")
    background = TapeWriter.create(tmp_path / "normal.rtape", FIELDS)
    background.event(1, 0, "x")
    assert background.flush()
    monkeypatch.setattr(os, "fdatasync", fail)
    writer.event(1, 0, "x")
    assert not writer.flush()
    background.sync_in_background()
    for failed in (writer, background):
        assert "Input/output error" in str(failed.failed)
        failed.close()


def test_flushed_records_reach_the_disk_in_the_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Event()
    monkeypatch.setattr(writing, "SYNC_SECONDS", 0.01)
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.set())
    writer = TapeWriter.create(tmp_path / "call.rtape", FIELDS)
    writer.event(1, 0, "x")
    writer.flush()
    assert synced.wait(10)
    writer.close()


def test_closing_is_final_and_may_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    writer = TapeWriter.create(path, FIELDS)
    writer.event(1, 0, "kept")
    writer.close()
    writer.close()
    writer.event(2, 0, "too late")
    assert not writer.flush()
    writer.seal(3)
    with open_tape(path) as tape:
        assert [event.payload for event in tape.events()] == ["kept"]


@pytest.mark.parametrize("name", ["", "x" * 300, "nul\0byte", "file/call.rtape"])
def test_a_tape_that_cannot_be_created_is_said_in_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TapeWriteError) as caught:
        TapeWriter.create(tmp_path / name, FIELDS)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_header_too_large_for_a_tape_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    with pytest.raises(TapeWriteError, match="too large"):
        TapeWriter.create(path, {"id": "x", "request": "x" * (1 << 23)})
    assert not path.exists()


def test_a_control_too_large_for_a_tape_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    writer = TapeWriter.create(path, FIELDS)
    writer.control(1, 0, "refused", {"body": "x" * (1 << 23)})
    writer.event(2, 0, "next")
    writer.seal(3)
    assert verify(path).ok
    assert verify(path).records == 2
