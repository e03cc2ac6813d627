"""What a client may do differently and still be the same client."""

import json
import re
from typing import Any

import numpy as np
import pytest

from rtproxy.replay.action import Send, Warn
from tests.replay.taped import Tape, added, appended, event, messages, user
from tests.replay.test_player import play, texts


def typed(item_id: str | None = "item_a", event_id: str | None = "evt_1") -> Tape:
    """A typed turn; the server echoes the client's ids in every way it can."""
    ids = {"event_id": event_id} if event_id else {}
    own = {"id": item_id} if item_id else {}
    name = item_id or "item_server"
    tape = Tape().server("session.created", event_id="evt_1", session={"id": "sess_1"})
    tape.client(user("hello", **own))
    tape.server(added("hello", name))
    tape.client("conversation.item.truncate", **ids, item_id=name, audio_end_ms=900)
    tape.server(
        '{"type":"error",  "event_id":"evt_1","error":{"code":"x", "event_id": '
        + json.dumps(event_id)
        + "}}"
    )
    tape.client("conversation.item.delete", item_id=name)
    tape.server("conversation.item.deleted", item_id=name)
    tape.client("response.create")
    tape.server("conversation.item.added", previous_item_id=name, item={"id": "item_r"})
    return tape.server("response.done", response={"id": "resp_1", "output": [{"id": "item_r"}]})


def test_other_ids_of_the_client_come_back_mapped() -> None:
    sent = messages(typed("item_a", "evt_1").records, False)
    live = [str(text).replace("item_a", "item_live").replace("evt_1", "evt_9") for text in sent]
    actions, player = play(typed(), live)
    assert player.finish().ok, player.finish()
    # The server's own event ids stay as they were, even where they look like the client's.
    expected = [
        str(text)
        .replace("item_a", "item_live")
        .replace('"event_id": "evt_1"}}', '"event_id": "evt_9"}}')
        for text in messages(typed().records, True)
    ]
    assert texts(actions) == expected


def test_an_id_with_quotes_in_it_stays_valid_json() -> None:
    sent = [user("hello", id='a"\\é')]
    actions, _ = play(typed(), sent)
    assert json.loads(texts(actions)[1])["item"]["id"] == 'a"\\é'


def test_ids_that_the_recorded_client_left_to_the_server_can_be_chosen_now() -> None:
    tape = typed(item_id=None)
    live = [user("hello", id="mine")] + [
        str(text).replace("item_server", "mine") for text in messages(tape.records, False)[1:]
    ]
    actions, player = play(tape, live)
    assert player.finish().ok, player.finish()
    assert "item_server" not in "".join(map(str, texts(actions)))


def test_ids_that_the_recorded_client_chose_can_be_left_to_the_server_now() -> None:
    live = [user("hello"), *messages(typed(event_id=None).records, False)[1:]]
    actions, player = play(typed(), live)
    assert player.finish().ok, player.finish()
    assert json.loads(texts(actions)[1])["item"]["id"] == "item_a"
    assert json.loads(texts(actions)[2])["error"]["event_id"] is None


def test_one_live_id_cannot_stand_for_two_recorded_ones() -> None:
    tape = Tape().client(user("a", id="c_1")).server(added("a", "c_1"))
    tape.client(user("b", id="c_2")).server(added("b", "c_2"))
    _, player = play(tape, [user("a", id="same"), user("b", id="same")])
    assert player.finish().reports[0].differences[0].path == "item.id"


def test_nothing_but_the_ids_changes_in_what_the_server_sends() -> None:
    odd = '{ "type":"conversation.item.deleted" ,\n"item_id":   "c_1", "note": "\\u00e9 c_1" }'
    tape = Tape().client(user("a", id="c_1")).server(added("a", "c_1"))
    tape.client("conversation.item.delete", item_id="c_1").server(odd)
    live = [user("a", id="x"), event("conversation.item.delete", item_id="x")]
    actions, _ = play(tape, live)
    assert texts(actions)[-1] == odd.replace('"c_1"', '"x"')


def test_key_order_and_spacing_and_number_forms_are_free() -> None:
    tape = Tape().client("session.update", session={"speed": 1, "a": {"x": [1, 2], "y": True}})
    tape.server("session.updated")
    live = '{ "session" : {"a":{"y":true,"x":[1.0,2e0]},"speed":1.0},"type":"session.update"}'
    actions, player = play(tape, [live])
    assert len(texts(actions)) == 1
    assert player.finish().ok


@pytest.mark.parametrize("match", ["strict", "exact"])
def test_true_is_not_one(match: str) -> None:
    tape = Tape().client("session.update", session={"a": 1}).server("session.updated")
    _, player = play(tape, [event("session.update", session={"a": True})], match=match)
    assert player.finish().reports[0].kind == "differing"


