"""`rtproxy tape`: what it prints, where, and its exit codes."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rtproxy.tape.writer import TapeWriter
from tests.commandline import call_for_text

STARTED = 1_795_231_930_123_456_789


def run(*args: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return call_for_text("tape", *args, cwd=cwd)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "recordings" / "20261121-033210-4f2a9c.rtape"
    writer = TapeWriter.create(path, {"id": "4f2a9c", "started_ns": STARTED, "origin": "simulated"})
    writer.event(
        1_000_000, 1, '{"type":"session.created","session":{"type":"realtime","model":"gpt-4o"}}'
    )
    writer.event(2_000_000, 0, "exact \x1b[31m text\u202e \u0085 é 🎙\n\x7f")
    writer.event(3_000_000, 0, b"\x00\xff")
    writer.control(4_000_000_000, 1, "ping", {"payload": b"\x01"})
    writer.seal(5_000_000_000)
    return path


def damaged(tape: Path) -> Path:
    path = tape.with_name("damaged.rtape")
    data = bytearray(tape.read_bytes())
    data[data.index(b"exact")] ^= 1
    path.write_bytes(data)
    return path


def crashed(tape: Path) -> Path:
    path = tape.with_name("crashed.rtape")
    data = tape.read_bytes()
    path.write_bytes(data[: data.index(b"\xa4ping") - 20])
    seal = int.from_bytes(data[-8:], "big")
    path.write_bytes(data[:seal])
    return path


def test_ls_lists_the_recordings(tape: Path) -> None:
    crashed(tape)
    done = run("ls", cwd=tape.parent.parent)
    assert done.returncode == 0
    head, first, second = done.stdout.splitlines()
    assert head.split()[:3] == ["tape", "started", "(UTC)"]
    assert re.split(r"  +", first) == [
        tape.name, "2026-11-21 03:32:10", "4.0 s", "sealed", "2", "1", f"{tape.stat().st_size} B",
        "gpt-4o",
    ]  # fmt: skip
    assert re.split(r"  +", second)[:5] == [
        "crashed.rtape", "2026-11-21 03:32:10", "-", "crashed", "-",
    ]  # fmt: skip


def test_ls_json_is_versioned(tape: Path) -> None:
    (tape.parent / "not.rtape").write_text("{}")
    done = run("ls", "--json", tape.parent)
    document = json.loads(done.stdout)
    assert document["schema"] == "rtproxy.tape.ls/1"
    first, second = document["tapes"]
    assert first["path"] == str(tape)
    assert first["events"] == {"client": 2, "server": 1}
    assert first["state"] == "sealed"
    assert first["origin"] == "simulated"
    assert first["started_ns"] == STARTED
    assert "JSON" in second["error"]
    assert done.stderr == ""


def test_ls_draws_a_table_on_a_terminal(tape: Path) -> None:
    tape.rename(tape.with_name("evil\x1b[2J.rtape"))
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "rtproxy", "tape", "ls", str(tape.parent)],
        stdout=theirs,
        env=os.environ | {"COLUMNS": "160", "TERM": "xterm"},
        check=True,
    )
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    os.close(theirs)
    assert "started (UTC)" in shown
    assert "evil\\x1b[2J.rtape" in shown
    assert "\x1b[2J" not in shown


def test_ls_of_nothing(tmp_path: Path) -> None:
    done = run("ls", tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "No tapes" in done.stderr
    done = run("ls", tmp_path / "none")
    assert done.returncode == 2
    assert done.stderr == f"rtproxy: There is no folder {tmp_path / 'none'}.\n"


def test_dump_prints_every_record_exactly_and_safely(tape: Path) -> None:
    done = run("dump", tape)
    assert (done.returncode, done.stderr) == (0, "")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stdout)
    assert "é 🎙" in done.stdout
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["kind"] for line in lines] == [
        "header", "event", "event", "event", "control", "seal", "trailer",
    ]  # fmt: skip
    assert lines[2]["payload"] == "exact \x1b[31m text\u202e \u0085 é 🎙\n\x7f"
    assert lines[2]["direction"] == "client"
    assert lines[3]["payload_base64"] == "AP8="
    assert lines[4]["data"] == {"payload": {"base64": "AQ=="}}


def test_dump_raw_says_where_each_record_stands(tape: Path) -> None:
    lines = [json.loads(line) for line in run("dump", "--raw", tape).stdout.splitlines()]
    at = 0
    for line in lines:
        assert line["offset"] == at
        assert tape.read_bytes()[at + 7 : at + 11].hex() == line["crc"]
        at += line["length"]
    assert at == tape.stat().st_size


def test_dump_of_a_damaged_tape_names_the_damage(tape: Path) -> None:
    done = run("dump", damaged(tape))
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 6
    assert re.search(r"at byte \d+: \d+ bytes, .* record 1 is missing", done.stderr)


def test_dump_of_a_crashed_tape_works_with_a_word_on_stderr(tape: Path) -> None:
    done = run("dump", crashed(tape))
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 5
    assert "is not sealed" in done.stderr


def test_dump_into_head_ends_quietly(tmp_path: Path) -> None:
    writer = TapeWriter.create(tmp_path / "long.rtape", {"id": "x"})
    for n in range(5000):
        writer.event(n, 0, "x" * 100)
    writer.seal(5000)
    done = subprocess.run(
        f"({sys.executable} -m rtproxy tape dump {writer.path}; echo $? >&2) | head -1",
        shell=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.startswith('{"kind":"header"')
    assert done.stderr == "0\n"


def test_verify_says_how_each_tape_is(tape: Path) -> None:
    assert run("verify", tape).returncode == 0
    hurt, cut = damaged(tape), crashed(tape)
    done = run("verify", tape, hurt, cut)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == f"{tape}: sealed: 4 records sound"
    assert (
        f"{cut}: crashed, not sealed: 4 records sound; run rtproxy tape repair {cut}" in done.stdout
    )
    assert f"{hurt}: damaged in 1 place: 3 records sound, 1 missing; run" in done.stdout
    assert re.search(r"^  at byte \d+: .* record 1 is missing$", done.stdout, re.MULTILINE)
    done = run("verify", tape.parent / "none.rtape", hurt, tape)
    assert done.returncode == 2
    assert "There is no file" in done.stderr
    assert str(tape) in done.stdout


def test_verify_json(tape: Path) -> None:
    done = run("verify", "--json", tape, damaged(tape), tape.parent / "none")
    document = json.loads(done.stdout)
    assert document["schema"] == "rtproxy.tape.verify/1"
    assert [entry["ok"] for entry in document["tapes"]] == [True, False, False]
    assert document["tapes"][1]["damage"][0]["missing"] == [1, 2]
    assert document["tapes"][1]["state"] == "damaged"


def test_repair_prints_where_the_repaired_tape_is(tape: Path) -> None:
    cut = crashed(tape)
    done = run("repair", cut)
    where = cut.with_name("crashed.repaired.rtape")
    assert (done.returncode, done.stdout) == (0, f"{where}\n")
    assert "sealed: 4 records sound" in done.stderr
    assert run("verify", where).returncode == 0
    again = run("repair", cut)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert run("repair", cut, "-o", tape.parent / "other.rtape").returncode == 0
    assert run("verify", cut).returncode == 1
    assert run("repair", "--in-place", cut).returncode == 0
    assert run("verify", cut).returncode == 0
    assert run("repair", "--in-place", "-o", "x", cut).returncode == 2


@pytest.mark.parametrize("command", ["dump", "verify", "repair"])
def test_a_file_that_is_no_tape_is_refused_in_one_sentence(tmp_path: Path, command: str) -> None:
    other = tmp_path / "x.rtape"
    other.write_text("{}")
    done = run(command, other)
    assert done.returncode == 2
    assert done.stderr == f"rtproxy: {other} is not a tape: it looks like JSON.\n"


@pytest.mark.parametrize(
    "command", ["inspect", "tape verify", "export wav", "export parquet -o made", "diff x"]
)
def test_a_file_name_says_nothing_that_a_terminal_obeys(tmp_path: Path, command: str) -> None:
    done = call_for_text(*command.split(), "\x1b[31mno\udcff.rtape", cwd=tmp_path)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "no file" in done.stderr


def test_a_usage_error_says_nothing_that_a_terminal_obeys(tape: Path) -> None:
    named = tape.rename(tape.with_name("\x1b[31m.rtape"))
    done = call_for_text("tape", "cut", named.name, "--from", "1m", cwd=tape.parent)
    assert done.returncode == 2
    assert r"\x1b[31m.rtape has nothing there" in done.stderr


def test_help_comes_without_reading_the_rooms() -> None:
    found = "print('msgpack' in sys.modules, 'rich' in sys.modules)"
    code = f"import sys, rtproxy.cli.tape, rtproxy.cli.tapes.ls; {found}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False False\n"
    for command in ("ls", "dump", "verify", "repair"):
        assert run(command, "--help").returncode == 0
