"""How a session is told: turns, who asked for what, tools, errors and their causes, its end."""

import orjson
import pytest

import rtproxy
from rtproxy.realtime.metrics import METRICS
from rtproxy.realtime.session import Session
from rtproxy.tape.record import NOT_FORWARDED, Event, Header
from tests.realtime.scenarios import ANSWER, ASK, CASES
from tests.realtime.simulated import call_records
from tests.realtime.story import VAD, Story


def test_it_is_part_of_the_public_surface() -> None:
    assert rtproxy.Session is Session


def test_a_tape_is_its_header_and_its_records() -> None:
    class Tape:
        header = Header({"id": "1", "connection": "websocket", "origin": "simulated"})

        def __iter__(self) -> object:
            return iter(call_records(ANSWER + "[caller]" + ASK)[1:])

    session = Session.from_tape(Tape())
    assert session.origin == "simulated"
    assert [turn.assistant for turn in session.turns] == ["Yes, I am here."]
    assert session.model == "gpt-realtime"


def test_what_is_asked_after_each_record_is_what_is_known_then() -> None:
    records = call_records(ANSWER + "[caller]" + ASK)
    live = Session()
    ends: list[str] = []
    for record in records:
        live.take(record)
        if live.turns and (not ends or live.turns[0].end != ends[-1]):
            ends.append(live.turns[0].end)
    assert ends == ["unanswered", "open", "completed"]
    assert live.to_json() == Session.fold(records).to_json()


def test_a_greeting_is_a_turn_without_a_caller() -> None:
    story = Story().client("response.create").reply("r1", words="Hello, how can I help?")
    session = story.speak(1500).hear("u1", 0, 1400).reply("r2").session
    assert [(turn.kind, turn.user) for turn in session.turns] == [
        ("greeting", None),
        ("speech", None),
    ]
    assert [turn.responses[0].asked_by for turn in session.turns] == ["client", "server"]
    assert session.metrics["turns"] == 1


def test_a_response_outside_of_the_conversation_is_of_no_turn() -> None:
    story = Story().speak(1500)
    story.client("response.create", response={"conversation": "none", "metadata": {"for": "notes"}})
    story.hear("u1", 0, 1400)
    story.begin("aside", conversation_id=None, metadata={"for": "notes"})
    story.begin("r1", conversation_id="conv").end("aside", usage={"input_tokens": 5})
    session = story.say("r1", 300, "Yes.").end("r1").session
    (turn,) = session.turns
    assert [response.id for response in turn.responses] == ["r1"]
    assert [r.id for r in session.responses if r.out_of_band] == ["aside"]
    assert session.metrics["tokens_in"] == 5
    assert session.to_json()["session"]["out_of_band"][0]["id"] == "aside"


def test_history_that_the_client_tells_is_no_turn() -> None:
    def message(role: str, text: str) -> dict[str, object]:
        kind = "input_text" if role == "user" else "output_text"
        return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}

    story = Story()
    for role, text in [("user", "Old question."), ("assistant", "Old answer."), ("user", "New.")]:
        story.client("conversation.item.create", item=message(role, text))
    session = story.client("response.create").reply("r1").session
    assert [(turn.kind, turn.user) for turn in session.turns] == [("text", "New.")]
    spoken = Story().client("conversation.item.create", item=message("user", "Some context."))
    session = spoken.speak(1500).hear("u1", 0, 1400).reply("r1").session
    assert [turn.kind for turn in session.turns] == ["speech"]


def placed(story: Story, item_id: str, **item: object) -> None:
    """The server has an item, begun and complete, as GA says it."""
    for kind in ("added", "done"):
        story.server(f"conversation.item.{kind}", item={"id": item_id, **item})


def typed(text: str, role: str = "user") -> dict[str, object]:
    kind = "input_text" if role == "user" else "output_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def test_messages_without_ids_are_the_ones_that_the_server_confirms() -> None:
    story = Story()
    for text in ("Some context.", "And a question."):
        story.client("conversation.item.create", item=typed(text))
    story.client("response.create")
    placed(story, "a", **typed("Some context."))
    placed(story, "b", **typed("And a question."))
    (turn,) = story.reply("r1").session.turns
    assert (turn.user, turn.item_ids) == ("Some context. And a question.", ["a", "b"])


