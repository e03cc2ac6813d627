"""`export jsonl`: exact, safe to look at, and the tape again when it is imported."""

import io
import json
import re
import subprocess
import tempfile
from itertools import count, islice
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rtproxy.convert.jsonl import SCHEMA, lines, seconds
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Control, Event, Header
from rtproxy.tape.redaction import Redactor
from rtproxy.tape.repair import repair, verify
from rtproxy.tape.scanner import Scanned
from rtproxy.tape.writer import TapeWriter
from tests.commandline import call
from tests.convert.tapes import (
    SCENARIOS,
    TURNED_AWAY,
    captures,
    damages,
    messages,
    odd,
    of_scenario,
    read,
    take_in,
    text_of,
    turned_away,
    with_unknown,
    write,
)
from tests.tape.samples import sealed

ROOT = Path(__file__).parent.parent.parent
VALIDATOR = jsonschema.Draft202012Validator(
    json.loads((ROOT / "docs/schemas/jsonl-1.schema.json").read_text("utf-8"))
)
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def there_and_back(tape: Path, folder: Path) -> str:
    """Export, import, export: the same lines. Returns them."""
    text = text_of(tape)
    (folder / "out.jsonl").write_text(text, "utf-8", newline="")
    found = take_in(folder / "out.jsonl", folder / "again.rtape")
    assert (found.lost, found.notes) == (0, [])
    assert text_of(folder / "again.rtape") == text
    for line in text.splitlines():
        VALIDATOR.validate(json.loads(line))
    assert not UNSAFE.search(text)
    return text


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_simulated_call_there_and_back(name: str, tmp_path: Path) -> None:
    tape = of_scenario(tmp_path, name)
    there_and_back(tape, tmp_path)
    assert (tmp_path / "again.rtape").read_bytes() == tape.read_bytes()


@pytest.mark.parametrize("name", TURNED_AWAY)
async def test_a_refusal_there_and_back(name: str, tmp_path: Path) -> None:
    tape = await turned_away(tmp_path, name)
    there_and_back(tape, tmp_path)
    assert (tmp_path / "again.rtape").read_bytes() == tape.read_bytes()


@pytest.mark.parametrize("capture", captures() or [pytest.param(None, marks=pytest.mark.skip)])
def test_a_capture_there_and_back(capture: Path, tmp_path: Path) -> None:
    take_in(capture, tmp_path / "first.rtape")
    there_and_back(tmp_path / "first.rtape", tmp_path)


def test_what_is_seldom_there_and_back(tmp_path: Path) -> None:
    tape = write(tmp_path / "odd.rtape", odd())
    text = there_and_back(tape, tmp_path)
    assert messages(tmp_path / "again.rtape") == messages(tape)
    shown = [json.loads(line) for line in text.splitlines()]
    assert shown[0]["schema"] == SCHEMA
    assert shown[7]["data"] == {"a": 2}  # JSON is not quoted …
    assert '"data":{"a":1,"a":2}' in text  # … and stays as it was sent
    assert shown[9]["data"] == '{\n  "type": "pretty"\n}'  # unless it is not of one line


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", None])
def test_an_http_exchange_there_and_back(kind: str | None, tmp_path: Path) -> None:
    headers = [["Content-Type", kind]] if kind else []
    fields = {
        "id": "h", "connection": "http",
        "request": {"method": "POST", "target": "/v1/realtime/calls", "headers": headers},
        "response": {"status": 201, "headers": headers},
    }  # fmt: skip
    bodies: list[str | bytes] = [
        '{"session":{}}',
        "a=1&b=%20é",
        b"\xff\x00",
        "data: 1\n\n",
        "v=0\r\no=- 1",
    ]
    events = [Event(0, n, n & 1, body) for n, body in enumerate(bodies)]
    tape = write(tmp_path / "http.rtape", [Header(fields), *events])
    there_and_back(tape, tmp_path)
    assert (tmp_path / "again.rtape").read_bytes() == tape.read_bytes()


