"""Cause and effect in simulated calls, in calls told line by line, and in anything else."""

import random
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings

from rtproxy.realtime.event import parse
from rtproxy.realtime.linking import Linker, links_of
from rtproxy.realtime.links import BACK, FORTH, Link, Links, Why
from rtproxy.realtime.session import Session
from rtproxy.tape.record import FROM_SERVER, NOT_FORWARDED, Control, Event, Record
from tests.realtime.scenarios import CASES, Case
from tests.realtime.simulated import call_records
from tests.realtime.story import Story
from tests.realtime.test_any_session import LIVELY, look_at_everything, tapes

Named = tuple[str, Why, str]


def linked(records: Sequence[Record]) -> list[Named]:
    """Every link as (type of the cause, why, type of the effect), in the order of the effects."""
    names = names_of(records)
    links = links_of(records, Session.fold(records))
    return [
        (names[cause.seq], cause.why, names[seq])
        for seq in sorted(names)
        for cause in links.causes(seq)
    ]


def names_of(records: Iterable[Record]) -> dict[int, str]:
    return {
        r.seq: f"({r.name})" if isinstance(r, Control) else parse(r).name
        for r in records
        if isinstance(r, Event | Control)
    }


def call(name: str) -> list[Record]:
    (case,) = [case for case in CASES if case.name == name]
    return call_records(case.toml)


