"""`rtproxy inspect` as it is used: real tapes, real pipes, exit codes."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rtproxy.cli.inspect import inspect
from rtproxy.errors import FilterError, NotATapeError, TapeError
from rtproxy.inspect.filter import parse_filter
from rtproxy.simulate.library import load
from rtproxy.tape.record import Control, Event
from rtproxy.tape.writer import TapeWriter
from tests.inspect.sample import HEADER, Piece, sample
from tests.realtime.simulated import call_records

DOCS = Path(__file__).parents[2] / "docs" / "inspect.md"
CAPTURES = Path(__file__).parents[3] / "shared" / "captures"


def write(path: Path, records: list[Piece], seal: bool = True) -> Path:
    writer = TapeWriter.create(path, dict(HEADER.fields), durability="none")
    for record in records:
        if isinstance(record, Event):
            writer.event(record.t_ns, record.flags, record.payload)
        else:
            assert isinstance(record, Control)
            writer.control(record.t_ns, record.flags, record.name, record.data)
    writer.flush()
    if seal:
        writer.seal(records[-1].t_ns)
    writer.close()
    return path


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return write(tmp_path / "call.rtape", sample())


def damage(path: Path, what: bytes) -> None:
    """Change one byte of the first record that holds `what`."""
    data = bytearray(path.read_bytes())
    data[data.index(what)] ^= 1
    path.write_bytes(data)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(inspect, [str(argument) for argument in arguments])


def process(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rtproxy", "inspect", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_header_and_the_events_are_shown(tape: Path) -> None:
    result = run(tape, "--events")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"tape       {tape} · sealed · simulated\n")
    assert "input_audio_buffer.append ×21" in result.stdout
    assert "get_weather" in result.stdout


def test_without_options_the_call_is_shown(tape: Path) -> None:
    result = run(tape)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"tape       {tape} · sealed · simulated\n")
    assert "call       1 turn · voice to voice" in result.stdout
    assert "get_weather() → “こんにちは、Marcelo!”" in result.stdout
    assert f"rtproxy inspect {tape} --events" in result.stdout
    assert "input_audio_buffer" not in result.stdout


def test_one_turn_is_shown_alone(tape: Path) -> None:
    assert "endpoint" in run(tape, "--turn", "1").stdout
    for form in ((), ("--events",), ("--json",), ("--ndjson",)):
        missing = run(tape, "--turn", "2", *form).exception
        assert isinstance(missing, FilterError)
        assert str(missing) == "There is no turn 2: the tape has 1."
        assert missing.exit_code == 2


def test_the_events_of_a_turn(tape: Path) -> None:
    listed = run(tape, "--turn", "1", "--events").stdout
    assert "speech_started" in listed
    assert "session.updated" not in listed
    assert listed == run(tape, "--filter", "turn:1").stdout
    narrower = run(tape, "--turn", "1", "--filter", "client,error !*.append").stdout
    rows = narrower.split("what matters\n")[1].splitlines()
    assert [re.findall(r"[a-z_]+\.[a-z_.]+|error", row)[0] for row in rows] == [
        "rtproxy.pong", "conversation.item.truncate", "error", "rtproxy.text", "rtproxy.close",
    ]  # fmt: skip
    lines = run(tape, "--turn", "1", "--ndjson").stdout.splitlines()
    assert lines == run(tape, "--ndjson", "--filter", "turn:1").stdout.splitlines()
    assert 0 < len(lines) < len(sample())
    assert run(tape, "--filter", "turn:2").stdout.splitlines()[-1].startswith("seq")


def test_the_document_of_a_turn_has_its_turn_and_findings_alone(tmp_path: Path) -> None:
    records = call_records(load("choppy"))
    tape = write(tmp_path / "call.rtape", [r for r in records if isinstance(r, Event | Control)])
    whole, turn = (json.loads(run(tape, "--json", *more).stdout) for more in ((), ("--turn", "1")))
    assert [part["n"] for part in turn["turns"]] == [1]
    assert turn["findings"] == [part for part in whole["findings"] if part["turn"] == 1] != []
    shown = [row["seq"] for row in turn["events"]]
    assert shown[0] == turn["turns"][0]["seq"]
    assert shown == [row["seq"] for row in whole["events"] if row["seq"] >= shown[0]]
    assert (turn["metrics"], turn["session"]) == (whole["metrics"], whole["session"])


def test_ascii_is_ascii(tape: Path) -> None:
    for arguments in ((), ("--events",)):
        shown = run(tape, "--ascii", *arguments).stdout
        assert shown.isascii()
        assert "\\u3053" in shown


def test_what_has_no_turns_is_listed_with_a_word_why(tmp_path: Path) -> None:
    shown = run(write(tmp_path / "silent.rtape", sample()[:3])).stdout
    assert "Nobody spoke, typed or was answered on this tape" in shown
    assert "← session.created" in shown
    shown = run(write(tmp_path / "other.rtape", [Event(0, 5, 1, "hello")])).stdout
    assert "There are no Realtime events on this tape" in shown
    assert "rtproxy.text" in shown


def test_fail_on_is_about_findings(tmp_path: Path) -> None:
    failed = json.dumps({
        "type": "response.done",
        "response": {"id": "resp_1", "status": "failed", "status_details": {
            "type": "failed", "error": {"code": "rate_limit_exceeded", "message": "Slow down"}}},
    })  # fmt: skip
    records: list[Piece] = sample()[:49]
    records.append(Event(49, 2_000_000_000, 1, failed))
    tape = write(tmp_path / "call.rtape", records)
    codes = [finding["severity"] for finding in json.loads(run(tape, "--json").stdout)["findings"]]
    assert "error" in codes
    assert run(tape).exit_code == 0
    for view in ((), ("--events",), ("--json",), ("--ndjson",)):
        result = run(tape, "--fail-on", "error", *view)
        assert result.exit_code == 1
        assert "Findings of severity error or higher" in result.stderr


def test_fail_on_passes_a_call_in_which_nothing_is_wrong(tmp_path: Path) -> None:
    tape = write(tmp_path / "call.rtape", sample()[:3])
    assert run(tape, "--fail-on", "info").exit_code == 0


def test_a_filter_and_no_fold(tape: Path) -> None:
    lines = run(tape, "--no-fold", "--filter", "client append t<200ms").stdout.splitlines()
    rows = lines[lines.index("") + 2 :]
    assert len(rows) == 5
    assert all("input_audio_buffer.append" in row and "20 ms audio" in row for row in rows)


def test_ndjson_is_every_record_as_it_was_sent(tape: Path) -> None:
    lines = run(tape, "--ndjson").stdout.splitlines()
    assert len(lines) == len(sample())
    for line, record in zip(lines, sample(), strict=True):
        found = json.loads(line)
        assert found["seq"] == record.seq
        if isinstance(record, Event) and found["type"] not in ("rtproxy.text", "rtproxy.binary"):
            assert found["event"] == json.loads(record.payload)


def test_json_is_one_document(tape: Path) -> None:
    found = json.loads(run(tape, "--json", "--filter", "server").stdout)
    assert found["schema"] == "rtproxy.inspect/1"
    assert found["tape"]["state"] == "sealed"
    assert {row["direction"] for row in found["events"]} == {"server"}


def test_a_crashed_tape_is_shown_with_a_word(tmp_path: Path) -> None:
    tape = write(tmp_path / "call.rtape", sample(), seal=False)
    result = run(tape, "--events")
    assert result.exit_code == 0
    assert "· crashed ·" in result.stdout
    assert "rtproxy.close" in result.stdout
    assert "not sealed" in result.stderr
    assert "tape repair" in result.stderr
    assert json.loads(run(tape, "--json").stdout)["tape"]["state"] == "crashed"


def test_a_live_tape_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    writer = TapeWriter.create(tmp_path / "call.rtape", dict(HEADER.fields), durability="none")
    try:
        writer.event(5, 1, '{"type": "session.created"}')
        writer.flush()
        result = run(tmp_path / "call.rtape")
    finally:
        writer.close()
    assert (result.exit_code, result.stderr) == (0, "")
    assert "· live ·" in result.stdout
    assert "session.created" in result.stdout


def test_of_a_damaged_tape_the_sound_records_are_shown_and_the_exit_code_is_1(tape: Path) -> None:
    damage(tape, b"rate_limits.updated")
    assert "· damaged ·" in run(tape).stdout
    result = run(tape, "--events")
    assert result.exit_code == 1
    assert "· damaged ·" in result.stdout
    [row] = [line for line in result.stdout.splitlines() if "rtproxy.damage" in line]
    assert "! rtproxy.damage" in row
    assert "record 83 missing" in row
    assert "rate_limits.updated" not in result.stdout
    assert "rtproxy.close" in result.stdout
    assert "is damaged: record 83 missing" in result.stderr
    document = run(tape, "--json")
    assert document.exit_code == 1
    described = json.loads(document.stdout)["tape"]
    assert (described["state"], described["damage"][0]["missing"]) == ("damaged", [83, 83])
    lines = run(tape, "--ndjson")
    assert lines.exit_code == 1
    assert len(lines.stdout.splitlines()) == len(sample()) - 1
    assert "record 83 missing" in lines.stderr


def test_what_is_wrong_is_one_sentence_and_exit_code_2(tape: Path, tmp_path: Path) -> None:
    (tmp_path / "no.rtape").write_text("{}")
    for arguments, kind in [
        ((tmp_path / "missing.rtape",), TapeError),
        ((tmp_path / "no.rtape",), NotATapeError),
        ((tape, "--filter", "t>x"), FilterError),
    ]:
        error = run(*arguments).exception
        assert isinstance(error, kind)
        assert error.exit_code == 2
    assert run(tape, "--json", "--ndjson").exit_code == 2
    assert run(tape, "--sideways").exit_code == 2
    found = process(tape, "--filter", "t>x")
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert found.stdout == ""


def test_the_reader_may_leave_early(tmp_path: Path) -> None:
    append = '{"type": "input_audio_buffer.append", "audio": "' + "A" * 4000 + '"}'
    records: list[Piece] = [Event(n, n * 20_000_000, 0, append) for n in range(2000)]
    tape = write(tmp_path / "long.rtape", records)
    for option in ("--ndjson", "--json", "--no-fold"):
        command = f"{sys.executable} -m rtproxy inspect {option} {tape} | head -2"
        found = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert found.stdout.count("\n") == 2
        assert found.stderr == ""
        assert found.returncode == 0


def test_on_a_terminal_a_long_listing_is_paged_and_safe(tape: Path) -> None:
    """The pager is `head -12`: it stops reading long before the end."""
    shown = on_terminal([tape, "--events"], {"PAGER": "head -12", "TERM": "xterm-256color"})
    assert shown.count("\n") == 12
    assert "seq" in shown
    plain = on_terminal(
        [tape, "--events", "--no-pager"], {"TERM": "xterm-256color", "NO_COLOR": "1"}
    )
    assert "\x1b" not in plain
    assert "rtproxy.close" in plain
    coloured = on_terminal([tape, "--events", "--no-pager"], {"TERM": "xterm-256color"})
    assert "\x1b[1;31m" in coloured
    assert "\x1b[31mred" not in coloured


def on_terminal(arguments: list[str | Path], environment: dict[str, str]) -> str:
    """What is written to a terminal of 80 × 24 characters."""
    inherited = {
        key: os.environ[key] for key in ("PATH", "HOME", "VIRTUAL_ENV") if key in os.environ
    }
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "rtproxy", "inspect", *map(str, arguments)]
    size = {"COLUMNS": "80", "LINES": "24", "PYTHONUTF8": "1"}
    child = subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal,
        env=inherited | size | environment,
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while True:
        try:
            piece = os.read(controller, 65536)
        except OSError:  # Linux says EIO when the other side has gone
            break
        if not piece:
            break
        shown += piece
    os.close(controller)
    assert child.wait(timeout=60) == 0
    return shown.decode().replace("\r\n", "\n")


def filters_in(text: str) -> list[str]:
    """The filters that a text gives as examples of commands, and the terms in its table."""
    commands = re.findall(r"--filter '([^']*)'", text)
    table = re.findall(r"^ {2,4}(\S.*?) {3,}[a-z]", text, re.MULTILINE)
    return commands + [term for row in table for term in re.split(r"  +", row)]


def test_the_filters_in_the_help_and_the_docs_are_filters() -> None:
    described = DOCS.read_text("utf-8").split("## Filters")[1].split("\n## ")[0]
    for text in (run("--help").stdout.split("A filter is made of")[1], described):
        examples = filters_in(text)
        assert len(examples) >= 18
        for example in examples:
            parse_filter(example, lambda _: ())


def test_ndjson_needs_no_terminal_library(tape: Path) -> None:
    """It starts quickly because it leaves alone what only the table needs."""
    code = (
        "import sys; from rtproxy.cli.inspect import inspect; "
        "inspect([sys.argv[1], '--ndjson'], standalone_mode=False); "
        "assert 'rich' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(tape)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the captured sessions are not here")
@pytest.mark.parametrize(
    "name", sorted(path.name for path in CAPTURES.glob("*.jsonl")) if CAPTURES.is_dir() else []
)
def test_captured_sessions_are_listed(name: str, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (CAPTURES / name).read_text("utf-8").splitlines()]
    records: list[Piece] = [
        Event(n, n * 1_000_000, int(line["direction"] == "server"), json.dumps(line["data"]))
        for n, line in enumerate(lines)
    ]
    tape = write(tmp_path / "call.rtape", records)
    found = json.loads(run(tape, "--json").stdout)
    assert sum(row["count"] for row in found["events"]) == len(records)
    assert found["session"]["dialect"] == ("beta" if name.startswith("azure") else "ga")
    described = {row["type"]: row["detail"] for row in found["events"]}
    assert "completed" in described["response.done"]
    events = [json.loads(line)["event"] for line in run(tape, "--ndjson").stdout.splitlines()]
    assert events == [line["data"] for line in lines]