def test_a_message_typed_into_a_reply_is_not_the_reply() -> None:
    story = Story().speak(1500).hear("u1", 0, 1400).wait(30).begin("r1")
    story.client("conversation.item.create", item=typed("Never mind."))
    placed(story, "of_r1", type="message", role="assistant", content=[])
    placed(story, "mine", **typed("Never mind."))
    first, second = story.say("r1", 500, "Yes.").end("r1").client("response.create").session.turns
    assert (first.user, second.user, second.item_ids) == (None, "Never mind.", ["mine"])


def test_calls_in_the_history_that_a_client_tells_are_not_counted() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "Found."}
    told: list[dict[str, object]] = [
        typed("Look."),
        {**call},
        {**output},
        typed("It is there.", "assistant"),
    ]
    story = Story()
    for n, item in enumerate(told):
        story.client("conversation.item.create", item=item)
        placed(story, f"i{n}", **item)
    session = story.speak(1500).hear("u1", 0, 1400).reply("r1").session
    assert [turn.kind for turn in session.turns] == ["speech"]
    assert session.metrics["tool_calls"] == 0


def test_several_calls_and_their_outputs_belong_to_one_turn() -> None:
    story = Story().speak(1500).hear("u1", 0, 1400).begin("r1").wait(200)
    for n in "ab":
        story.server(
            "response.function_call_arguments.done",
            response_id="r1",
            item_id=f"i{n}",
            call_id=f"call_{n}",
            name=f"tool_{n}",
            arguments="{}",
        )
    story.end("r1")
    for n in "ab":
        output = {"type": "function_call_output", "call_id": f"call_{n}", "output": n}
        story.wait(300).client("conversation.item.create", item=output)
    session = story.client("response.create").reply("r2").session
    (turn,) = session.turns
    assert [(call.name, call.output, call.tool_ms) for call in turn.calls] == [
        ("tool_a", "a", 300),
        ("tool_b", "b", 600),
    ]
    assert session.measure(turn)["tool_ms"] == 900
    assert [response.asked_by for response in turn.responses] == ["server", "client"]


def test_a_tool_that_answers_late_speaks_for_the_turn_that_called_it() -> None:
    story = Story().speak(1500).hear("u1", 0, 1400).begin("r1").wait(200)
    done = {"response_id": "r1", "item_id": "i", "call_id": "c", "name": "slow", "arguments": "{}"}
    story.server("response.function_call_arguments.done", **done).end("r1")
    story.speak(1500).hear("u2", 1_600, 2_900).reply("r2", words="I am still looking.")
    output = {"type": "function_call_output", "call_id": "c", "output": "Found."}
    story.client("conversation.item.create", item=output).client("response.create")
    first, second = story.reply("r3", words="There it is.").session.turns
    assert [response.id for response in first.responses] == ["r1", "r3"]
    assert second.assistant == "I am still looking."


def test_a_client_that_stops_playing_by_itself_cancels_the_turn() -> None:
    story = Story().speak(1500).hear("u1", 0, 1400).wait(30).begin("r1").wait(400)
    story.say("r1", 3_000, "On and on.").end("r1").wait(1_000)
    story.client("conversation.item.truncate", item_id="of_r1", audio_end_ms=1_000)
    session = story.wait(5_000).control("marker").session
    (turn,) = session.turns
    assert turn.end == "cancelled"
    assert session.measure(turn)["heard_ms"] == 1_000
    assert session.metrics["barge_ins"] == 0
    assert session.findings == []


@pytest.mark.parametrize("told", [500, 3_510])
def test_a_reply_that_was_heard_to_its_end_was_not_interrupted(told: int) -> None:
    """Clients truncate whenever the caller speaks, some by the clock on the wall."""
    story = Story().speak(1500).hear("u1", 0, 1400).reply("r1", 500).speak(3000)
    story.server("input_audio_buffer.speech_started", audio_start_ms=4_000, item_id="u2")
    story.client("conversation.item.truncate", item_id="of_r1", audio_end_ms=told)
    session = story.speak(1000).stop("u2", 5_400).reply("r2").session
    assert [turn.end for turn in session.turns] == ["completed", "completed"]
    assert session.metrics["barge_ins"] == 0
    assert session.measure(session.turns[0])["barge_in_ms"] is None
    assert session.findings == []


