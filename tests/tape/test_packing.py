"""A tape is packed and unpacked byte for byte, or not at all."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rtproxy.cli.main import rtproxy
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Event, Header
from rtproxy.tape.writer import TapeWriter
from tests.tapes import write_tape


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    events = [Event(n, n, n % 2, '{"type":"a"}') for n in range(1000)]
    return write_tape(tmp_path / "call.rtape", [Header({}), *events])


def run(*arguments: Path | str) -> Result:
    return CliRunner().invoke(rtproxy, ["tape", *map(str, arguments)])


def test_there_and_back(tape: Path) -> None:
    before = tape.read_bytes()
    done = run("pack", tape, "--rm")
    packed = tape.with_name("call.rtape.zst")
    assert (done.exit_code, done.stdout) == (0, f"{packed}\n")
    assert not tape.exists()
    assert packed.stat().st_size < len(before) / 2
    with open_tape(packed) as opened:
        assert len(list(opened.events())) == 1000
    done = run("unpack", packed)
    assert (done.exit_code, done.stdout) == (0, f"{tape}\n")
    assert tape.read_bytes() == before
    assert packed.exists()


def test_a_damaged_tape_is_packed_as_it_is(tape: Path) -> None:
    data = bytearray(tape.read_bytes())
    data[500] ^= 1
    tape.write_bytes(data)
    assert run("pack", tape).exit_code == 0
    assert run("unpack", f"{tape}.zst", "-o", tape.with_name("back.rtape")).exit_code == 0
    assert tape.with_name("back.rtape").read_bytes() == data


@pytest.mark.parametrize("verb", ["pack", "unpack"])
def test_nothing_is_overwritten(tape: Path, verb: str) -> None:
    assert run("pack", tape).exit_code == 0
    source = tape if verb == "pack" else Path(f"{tape}.zst")
    done = run(verb, source, "--rm")
    assert "exists already" in str(done.exception)
    assert source.exists()
    assert not list(tape.parent.glob(".*"))


def test_what_cannot_be_packed_is_one_sentence(tape: Path) -> None:
    run("pack", tape)
    packed = f"{tape}.zst"
    assert "packed already" in str(run("pack", packed, "-o", f"{tape}.x").exception)
    assert "is not packed" in str(run("unpack", tape, "-o", f"{tape}.x").exception)
    writer = TapeWriter.create(tape.with_name("live.rtape"), {}, durability="none")
    try:
        assert "still being recorded" in str(run("pack", writer.path).exception)
    finally:
        writer.close()
