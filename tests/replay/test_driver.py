"""The driver: a tape as the client of a live server that makes other ids."""

import base64
import json
from math import inf
from pathlib import Path
from typing import Any

import pytest

from rtproxy.replay.action import Action, Close, Fail, Warn
from rtproxy.replay.driver import Driver
from rtproxy.replay.script import read_script
from rtproxy.tape.record import Event, Record
from tests.replay.taped import Tape, appended, captured, event, read_capture, user
from tests.replay.test_player import texts
from tests.replay.test_variations import output


def drive(tape: Tape, **options: Any) -> Driver:
    return Driver(read_script(tape.records, role="client"), **{"speed": inf} | options)


def sent_types(actions: list[Action]) -> list[str]:
    return [json.loads(text)["type"] for text in texts(actions)]


@captured
def test_a_captured_session_is_driven_against_its_own_server(capture: Path) -> None:
    """A server that follows the tape, with ids of its own, gets the recorded client events."""
    records = read_capture(capture)

    def live(text: str) -> str:
        return text.replace("item_", "it_").replace("resp_", "re_").replace("call_u", "ca_u")

    driver = Driver(read_script(records, role="client"), speed=inf)
    got = [text for text in texts(driver.advance(0.0)) if isinstance(text, str)]
    expected = []
    for record in records:
        if isinstance(record, Event):
            text = record.payload
            assert isinstance(text, str)
            if record.from_server:
                got += map(str, texts(driver.receive(live(text), 0.0)))
            else:
                expected.append(live(text))
    assert driver.complete
    driver.advance(1.0)
    assert driver.over
    assert driver.finish().ok
    assert got == expected


def ms(duration: int) -> str:
    """Base64 of so much pcm16."""
    return base64.b64encode(bytes(48 * duration)).decode()


def tool_call() -> Tape:
    tape = Tape().server("session.created", session={"id": "sess_1"})
    tape.client("session.update", session={"tools": []}).server("session.updated", session={})
    tape.client(user("weather?", id="mine")).client("response.create")
    tape.server("conversation.item.added", item={"id": "mine", "type": "message", "role": "user"})
    tape.server("response.created", response={"id": "resp_1"})
    item = {"id": "item_1", "type": "function_call", "name": "weather", "call_id": "call_1"}
    tape.server("response.output_item.added", response_id="resp_1", item=item)
    for _ in range(5):
        tape.server("response.function_call_arguments.delta", call_id="call_1", delta="x")
    tape.server("response.function_call_arguments.done", call_id="call_1", arguments="{}")
    tape.server("response.done", response={"id": "resp_1"})
    tape.client(output("call_1", "sunny")).client("response.create")
    tape.server("response.created", response={"id": "resp_2"})
    item = {"id": "item_2", "type": "message", "role": "assistant"}
    tape.server("response.output_item.added", response_id="resp_2", item=item)
    tape.server("response.output_audio.delta", response_id="resp_2", delta="AAAA")
    tape.client("response.cancel", response_id="resp_2")
    tape.client("conversation.item.truncate", item_id="item_2", audio_end_ms=300)
    tape.server("response.done", response={"id": "resp_2", "status": "cancelled"})
    return tape.control("close", code=1000, reason="bye")


def test_live_ids_go_into_what_is_sent_and_the_end_is_as_recorded() -> None:
    driver = drive(tool_call())
    assert driver.advance(0.0) == []
    assert sent_types(driver.receive(event("session.created", session={}), 0.0)) == [
        "session.update"
    ]
    first = driver.receive(event("session.updated", session={}), 0.0)
    assert sent_types(first) == ["conversation.item.create", "response.create"]
    driver.receive(
        event("conversation.item.added", item={"id": "mine", "type": "message", "role": "user"}),
        0.0,
    )
    driver.receive(event("response.created", response={"id": "R1"}), 0.0)
    for kind, call in (("other", "C0"), ("weather", "C1")):
        item = {"id": f"I{call}", "type": "function_call", "name": kind, "call_id": call}
        driver.receive(event("response.output_item.added", response_id="R1", item=item), 0.0)
    done = "response.function_call_arguments.done"
    assert driver.receive(event(done, call_id="C1", arguments="{}"), 0.0) == []
    sent = driver.receive(event("response.done", response={"id": "R1"}), 0.0)
    assert json.loads(texts(sent)[0])["item"]["call_id"] == "C1"
    driver.receive(event("response.created", response={"id": "R2"}), 0.0)
    item = {"id": "I2", "type": "message", "role": "assistant"}
    driver.receive(event("response.output_item.added", response_id="R2", item=item), 0.0)
    words = event("response.output_audio_transcript.delta", response_id="R2", delta="Hi")
    assert driver.receive(words, 0.0) == [], "words are not heard before the audio"
    delta = event("response.output_audio.delta", response_id="R2", item_id="I2", delta=ms(500))
    sent = driver.receive(delta, 0.0)
    assert [json.loads(text) for text in texts(sent)] == [
        {"type": "response.cancel", "response_id": "R2"},
        {"type": "conversation.item.truncate", "item_id": "I2", "audio_end_ms": 300},
    ]
    assert driver.receive(event("response.done", response={"id": "R2"}), 0.0) == []
    end = driver.advance(0.02)
    assert end == [Close(1000, "bye", tool_call().records[-1].seq)]  # type: ignore[union-attr]
    assert driver.over
    assert driver.next_due is None
    assert driver.finish().ok