def test_audio_in_other_chunks_and_more_of_it() -> None:
    tape = Tape().append(960, 960, 960).server("input_audio_buffer.speech_started")
    tape.append(480).client("input_audio_buffer.commit").server("input_audio_buffer.committed")
    tape.append(960).server("input_audio_buffer.speech_started")
    sizes = [1000, 1000, 879]
    actions, _ = play(tape, [appended(bytes(size)) for size in sizes])
    assert texts(actions) == []
    sent = [*(appended(bytes(n)) for n in [*sizes, 1, 2000]), event("input_audio_buffer.commit")]
    actions, player = play(tape, sent)
    assert len(texts(actions)) == 2, "audio before a commit does not count after it"
    assert len(texts(player.receive(appended(bytes(960)), 99.0))) == 1
    assert player.finish().ok


def test_concurrent_events_in_another_order() -> None:
    tape = Tape().client(user("a", id="c_1")).client(user("b", id="c_2")).client("response.create")
    tape.server(added("a", "c_1")).server(added("b", "c_2", "c_1")).server("response.created")
    sent = [user("b", id="n_2"), event("response.create"), user("a", id="n_1")]
    actions, player = play(tape, sent)
    assert player.finish().ok
    assert len(player.finish().reordered) == 2
    assert json.loads(texts(actions)[1])["item"]["id"] == "n_2"
    assert json.loads(texts(actions)[1])["previous_item_id"] == "n_1"
    _, player = play(tape, sent, match="exact")
    assert player.finish().reports[0].kind == "missing"


def tools() -> Tape:
    tape = Tape().client("response.create").server("response.created", response={"id": "r1"})
    for call in ("call_1", "call_2"):
        tape.server("response.function_call_arguments.done", call_id=call, response_id="r1")
    tape.wait(300).server("response.done", response={"id": "r1"})
    for call in ("call_1", "call_2"):
        tape.client(output(call, '{"celsius": 12, "sky": "fog"}'))
        tape.server("conversation.item.added", item={"id": f"i_{call}", "call_id": call})
    tape.client("response.create")
    return tape.server("response.created", response={"id": "r2"})


def output(call: str, text: str) -> str:
    item = {"type": "function_call_output", "call_id": call, "output": text}
    return event("conversation.item.create", item=item)


def test_tool_output_before_response_done_and_in_another_order() -> None:
    expected, _ = play(tools(), messages(tools().records, False))
    actions, player = play(tools(), [event("response.create")], speed=1.0)
    actions += player.advance(1.07)
    assert "call_2" in texts(actions)[-1]
    for call in ("call_2", "call_1"):
        actions += player.receive(output(call, '{"sky":"fog","celsius":12.0}'), 1.08)
    assert len(texts(actions)) == 3
    actions += player.advance(5.0)
    actions += player.receive(event("response.create"), 5.0)
    actions += player.advance(6.0)
    assert texts(actions) == texts(expected)
    assert player.finish().ok


def framework() -> Tape:
    """An agent framework retrieves items and sets up tracing by itself, whenever it gets to it."""
    tape = Tape().server("session.created", session={"id": "s"})
    tape.client("session.update", session={"type": "realtime", "tracing": "auto"})
    tape.client("session.update", session={"type": "realtime", "instructions": "Be brief."})
    tape.server("session.updated").client(user("hello", id="c_1")).server(added("hello", "c_1"))
    tape.client("conversation.item.retrieve", item_id="c_1")
    tape.server("conversation.item.retrieved", item={"id": "c_1"})
    return tape.client("response.create").server("response.created", response={"id": "r"})


def test_an_answer_may_be_asked_for_before_what_only_reads_or_sets_up_tracing() -> None:
    tracing, config, hello, retrieve, create = messages(framework().records, False)
    actions, player = play(framework(), [config, hello, create, retrieve, tracing])
    assert texts(actions) == messages(framework().records, True)
    assert player.finish().ok
    assert len(player.finish().reordered) == 4
    _, player = play(framework(), [tracing, config, hello, create], match="exact")
    assert player.finish().reports[0].kind == "missing"


def test_an_answer_may_not_be_asked_for_before_what_it_rests_on() -> None:
    tracing, config, hello, _, create = messages(framework().records, False)
    for sent, missing in (([hello], config), ([tracing, config], hello)):
        _, player = play(framework(), [*sent, create])
        (report,) = player.finish().reports
        assert report.kind == "missing"
        assert report.expected is not None
        assert report.expected.value == json.loads(missing)


def test_what_only_reads_may_not_be_left_out() -> None:
    tracing, config, hello, _, create = messages(framework().records, False)
    _, player = play(framework(), [tracing, config, hello, create])
    assert player.next_due is not None
    player.advance(player.next_due)
    (report,) = player.finish().reports
    assert report.expected is not None
    assert (report.kind, report.expected.type) == ("missing", "conversation.item.retrieve")


def test_volatile_values_are_free_and_metadata_is_echoed() -> None:
    tape = Tape().client("response.create", response={"metadata": {"run": "1"}})
    tape.server('{"type": "response.created", "response": {"metadata": {"run":"1"}, "id": "r"}}')
    tape.client("conversation.item.truncate", item_id="i", content_index=0, audio_end_ms=1200)
    tape.server("conversation.item.truncated", item_id="i", audio_end_ms=1200)
    live = [
        event("response.create", response={"metadata": {"run": "2"}}),
        event("conversation.item.truncate", item_id="i", content_index=0, audio_end_ms=1350),
    ]
    actions, player = play(tape, live)
    assert player.finish().ok
    assert json.loads(texts(actions)[0])["response"] == {"metadata": {"run": "2"}, "id": "r"}
    _, player = play(tape, live, match="exact")
    assert [one.path for one in player.finish().reports[0].differences] == ["response.metadata.run"]


