"""Every export of every kind of tape: the file, or one clear sentence and no file."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from rtproxy.cli.main import rtproxy
from rtproxy.errors import RtproxyError
from rtproxy.simulate.library import built_in, load
from rtproxy.tape.record import Control, Event, Header, Record
from tests.captures import CAPTURES
from tests.realtime.simulated import call_records
from tests.tapes import write_tape

KINDS = {
    "transcript.txt": ["transcript"],
    "transcript.md": ["transcript", "--format", "md"],
    "transcript.json": ["transcript", "--format", "json"],
    "transcript.srt": ["transcript", "--format", "srt"],
    "transcript.vtt": ["transcript", "--format", "vtt"],
    "trace.json": ["trace"],
    "otlp.json": ["otlp", "--content"],
    "events": ["parquet"],
}
NEED_TIMES = {"transcript.srt", "transcript.vtt", "trace.json", "otlp.json"}
PLAYED = sorted(set(built_in()) - {"bad-key", "refused-401"})
REFUSED: list[Record] = [
    Header({"id": "r", "response": {"status": 401, "headers": []}}),
    Control(0, 5, 1, "refused", {"status": 401, "body": b"no"}),
]
HTTP: list[Record] = [
    Header({"id": "h", "connection": "http", "request": {"method": "POST", "target": "/v1/x"}}),
    Event(0, 0, 0, '{"a":1}'),
    Event(1, 9_000_000, 1, '{"b":2}'),
]
ODD: dict[str, list[Record]] = {"refused": REFUSED, "http": HTTP, "empty": [Header({})]}


def simulated(name: str) -> list[Record]:
    return call_records(load(name))


def exported(tape: Path, name: str, folder: Path, *more: str) -> tuple[int, str, Path]:
    """Exit code, what was said, and where the file is to be."""
    kind, *options = KINDS[name]
    out = folder / name
    done = CliRunner().invoke(rtproxy, ["export", kind, str(tape), "-o", str(out), *options, *more])
    if isinstance(done.exception, RtproxyError):
        return done.exception.exit_code, str(done.exception), out
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr, out


def assert_file_or_sentence(tape: Path, name: str, folder: Path) -> int:
    code, said, out = exported(tape, name, folder)
    if code == 2:
        assert not out.exists()
        assert said.strip().splitlines()[-1].endswith(".")
    else:
        assert out.exists()
    assert "Traceback" not in said
    return code


@pytest.mark.parametrize("name", KINDS)
def test_every_scenario(tmp_path: Path, name: str) -> None:
    for scenario in PLAYED:
        tape = write_tape(tmp_path / scenario / "call.rtape", simulated(scenario))
        assert assert_file_or_sentence(tape, name, tape.parent) == 0, scenario


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("odd", ODD)
def test_odd_tapes(tmp_path: Path, odd: str, name: str) -> None:
    """Also one with a single moment has times."""
    tape = write_tape(tmp_path / "call.rtape", ODD[odd])
    assert assert_file_or_sentence(tape, name, tmp_path) == 0


@pytest.mark.parametrize("name", KINDS)
def test_half_and_damaged_tapes(tmp_path: Path, name: str) -> None:
    """What is sound is exported; what is lost is said, and the exit code is 1."""
    records = simulated("support-call")
    for part in (records[:40], records[:200], [records[0], *records[150:]]):
        folder = tmp_path / str(len(part))
        tape = write_tape(folder / "call.rtape", part, seal=False)
        assert assert_file_or_sentence(tape, name, folder) == 0
        assert "not sealed" in exported(tape, name, folder, "--force")[1]
    tape = write_tape(tmp_path / "call.rtape", records)
    data = bytearray(tape.read_bytes())
    for at in (5_000, len(data) // 2, len(data) - 100):
        data[at] ^= 0xFF
    tape.write_bytes(data)
    assert assert_file_or_sentence(tape, name, tmp_path) == 1
    assert "is missing" in exported(tape, name, tmp_path, "--force")[1]


@pytest.mark.parametrize("name", KINDS)
def test_what_is_no_tape(tmp_path: Path, name: str) -> None:
    path = tmp_path / "call.rtape"
    path.write_bytes(b"something else")
    assert assert_file_or_sentence(path, name, tmp_path) == 2
    assert assert_file_or_sentence(tmp_path / "none.rtape", name, tmp_path) == 2


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="there are no captures beside it")
@pytest.mark.parametrize("name", KINDS)
def test_captures_have_no_times(tmp_path: Path, name: str) -> None:
    from tests.realtime.test_captured_sessions import records

    for path in sorted(CAPTURES.glob("*.jsonl")):
        tape = write_tape(tmp_path / path.stem / "call.rtape", records(path))
        code = assert_file_or_sentence(tape, name, tape.parent)
        assert code == (2 if name in NEED_TIMES else 0)
