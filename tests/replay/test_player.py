"""The player in the server's part, on values: what follows the tape gets the tape."""

import json
from math import inf
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtproxy.replay.action import Action, Close, Fail, Send
from rtproxy.replay.player import Player
from rtproxy.replay.report import Report
from rtproxy.replay.script import read_script
from rtproxy.tape.record import Event, Record
from tests.replay.taped import (
    Tape,
    added,
    appended,
    captured,
    event,
    messages,
    read_capture,
    user,
)


def play(tape: Tape | list[Record], sent: list[Any], **options: Any) -> tuple[list[Action], Player]:
    """All actions of a player at full speed that receives `sent`, one message each second."""
    records = tape.records if isinstance(tape, Tape) else tape
    player = Player(read_script(records), **{"speed": inf, "stall_s": 5.0} | options)
    actions = player.advance(0.0)
    for now, message in enumerate(sent, start=1):
        actions += player.receive(message, float(now))
    return actions, player


def texts(actions: list[Action]) -> list[str | bytes]:
    return [action.payload for action in actions if isinstance(action, Send)]


def failure(actions: list[Action]) -> Report:
    reports = [action.report for action in actions if isinstance(action, Fail)]
    assert len(reports) == 1, actions
    assert actions[-1] == Close(1008, "rtproxy_mismatch")
    error = json.loads(texts(actions)[-1])
    assert error["type"] == "error"
    assert error["error"]["code"] == "rtproxy_mismatch"
    return reports[0]


@captured
@pytest.mark.parametrize("match", ["exact", "strict", "lenient"])
def test_a_captured_session_comes_back_in_order(capture: Path, match: str) -> None:
    records = read_capture(capture)
    player = Player(read_script(records), speed=inf, match=match)  # type: ignore[arg-type]
    actions = player.advance(0.0)
    for record in records:
        if isinstance(record, Event) and not record.from_server:
            actions += player.receive(record.payload, 0.0)
    assert texts(actions) == messages(records, from_server=True)
    assert player.complete
    assert player.closed(1000, "", 0.0) == []
    assert player.finish().ok


@captured
def test_a_server_event_waits_for_all_recorded_before_it(capture: Path) -> None:
    """Step by step: after each client event exactly what follows it on the tape has come."""
    records = read_capture(capture)
    player = Player(read_script(records), speed=inf)
    came = player.advance(0.0)
    due: list[str | bytes] = []
    for record in records:
        if isinstance(record, Event) and record.from_server:
            due.append(record.payload)
        elif isinstance(record, Event):
            assert texts(came) == due
            came += player.receive(record.payload, 0.0)
    assert texts(came) == due


def spoken() -> Tape:
    """Two spoken turns and two typed items, sent at once."""
    tape = Tape().server("session.created", session={"id": "sess_1"})
    tape.client("session.update", event_id="a1", session={"instructions": "Be brief."})
    tape.append(480, 480).server("session.updated", session={"id": "sess_1"})
    tape.append(480, 480, 480).server("input_audio_buffer.speech_started", item_id="item_s1")
    tape.append(960).client("input_audio_buffer.commit")
    tape.server("input_audio_buffer.committed", item_id="item_s1")
    tape.client(user("one", id="c_1")).client(user("two", id="c_2"))
    tape.server(added("one", "c_1")).server(added("two", "c_2", "c_1"))
    tape.client("response.create", response={"metadata": {"topic": "x"}})
    tape.server("response.created", response={"id": "resp_1", "metadata": {"topic": "x"}})
    tape.append(320, 320).server("response.output_audio.delta", delta="AAAA")
    tape.append(480).server("response.done", response={"id": "resp_1"})
    return tape


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 700), min_size=1, max_size=9))
def test_output_depends_on_nothing_but_tape_and_client(seed: int, cuts: list[int]) -> None:
    """Audio in any chunks, messages at any time, concurrent events swapped: one stream."""
    tape = spoken()
    expected, _ = play(tape, messages(tape.records, from_server=False))
    random = Random(seed)
    before, after = 3360, 1120
    swapped = [user("one", id="c_1"), user("two", id="c_2")]
    random.shuffle(swapped)
    sent = [
        *chunked(
            before, cuts, random, event("session.update", session={"instructions": "Be brief."})
        ),
        event("input_audio_buffer.commit"),
        *swapped,
        event("response.create", response={"metadata": {"topic": "x"}}),
        *chunked(after, cuts, random, None),
    ]
    player = Player(read_script(tape.records), speed=random.choice([0.5, 1.0, 7.0, inf]))
    now = random.random() * 100
    actions = player.advance(now)
    for message in sent:
        for _ in range(random.randrange(4)):
            now += random.random() / 10
            actions += player.advance(now)
        actions += player.receive(message, now)
    while player.next_due is not None and not player.over and not player.complete:
        now = max(now, player.next_due)
        actions += player.advance(now)
    assert texts(actions) == texts(expected)
    assert player.finish().ok, player.finish()


def chunked(size: int, cuts: list[int], random: Random, among: str | None) -> list[str]:
    """`size` bytes of audio in appends as long as `cuts`, with a message somewhere among them."""
    chunks = []
    while size > 0:
        step = min(size, random.choice(cuts))
        chunks.append(appended(random.randbytes(step)))
        size -= step
    if among is not None:
        chunks.insert(random.randrange(len(chunks) + 1), among)
    return chunks