def test_records_of_a_later_version_there_and_back(tmp_path: Path) -> None:
    tape = with_unknown(tmp_path / "later.rtape")
    text = there_and_back(tape, tmp_path)
    assert '"kind":"unknown"' in text
    assert '"tape":"1.7"' in text
    assert '"data":{"mood":"good"}' in text
    assert (tmp_path / "again.rtape").read_bytes() == tape.read_bytes()


@pytest.mark.parametrize("how", ["flipped", "cut", "hole", "headless"])
@pytest.mark.parametrize("name", ["text", "support-call"])
def test_a_damaged_tape_there_and_back(name: str, how: str, tmp_path: Path) -> None:
    whole = of_scenario(tmp_path, name)
    tape = tmp_path / "damaged.rtape"
    tape.write_bytes(dict(damages(whole))[how])
    there_and_back(tape, tmp_path)
    before, after = verify(tape), verify(tmp_path / "again.rtape")
    assert (after.state, after.records) == (before.state, before.records)
    if how == "cut":
        assert after.state == "crashed"
    if how in ("hole", "flipped"):
        assert after.missing == before.missing > 0


def test_a_repaired_tape_stays_repaired(tmp_path: Path) -> None:
    whole = of_scenario(tmp_path, "text")
    tape = tmp_path / "damaged.rtape"
    tape.write_bytes(dict(damages(whole))["hole"])
    mended = repair(tape)
    there_and_back(mended, tmp_path)
    assert verify(tmp_path / "again.rtape").ok


def test_every_cut_of_a_tape_there_and_back(tmp_path: Path) -> None:
    data = b"".join(sealed())
    first = len(sealed()[0])
    for size in range(first, len(data), 7):
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / "cut.rtape").write_bytes(data[:size])
        there_and_back(folder / "cut.rtape", folder)


PLAIN: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text() | st.binary()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip
TIMES = st.integers(-(1 << 63), (1 << 63) - 1)
FLAGS = st.integers(0, 31) | st.integers(0, (1 << 63) - 1)
EVENTS = st.builds(
    Event, st.just(0), TIMES, FLAGS,
    st.text() | st.binary() | PLAIN.map(lambda value: json.dumps(value, default=str)),
)  # fmt: skip
CONTROLS = st.builds(
    Control, st.just(0), TIMES, FLAGS, st.text(min_size=1, max_size=20),
    st.dictionaries(st.text(), PLAIN, max_size=4),
)  # fmt: skip


def vars_of(record: Any) -> Any:
    return record.payload if isinstance(record, Event) else {record.name: record.data}


@given(st.lists(EVENTS | CONTROLS, max_size=6), st.dictionaries(st.text(), PLAIN, max_size=4))
def test_any_tape_there_and_back(records: list[Any], fields: dict[str, Any]) -> None:
    fields = {k: v for k, v in fields.items() if k != "requires"}
    fields |= {"id": "any", "connection": "websocket"}
    redactor = Redactor(bytes(16))  # a tape holds no credential, so none is found in it again
    assume(not redactor.data(fields)[1])
    assume(not any(redactor.data({"": vars_of(record)})[1] for record in records))
    with tempfile.TemporaryDirectory() as folder:
        tape = write(Path(folder) / "any.rtape", [Header(fields), *records])
        there_and_back(tape, Path(folder))
        again = read(Path(folder) / "again.rtape")
        assert [r for r in again if isinstance(r, Event)] == [
            r for r in read(tape) if isinstance(r, Event)
        ]