def test_of_a_call_whose_audio_flows_elsewhere_it_is_not_known() -> None:
    """The sideband of a WebRTC or SIP call has words and events, but no audio."""
    story = Story().wait(3_000).hear("u1", 1_000, 2_500).wait(30).begin("r1").wait(300)
    words = {"response_id": "r1", "item_id": "a", "delta": "Hello there."}
    story.server("response.output_audio_transcript.delta", **words)
    story.server("output_audio_buffer.started", response_id="r1").wait(500)
    story.server("input_audio_buffer.speech_started", audio_start_ms=4_000, item_id="u2")
    story.server("output_audio_buffer.cleared", response_id="r1")
    story.end("r1", "cancelled", status_details={"reason": "turn_detected"})
    session = story.session
    assert not session.audio_complete
    found = session.measure(session.turns[0])
    assert (found["queue_ms"], found["audio_ms"], found["heard_ms"]) == (30, None, None)
    assert session.metrics["talk_ratio"] is None
    assert (session.turns[0].end, session.metrics["barge_ins"]) == ("interrupted", 1)


def test_spoken_words_without_any_audio_were_heard_elsewhere() -> None:
    story = Story().wait(3_000).hear("u1", 1_000, 2_500).wait(30).begin("r1").wait(300)
    content = [{"type": "output_audio", "transcript": "Hello there."}]
    item = {"id": "a", "type": "message", "role": "assistant", "content": content}
    session = story.end("r1", output=[item]).session
    assert session.turns[0].assistant == "Hello there."
    assert session.measure(session.turns[0])["audio_ms"] is None


def test_what_is_silenced_elsewhere_is_a_barge_in_though_the_response_was_complete() -> None:
    item = {"id": "a", "content": [{"type": "output_audio", "transcript": "Hello there."}]}
    story = Story().wait(3_000).hear("u1", 1_000, 2_500).wait(30).begin("r1").wait(300)
    story.end("r1", output=[item]).wait(500)
    story.server("input_audio_buffer.speech_started", audio_start_ms=4_000, item_id="u2")
    session = story.server("output_audio_buffer.cleared", response_id="r1").session
    assert (session.turns[0].end, session.metrics["barge_ins"]) == ("interrupted", 1)


def test_one_speech_that_cuts_two_items_is_one_barge_in() -> None:
    story = Story().speak(1500).hear("u1", 0, 1400).begin("r1")
    story.say("r1", 3_000, item_id="a").say("r1", 3_000, item_id="b").end("r1").speak(1000)
    story.server("input_audio_buffer.speech_started", audio_start_ms=2_200, item_id="u2")
    for item_id, heard in [("a", 1_000), ("b", 0)]:
        story.client("conversation.item.truncate", item_id=item_id, audio_end_ms=heard)
    session = story.session
    assert session.metrics["barge_ins"] == 1
    assert session.measure(session.turns[0])["heard_ms"] == 1_000


def test_how_much_of_a_commit_is_speech_nobody_says() -> None:
    story = Story(turn_detection=None).speak(1500).client("input_audio_buffer.commit")
    story.client("response.create").server("input_audio_buffer.committed", item_id="u1")
    session = story.reply("r1", 500).control("marker").session
    assert session.measure(session.turns[0])["heard_ms"] == 500
    assert session.metrics["talk_ratio"] is None


def test_what_is_said_in_another_turn_is_no_dead_air() -> None:
    story = Story().speak(1500).hear("u1", 0, 1400).wait(30).begin("r1").wait(400)
    story.say("r1", 1_000, "One moment.")
    done = {"response_id": "r1", "item_id": "i", "call_id": "c", "name": "slow", "arguments": "{}"}
    story.server("response.function_call_arguments.done", **done).end("r1").speak(2_000)
    story.speak(1_000).hear("u2", 1_800, 3_000).reply("r2", 500, "Yes?").wait(490)
    output = {"type": "function_call_output", "call_id": "c", "output": "Found."}
    story.client("conversation.item.create", item=output).client("response.create")
    session = story.reply("r3", words="There it is.").session
    assert [response.id for response in session.turns[0].responses] == ["r1", "r3"]
    plays = [(track.segments[0].start_ms, track.end_ms) for track in session.tracks]
    assert plays == [(1_930, 2_930), (5_360, 5_860), (6_790, 7_290)]
    (speech,) = session.turns[1].speech
    assert (speech.onset_ms, speech.fell_silent_ms) == (2_530, 3_230)
    silent = (5_360 - 3_230) + (6_790 - 5_860)
    assert session.measure(session.turns[0])["dead_air_ms"] == 730 + silent


