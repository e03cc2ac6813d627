"""The specification, the golden tape and the code agree, and foreign readers read our tapes."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgpack
import pytest

from rtproxy.tape.codec import (
    encode_control,
    encode_event,
    encode_header,
    encode_seal,
    encode_trailer,
    frame_at,
)
from rtproxy.tape.dump import as_json, json_line
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Control, Event, Header, Record, Seal, Trailer
from rtproxy.tape.repair import verify
from rtproxy.tape.scanner import MAX_DAMAGE, SEARCH_FACTOR, SEARCH_FLOOR
from rtproxy.tape.writer import TapeWriter
from tests.tape.golden import make
from tests.tape.samples import scan

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parent.parent.parent
DOCUMENT = (ROOT / "docs/tape-format.md").read_text("utf-8")
FOREIGN = ROOT / "tests/foreign"


def block(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def encoded(record: Record) -> bytes | None:
    match record:
        case Header():
            return encode_header(record.fields, major=record.major, minor=record.minor)
        case Event():
            return encode_event(record.seq, record.t_ns, record.flags, record.payload)
        case Control():
            return encode_control(record.seq, record.t_ns, record.flags, record.name, record.data)
        case Seal():
            return encode_seal(record.seq, record.t_ns, record.data)
        case Trailer():
            return encode_trailer(record.seal_offset)
    return None


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.rtape")), ids=lambda path: path.stem)
def test_a_golden_tape_reads_as_ever_and_encodes_to_the_same_bytes(path: Path) -> None:
    assert verify(path).ok
    lines = []
    with open_tape(path) as tape:
        assert tape.state == "sealed"
        for scanned in tape.scan():
            frame = frame_at(scanned.data)
            assert frame is not None
            place = {"offset": scanned.offset, "length": frame.size, "crc": f"{frame.crc:08x}"}
            lines.append(json_line(place | as_json(scanned.record)))
            assert encoded(scanned.record) in (scanned.data, None)
    assert lines == path.with_suffix(".jsonl").read_text("utf-8").splitlines()


def test_the_newest_golden_tape_is_what_is_written_today() -> None:
    assert (GOLDEN / "v1.0.rtape").read_bytes() == make.tape()


def test_the_example_of_the_specification() -> None:
    digits = re.findall(r"^ *((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  |$)", block("hex"), re.MULTILINE)
    tape = bytes.fromhex("".join(digits))
    scans, damage = scan(tape)
    assert damage == []
    assert [scanned.record for scanned in scans] == [
        Header({"id": "4f2a9c", "connection": "websocket"}),
        Event(0, 1_500_000, 0, '{"type":"response.create"}'),
        Control(1, 2_000_000, 1, "close", {"code": 1000, "reason": ""}),
        Seal(2, 2_000_001, {"id": "4f2a9c", "records": 2}),
        Trailer(147),
    ]
    assert f"of five records, {len(tape)} bytes" in DOCUMENT


def test_the_specification_knows_every_key_of_a_seal_and_a_header(tmp_path: Path) -> None:
    writer = TapeWriter.create(tmp_path / "call.rtape", {})
    writer.seal(1)
    with open_tape(writer.path) as tape:
        assert tape.seal is not None
        for key in (*tape.seal.data, *tape.header.fields):
            assert f"`{key}`" in DOCUMENT
    assert SEARCH_FACTOR == 8
    assert SEARCH_FLOOR == 16 << 20
    assert MAX_DAMAGE


def test_the_reader_in_the_specification_reads_the_golden_tape(tmp_path: Path) -> None:
    script = tmp_path / "reader.py"
    script.write_text(block("python"), "utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(GOLDEN / "v1.0.rtape")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    with open_tape(GOLDEN / "v1.0.rtape") as tape:
        expected = [
            f"{event.t_ns / 1e9:10.3f} s "
            f"{'server' if event.from_server else 'client'} {event.payload!a}"
            for event in tape.events()
        ]
    assert done.stdout.splitlines() == expected


def test_a_msgpack_library_streams_a_tape() -> None:
    with (GOLDEN / "v1.0.rtape").open("rb") as file:
        kinds = [record[2] for record in msgpack.Unpacker(file)]
    assert kinds == [0, *[1] * 8, 2, 2, 96, 2, 2, 2, 2, 4, 5]


needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (FOREIGN / "node_modules/@msgpack/msgpack").is_dir(),
    reason="node and tests/foreign/node_modules are needed; make tests/foreign/.ready gets them",
)


@needs_node
def test_a_javascript_library_streams_a_tape() -> None:
    done = subprocess.run(
        ["node", str(FOREIGN / "stream.mjs"), str(GOLDEN / "v1.0.rtape")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    foreign = [json.loads(line) for line in done.stdout.splitlines()]
    with (GOLDEN / "v1.0.rtape").open("rb") as file:
        ours = list(msgpack.Unpacker(file))
    assert foreign == [told(record) for record in ours]


@needs_node
def test_the_javascript_in_the_specification_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        ["node", "--input-type=module", "-", str(GOLDEN / "v1.0.rtape")],
        cwd=FOREIGN, input=block("js"), capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert sum(" server " in line or " client " in line for line in lines) == 8
    assert "0.14 server" in done.stdout
    assert "Grüße 🎙" in done.stdout


def told(value: object) -> object:
    """A msgpack value as stream.mjs prints it: integers and binary as text."""
    if isinstance(value, bytes):
        return {"bin": value.hex()}
    if isinstance(value, bool) or not isinstance(value, int | list | dict):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return [told(inner) for inner in value]
    return {key: told(inner) for key, inner in value.items()}