def test_of_two_events_that_fit_the_one_that_fits_best_is_taken() -> None:
    """Two answers asked for at once, told apart by metadata alone, are not mixed up."""
    tape = Tape()
    for topic in "ab":
        tape.client("response.create", response={"metadata": {"topic": topic}})
    for topic in "ab":
        tape.server("response.created", response={"id": topic, "metadata": {"topic": topic}})
    asks = [event("response.create", response={"metadata": {"topic": topic}}) for topic in "ba"]
    actions, player = play(tape, asks)
    assert texts(actions) == messages(tape.records, True)
    assert player.finish().ok


def test_what_was_redacted_matches_anything_there() -> None:
    tool = {
        "type": "mcp",
        "authorization": "REDACTED:0123abcd",
        "url": "https://x/?k=REDACTED:aaaaaaaa&z",
    }
    tape = Tape().client("session.update", session={"tools": [tool]}).server("session.updated")
    good = tool | {"authorization": "Bearer x", "url": "https://x/?k=secret&z"}
    _, player = play(tape, [event("session.update", session={"tools": [good]})])
    assert player.finish().ok
    bad = good | {"url": "https://y/?k=secret&z"}
    _, player = play(tape, [event("session.update", session={"tools": [bad]})])
    assert player.finish().reports[0].differences[0].path == "session.tools[0].url"


def test_ignored_paths_and_custom_matchers() -> None:
    tape = Tape().client(user("Today is Monday", id="a")).server("conversation.item.added")
    other = user("Today is Friday", id="b")
    assert play(tape, [other])[1].finish().reports
    for path in ("item.content[*].text", "$..text", "$.item.content[0].text", "item.content"):
        assert play(tape, [other], ignore=[path])[1].finish().ok, path

    def same_role(recorded: Any, received: Any) -> bool | None:
        item = received.get("item")
        return recorded["item"]["role"] == item["role"] if item else None

    assert play(tape, [other], matchers=[same_role])[1].finish().ok
    assert (
        not play(tape, [user("Today is Monday", role="system")], matchers=[same_role])[1]
        .finish()
        .ok
    )


def test_a_matcher_that_raises_is_named_and_nobody_else_is_blamed() -> None:
    tape = Tape().client(user("Today is Monday")).server("conversation.item.added")

    def same_price(recorded: Any, received: Any) -> bool | None:
        return bool(recorded["item"]["price"] == received["item"]["price"])

    def too_few(recorded: Any) -> bool | None:
        return None

    def no_verdict(recorded: Any, received: Any) -> Any:
        return np.array([recorded == received] * 2)

    for matcher, message in (
        (no_verdict, r"the matcher no_verdict raised ValueError: The truth value of an array .*"),
        (same_price, rf"the matcher same_price raised KeyError: 'price', at {__file__}:\d+\."),
        (too_few, r"the matcher .*too_few raised TypeError: .* 1 positional argument .*"),
    ):
        for mode in ("strict", "lenient"):
            _, player = play(tape, [user("Today is Monday")], matchers=[matcher], match=mode)
            (report,) = player.finish().reports  # nobody asked for leniency towards the matcher
            assert report.kind == "broken matcher"
            assert re.fullmatch(message, report.message), report.message
            assert "returns None" in report.advice[0]


@pytest.mark.parametrize(
    ("recorded", "same", "other"),
    [
        ('{"op": "add", "event_id": 7}', '{"event_id":7.0, "op":"add"}', '{"event_id":8}'),
        ("=plain text", "plain text", "plain  text"),
        (b"\x00\x01", b"\x00\x01", b"\x00\x02"),
        ("=[1, [2]]", "[1,[2]]", "[1,[3]]"),
    ],
)  # fmt: skip
def test_other_protocols_replay_by_equality(
    recorded: str | bytes, same: str | bytes, other: str | bytes
) -> None:
    tape = Tape().server(b"hi").client(recorded).server("=done")
    actions, player = play(tape, [same])
    assert texts(actions) == [b"hi", "done"]
    assert player.finish().ok
    actions, player = play(tape, [other])
    assert texts(actions) == [b"hi"], "no error event of a protocol that is not spoken"
    assert len(player.finish().reports) == 1


def test_lenient_goes_on_after_a_difference() -> None:
    tape = Tape().client(user("a", id="c_1")).server(added("a", "c_1"))
    actions, player = play(tape, [user("other", id="n_1")], match="lenient")
    assert [type(action) for action in actions] == [Warn, Send]
    assert json.loads(texts(actions)[0])["item"]["id"] == "n_1"
    assert player.finish().ok
    assert player.finish().warnings[0].kind == "differing"