def test_a_server_that_never_answers_is_reported() -> None:
    driver = drive(tool_call(), stall_s=3.0)
    driver.receive(event("session.created", session={}), 1.0)
    assert driver.next_due == 4.0
    driver.receive(event("error", error={"message": "no such tool"}), 2.0)
    assert driver.advance(4.9) == []
    fail, close = driver.advance(5.0)
    assert isinstance(fail, Fail)
    assert isinstance(close, Close)
    assert fail.report.kind == "missing"
    assert "session.updated (#3)" in fail.report.message
    assert "no such tool" in fail.report.to_text()
    assert not driver.finish().ok
    assert driver.finish().unsent


def test_a_call_that_the_new_model_does_not_make_is_reported_or_passed_over() -> None:
    def until_stall(match: str) -> tuple[Driver, list[Action]]:
        driver = drive(tool_call(), stall_s=3.0, match=match)
        actions = driver.advance(0.0)
        for message in (
            event("session.created", session={}),
            event("session.updated", session={}),
            event("conversation.item.added", item={"id": "mine", "role": "user"}),
            event("response.created", response={"id": "R1"}),
            event("response.done", response={"id": "R1"}),
        ):
            actions += driver.receive(message, 0.0)
        return driver, actions + driver.advance(3.0)

    _, actions = until_stall("strict")
    assert "function_call_arguments.done" in actions[-2].report.message  # type: ignore[union-attr]
    driver, actions = until_stall("lenient")
    assert any(isinstance(action, Warn) for action in actions)
    assert json.loads(texts(actions)[-2])["item"]["call_id"] == "call_1"
    assert not driver.over


def test_audio_keeps_its_pace_and_waits_for_answers_only() -> None:
    tape = Tape().server("session.created", session={})
    tape.append(960, 960).server("input_audio_buffer.speech_started", item_id="i")
    tape.append(960).server("response.created", response={"id": "r"})
    tape.append(960).server("response.done", response={"id": "r"}).append(960)
    driver = drive(tape, speed=2.0)
    driver.advance(10.0)
    assert driver.receive(event("session.created", session={}), 10.0) == []
    times: list[float] = []
    while len(times) < 4:
        due = driver.next_due
        assert due is not None
        times.append(due)
        assert texts(driver.advance(due)) == [appended(bytes(960))]
    assert times == pytest.approx([10.01, 10.02, 10.04, 10.06])
    assert driver.receive(event("response.created", response={"id": "x"}), 11.0) == []
    assert driver.advance(15.0) == []
    assert driver.receive(event("response.done", response={"id": "x"}), 16.0) == []
    assert len(texts(driver.advance(16.01))) == 1


@pytest.mark.parametrize(("received", "claimed"), [(100, 100), (299, 299), (5000, 300)])
def test_a_truncate_claims_no_more_than_has_been_received(received: int, claimed: int) -> None:
    driver, sent = driven_to_the_barge_in(received)
    assert json.loads(texts(sent)[-1])["audio_end_ms"] == claimed
    assert driver.finish().warnings == ()


def test_a_truncate_of_nothing_is_left_out_with_a_word() -> None:
    driver, sent = driven_to_the_barge_in(0)
    warn = next(action for action in sent if isinstance(action, Warn))
    assert sent_types(sent) == ["response.cancel"]
    assert "conversation.item.truncate (#22) is left out" in warn.report.message
    driver.receive(event("response.done", response={"id": "R2"}), 0.0)
    driver.advance(0.02)
    assert driver.finish().ok


