"""What is printed is what docs/schemas promises, and the schemas let nothing else through."""

import json
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings

from rtproxy.cli.inspect import inspect
from rtproxy.cli.tapes.ls import ls
from rtproxy.inspect.document import document, ndjson, told
from rtproxy.inspect.listing import Listing
from rtproxy.inspect.overview import Overview
from rtproxy.realtime.session import Session
from rtproxy.simulate.library import built_in, load
from rtproxy.tape.record import FROM_SERVER, Control, Event, Header, Record
from rtproxy.tape.summary import Summary
from rtproxy.tape.writer import TapeWriter
from tests.captures import CAPTURES
from tests.inspect.sample import HEADER, sample, tape_of
from tests.inspect.schemas import DOCUMENT, LINE, validator
from tests.realtime.scenarios import CASES
from tests.realtime.simulated import call_records
from tests.realtime.test_any_session import tapes
from tests.replay.taped import read_capture
from tests.tapes import write_tape

REFUSED = {"bad-key", "refused-401"}
"""Scenarios in which there is no call."""


def documents(records: Sequence[Record]) -> dict[str, Any]:
    """The document of some records, and each of their lines, after they have been validated."""
    session, summary = Session(), Summary()
    for record in records:
        summary.add(record, 0)
    header = next((record for record in records if isinstance(record, Header)), HEADER)
    rows = Listing().rows(told(records, session))
    overview = Overview("call.rtape", header, "sealed", 9000, summary)
    found: dict[str, Any] = json.loads(b"".join(document(lambda: overview, rows, session)))
    DOCUMENT.validate(found)
    for line in ndjson(records):
        LINE.validate(json.loads(line))
    return found


@cache
def called(name: str) -> list[Record]:
    return call_records(load(name))