@pytest.mark.parametrize(
    ("ns", "shown"),
    [(0, "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (-1, "-0.000000001"), (10**9, "1"),
     ((1 << 63) - 1, "9223372036.854775807"), (-(1 << 63), "-9223372036.854775808")],
)  # fmt: skip
def test_times_are_exact(ns: int, shown: str) -> None:
    assert orjson.dumps(seconds(ns)) == shown.encode()
    scanned = Scanned(0, b"", Event(0, ns, 0, "{}"))
    _, line = lines(Header({"id": "x"}), [scanned], None)
    assert f'"at":{shown},' in line


def test_lines_come_one_by_one() -> None:
    endless = (Scanned(0, b"", Event(n, n, 0, "{}")) for n in count())
    assert len(list(islice(lines(Header({"id": "x"}), endless, None), 1000))) == 1000


def test_a_file_that_was_cut_makes_a_tape_that_says_so(tmp_path: Path) -> None:
    text = text_of(of_scenario(tmp_path, "text"))
    file = tmp_path / "cut.jsonl"
    file.write_text("".join(text.splitlines(keepends=True)[:20]), "utf-8")
    found = take_in(file, tmp_path / "again.rtape")
    assert found.unsealed == [tmp_path / "again.rtape"]
    assert verify(tmp_path / "again.rtape").state == "crashed"
    file.write_text(text[:-200], "utf-8")  # in the middle of a line
    found = take_in(file, tmp_path / "other.rtape")
    assert found.lost == 1
    assert "it ends in the middle" in found.notes[0]


def test_lines_can_be_taken_out(tmp_path: Path) -> None:
    """Whoever edits the file gets a sound tape of what is left."""
    kept = [
        line
        for line in text_of(of_scenario(tmp_path, "support-call")).splitlines(keepends=True)
        if "transcription" not in line or "session" in line
    ]
    (tmp_path / "less.jsonl").write_text("".join(kept), "utf-8")
    take_in(tmp_path / "less.jsonl", tmp_path / "less.rtape")
    report = verify(tmp_path / "less.rtape")
    assert report.ok
    assert report.records == len(kept) - 2


def run(*args: str | Path) -> subprocess.CompletedProcess[bytes]:
    return call("export", "jsonl", *args)


def test_the_command(tmp_path: Path) -> None:
    tape = of_scenario(tmp_path, "text")
    done = run(tape)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == text_of(tape)
    out = tmp_path / "out.jsonl"
    assert run(tape, "-o", out).returncode == 0
    assert out.read_bytes() == done.stdout
    again = run(tape, "-o", out)
    assert again.returncode == 2
    assert b"exists already" in again.stderr
    assert run(tape, "-o", out, "--force").returncode == 0


def test_the_command_on_a_damaged_tape(tmp_path: Path) -> None:
    whole = of_scenario(tmp_path, "text")
    tape = tmp_path / "damaged.rtape"
    tape.write_bytes(dict(damages(whole))["flipped"])
    done = run(tape)
    assert done.returncode == 1
    assert re.search(rb"at byte \d+: .* record \d+ is missing", done.stderr)
    assert b'"kind":"missing"' in done.stdout
    tape.write_bytes(dict(damages(whole))["cut"])
    done = run(tape)
    assert b"not sealed" in done.stderr or done.returncode == 1
    assert io.BytesIO(done.stdout).readlines()[-1].startswith(b'{"kind":"')
    done = run(tmp_path / "none.rtape")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1


def test_the_command_on_a_tape_that_is_being_recorded(tmp_path: Path) -> None:
    writer = TapeWriter.create(tmp_path / "live.rtape", {"id": "live"})
    writer.event(1, 0, "{}")
    writer.flush()
    done = run(writer.path)
    assert done.returncode == 0
    assert b"is still being recorded" in done.stderr
    assert done.stdout.count(b"\n") == 2
    writer.close()
    done = run(writer.path)
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 2)
    assert b"is not sealed" in done.stderr


def test_every_kind_has_its_place_in_the_schema() -> None:
    for wrong in (
        {"kind": "message", "seq": 0, "direction": "up", "at": 0, "data": {}},
        {"kind": "message", "seq": 0, "direction": "client", "at": 0},
        {
            "kind": "message",
            "seq": 0,
            "direction": "client",
            "at": 0,
            "encoding": "base64",
            "data": {},
        },
        {"kind": "control", "seq": 0, "direction": "client", "at": 0, "data": {}},
        {"kind": "other"},
        {},
    ):
        assert not VALIDATOR.is_valid(wrong), wrong


def test_a_tape_is_read_as_it_is_exported(tmp_path: Path) -> None:
    """Packed or not makes no difference."""
    zstandard = pytest.importorskip("zstandard")
    tape = of_scenario(tmp_path, "text")
    packed = tmp_path / "text.rtape.zst"
    packed.write_bytes(zstandard.ZstdCompressor().compress(tape.read_bytes()))
    with open_tape(packed) as opened:
        assert opened.packed
    assert text_of(packed) == text_of(tape)
