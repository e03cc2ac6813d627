"""What a replayed connection has exchanged, as a session can be made of it."""

import json
from math import inf
from typing import Any

from rtproxy.realtime.session import Session
from rtproxy.replay.fault import parse_faults
from rtproxy.replay.player import Player
from rtproxy.replay.script import read_script
from rtproxy.replay.witness import Witness
from rtproxy.simulate.library import load
from rtproxy.tape.record import INJECTED, Control, Event, Header, Record
from tests.realtime.simulated import call_records
from tests.replay.taped import Tape, event


def witnessed(
    tape: list[Record], sent: list[str], closed: bool = False, **options: Any
) -> tuple[Witness, list[Event | Control]]:
    """What is known after a client has sent these messages, at full speed."""
    witness = Witness("call.rtape")
    merged: dict[str, Any] = {"speed": inf, "stall_s": 5.0, "witness": witness} | options
    player = Player(read_script(tape), **merged)
    player.advance(0.0)
    for now, message in enumerate(sent, start=1):
        player.receive(message, float(now))
    if closed:
        player.closed(1000, "", 1000.0)
    return witness, list(witness.records(tape))


def from_client(records: list[Record]) -> list[str]:
    return [
        str(record.payload)
        for record in records
        if isinstance(record, Event) and not record.from_server
    ]


def types(records: list[Event | Control]) -> list[str]:
    return [json.loads(str(r.payload))["type"] for r in records if isinstance(r, Event)]


def test_a_session_that_was_replayed_is_the_one_on_the_tape() -> None:
    tape = call_records(load("support-call"))
    _, records = witnessed(tape, from_client(tape), closed=True)
    assert records == [record for record in tape if not isinstance(record, Header)]
    session = Session.fold(records)
    assert session.metrics == Session.fold(tape).metrics
    assert session.metrics["v2v_ms"]["n"] == 2


def test_it_goes_as_far_as_the_replay_has_got() -> None:
    tape = Tape().server("session.created").client("one").server("two").client("three")
    records = tape.server("four").records
    one, three = event("one"), event("three")
    payloads = [types(witnessed(records, sent)[1]) for sent in ([], [one], [one, three])]
    assert payloads == [
        ["session.created"],
        ["session.created", "one", "two"],
        ["session.created", "one", "two", "three", "four"],
    ]


def test_what_was_really_said_stands_there_with_the_time_of_the_tape() -> None:
    tape = Tape().wait(500).client("conversation.item.create", item={"content": "12 degrees"})
    tape.wait(500).server("done").control("close", code=1000)
    [created, done] = witnessed(
        tape.records,
        [event("conversation.item.create", item={"content": "13 degrees"})],
        ignore=["item.content"],
    )[1]
    assert isinstance(created, Event)
    assert json.loads(str(created.payload))["item"] == {"content": "13 degrees"}
    recorded = [record for record in tape.records if isinstance(record, Event)]
    assert [created.t_ns, done.t_ns] == [record.t_ns for record in recorded]


def test_what_did_not_happen_leaves_no_hole() -> None:
    tape = Tape().server("session.created").client("one").client("two").server("three")
    _, records = witnessed(tape.records, [event("two")], match="lenient", stall_s=0.0)
    assert [record.seq for record in records] == list(range(len(records)))


def test_an_error_that_is_injected_is_there() -> None:
    tape = Tape().server("session.created").client("one").server("two")
    faults = parse_faults(["error=server_error@two"], 0)
    _, records = witnessed(tape.records, [event("one")], faults=faults)
    injected = [record for record in records if record.flags & INJECTED]
    assert len(injected) == 1
    assert [record.seq for record in records] == list(range(len(records)))
    assert [problem.seq for problem in Session.fold(records).errors] == [injected[0].seq]


def test_a_mismatch_is_an_error_of_the_session() -> None:
    tape = Tape().server("session.created").client("one")
    _, records = witnessed(tape.records, [event("other")])
    assert [problem.code for problem in Session.fold(records).errors] == ["rtproxy_mismatch"]