BUFFER = "input_audio_buffer."
ITEM = "conversation.item."
EXPECTED: list[tuple[str, set[Named]]] = [
    (
        "clean",
        {
            (f"{BUFFER}append", "heard", f"{BUFFER}speech_stopped"),
            (f"{BUFFER}speech_started", "stop", f"{BUFFER}speech_stopped"),
            (f"{BUFFER}speech_stopped", "commit", f"{BUFFER}committed"),
            (f"{BUFFER}committed", "place", f"{ITEM}added"),
            (f"{ITEM}added", "complete", f"{ITEM}done"),
            (f"{BUFFER}speech_stopped", "reply", "response.created"),
            ("response.created", "part", "response.output_item.added"),
            ("response.created", "part", f"{ITEM}added"),
            ("response.created", "part", "response.output_audio.delta"),
            ("response.created", "part", "response.done"),
            ("response.done", "follow", "rate_limits.updated"),
        },
    ),
    (
        "slow tool",
        {
            ("session.update", "answer", "session.updated"),
            ("response.function_call_arguments.done", "output", f"{ITEM}create"),
            (f"{ITEM}create", "answer", f"{ITEM}added"),
            (f"{ITEM}create", "about", "response.create"),
            ("response.create", "ask", "response.created"),
        },
    ),
    (
        "barge-in, truncated right",
        {
            (f"{BUFFER}append", "heard", f"{BUFFER}speech_started"),
            (f"{BUFFER}speech_started", "interrupt", f"{ITEM}truncate"),
            ("response.created", "cut", f"{ITEM}truncate"),
            (f"{ITEM}truncate", "answer", f"{ITEM}truncated"),
        },
    ),
    ("barge-in, not truncated", {("response.created", "cut", f"{BUFFER}speech_started")}),
    ("active response", {("response.create", "error", "error")}),
    ("refused setting", {("session.update", "error", "error")}),
    ("expired session", {("error", "follow", "(close)")}),
    ("failed transcription", {(f"{BUFFER}committed", "transcript",
                               f"{ITEM}input_audio_transcription.failed")}),
    ("beta", {(f"{BUFFER}committed", "transcript",
               f"{ITEM}input_audio_transcription.completed")}),
    (
        "push to talk",
        {
            (f"{BUFFER}commit", "answer", f"{BUFFER}committed"),
            (f"{BUFFER}committed", "about", "response.create"),
            ("response.create", "ask", "response.created"),
        },
    ),
    (
        "the caller is silent",
        {
            (f"{BUFFER}timeout_triggered", "commit", f"{BUFFER}committed"),
            (f"{BUFFER}timeout_triggered", "reply", "response.created"),
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), EXPECTED, ids=[name for name, _ in EXPECTED])
def test_what_led_to_what(name: str, expected: set[Named]) -> None:
    assert expected <= set(linked(call(name)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_all_that_the_server_says_of_a_call_has_a_cause(case: Case) -> None:
    """But for what begins a call or a phrase, and what the server does by itself."""
    records = call(case.name)
    links, names = links_of(records, Session.fold(records)), names_of(records)
    alone = {seq for seq in names if not links.causes(seq)}
    served = {r.seq for r in records if isinstance(r, Event) and r.from_server}
    assert {names[seq] for seq in alone & served} <= {
        "session.created", "conversation.created", f"{BUFFER}speech_started",
        f"{BUFFER}timeout_triggered", "error",
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_causes_come_first_and_effects_are_the_same_links(case: Case) -> None:
    records = call(case.name)
    links = links_of(records, Session.fold(records))
    for cause, effect, why in links.pairs():
        assert cause < effect
        assert Link(cause, why) in links.causes(effect)
        assert Link(effect, why) in links.effects(cause)


def test_two_tools_are_asked_about_together() -> None:
    records = call("two tools")
    links, names = links_of(records, Session.fold(records)), names_of(records)
    (ask,) = [seq for seq, name in names.items() if name == "response.create"]
    outputs = [link.seq for link in links.causes(ask) if link.why == "about"]
    calls = [links.causes(seq)[0].seq for seq in outputs]
    assert len(calls) == 2
    assert len(set(calls)) == 2
    assert {names[seq] for seq in calls} == {"response.function_call_arguments.done"}


def test_a_response_lists_its_first_delta_and_each_delta_its_response() -> None:
    records = call("clean")
    links, names = links_of(records, Session.fold(records)), names_of(records)
    deltas = [seq for seq, name in names.items() if name == "response.output_audio.delta"]
    (created,) = [seq for seq, name in names.items() if name == "response.created"]
    effects = {link.seq for link in links.effects(created)}
    assert effects & set(deltas) == {deltas[0]}
    assert all(links.causes(seq) == [Link(created, "part")] for seq in deltas)


def test_a_cancelled_response_and_what_cancelled_it() -> None:
    story = Story().begin("r").say("r", 900).client("response.cancel", response_id="r")
    story.end("r", "cancelled")
    found = linked(story.records)
    assert ("response.cancel", "cancel", "response.done") in found
    assert ("response.created", "cut", "response.cancel") in found


def test_a_response_that_the_server_cut_off_by_itself() -> None:
    story = Story().speak(800).hear("i", 0, 700).begin("r").say("r", 2000).speak(600)
    story.server(f"{BUFFER}speech_started", audio_start_ms=900, item_id="j")
    details = {"type": "cancelled", "reason": "turn_detected"}
    story.end("r", "cancelled", status_details=details)
    assert (f"{BUFFER}speech_started", "interrupt", "response.done") in linked(story.records)


def test_items_are_found_by_their_id_or_by_what_they_are() -> None:
    story = Story()
    typed = {"type": "message", "role": "user", "content": []}
    story.client(f"{ITEM}create", item={**typed, "id": "mine"})
    story.client(f"{ITEM}create", item=typed)
    story.server(f"{ITEM}added", item={**typed, "id": "theirs"})
    story.server(f"{ITEM}added", item={**typed, "role": "assistant", "id": "other"})
    story.server(f"{ITEM}added", item={**typed, "id": "mine"})
    links = links_of(story.records, story.session)
    assert [links.causes(seq) for seq in (3, 4, 5)] == [
        [Link(2, "answer")],
        [],
        [Link(1, "answer")],
    ]


def test_an_item_that_is_placed_before_its_response_says_so() -> None:
    story = Story().begin("r")
    story.server(f"{ITEM}added", item={"id": "i", "type": "message", "role": "assistant"})
    story.server("response.output_item.added", response_id="r", item={"id": "i"})
    story.server(f"{BUFFER}committed", item_id="k")
    found = linked(story.records)
    assert ("response.created", "part", f"{ITEM}added") in found


@pytest.mark.parametrize(
    ("request_", "answer", "ids"),
    [
        (f"{ITEM}delete", f"{ITEM}deleted", {"item_id": "i"}),
        (f"{ITEM}retrieve", f"{ITEM}retrieved", {"item_id": "i"}),
        (f"{ITEM}truncate", f"{ITEM}truncated", {"item_id": "i"}),
        (f"{BUFFER}clear", f"{BUFFER}cleared", {}),
        ("output_audio_buffer.clear", "output_audio_buffer.cleared", {}),
    ],
)
def test_requests_and_answers(request_: str, answer: str, ids: dict[str, str]) -> None:
    story = Story().client(request_, **ids).server(answer, **ids).server(answer, **ids)
    links = links_of(story.records, story.session)
    assert links.causes(2) == [Link(1, "answer")]
    assert links.causes(3) == []


def test_an_approval_leads_to_its_decision() -> None:
    asked = {"id": "mcpr_1", "type": "mcp_approval_request", "name": "pay"}
    story = Story().begin("r").server("response.output_item.done", response_id="r", item=asked)
    decision = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    story.client(f"{ITEM}create", item=decision)
    assert ("response.output_item.done", "output", f"{ITEM}create") in linked(story.records)


def test_pings_and_closes_are_answered() -> None:
    story = Story().control("ping", payload=b"1").control("ping", payload=b"2")
    story.control("pong", by_server=False, payload=b"1").control("close", code=1000)
    story.control("close", by_server=False, code=1000)
    assert linked(story.records) == [
        ("(ping)", "answer", "(pong)"),
        ("(close)", "answer", "(close)"),
    ]


def test_what_was_not_passed_on_led_to_nothing() -> None:
    story = Story().begin("r")
    story.records.append(
        Event(2, 0, FROM_SERVER | NOT_FORWARDED, '{"type":"response.done","response":{"id":"r"}}')
    )
    assert linked(story.records) == []


def test_what_is_not_linked_has_neither_cause_nor_effect() -> None:
    links = Links()
    assert links.causes(5) == links.effects(5) == []
    links.add(3, 3, "part")
    assert len(links) == 0
    links.add(3, 5, "part")
    links.add(3, 5, "part")
    assert links.causes(5) == [Link(3, "part")]
    assert links.effects(3) == [Link(5, "part")]
    links.add(4, 5, "answer")
    assert links.causes(5) == [Link(3, "part"), Link(4, "answer")]


def test_links_can_be_asked_for_while_the_call_goes_on() -> None:
    linker, session = Linker(), Session()
    counts = []
    for record in call("slow tool"):
        session.take(record)
        linker.take(record)
        counts.append(len(linker.links(session)))
    assert counts == sorted(counts)
    assert counts[-1] == len(links_of(call("slow tool"), session))


def test_every_why_has_its_words() -> None:
    assert set(BACK) == set(FORTH)
    assert all([*BACK.values(), *FORTH.values()])


@settings(max_examples=30, deadline=None)
@given(tapes())
def test_any_records_can_be_linked(records: list[Record]) -> None:
    links = links_of(records, look_at_everything(records))
    for cause, effect, why in links.pairs():
        assert Link(cause, why) in links.causes(effect)


@pytest.mark.parametrize("name", LIVELY)
def test_valid_events_in_any_order_can_be_linked(name: str) -> None:
    records = call(name)
    for seed in range(4):
        random.Random(seed).shuffle(records)
        links_of(records, Session.fold(records))


def test_a_commit_that_was_refused_is_not_answered_by_what_comes_later() -> None:
    message = "Error committing input audio buffer: buffer too small."
    for error in ({"code": "input_audio_buffer_commit_empty"}, {"message": message}):
        story = Story().client(f"{BUFFER}commit").server("error", error=error)
        story.client(f"{BUFFER}commit").server(f"{BUFFER}committed", item_id="i")
        links = links_of(story.records, story.session)
        assert [cause.seq for cause in links.causes(4)] == [3]
