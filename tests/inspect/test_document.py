"""--ndjson and --json: exact, valid, and made piece by piece."""

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtproxy.inspect.document import document, line, ndjson, told
from rtproxy.inspect.entry import entry_of
from rtproxy.inspect.filter import parse_filter
from rtproxy.inspect.listing import Listing, Missing
from rtproxy.inspect.overview import Overview
from rtproxy.realtime.session import Session
from rtproxy.tape.record import FROM_SERVER, Control, Event
from rtproxy.tape.summary import Summary
from tests.inspect.sample import HEADER, sample, tape_of


def line_of(record: Event | Control) -> dict[str, Any]:
    found = line(entry_of(record))
    assert found.endswith(b"\n")
    assert found.count(b"\n") == 1
    loaded: dict[str, Any] = json.loads(found)
    assert list(loaded) == ["seq", "t_ms", "direction", "type", "event"]
    return loaded


def test_an_event_is_a_line_and_stands_in_it_as_it_was_sent() -> None:
    payload = '{"type":"error", "n":12345678901234567890123, "s":"\\u0041", "n":1.50}'
    record = Event(7, 1_234_567_891, FROM_SERVER, payload)
    head = b'{"seq":7,"t_ms":1234.568,"direction":"server","type":"error","event":'
    assert line(entry_of(record)) == head + payload.encode() + b"}\n"


@pytest.mark.parametrize(
    ("payload", "type_", "event"),
    [
        ('{\n  "type": "x",\r\n  "a": "b\\n"\n}', "x", {"type": "x", "a": "b\n"}),
        ("[1,\n2]", "rtproxy.json", [1, 2]),
        ('{"no": "type"}', "rtproxy.json", {"no": "type"}),
        ('{"type": 5}', "rtproxy.json", {"type": 5}),
        ("hello\nthere", "rtproxy.text", {"text": "hello\nthere"}),
        ("", "rtproxy.text", {"text": ""}),
        ("\ud800", "rtproxy.text", {"text": "\\ud800"}),
        ('{"type": "x", "a": NaN}', "x", {"text": '{"type": "x", "a": NaN}'}),
        (b"\x00\xff", "rtproxy.binary", {"base64": "AP8="}),
    ],
)
def test_every_payload_has_its_place(payload: str | bytes, type_: str, event: object) -> None:
    found = line_of(Event(0, 0, 0, payload))
    assert found["type"] == type_
    assert found["event"] == event
    assert found["direction"] == "client"


def test_what_is_on_the_connection_is_a_line_too() -> None:
    found = line_of(Control(1, 5_000_000, FROM_SERVER, "ping", {"payload": b"hi", "n": 2**64 - 1}))
    assert found == {
        "seq": 1,
        "t_ms": 5.0,
        "direction": "server",
        "type": "rtproxy.ping",
        "event": {"payload": {"base64": "aGk="}, "n": 2**64 - 1},
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def no_json(constant: str) -> None:
    """Infinity and NaN, which Python reads, are no JSON."""
    raise ValueError(constant)


@example("Infinity", 0)
@given(st.text() | st.binary() | json_values.map(json.dumps), st.integers(0, 2**63))
def test_any_message_comes_back_from_its_line(payload: str | bytes, t_ns: int) -> None:
    found = line_of(Event(3, t_ns, 1, payload))["event"]
    if isinstance(payload, bytes):
        assert b64decode(found["base64"]) == payload
    else:
        try:
            assert json.loads(payload, parse_constant=no_json) == found
        except ValueError:
            assert found == {"text": payload}


@given(st.dictionaries(st.text(max_size=5), json_values | st.binary(max_size=5), max_size=4))
def test_any_control_is_a_line(data: dict[str, Any]) -> None:
    line_of(Control(0, 0, 0, "close", data))


def test_lines_are_filtered_and_made_one_at_a_time() -> None:
    def records() -> Any:
        yield from tape_of(sample())
        yield Missing(99, 0, "gone")
        raise AssertionError("read further than asked")

    found = ndjson(records(), parse_filter("error"))
    assert json.loads(next(found))["type"] == "error"


def test_the_document_names_schema_tape_and_rows() -> None:
    summary = Summary()
    for record in sample():
        summary.add(record, 0)
    overview = Overview("call.rtape", HEADER, "sealed", 100, summary)
    session = Session()
    rows = Listing().rows(told(tape_of(sample()), session))
    found = json.loads(b"".join(document(lambda: overview, rows, session)))
    parts = ["schema", "events", "session", "turns", "metrics", "findings", "tape"]
    assert list(found) == parts
    assert found["schema"] == "rtproxy.inspect/1"
    known = {key: found["session"][key] for key in ("id", "model", "dialect")}
    assert known == {"id": "sess_1", "model": "gpt-realtime", "dialect": "ga"}
    assert [turn["n"] for turn in found["turns"]] == [1]
    assert found["metrics"]["turns"] == 1
    assert found["findings"] == session.to_json()["findings"]
    assert found["tape"] == {
        "path": "call.rtape",
        "state": "sealed",
        "id": "5f1c",
        "connection": "websocket",
        "origin": "simulated",
        "started": "2026-09-21T14:13:20+00:00",
        "upstream": "http://127.0.0.1:9000",
        "target": "/v1/realtime?model=gpt-realtime",
        "status": 101,
        "duration_ms": 4100.0,
        "records": len(sample()),
        "events": summary.events,
        "bytes": summary.payload_bytes,
        "damage": [],
    }
    append = found["events"][3]
    assert append == {
        "seq": 3,
        "last_seq": 23,
        "t_ms": 100.0,
        "last_t_ms": 500.0,
        "gap_ms": 14.0,
        "direction": "client",
        "type": "input_audio_buffer.append",
        "count": 21,
        "bytes": append["bytes"],
        "audio_ms": 420.0,
        "marks": [],
        "detail": "420 ms audio in 400 ms",
    }


def test_a_document_without_rows_is_valid() -> None:
    overview = Overview("\udcff.rtape", HEADER, "crashed", 100, Summary(), counted=False)
    found = json.loads(b"".join(document(lambda: overview, [], Session())))
    assert found["events"] == []
    assert found["tape"]["records"] is None