@pytest.mark.parametrize("name", [name for name in built_in() if name not in REFUSED])
def test_every_built_in_call(name: str) -> None:
    documents(called(name))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_scheduled_call(case: Any) -> None:
    records = call_records(case.toml)
    found = documents(records)
    assert {finding["code"] for finding in found["findings"]} == {c for c, _ in case.findings}
    documents(records[: len(records) // 2])
    documents(records[len(records) // 2 :])


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="there are no captures beside it")
@pytest.mark.parametrize(
    "name", sorted(path.stem for path in CAPTURES.glob("*.jsonl")) if CAPTURES.is_dir() else []
)
def test_every_capture(name: str) -> None:
    documents(read_capture(CAPTURES / f"{name}.jsonl"))


@settings(max_examples=25, deadline=None)
@given(tapes())
def test_whatever_stands_on_a_tape(records: list[Record]) -> None:
    timed = (Event, Control)  # of a number below 0 no reader knows
    documents([record for record in records if not isinstance(record, timed) or record.seq >= 0])


HOSTILE: list[Record] = [
    Event(0, 5, FROM_SERVER, '{"type": "rtproxy.text", "n": 1}'),
    Event(1, 5, FROM_SERVER, '{"type": "rtproxy.binary"}'),
    Event(2, 5, 0, '"just text"'),
    Event(3, 5, 0, "[1, 2]"),
    Event(4, 5, 0, "12"),
    Event(5, -5, 0, '{"type": "' + "x" * 500 + '"}'),
    Event(6, -(2**63), 255, b"\x00" * 7),
    Event(7, 2**63 - 1, 0, "\ud800"),
    Event(2**63 - 1, 0, 0, '{"type": "\\ud800"}'),
    Control(9, 0, 0, "close", {"code": 2**63, "reason": b"\xff"}),
    Control(10, 0, 0, "", {"x": {"y": [None, 1.5, -(2**63)]}}),
]


def test_hostile_records() -> None:
    for record in HOSTILE:
        documents([HEADER, record])
    documents([HEADER, *HOSTILE])


def run(*arguments: str | Path) -> str:
    return CliRunner().invoke(inspect, [str(argument) for argument in arguments]).stdout


def printed(tape: Path, *options: str) -> dict[str, Any]:
    """What the command prints of a tape in both forms, validated; the document."""
    for line in run(tape, "--ndjson", *options).splitlines():
        LINE.validate(json.loads(line))
    found: dict[str, Any] = json.loads(run(tape, "--json", *options))
    DOCUMENT.validate(found)
    return found


def test_tapes_in_every_state(tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "call.rtape", tape_of(sample()))
    assert printed(tape)["tape"]["state"] == "sealed"
    assert len(printed(tape, "--turn", "1")["turns"]) == 1
    assert printed(tape, "--filter", "text:nowhere")["events"] == []
    data = tape.read_bytes()
    (tmp_path / "half.rtape").write_bytes(data[: len(data) // 2])
    assert printed(tmp_path / "half.rtape")["tape"]["damage"]
    for begin, end in pairwise(range(0, len(data), len(data) // 12)):
        (tmp_path / "holed.rtape").write_bytes(data[:begin] + data[end:])
        assert printed(tmp_path / "holed.rtape")["tape"]["state"] == "damaged"
    crashed = write_tape(tmp_path / "crashed.rtape", tape_of(sample()), seal=False)
    assert printed(crashed)["tape"]["state"] == "crashed"
    writer = TapeWriter.create(tmp_path / "live.rtape", {}, durability="none")
    assert printed(writer.path)["tape"]["state"] == "live"
    writer.close()


def test_a_tape_that_is_too_large_to_be_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtproxy.inspect.overview.READ_AT_ONCE", 10)
    crashed = write_tape(tmp_path / "crashed.rtape", tape_of(sample()), seal=False)
    assert printed(crashed)["tape"]["records"] is None


def test_tapes_of_requests(tmp_path: Path) -> None:
    request = {"method": "POST", "target": "/v1/realtime/client_secrets", "headers": []}
    header = Header({"id": "1", "connection": "http", "request": request, "started_ns": 2**70})
    body = Event(0, 1000, 0, '{"session":{"type":"realtime"}}')
    answer = Event(1, 2000, FROM_SERVER, '{"value":"REDACTED:01234567"}')
    tape = write_tape(tmp_path / "http.rtape", [header, body, answer])
    found = printed(tape)
    assert (found["tape"]["connection"], found["turns"]) == ("http", [])


def test_the_list_of_a_folder(tmp_path: Path) -> None:
    write_tape(tmp_path / "call.rtape", tape_of(sample()))
    write_tape(tmp_path / "crashed.rtape", tape_of(sample()), seal=False)
    (tmp_path / "no.rtape").write_text("{}")
    found = json.loads(CliRunner().invoke(ls, [str(tmp_path), "--json"]).stdout)
    check = validator("tape-ls-1")
    check.validate(found)
    assert len(found["tapes"]) == 3
    for wrong in wrongs(found, free=()):
        assert not check.is_valid(wrong), wrong


FREE = {"voice", "modalities", "input_audio_format", "output_audio_format", "event",
        "input_audio_transcription", "turn_detection", "usage", "error", "rate_limits"}  # fmt: skip
"""Members that hold what the server said, of whatever shape."""


def places(
    value: Any, free: Iterable[str], path: tuple[Any, ...] = ()
) -> Iterator[tuple[Any, ...]]:
    """Every place in a document that is ours, the first two of each list."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in free:
                yield from places(inner, free, (*path, key))
    elif isinstance(value, list):
        for n, inner in enumerate(value[:2]):
            yield from places(inner, free, (*path, n))


def wrongs(right: dict[str, Any], free: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The document with one thing wrong: a member that is not there, or of another type."""
    for path in places(right, free):
        wrong = deepcopy(right)
        parent = wrong
        for step in path[:-1]:
            parent = parent[step]
        if isinstance(parent, dict):
            del parent[path[-1]]
            yield wrong
        wrong = deepcopy(right)
        parent = wrong
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = {"other": 1} if not isinstance(parent[path[-1]], dict) else [1]
        yield wrong


def test_every_promise_is_kept_by_the_schema() -> None:
    """Take any member away, or give it another type: the schema notices."""
    found = documents(called("support-call"))
    found["events"], found["session"]["items"] = found["events"][:2], found["session"]["items"][:1]
    also = documents(called("rate-limit"))
    found["findings"], found["session"]["errors"] = also["findings"], also["session"]["errors"]
    assert found["findings"]
    assert found["turns"][0]["tools"]
    assert found["turns"][0]["interruptions"]
    DOCUMENT.validate(found)
    tried = 0
    for wrong in wrongs(found, FREE):
        assert not DOCUMENT.is_valid(wrong)
        tried += 1
    assert tried > 500


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "rtproxy.inspect/2"),
        (("events", 0, "direction"), "both"),
        (("events", 0, "count"), 0),
        (("events", 0, "marks"), ["painted"]),
        (("tape", "state"), "open"),
        (("turns", 0, "n"), 0),
        (("turns", 0, "kind"), "song"),
        (("turns", 0, "metrics", "v2v_ms"), "660"),
        (("findings", 0, "severity"), "fatal"),
        (("findings", 0, "code"), "Slow Turn"),
        (("findings", 0, "events"), [-1]),
        (("session", "missing"), [[1]]),
        (("metrics", "talk_ratio"), 1.5),
    ],
)
def test_a_value_that_cannot_be_is_noticed(path: tuple[Any, ...], value: Any) -> None:
    found = documents(called("choppy"))
    parent = found
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    assert not DOCUMENT.is_valid(found)


@pytest.mark.parametrize(
    "change",
    [
        {"seq": -1}, {"seq": "1"}, {"t_ms": None}, {"direction": "up"}, {"type": ""},
        {"type": "rtproxy.close", "event": "bye"}, {"type": "session.created", "event": [1]},
        {"type": "rtproxy.text", "event": {"text": 5}}, {"type": "rtproxy.text", "event": {}},
        {"type": "rtproxy.binary", "event": {"base64": "?"}},
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_is_noticed(change: dict[str, Any]) -> None:
    right = {"seq": 1, "t_ms": 0.5, "direction": "client", "type": "x", "event": {}}
    LINE.validate(right)
    LINE.validate(right | {"more": "in a later version"})
    assert not LINE.is_valid(right | change)
    for key in right:
        assert not LINE.is_valid({k: v for k, v in right.items() if k != key})
