"""A tape is checked, and mended without touching a byte of what is sound."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rtproxy.errors import TapeError, TapeWriteError
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Seal, Unknown
from rtproxy.tape.repair import repair, verify
from rtproxy.tape.writer import TapeWriter
from tests.tape.framing import framed
from tests.tape.samples import BODY, HEADER, sealed, sound


def recorded(path: Path) -> bytes:
    """A sealed tape as the writer makes it."""
    fields = {"id": "4f2a9c", "connection": "websocket", "writer": {}}
    writer = TapeWriter.create(path, fields)
    for n in range(5):
        writer.event(n * 1000, n % 2, f'{{"type":"t{n}"}}')
    writer.seal(6000, {"note": "kept"})
    return path.read_bytes()


def bodies(path: Path) -> list[bytes]:
    with open_tape(path) as tape:
        return [scanned.data for scanned in tape.scan()][1:-2]


def cut(tape: bytes) -> bytes:
    return tape[:150]


def change(tape: bytes) -> bytes:
    return tape[:110] + b"\x00" + tape[111:]


def hurt_the_header(tape: bytes) -> bytes:
    return tape[:30] + b"\xff" + tape[31:]


def unsealed(tape: bytes) -> bytes:
    return b"".join(sound(tape)[:-2])


def hurt_the_seal(tape: bytes) -> bytes:
    return tape[:-30] + bytes([tape[-30] ^ 1]) + tape[-29:]


def without_a_record(tape: bytes) -> bytes:
    records = sound(tape)
    return b"".join([*records[:2], *records[3:]])


HURTS = [cut, change, hurt_the_header, unsealed, hurt_the_seal, without_a_record]


@pytest.mark.parametrize("hurt", HURTS)
def test_what_is_sound_is_kept_byte_for_byte_under_a_new_seal(
    tmp_path: Path, hurt: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "call.rtape"
    tape = hurt(recorded(path))
    path.write_bytes(tape)
    before = verify(path)
    assert not before.ok

    mended = repair(path)

    assert path.read_bytes() == tape
    assert mended == tmp_path / "call.repaired.rtape"
    assert bodies(mended) == [data for data in sound(tape) if data[11] == 1]
    after = verify(mended)
    assert after.ok
    assert after.records == before.records
    assert {file.name for file in tmp_path.iterdir()} == {"call.rtape", "call.repaired.rtape"}
    if "header" not in hurt.__name__:
        assert sound(mended.read_bytes())[0] == sound(tape)[0]


@pytest.mark.parametrize("hurt", HURTS)
def test_repairing_twice_changes_nothing(tmp_path: Path, hurt: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "call.rtape"
    path.write_bytes(hurt(recorded(path)))
    assert repair(path, in_place=True) == path
    once = path.read_bytes()
    assert repair(path, in_place=True) == path
    assert path.read_bytes() == once
    assert repair(path, tmp_path / "copy.rtape").read_bytes() == once


def test_a_sound_tape_is_copied_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    tape = recorded(path)
    assert verify(path).ok
    assert repair(path).read_bytes() == tape


def test_what_the_old_seal_said_beyond_the_counts_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    path.write_bytes(change(recorded(path)))
    with open_tape(repair(path)) as tape:
        assert isinstance(tape.seal, Seal)
        assert tape.seal.data["note"] == "kept"
        assert tape.seal.t_ns == 6000
        assert tape.seal.data["records"] == 4
        assert tape.seal.data["repaired"]["lost"] == 1


def test_records_of_unknown_kinds_are_copied(tmp_path: Path) -> None:
    header = framed(0, "rtproxy-tape", 1, 9, {"id": "x", "connection": "websocket"}, "appended")
    unknown = framed(96, 5, 77, {"private": True}, b"\x00")
    later_event = framed(1, 6, 88, 1, "text", "appended")
    path = tmp_path / "call.rtape"
    path.write_bytes(b"".join([header, *BODY, unknown, later_event]))
    with open_tape(repair(path)) as tape:
        copied = [scanned.data for scanned in tape.scan()]
        assert copied[:-2] == [header, *BODY, unknown, later_event]
        assert any(isinstance(record, Unknown) for record in tape)
        assert tape.summary().records == 7


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    recorded(path)
    other = tmp_path / "other.rtape"
    other.write_bytes(b"precious")
    with pytest.raises(TapeWriteError, match="exists already"):
        repair(path, other)
    with pytest.raises(TapeWriteError, match="exists already"):
        repair(path, path)
    assert other.read_bytes() == b"precious"


def test_a_replacement_that_cannot_be_completed_leaves_the_tape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "call.rtape"
    tape = change(recorded(path))
    path.write_bytes(tape)

    def fail(self: TapeWriter, *_: object) -> None:
        self.failed = TapeWriteError("The disk is full.")
        self.close()

    monkeypatch.setattr(TapeWriter, "seal", fail)
    with pytest.raises(TapeWriteError, match="full"):
        repair(path, in_place=True)
    assert path.read_bytes() == tape
    assert [file.name for file in tmp_path.iterdir()] == ["call.rtape"]


def test_a_live_tape_is_not_repaired(tmp_path: Path) -> None:
    writer = TapeWriter.create(tmp_path / "call.rtape", {"id": "x"})
    with pytest.raises(TapeError, match="still being recorded"):
        repair(writer.path, in_place=True)
    report = verify(writer.path)
    assert (report.state, report.ok, report.damaged) == ("live", False, False)
    writer.close()


def test_a_seal_whose_hash_is_wrong_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    path.write_bytes(b"".join(sealed()))  # its seal has no hash
    report = verify(path)
    assert report.sha_ok is False
    assert report.damaged
    assert "SHA-256" in str(report)


def test_a_changed_byte_anywhere_is_found_by_verify(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    tape = bytearray(recorded(path))
    for at in range(0, len(tape), 7):
        tape[at] ^= 4
        path.write_bytes(tape)
        assert not verify(path).ok
        tape[at] ^= 4


@pytest.mark.parametrize(
    ("hurt", "says"),
    [
        (unsealed, r"crashed, not sealed: 5 records sound; run rtproxy tape repair .*call\.rtape"),
        (change, r"damaged in 1 place: 4 records sound, 1 missing; run rtproxy tape repair"),
        (cut, r"damaged in 1 place and not sealed: 2 records sound; run rtproxy tape repair"),
        (lambda tape: tape, r"^sealed: 5 records sound$"),
    ],
)
def test_the_report_says_what_to_do(
    tmp_path: Path, hurt: Callable[[bytes], bytes], says: str
) -> None:
    import re

    path = tmp_path / "call.rtape"
    path.write_bytes(hurt(recorded(path)))
    assert re.search(says, str(verify(path)))


def test_a_packed_tape_is_checked_and_repaired(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="packed tapes need zstandard")
    tape = unsealed(recorded(tmp_path / "call.rtape"))
    packed = tmp_path / "packed.rtape.zst"
    packed.write_bytes(zstandard.ZstdCompressor().compress(tape))
    assert verify(packed).state == "crashed"
    with pytest.raises(TapeError, match="-o"):
        repair(packed, in_place=True)
    mended = repair(packed)
    assert mended.name == "packed.repaired.rtape"
    assert verify(mended).ok


def test_a_header_on_its_own_is_a_tape(tmp_path: Path) -> None:
    path = tmp_path / "call.rtape"
    path.write_bytes(HEADER)
    assert verify(repair(path)).records == 0
