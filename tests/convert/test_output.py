"""An export is there whole or not at all."""

import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rtproxy.convert.output import output
from rtproxy.errors import ConvertError
from rtproxy.tape.record import Event, Header
from tests.tapes import write_tape


def test_a_file_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with output(path) as file:
        file.write(b"all of it")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600


@pytest.mark.parametrize("force", [False, True])
def test_what_fails_half_way_leaves_nothing(tmp_path: Path, force: bool) -> None:
    path = tmp_path / "out.txt"
    if force:
        path.write_bytes(b"before")
    with pytest.raises(RuntimeError), output(path, force=force) as file:
        file.write(b"half")
        raise RuntimeError
    assert [one.name for one in tmp_path.iterdir()] == (["out.txt"] if force else [])
    assert not force or path.read_bytes() == b"before"


def test_a_file_is_overwritten_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_bytes(b"before")
    with pytest.raises(ConvertError, match="exists already; --force"), output(path):
        pytest.fail("nothing is written")
    with output(path, force=True) as file:
        file.write(b"after")
    assert path.read_bytes() == b"after"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with pytest.raises(ConvertError, match="cannot be written"), output(path) as file:
        file.write(b"ours")
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="No such file"), output(tmp_path / "no" / "out.txt"):
        pytest.fail("there is no such folder")
    with pytest.raises(ConvertError, match="is a folder"), output(tmp_path):
        pytest.fail("it is a folder")


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(ConvertError, match="cannot be written"), output(tmp_path / "o") as file:
            file.write(bytes(20_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_full_standard_output_is_one_sentence(tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "call.rtape", [Header({}), Event(0, 0, 0, '{"type":"a"}')])
    command = [sys.executable, "-m", "rtproxy", "export", "transcript", "--format", "json"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*command, str(tape)], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.stderr.splitlines()[0] == (
        "rtproxy: standard output cannot be written: No space left on device."
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
