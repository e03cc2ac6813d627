"""The counts of a tape are right whatever the messages look like, and survive the seal."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import FROM_SERVER, Control, Event, Unknown
from rtproxy.tape.summary import (
    MAX_INDEX,
    MAX_TYPES,
    Summary,
    dialect_of_session,
    peek_type,
)
from rtproxy.tape.writer import TapeWriter

CAPTURES = Path(__file__).parent.parent.parent.parent / "shared/captures"


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ('{"type":"session.update"}', "session.update"),
        ('{ "type" : "session.update" }', "session.update"),
        ('\n{"event_id":"event_1","type":"response.done","x":1}', "response.done"),
        ('{"audio":"AAAA","type":"input_audio_buffer.append"}', "input_audio_buffer.append"),
        ('{"session":{"type":"realtime"},"type":"session.update"}', "session.update"),
        ('{"item":{"type":"message"}}', None),
        ('{"event_id":"a\\"b","type":"x"}', "x"),
        ('{"event_id":"\\",\\"type\\":\\"no\\"","type":"yes"}', "yes"),
        ('{"type":"caf\\u00e9"}', "café"),
        ('{"type":7}', None),
        ('{"type":null}', None),
        ('["type","x"]', None),
        ('"type"', None),
        ("", None),
        ("hello", None),
        ("[" * 100_000, None),
        ("\ud800", None),
    ],
)
def test_peek_type(payload: str, kind: str | None) -> None:
    assert peek_type(payload) == kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "a", "event_id", '"type":"no"']), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(JSON, st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_peek_type_agrees_with_a_parser(
    value: Any, separators: tuple[str, str], ascii_only: bool
) -> None:
    payload = json.dumps(value, separators=separators, ensure_ascii=ascii_only)
    try:
        payload.encode()
    except UnicodeEncodeError:
        return
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or not any("\ud800" <= char <= "\udfff" for char in kind):
        assert peek_type(payload) == (kind if isinstance(kind, str) else None)


def test_counts_by_direction_and_type() -> None:
    summary = Summary()
    messages: list[tuple[int, str | bytes]] = [
        (0, '{"type":"a"}'),
        (FROM_SERVER, '{"type":"a"}'),
        (FROM_SERVER, '{"type":"bé"}'),
        (FROM_SERVER, "no JSON"),
        (0, b"\x00\x01"),
    ]
    for n, (flags, payload) in enumerate(messages):
        summary.add(Event(n, n * 1000, flags, payload), 100 * n)
    summary.add(Control(5, 9000, 0, "ping"), 500)
    summary.add(Unknown(96, 6, ()), 600)
    assert summary.records == 7
    assert summary.events == {"client": 2, "server": 3}
    assert summary.payload_bytes == {"client": 14, "server": 33}
    assert summary.types == {
        "client": {"a": 1, "(binary)": 1},
        "server": {"a": 1, "bé": 1, "(no type)": 1},
    }
    assert summary.controls == {"ping": 1}
    assert summary.duration_ns == 9000


def test_the_index_has_a_record_about_once_a_second() -> None:
    summary = Summary()
    for n in range(1000):
        summary.add_control(n, n * 10_000_000, "x", n * 20)
    assert [seq for seq, _, _ in summary.index] == list(range(0, 1000, 100))
    assert summary.index[3] == (300, 3_000_000_000, 6000)


def test_the_index_and_the_types_stay_bounded() -> None:
    summary = Summary()
    for n in range(3 * MAX_INDEX):
        summary.add_control(n, n * 1_000_000_000, f"name {n}", n * 20)
    assert MAX_INDEX / 2 <= len(summary.index) <= MAX_INDEX
    assert summary.index == sorted(summary.index)
    assert len(summary.controls) == MAX_TYPES + 1
    assert sum(summary.controls.values()) == 3 * MAX_INDEX
    summary.add_event(0, 0, 0, json.dumps({"type": "x" * 5000}), 0)
    assert summary.types["client"] == {"…": 1}


def test_a_session_is_known_by_what_the_server_says_of_it() -> None:
    summary = Summary()
    created = {"type": "session.created", "session": {"id": "s1", "model": "m", "type": "realtime"}}
    summary.add_event(
        0, 0, 0, json.dumps({"type": "session.update", "session": {"model": "no"}}), 0
    )
    summary.add_event(1, 0, FROM_SERVER, json.dumps(created), 0)
    assert (summary.model, summary.session, summary.dialect) == ("m", "s1", "ga")


@pytest.mark.parametrize(
    ("session", "dialect"),
    [
        ({"type": "realtime"}, "ga"),
        ({"audio": {}}, "ga"),
        ({"output_modalities": ["audio"]}, "ga"),
        ({"modalities": ["text"], "voice": "x"}, "beta"),
        ({"input_audio_format": "pcm16"}, "beta"),
        ({"id": "x"}, None),
    ],
)
def test_dialect_of_session(session: dict[str, Any], dialect: str | None) -> None:
    assert dialect_of_session(session) == dialect


@pytest.mark.parametrize(
    ("kind", "dialect"),
    [
        ("response.output_audio.delta", "ga"),
        ("conversation.item.added", "ga"),
        ("response.audio.delta", "beta"),
        ("conversation.item.created", "beta"),
        ("something.else", None),
    ],
)
def test_the_dialect_is_known_by_names_too(kind: str, dialect: str | None) -> None:
    summary = Summary()
    summary.add_event(0, 0, FROM_SERVER, json.dumps({"type": kind}), 0)
    assert summary.dialect == dialect


def test_the_summary_of_a_sealed_tape_is_that_of_its_records(tmp_path: Path) -> None:
    writer = TapeWriter.create(tmp_path / "call.rtape", {"id": "x"})
    for n in range(50):
        writer.event(n * 100_000_000, n % 2, json.dumps({"type": f"t{n % 7}"}))
    writer.control(6_000_000_000, 1, "close", {"code": 1000})
    writer.flush()
    with open_tape(writer.path) as tape:
        passed = tape.summary()
    writer.seal(6_000_000_001)
    with open_tape(writer.path) as tape:
        sealed = tape.summary()
    assert sealed.to_map() == passed.to_map() == writer.summary.to_map()
    assert len(sealed.index) > 4


JUNK: Any = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(list(Summary().to_map())), JUNK))
def test_any_map_in_a_seal_makes_a_summary(data: dict[str, Any]) -> None:
    Summary.from_map(data).to_map()


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the captured sessions are not here")
def test_real_sessions() -> None:
    dialects = {}
    for path in sorted(CAPTURES.glob("*.jsonl")):
        summary = Summary()
        for line in path.read_text("utf-8").splitlines():
            entry = json.loads(line)
            if entry.get("kind") == "message":
                text = json.dumps(entry["data"])
                assert peek_type(text) == entry["data"]["type"]
                summary.add_event(0, 0, entry["direction"] == "server", text, 0)
        assert summary.model is not None
        dialects[path.name.split("-")[0]] = summary.dialect
    assert dialects == {"azure": "beta", "openai": "ga"}