def driven_to_the_barge_in(received_ms: int) -> tuple[Driver, list[Action]]:
    """A drive of `tool_call` up to its cancel and truncate, after this much of the answer.

    Nothing: the answer is over without an item.
    """
    driver = drive(tool_call())
    actions: list[Action] = []
    item = {"id": "I1", "type": "function_call", "name": "weather", "call_id": "C1"}
    for message in (
        event("session.created", session={}),
        event("session.updated", session={}),
        event("conversation.item.added", item={"id": "mine", "role": "user"}),
        event("response.created", response={"id": "R1"}),
        event("response.output_item.added", response_id="R1", item=item),
        event("response.function_call_arguments.done", call_id="C1", arguments="{}"),
        event("response.done", response={"id": "R1"}),
        event("response.created", response={"id": "R2"}),
    ):
        driver.receive(message, 0.0)
    if not received_ms:
        return driver, driver.receive(event("response.done", response={"id": "R2"}), 0.0)
    item = {"id": "I2", "type": "message", "role": "assistant"}
    driver.receive(event("response.output_item.added", response_id="R2", item=item), 0.0)
    delta = {"response_id": "R2", "item_id": "I2", "content_index": 0, "delta": ms(received_ms)}
    actions += driver.receive(event("response.output_audio.delta", **delta), 0.0)
    return driver, actions


def test_the_server_is_heard_out_however_fast_the_tape_is_played() -> None:
    tape = Tape().client("response.create").server("response.created", response={"id": "r"})
    tape.server("response.done", response={"id": "r"}).wait(60_000).control("close", code=1000)
    driver = drive(tape)
    driver.advance(0.0)
    driver.receive(event("response.created", response={"id": "x"}), 1.0)
    driver.receive(event("response.done", response={"id": "x"}), 2.0)
    assert driver.receive(event("rate_limits.updated"), 2.3) == []
    assert driver.next_due == 2.8
    assert driver.receive(event("response.created", response={"id": "y"}), 2.4) == []
    assert driver.advance(9.0) == [], "another answer is under way"
    assert driver.receive(event("response.done", response={"id": "y"}), 9.1) == []
    assert len(driver.advance(9.6)) == 1
    assert driver.finish().ok


def test_another_dialect_is_named_once_the_server_objects() -> None:
    tape = Tape().server("session.created", session={"type": "realtime", "output_modalities": []})
    tape.client("session.update", session={"type": "realtime"}).server("session.updated")
    driver = drive(tape)
    beta = event("session.created", session={"modalities": ["text"], "voice": "alloy"})
    assert sent_types(driver.receive(beta, 0.0)) == ["session.update"]
    error = event("error", error={"message": "Unknown parameter: 'session.type'."})
    fail, close = driver.receive(error, 0.1)
    assert isinstance(fail, Fail)
    assert isinstance(close, Close)
    assert "the tape is of a GA session, the server speaks beta" in fail.report.message
    assert "Unknown parameter: 'session.type'." in fail.report.message
    assert "not translated" in fail.report.to_text()


def interrupted() -> Tape:
    """A caller who speaks, and speaks again into the answer."""
    tape = Tape().append(960, 960).server("response.created", response={"id": "r"})
    tape.server("response.output_audio.delta", response_id="r", delta="AAAA")
    tape.append(480).server("input_audio_buffer.speech_started", item_id="i")
    return tape.server("response.done", response={"id": "r"}).control("close", code=1000)


def test_who_interrupts_an_answer_waits_until_it_has_begun() -> None:
    driver = drive(interrupted())
    assert len(texts(driver.advance(0.0))) == 2
    assert driver.receive(event("response.created", response={"id": "x"}), 1.0) == []
    assert driver.next_due == 11.0
    delta = event("response.output_audio.delta", response_id="x", delta="AAAA")
    assert texts(driver.receive(delta, 5.0)) == [appended(bytes(480))]
    driver = drive(interrupted())
    driver.receive(event("response.created", response={"id": "x"}), 1.0)
    done = event("response.done", response={"id": "x"})
    assert len(texts(driver.receive(done, 2.0))) == 1, "it ended without a word"


def test_audio_goes_on_for_a_server_that_listens_longer() -> None:
    driver = drive(interrupted(), stall_s=20.0)
    driver.advance(0.0)
    assert driver.next_due == 3.0
    assert texts(driver.advance(3.0)) == [appended(bytes(480))]
    assert driver.finish().warnings == ()
    actions = driver.advance(23.0)
    assert isinstance(actions[0], Fail), "the end still waits for the answer"


def test_a_server_that_leaves_is_reported() -> None:
    driver = drive(tool_call())
    driver.receive(event("session.created", session={}), 0.0)
    (fail,) = driver.closed(1011, "", 1.0)
    assert isinstance(fail, Fail)
    assert fail.report.kind == "early disconnect"
    assert "server closed with 1011" in fail.report.message


def test_what_the_proxy_held_back_or_injected_is_left_to_each_side() -> None:
    tape = Tape()
    records: list[Record] = list(tape.records)
    for flags in (0, 4, 8):
        records.append(Event(len(records), 0, flags, event("response.create", n=flags)))
    assert len(read_script(records, role="client").client) == 2
    assert [json.loads(str(one.payload))["n"] for one in read_script(records).client] == [0, 4]
