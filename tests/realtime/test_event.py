"""Any message becomes an event; what can be known of it is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.realtime.describe import describe
from rtproxy.realtime.dialect import CLIENT_EVENTS, SERVER_EVENTS
from rtproxy.realtime.event import RealtimeEvent, parse
from rtproxy.realtime.formats import AudioFormats
from rtproxy.tape.record import FROM_SERVER, Event


def event(payload: str | bytes | dict[str, Any], from_server: bool = True) -> RealtimeEvent:
    text = json.dumps(payload) if isinstance(payload, dict) else payload
    return parse(Event(0, 0, FROM_SERVER if from_server else 0, text))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
names = st.sampled_from([
    "type", "delta", "item", "item_id", "response", "response_id", "session", "error", "part",
    "content", "output", "arguments", "name", "status", "status_details", "usage", "rate_limits",
    "audio", "input", "format", "turn_detection", "tools", "transcript", "code", "message",
    "audio_start_ms", "input_tokens", "modalities", "metadata", "instructions", "event",
])  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(names | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
types = st.sampled_from(sorted(CLIENT_EVENTS | SERVER_EVENTS)) | st.text(max_size=12)


def look_at_everything(found: RealtimeEvent) -> None:
    for name in ("event_id", "response_id", "item_id", "call_id", "audio"):
        assert isinstance(getattr(found, name), str | None)
    assert isinstance(found.text, str)
    assert isinstance(found.delta_kind, str | None)
    assert found.audio_size >= 0
    assert found.size >= 0
    line = describe(found)
    assert len(line) <= 1000
    formats = AudioFormats()
    formats.observe(found)
    assert formats.duration_ms(found) >= 0


@given(type_=types, fields=st.dictionaries(names, values, max_size=6), flags=st.integers(0, 15))
def test_fields_of_any_shape_are_forgiven(type_: str, fields: dict[str, Any], flags: int) -> None:
    payload = json.dumps({**fields, "type": type_})
    look_at_everything(parse(Event(1, 1, flags, payload)))


@given(payload=st.text() | st.binary() | values.map(json.dumps))
def test_any_payload_is_an_event(payload: str | bytes) -> None:
    look_at_everything(parse(Event(1, 1, 1, payload)))


@pytest.mark.parametrize(
    ("payload", "form"),
    [
        ('{"type": "error"}', "object"),
        ("[1, 2]", "json"),
        ("hello", "text"),
        ("", "text"),
        (b"\x00", "binary"),
        ('{"a": ' + "9" * 5000 + "}", "object"),
        ('{"a": 1e999, "b": -12345678901234567890123}', "object"),
        ('{"a": "\\ud800 alone"}', "object"),
        ('{"a": NaN}', "text"),
    ],
)
def test_the_form_of_a_payload(payload: str | bytes, form: str) -> None:
    found = event(payload)
    assert found.form == form
    look_at_everything(found)


@pytest.mark.parametrize("depth", [100, 1000, 1020, 100_000])
@pytest.mark.parametrize("field", ["modalities", "tools", "anything"])
def test_deep_nesting_is_forgiven_and_its_type_still_seen(depth: int, field: str) -> None:
    deep = "[" * depth + "]" * depth
    session = f'{{"{field}": {deep}}}'
    found = event(f'{{"type": "session.updated", "session": {session}, "{field}": {deep}}}')
    assert found.type == "session.updated"
    look_at_everything(found)


def test_ids_are_found_where_each_event_has_them() -> None:
    assert event({"type": "x", "response_id": "r", "item_id": "i"}).response_id == "r"
    assert event({"type": "response.done", "response": {"id": "r"}}).response_id == "r"
    created = event({"type": "conversation.item.create", "item": {"id": "i", "call_id": "c"}})
    assert (created.item_id, created.call_id) == ("i", "c")


def test_beta_and_ga_deltas_are_the_same_kinds() -> None:
    for beta, ga, kind in [
        ("response.audio.delta", "response.output_audio.delta", "audio"),
        ("response.audio_transcript.delta", "response.output_audio_transcript.delta", "transcript"),
        ("response.text.delta", "response.output_text.delta", "text"),
    ]:
        assert event({"type": beta}).delta_kind == event({"type": ga}).delta_kind == kind
    assert event({"type": "response.hologram.delta"}).delta_kind == "other"
    assert event({"type": "response.done"}).delta_kind is None


def test_audio_is_measured_and_is_no_text() -> None:
    append = event({"type": "input_audio_buffer.append", "audio": "AAAAAA=="}, from_server=False)
    assert append.audio_size == 4
    delta = event({"type": "response.audio.delta", "delta": "AAAA"})
    assert (delta.audio_size, delta.text) == (3, "")
    text = event({"type": "response.text.delta", "delta": "AAAA"})
    assert (text.audio_size, text.text) == (0, "AAAA")
