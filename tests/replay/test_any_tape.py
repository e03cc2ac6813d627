"""Tapes from anywhere: whatever is on them, who follows one gets it, and nothing breaks."""

import json
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtproxy.replay.action import Fail, Send
from rtproxy.replay.driver import Driver
from rtproxy.replay.matching import Mode
from rtproxy.replay.player import Player
from rtproxy.replay.script import read_script
from rtproxy.tape.record import Control, Event, Record

ids = st.sampled_from(["item_1", "item_2", "call_1", "evt_1", "root", "", 'a"\\'])
odd: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 1, 1.5, float("nan"), [], {}, [[]], {"id": 1}, "x", "REDACTED:"]
)
scalars = ids | odd | st.text(max_size=5)
members = st.sampled_from([
    "event_id", "item_id", "previous_item_id", "response_id", "call_id", "audio", "delta",
    "metadata", "output", "arguments", "id", "name", "role", "content", "input", "status",
])  # fmt: skip
bodies = st.dictionaries(members, scalars | st.lists(scalars, max_size=2), max_size=4)
nests = st.dictionaries(
    st.sampled_from(["item", "response", "session", "error", "conversation"]),
    bodies | scalars | st.fixed_dictionaries({"metadata": bodies}),
    max_size=2,
)
kinds = st.sampled_from([
    "session.update", "session.created", "session.updated", "conversation.item.create",
    "conversation.item.added", "conversation.item.created", "conversation.item.truncate",
    "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear",
    "input_audio_buffer.committed", "input_audio_buffer.speech_started", "response.create",
    "response.created", "response.done", "response.output_item.added", "response.audio.delta",
    "response.function_call_arguments.done", "error", "unknown", "",
])  # fmt: skip


@st.composite
def payloads(draw: st.DrawFn) -> str | bytes:
    if draw(st.integers(0, 9)) == 0:
        return draw(
            st.binary(max_size=4) | st.sampled_from(["", "{", "[]", "1", '{"type":"error"'])
        )
    event: dict[str, Any] = {"type": draw(kinds)} | draw(bodies) | draw(nests)
    if event["type"] == "input_audio_buffer.append":
        event["audio"] = draw(st.sampled_from(["AAAA", "AAA=", "AA", "A A A A", "???", None]))
    return json.dumps(event, indent=draw(st.sampled_from([None, 1])))


@st.composite
def tapes(draw: st.DrawFn) -> list[Record]:
    records: list[Record] = []
    for payload in draw(st.lists(payloads(), max_size=12)):
        t_ns = draw(st.integers(0, 10**9))
        records.append(Event(len(records), t_ns, draw(st.integers(0, 1)), payload))
    if draw(st.booleans()):
        data = draw(st.dictionaries(st.sampled_from(["code", "reason", "payload"]), scalars))
        name = draw(st.sampled_from(["close", "eof", "reset", "ping", "refused"]))
        records.append(Control(len(records), 10**9, draw(st.integers(0, 1)), name, data))
    return records


@settings(max_examples=80, deadline=None)
@given(tape=tapes(), match=st.sampled_from(["exact", "strict", "lenient"]))
def test_who_follows_a_tape_gets_it(tape: list[Record], match: Mode) -> None:
    player = Player(read_script(tape), speed=inf, match=match, trailing=())
    actions = player.advance(0.0)
    expected = [one.payload for one in tape if isinstance(one, Event) and one.from_server]
    for record in tape:
        if isinstance(record, Event) and not record.from_server:
            broken = match == "exact" and "audio" in str(record.payload)
            actions += player.receive(record.payload, 0.0)
            if broken and player.over:
                return  # audio that is not base64 is equal to nothing
    assert [action.payload for action in actions if isinstance(action, Send)] == expected
    assert player.complete or player.over
    assert player.closed(1000, "", 0.0) == []
    assert player.finish().ok
    assert player.finish().warnings == ()


@settings(max_examples=80, deadline=None)
@given(
    tape=tapes(),
    sent=st.lists(payloads(), max_size=8),
    match=st.sampled_from(["strict", "exact", "lenient"]),
)
def test_any_client_gets_an_answer(
    tape: list[Record], sent: list[str | bytes], match: Mode
) -> None:
    player = Player(read_script(tape), speed=inf, match=match, stall_s=1.0)
    actions = player.advance(0.0)
    for message in sent:
        actions += player.receive(message, 0.0)
    while (due := player.next_due) is not None:
        actions += player.advance(due)
    actions += player.closed(None, "", 99.0)
    outcome = player.finish()
    json.dumps(outcome.to_json())
    for report in outcome.reports + outcome.warnings:
        assert report.to_text(60).isascii() or report.to_text(60).replace("\n", "").isprintable()
        json.loads(report.to_error_event())
    assert len(outcome.reports) == sum(isinstance(action, Fail) for action in actions) <= 1
    if match != "lenient":
        assert outcome.ok or outcome.reports or not outcome.complete


@settings(max_examples=60, deadline=None)
@given(
    tape=tapes(),
    live=st.lists(payloads(), max_size=8),
    match=st.sampled_from(["strict", "lenient"]),
)
def test_any_server_can_be_driven(tape: list[Record], live: list[str | bytes], match: Mode) -> None:
    driver = Driver(read_script(tape, role="client"), speed=inf, stall_s=1.0, match=match)
    actions = driver.advance(0.0)
    for message in live:
        actions += driver.receive(message, 0.0)
    while (due := driver.next_due) is not None:
        actions += driver.advance(due)
    assert driver.over
    json.dumps(driver.finish().to_json())
    if match == "lenient":
        recorded = [one for one in tape if isinstance(one, Event) and not one.from_server]
        assert sum(isinstance(action, Send) for action in actions) == len(recorded)


@settings(max_examples=60, deadline=None)
@given(tape=tapes())
def test_a_tape_drives_its_own_replay(tape: list[Record]) -> None:
    """Driver against player: both come to the tape's end."""
    player = Player(read_script(tape), speed=inf, trailing=())
    driver = Driver(read_script(tape, role="client"), speed=inf, stall_s=1.0)
    to_driver, to_player = player.advance(0.0), driver.advance(0.0)
    while to_driver or to_player:
        for action in to_player:
            if isinstance(action, Send):
                to_driver += player.receive(action.payload, 0.0)
        to_player = []
        for action in to_driver:
            if isinstance(action, Send):
                to_player += driver.receive(action.payload, 0.0)
        to_driver = []
    assert player.finish().ok, player.finish()


@pytest.mark.parametrize("role", ["server", "client"])
def test_deep_and_large_messages_do_no_harm(role: Any) -> None:
    deep = '{"type": "error", "error": ' + '{"a":' * 5_000 + "1" + "}" * 5_000 + "}"
    many = json.dumps({"type": "error", "error": {"event_id": "e", "x": [{"id": "i"}] * 5_000}})
    tape: list[Record] = [
        Event(0, 0, 0, json.dumps({"type": "response.create", "event_id": "e"})),
        Event(1, 0, 1, deep),
        Event(2, 0, 0, deep),
        Event(3, 0, 1, many),
        Event(4, 0, 0, many),
        Event(5, 0, 1, '{"type": "session.created", "session"'),
    ]
    script = read_script(tape, role)
    assert len(script.client) == 3
    player = Player(script, speed=inf)
    for message in (tape[0], tape[2], tape[4]):
        assert isinstance(message, Event)
        player.receive(message.payload, 0.0)
    assert player.finish().ok
    Driver(script, speed=inf).advance(0.0)