def test_an_error_leads_to_the_event_behind_it() -> None:
    story = Story().client("session.update", event_id="mine", session={"voice": "x"})
    story.server("error", error={"code": "invalid_value", "event_id": "mine"})
    story.client("input_audio_buffer.commit")
    story.server("error", error={"code": "input_audio_buffer_commit_empty"})
    story.server("error", error={"code": "server_error", "event_id": "unheard_of"})
    named, guessed, unknown = story.session.errors
    assert (named.cause_seq, named.cause_type, named.certain) == (1, "session.update", True)
    assert (guessed.cause_seq, guessed.certain) == (3, False)
    assert unknown.cause_seq is None
    assert len(story.session.turns) == 0  # a commit that was refused is no turn


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ("session.update", {"code": "cannot_update_voice"}),
        ("conversation.item.create", {"code": "invalid_tool_call_id"}),
        ("conversation.item.create", {"code": "invalid_value", "param": "item.content[0].type"}),
        ("conversation.item.retrieve", {"code": "item_retrieve_invalid_item_id"}),
        ("conversation.item.truncate", {"code": "unsupported_content_type"}),
        (
            "session.update",
            {
                "code": "invalid_parameter",
                "message": "Passing a realtime session update event to …",
            },
        ),
        (
            "input_audio_buffer.commit",
            {"message": "Error committing input audio buffer: the buffer is empty."},
        ),
        (
            "conversation.item.truncate",
            {
                "code": "invalid_value",
                "message": "Audio content of 90ms is already shorter than 95ms",
            },
        ),
    ],
)
def test_an_error_without_an_id_leads_to_the_event_that_it_can_be_about(
    sent: str, error: dict[str, object]
) -> None:
    story = Story().client(sent).client("response.create")
    (problem,) = story.server(
        "error", error={"param": None, "event_id": None, **error}
    ).session.errors
    assert (problem.cause_seq, problem.cause_type, problem.certain) == (1, sent, False)


def test_settings_in_force_are_those_that_the_server_confirmed() -> None:
    story = Story().client("session.update", session={"turn_detection": None})
    story.server("error", error={"code": "invalid_value", "param": "session.turn_detection"})
    story.server("session.updated", session={"turn_detection": {**VAD, "silence_duration_ms": 500}})
    session = story.session
    assert [config.silence_ms for config in session.configs] == [200, 500]


def test_a_tape_that_begins_in_the_middle_reports_no_clock() -> None:
    whole = Story().speak(3_000).hear("u1", 0, 2_900).reply("r1").speak(1_500)
    session = Session.fold(whole.hear("u2", 3_000, 4_400).reply("r2").records[100:])
    assert not session.from_start
    assert not session.audio_complete
    turn = session.turns[-1]
    assert turn.assistant == "Yes."
    metrics = session.measure(turn)
    assert metrics["v2v_ms"] is None
    assert metrics["model_ms"] == 400
    assert session.findings == []


def test_what_was_not_forwarded_has_not_happened() -> None:
    story = Story()
    text = orjson.dumps({"type": "input_audio_buffer.append", "audio": "AAAA" * 480}).decode()
    records = [*story.records, Event(1, 0, NOT_FORWARDED, text)]
    session = Session.fold(records)
    assert session.clock.total_ms == 0
    assert session.events == 2


def test_items_stand_where_the_server_put_them() -> None:
    story = Story()
    for item_id, previous in [("a", None), ("c", "a"), ("b", "a"), ("first", "root")]:
        item = {"id": item_id, "type": "message", "role": "user", "content": []}
        story.server("conversation.item.added", previous_item_id=previous, item=item)
    story.server("conversation.item.deleted", item_id="c")
    assert [item.id for item in story.session.items] == ["first", "a", "b"]


def test_the_document_has_the_keys_that_others_build_on() -> None:
    for case in CASES[:6]:
        found = case.session().to_json()
        assert set(found) == {"session", "turns", "metrics", "findings"}
        assert {"id", "model", "dialect", "times_known", "audio_complete"} <= set(found["session"])
        for turn in found["turns"]:
            assert {"n", "metrics", "end", "user", "assistant", "tools"} <= set(turn)
            assert list(turn["metrics"]) == [metric.key for metric in METRICS]
        for finding in found["findings"]:
            keys = ["code", "severity", "turn", "events", "message", "next"]
            assert list(finding) == keys
        orjson.dumps(found)
