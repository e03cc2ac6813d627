"""What the simulated calls do not show: each way in which a finding comes to be, and does not."""

import base64
from random import Random

import pytest

from rtproxy.realtime.audio import G711_ULAW, PCM16, AudioFormat
from rtproxy.realtime.findings import CODES as KNOWN
from tests.realtime.scenarios import CASES
from tests.realtime.story import VAD, Story

CODES = [
    "no-reply",
    "slow-turn",
    "words-cut",
    "barge-in-desync",
    "response-active",
    "false-barge-in",
    "late-transcript",
    "choppy-audio",
    "wrong-rate",
    "config-refused",
    "session-dropped",
    "request-refused",
    "server-error",
]


def asked() -> Story:
    """The caller has said something for a second, and was understood to."""
    return Story().speak(1500).hear("u1", 0, 1400)


def test_the_findings_are_these_and_most_are_seen_at_work() -> None:
    assert list(KNOWN) == CODES
    seen = {code for case in CASES for code, _ in case.findings}
    # No caller of ours sends at a wrong rate, or what is refused and nothing comes of it.
    assert set(CODES) - seen == {"wrong-rate", "request-refused", "server-error"}


def test_a_clean_turn_has_none() -> None:
    assert asked().reply("r1").wait(20_000).codes == []


# no-reply


def test_no_reply_when_the_server_creates_no_response() -> None:
    story = asked()
    assert story.wait(2_000).codes == []  # it may still come
    (finding,) = story.wait(4_000).control("marker").session.findings
    assert (finding.code, finding.turn, finding.severity) == ("no-reply", 1, "error")
    assert "created no response" in finding.message


def test_no_reply_when_nobody_asks_for_one() -> None:
    story = Story(turn_detection={**VAD, "create_response": False}).speak(1500).hear("u1", 0, 1400)
    (finding,) = story.wait(9_000).control("marker").session.findings
    assert "nobody asked" in finding.message
    asked_for = Story(turn_detection=None).speak(1500).client("input_audio_buffer.commit")
    asked_for.server("input_audio_buffer.committed", item_id="u1").client("response.create")
    assert asked_for.reply("r1").wait(9_000).control("marker").codes == []


def test_no_reply_when_a_response_stalls_or_is_empty() -> None:
    stalled = asked().wait(30).begin("r1").wait(7_000).control("marker")
    assert "gave nothing for 7.0 s" in stalled.session.findings[0].message
    empty = asked().wait(30).begin("r1").wait(300).end("r1", output=[])
    assert "completed and empty" in empty.session.findings[0].message


def test_no_reply_when_no_speech_is_found_in_a_long_session() -> None:
    (finding,) = Story().speak(16_000).session.findings
    assert (finding.code, finding.severity, finding.turn) == ("no-reply", "warning", None)
    assert Story().speak(12_000).codes == []
    assert Story(turn_detection=None).speak(16_000).codes == []


def speaking(ms: int) -> Story:
    """Speech that begins with the audio, of which so much is appended."""
    story = Story().speak(500)
    story.server("input_audio_buffer.speech_started", audio_start_ms=0, item_id="u1")
    return story.speak(ms - 500)


def test_no_reply_when_no_silence_is_sent_after_speech() -> None:
    """A microphone that is shut with the last word; the most common mistake with turn detection."""
    story = speaking(2_000)
    assert story.wait(4_900).control("marker").codes == []
    (finding,) = story.wait(200).control("marker").session.findings
    assert (finding.code, finding.severity, finding.turn) == ("no-reply", "warning", 1)
    assert "no audio came for 5.1 s" in finding.message
    assert "Go on appending audio" in finding.next
    assert story.speak(200).stop("u1", 2_100).reply("r1").codes == ["slow-turn"]


def test_no_reply_when_speech_has_no_end() -> None:
    (finding,) = speaking(30_000).session.findings
    assert "no end to 30 s of speech" in finding.message
    assert "noise" in finding.next
    assert speaking(29_000).codes == []


@pytest.mark.parametrize("how", ["commit", "clear", "reset", "lost", "off", "stopped"])
def test_speech_whose_end_need_not_be_heard(how: str) -> None:
    """Somebody else ends it, or nobody can know."""
    story = speaking(2_000)
    match how:
        case "commit":
            story.client("input_audio_buffer.commit")
            story.server("input_audio_buffer.committed", item_id="u1").reply("r1")
        case "clear":
            story.client("input_audio_buffer.clear").server("input_audio_buffer.cleared")
        case "reset":
            story.control("reset")
        case "lost":
            story.lose(3)
        case "off":
            story.server("session.updated", session={"turn_detection": None})
        case "stopped":
            story.stop("u1", 1_900).reply("r1")
    story.wait(20_000).control("marker")
    assert not [one for one in story.session.findings if one.code == "no-reply"]


def test_a_session_that_only_transcribes_owes_no_reply() -> None:
    story = Story(type="transcription").speak(1500).hear("u1", 0, 1400)
    story.server(
        "conversation.item.input_audio_transcription.completed", item_id="u1", transcript="Hello."
    )
    assert story.wait(9_000).control("marker").codes == []
    assert story.session.turns[0].user == "Hello."


def test_a_reply_that_the_caller_cancels_by_going_on_is_no_missing_reply() -> None:
    story = asked().wait(30).begin("r1").wait(2_000).speak(100)
    story.server("input_audio_buffer.speech_started", audio_start_ms=2_600, item_id="u2")
    details = {"type": "cancelled", "reason": "turn_detected"}
    story.end("r1", "cancelled", status_details=details)
    assert story.wait(9_000).control("marker").codes == []


def test_a_wish_to_be_allowed_a_call_is_a_reply() -> None:
    item = {"id": "i", "type": "mcp_approval_request", "name": "look_up", "arguments": "{}"}
    story = asked().wait(30).begin("r1").wait(300)
    story.server("response.output_item.done", response_id="r1", item=item).end("r1", output=[item])
    assert story.wait(9_000).control("marker").codes == []


def called() -> Story:
    """The model calls a function and says nothing."""
    item = {"id": "f", "type": "function_call", "call_id": "c", "name": "look_up"}
    story = asked().wait(30).begin("r1").wait(100)
    return story.server("response.output_item.done", response_id="r1", item=item).end("r1")


def answered() -> Story:
    output = {"type": "function_call_output", "call_id": "c", "output": "Found."}
    return called().wait(300).client("conversation.item.create", item=output)


def test_no_reply_when_a_call_gets_no_output() -> None:
    assert called().wait(4_000).control("marker").codes == []  # it may still come
    (finding,) = called().wait(6_000).control("marker").session.findings
    assert (finding.code, finding.severity, finding.turn) == ("no-reply", "warning", 1)
    assert "left the call of look_up without an output for 6.0 s" in finding.message


def test_no_reply_when_nobody_asks_after_the_output_of_a_call() -> None:
    (finding,) = answered().wait(6_000).control("marker").session.findings
    assert "no response.create followed for 6.0 s" in finding.message
    asked_for = answered().client("response.create").wait(6_000).control("marker")
    assert "the server created no response" in asked_for.session.findings[0].message
    refused = answered().client("response.create", event_id="e")
    refused.server("error", error={"code": "invalid_value", "message": "No.", "event_id": "e"})
    (finding,) = refused.wait(6_000).control("marker").session.findings
    assert "its response.create was refused, No." in finding.message


@pytest.mark.parametrize("words", ["", "One moment."])
def test_no_reply_when_the_response_after_a_call_fails(words: str) -> None:
    story = asked().wait(30).begin("r1").wait(100)
    if words:
        story.say("r1", 500, words)
    done = {"response_id": "r1", "item_id": "f", "call_id": "c", "name": "f", "arguments": "{}"}
    story.server("response.function_call_arguments.done", **done).end("r1")
    output = {"type": "function_call_output", "call_id": "c", "output": "Found."}
    story.client("conversation.item.create", item=output).client("response.create").begin("r2")
    story.end("r2", "failed", status_details={"error": {"code": "server_error"}})
    (finding,) = story.session.findings
    assert (finding.code, finding.severity) == ("no-reply", "error")
    assert "the response failed" in finding.message


def called_by_mcp() -> Story:
    """The model has called a tool of an MCP server instead of answering, as such calls go."""
    ids = {"response_id": "r1", "item_id": "m"}
    item = {"id": "m", "type": "mcp_call", "name": "look_up", "server_label": "docs"}
    story = asked().wait(30).begin("r1").wait(100)
    story.server("response.output_item.added", response_id="r1", item=item)
    story.server("response.mcp_call_arguments.done", arguments="{}", **ids).wait(10).end("r1")
    return story.server("response.mcp_call.in_progress", item_id="m")


def test_a_tool_of_an_mcp_server_that_is_slow_or_never_followed_by_words() -> None:
    """The server calls the tool, but does not go on by itself when it has the output."""
    assert called_by_mcp().wait(4_000).control("marker").codes == []
    (finding,) = called_by_mcp().wait(6_000).control("marker").session.findings
    assert "the MCP server has not answered the call of look_up for 6.0 s" in finding.message
    over = called_by_mcp().wait(490).server("response.mcp_call.completed", item_id="m")
    item = {"id": "m", "type": "mcp_call", "name": "look_up", "output": "Found."}
    over.wait(5).server("response.output_item.done", response_id="r1", item=item)
    (finding,) = over.wait(6_000).control("marker").session.findings
    assert "no response.create followed for 6.0 s" in finding.message
    assert "after the last response.mcp_call.completed" in finding.next
    over = called_by_mcp().wait(2_990).server("response.mcp_call.completed", item_id="m")
    session = over.client("response.create").reply("r2").session
    assert session.meter.value(session.turns[0], "tool_ms") == 3_000
    (finding,) = session.findings
    assert (finding.code, "because of its tool" in finding.message) == ("slow-turn", True)
    failed = called_by_mcp().server("response.mcp_call.failed", item_id="m")
    (finding,) = failed.wait(6_000).control("marker").session.findings
    assert "no response.create followed" in finding.message


def test_a_call_that_another_connection_answers_is_not_left() -> None:
    output = {"id": "o", "type": "function_call_output", "call_id": "c", "output": "Found."}
    session = called().wait(300).server("conversation.item.added", item=output).reply("r2").session
    assert (session.findings, session.turns[0].calls[0].output) == ([], "Found.")
    story = called().wait(300).server("conversation.item.added", item=output)
    (finding,) = story.wait(6_000).control("marker").session.findings
    assert "no response.create followed" in finding.message


def test_a_request_that_was_refused_before_the_call_is_not_why_nobody_asks_after_it() -> None:
    vad = {**VAD, "create_response": False}
    story = Story(turn_detection=vad).speak(1500).hear("u1", 0, 1400).client("response.create")
    story.server("error", error={"param": "response.voice", "message": "No such voice."})
    item = {"id": "f", "type": "function_call", "call_id": "c", "name": "look_up"}
    story.client("response.create").wait(30).begin("r1")
    story.server("response.output_item.done", response_id="r1", item=item).end("r1")
    output = {"type": "function_call_output", "call_id": "c", "output": "Found."}
    story.client("conversation.item.create", item=output).wait(6_000).control("marker")
    refused, finding = story.session.findings
    assert refused.code == "request-refused"
    assert "no response.create followed" in finding.message


def test_what_fails_after_a_reply_was_no_reply_to_the_turn() -> None:
    story = asked().reply("r1").client("response.create").begin("r2")
    assert story.end("r2", "failed", status_details={"error": {"code": "server_error"}}).codes == []


def test_a_call_that_the_caller_interrupts_needs_no_output() -> None:
    item = {"id": "f", "type": "function_call", "call_id": "c", "name": "f", "status": "incomplete"}
    story = asked().wait(30).begin("r1").wait(2_000)
    story.server("response.output_item.added", response_id="r1", item=item).speak(100)
    story.server("input_audio_buffer.speech_started", audio_start_ms=2_600, item_id="u2")
    story.end("r1", "cancelled", output=[item], status_details={"reason": "turn_detected"})
    assert story.wait(9_000).control("marker").codes == []


def test_a_call_that_is_made_beside_words_may_stay_without_an_output() -> None:
    item = {"id": "f", "type": "function_call", "call_id": "c", "name": "hang_up"}
    story = asked().wait(30).begin("r1").wait(100).say("r1", 500, "Good bye.")
    story.server("response.output_item.done", response_id="r1", item=item).end("r1")
    assert story.wait(9_000).control("marker").codes == []


# slow-turn


@pytest.mark.parametrize(("queue", "model", "part"), [(2500, 400, "queue"), (30, 2500, "model")])
def test_slow_turn_names_the_part(queue: float, model: float, part: str) -> None:
    story = asked().wait(queue).begin("r1").wait(model).say("r1", 500, "Yes.").end("r1")
    (finding,) = story.session.findings
    assert finding.code == "slow-turn"
    assert f"because of its {part} " in finding.message


def test_a_slow_turn_is_not_the_models_where_the_client_asks_late() -> None:
    by_client = Story(turn_detection={**VAD, "create_response": False}).speak(1500).hear("u", 0, 0)
    late = by_client.stop("u", 1400).wait(3_000).client("response.create").reply("r1")
    after_call = answered().wait(3_000).client("response.create").reply("r2")
    for story in (late, after_call):
        (finding,) = story.session.findings
        assert "mostly because of its queue" in finding.message
        assert "model 4" in finding.message or "model 5" in finding.message


def test_tools_of_one_round_after_another_are_waited_for_together() -> None:
    story = asked()
    for n in ("1", "2"):
        item = {"id": f"f{n}", "type": "function_call", "call_id": f"c{n}", "name": "look_up"}
        output = {"type": "function_call_output", "call_id": f"c{n}", "output": "Found."}
        story.wait(30).begin(f"r{n}").wait(100)
        story.server("response.output_item.done", response_id=f"r{n}", item=item).end(f"r{n}")
        story.wait(1_000).client("conversation.item.create", item=output).client("response.create")
    (finding,) = story.reply("r3").session.findings
    assert "mostly because of its tool " in finding.message
    assert "queue 90 ms, tool 2000 ms, model 600 ms" in finding.message


def test_a_turn_that_is_answered_in_writing_is_slow_too() -> None:
    story = asked().wait(30).begin("r1").wait(4_000)
    story.server("response.output_text.delta", response_id="r1", item_id="t", delta="Yes.")
    (finding,) = story.end("r1").session.findings
    assert (finding.code, finding.turn) == ("slow-turn", 1)
    assert "after 4.3 s, mostly because of its model " in finding.message


def test_a_turn_whose_end_semantic_vad_found_is_slow_by_what_is_known() -> None:
    def answered_after(ms: float) -> list[str]:
        story = Story(turn_detection={"type": "semantic_vad"}).speak(1500).hear("u1", 0, 1400)
        return story.wait(30).begin("r1").wait(ms).say("r1", 500, "Yes.").end("r1").codes

    assert answered_after(1_900) == []
    assert answered_after(2_000) == ["slow-turn"]


# words-cut


def test_words_cut_when_the_caller_goes_on_at_once() -> None:
    story = asked().wait(30).begin("r1").speak(600)
    story.server("input_audio_buffer.speech_started", audio_start_ms=1_500, item_id="u2")
    story.end("r1", "cancelled", status_details={"reason": "turn_detected"})
    story.stop("u2", 2_100).reply("r2")
    (finding,) = story.session.findings
    assert (finding.code, finding.turn) == ("words-cut", 1)
    assert "600 ms later as turn 2" in finding.message


def test_no_words_are_cut_when_the_caller_answers() -> None:
    story = asked().reply("r1", 400).speak(600)
    assert story.hear("u2", 1_700, 2_100).reply("r2").codes == []


def test_words_cut_when_the_client_clears_what_is_being_said() -> None:
    story = Story().speak(500)
    story.server("input_audio_buffer.speech_started", audio_start_ms=0, item_id="u1")
    assert story.client("input_audio_buffer.clear").codes == ["words-cut"]


# barge-in-desync


def interrupted(heard_ms: int) -> Story:
    """The caller interrupts a long reply, of which so much was played."""
    story = asked().wait(30).begin("r1").wait(400).say("r1", 5_000, "This takes its time.")
    story.speak(heard_ms)
    story.server("input_audio_buffer.speech_started", audio_start_ms=1_500, item_id="u2")
    return story.end("r1", "cancelled", status_details={"reason": "turn_detected"})


@pytest.mark.parametrize(
    ("told", "wrong"), [(2_000, False), (1_700, False), (1_500, True), (5_000, True)]
)
def test_barge_in_desync_is_what_the_player_did_not_do(told: int, wrong: bool) -> None:
    story = interrupted(2_000).wait(50)
    truncation = {"item_id": "of_r1", "content_index": 0, "audio_end_ms": told}
    story.client("conversation.item.truncate", **truncation)
    session = story.wait(3_000).control("marker").session
    assert [f.code for f in session.findings] == ["barge-in-desync"] * wrong
    metrics = session.measure(session.turns[0])
    assert metrics["heard_ms"] == pytest.approx(2_000)
    assert metrics["barge_in_ms"] == pytest.approx(50)


def test_a_forgotten_truncation_is_found_once_it_is_late() -> None:
    story = interrupted(2_000)
    assert story.wait(1_000).control("marker").codes == []
    assert story.wait(3_000).control("marker").codes == ["barge-in-desync"]


def queued() -> Story:
    """One of two items is being heard when the caller speaks, and the client truncates that."""
    story = asked().begin("r1").say("r1", 3_000, item_id="a").say("r1", 3_000, item_id="b")
    story.end("r1").speak(700)
    story.server("input_audio_buffer.speech_started", audio_start_ms=2_000, item_id="u2")
    return story.wait(10).client("conversation.item.truncate", item_id="a", audio_end_ms=700)


@pytest.mark.parametrize(("told", "wrong"), [(None, True), (0, False), (3_000, True)])
def test_what_waited_to_be_heard_was_not_heard_either(told: int | None, wrong: bool) -> None:
    story = queued().wait(10)
    if told is not None:
        story.client("conversation.item.truncate", item_id="b", audio_end_ms=told)
    session = story.wait(3_000).control("marker").session
    assert [f.code for f in session.findings] == ["barge-in-desync"] * wrong
    assert all("about 0 ms" in f.message for f in session.findings)
    assert session.metrics["barge_ins"] == 1
    assert session.measure(session.turns[0])["barge_in_ms"] == 10


def test_a_noise_that_stops_two_items_is_one_false_barge_in() -> None:
    story = queued().client("conversation.item.truncate", item_id="b", audio_end_ms=0)
    story.speak(500).stop("u2", 2_600)  # 100 ms of sound
    assert story.codes.count("false-barge-in") == 1


def test_a_server_that_truncates_itself_needs_no_client() -> None:
    story = interrupted(2_000)
    story.server("conversation.item.truncated", item_id="of_r1", audio_end_ms=2_010)
    assert story.wait(3_000).control("marker").codes == []


@pytest.mark.parametrize(("heard_ms", "found"), [(400, []), (2_000, ["barge-in-desync"])])
def test_an_item_that_is_deleted_was_not_heard(heard_ms: int, found: list[str]) -> None:
    item = {"id": "of_r1", "type": "message", "role": "assistant", "content": []}
    story = interrupted(heard_ms).server("conversation.item.added", item=item)
    story.client("conversation.item.delete", item_id="of_r1")
    story.server("conversation.item.deleted", item_id="of_r1").wait(3_000).control("marker")
    findings = [finding for finding in story.session.findings if finding.code != "words-cut"]
    assert [finding.code for finding in findings] == found
    assert all("it deleted the whole item" in finding.message for finding in findings)


# false-barge-in


@pytest.mark.parametrize(
    ("transcript", "false"),
    [("", True), (" … ", True), ("takes its time", True), ("Stop.", False), ("time", False)],
)
def test_false_barge_in_is_a_noise_or_an_echo(transcript: str, false: bool) -> None:
    story = interrupted(2_000)
    truncation = {"item_id": "of_r1", "content_index": 0, "audio_end_ms": 2_000}
    story.client("conversation.item.truncate", **truncation).speak(500).stop("u2", 3_900)
    kind = "conversation.item.input_audio_transcription.completed"
    story.server(kind, item_id="u2", transcript=transcript).reply("r2")
    assert story.codes == ["false-barge-in"] * false


def test_an_echo_of_the_first_words_is_not_the_caller_going_on() -> None:
    hearing = Story(input_audio_transcription={"model": "whisper-1"}).speak(1500)
    story = hearing.hear("u1", 0, 1400).speak(40).begin("r1").speak(400)
    story.say("r1", 3_000, "Hello, how can I help you?").speak(200)
    story.server("input_audio_buffer.speech_started", audio_start_ms=1_740, item_id="u2")
    story.end("r1", "cancelled", status_details={"reason": "turn_detected"})
    story.client("conversation.item.truncate", item_id="of_r1", audio_end_ms=200)
    kind = "conversation.item.input_audio_transcription.completed"
    story.speak(600).stop("u2", 2_600).server(kind, item_id="u1", transcript="Hi.")
    assert story.server(kind, item_id="u2", transcript="Hello, how").codes == ["false-barge-in"]


# choppy-audio


def test_audio_that_waits_for_its_turn_to_be_heard_may_be_slow() -> None:
    story = asked().wait(30).begin("r1").wait(400).say("r1", 4_000, "Let me look.").end("r1")
    story.wait(200).client("response.create").wait(30).begin("r2")
    story.wait(200).say("r2", 200).wait(900).say("r2", 2_000, "Here it is.").end("r2")
    session = story.session
    assert session.measure(session.turns[0])["prebuffer_ms"] == 0
    assert session.findings == []
    # What ran dry when it was its turn is choppy, by what was missing then.
    late = story.begin("r3").say("r3", 100).wait(8_000).say("r3", 1_000).end("r3").session
    assert late.measure(late.turns[0])["prebuffer_ms"] == pytest.approx(3_030)
    assert [finding.code for finding in late.findings] == ["choppy-audio"]


# late-transcript


def test_transcripts_that_are_late_out_of_order_or_missing() -> None:
    kind = "conversation.item.input_audio_transcription.completed"
    hearing = {"input_audio_transcription": {"model": "whisper-1"}}
    story = Story(**hearing).speak(1500).hear("u1", 0, 1400).reply("r1")
    story.speak(1500).hear("u2", 1_600, 2_900)
    story.server(kind, item_id="u2", transcript="Second.").server(
        kind, item_id="u1", transcript="1"
    )
    session = story.reply("r2").session
    assert [(f.code, f.turn, f.severity) for f in session.findings] == [
        ("late-transcript", 1, "info")
    ]
    late = Story(**hearing).speak(1500).hear("u1", 0, 1400).reply("r1").wait(4_000)
    late.server(kind, item_id="u1", transcript="Hello.")
    assert "transcribed 4.9 s after" in late.session.findings[0].message
    never = Story(**hearing).speak(1500).hear("u1", 0, 1400).reply("r1").wait(11_000)
    assert never.control("marker").session.findings[0].severity == "warning"


# response-active


def test_response_active_is_an_error_when_it_costs_the_reply() -> None:
    story = Story(turn_detection={**VAD, "interrupt_response": False}).speak(1500)
    story.hear("u1", 0, 1400).wait(30).begin("r1").wait(400).say("r1", 9_000, "On and on.")
    story.speak(1500).hear("u2", 1_700, 2_900)
    story.server("error", error={"code": "conversation_already_has_active_response"})
    (finding,) = story.wait(9_000).end("r1").session.findings
    assert (finding.code, finding.severity, finding.turn) == ("response-active", "error", 2)


def test_response_active_is_known_by_its_words_where_it_has_no_code() -> None:
    story = asked().wait(30).begin("r1").client("response.create")
    words = "Conversation already has an active response in progress."
    story.server("error", error={"type": "invalid_request_error", "message": words})
    assert story.wait(400).say("r1", 500, "Yes.").end("r1").codes == ["response-active"]


def test_response_active_names_the_client_only_for_what_it_asked() -> None:
    story = Story(turn_detection={**VAD, "interrupt_response": False}).client("response.create")
    story.reply("hello").speak(1500).hear("u1", 0, 1400).wait(30).begin("r1").wait(400)
    story.say("r1", 9_000, "On and on.").speak(1500).hear("u2", 1_700, 2_900)
    story.server("error", error={"code": "conversation_already_has_active_response"})
    (finding,) = story.wait(9_000).end("r1").session.findings
    assert finding.message.startswith("A turn was over while another was under way")
    assert story.session.errors[0].cause_seq is None


# wrong-rate


def streamed(sent: AudioFormat, named: object, seconds: float = 12, late: float = 0) -> Story:
    """A microphone in real time, in pieces of 20 ms, some of them late by so many ms."""
    story = Story(audio={"input": {"format": named, "turn_detection": VAD}})
    audio = base64.b64encode(bytes(sent.size(20))).decode()
    begun, random = story.now_ms, Random(5)
    for n in range(int(seconds * 50)):
        due = begun + 20 * (n + 1) + late * random.random()
        story.wait(max(0, due - story.now_ms)).client("input_audio_buffer.append", audio=audio)
    return story


PCM = {"type": "audio/pcm", "rate": 24_000}


@pytest.mark.parametrize(
    ("sent", "named", "said"),
    [
        (AudioFormat("pcm16", 16_000), PCM, "0.67 times the pace of speech, as 16 kHz pcm16 does"),
        (AudioFormat("pcm16", 8_000), PCM, "0.33 times the pace of speech, as 8 kHz pcm16 does"),
        (AudioFormat("pcm16", 48_000), PCM, "2 times the pace of speech, as 48 kHz pcm16 does"),
        (AudioFormat("pcm16", 44_100), PCM, "1.8 times the pace of speech, as 44.1 kHz pcm16"),
        (G711_ULAW, PCM, "0.17 times the pace of speech, as G.711 does"),
        (PCM16, {"type": "audio/pcmu"}, "6 times the pace of speech, as 24 kHz pcm16 does"),
    ],
)
def test_a_wrong_rate_shows_in_the_pace(sent: AudioFormat, named: object, said: str) -> None:
    """What browsers, telephones and speech libraries give where the session expects another."""
    found = {one.code: one for one in streamed(sent, named, late=150).session.findings}
    finding = found["wrong-rate"]
    assert said in finding.message
    assert ("noise" in finding.message) == (sent is G711_ULAW or named != PCM)
    assert "wrong-rate" not in streamed(sent, sent.ga).codes


def test_what_is_no_microphone_has_no_wrong_rate() -> None:
    """A client that is somewhat slow, speech in pieces, a file as quick as it goes, few seconds."""
    assert "wrong-rate" not in streamed(AudioFormat("pcm16", 22_050), PCM).codes
    assert "wrong-rate" not in streamed(AudioFormat("pcm16", 16_000), PCM, seconds=8).codes
    pieces = Story()
    for _ in range(10):
        pieces.speak(1_000).wait(1_000)
    assert "wrong-rate" not in pieces.codes
    assert "wrong-rate" not in Story().speak(60_000, chunk_ms=20).codes
    turned = streamed(AudioFormat("pcm16", 16_000), PCM, seconds=6)
    assert "wrong-rate" not in turned.speak(6_000).codes
    slow = Story()
    for _ in range(30):
        slow.wait(10_000).client("input_audio_buffer.append", audio="AAAA")
    assert "wrong-rate" not in slow.codes


# config-refused


def test_settings_that_the_server_ignores_are_named() -> None:
    wanted = {"voice": "marin", "turn_detection": {"silence_duration_ms": 900}, "temperature": 0.8}
    story = Story().client("session.update", session=wanted)
    got = {"voice": "alloy", "turn_detection": VAD, "temperature": 0.800000011920929}
    (finding,) = story.server("session.updated", session=got).session.findings
    assert (finding.code, finding.severity) == ("config-refused", "warning")
    assert "voice is alloy, not marin" in finding.message
    assert "turn_detection.silence_duration_ms is 200, not 900" in finding.message
    assert "temperature" not in finding.message


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ({"modalities": ["text", "audio"]}, {"modalities": ["audio", "text"]}),
        ({"voice": "alloy"}, {"voice": {"name": "alloy", "type": "openai"}}),
        ({"instructions": "Be brief.\n"}, {"instructions": "Be brief."}),
        (
            {"output_audio_format": "pcm16"},
            {"audio": {"output": {"format": {"type": "audio/pcm"}}}},
        ),
        ({"unheard_of": 1}, {}),
        ({"voice": None}, {"voice": "alloy"}),
        ({"tools": [{"name": "a", "x": 1}]}, {"tools": [{"name": "a"}]}),
        ({"model": "gpt-realtime"}, {"model": "gpt-realtime-2025-08-28"}),
    ],
)
def test_what_a_server_writes_otherwise_is_not_ignored(
    wanted: dict[str, object], got: dict[str, object]
) -> None:
    story = Story().client("session.update", session=wanted).server("session.updated", session=got)
    assert story.codes == []


def test_turn_detection_that_stays_on_is_ignored() -> None:
    story = Story().client("session.update", session={"turn_detection": None})
    story.server("session.updated", session={"turn_detection": VAD})
    assert story.codes == ["config-refused"]


def test_a_voice_that_is_refused_leaves_the_next_update_alone() -> None:
    story = Story().client("session.update", session={"voice": "ash"})
    story.server("error", error={"code": "cannot_update_voice", "param": None, "event_id": None})
    story.client("session.update", session={"instructions": "Be brief."})
    got = {"voice": "alloy", "instructions": "Be brief."}
    (finding,) = story.server("session.updated", session=got).wait(9_000).session.findings
    assert (finding.code, finding.severity, finding.events) == ("config-refused", "error", (1, 2))


@pytest.mark.parametrize(
    "error", [{"code": "cannot_update_voice"}, {"code": "invalid_value", "param": "session.voice"}]
)
def test_a_refusal_is_of_the_first_update_that_waits_for_its_answer(error: dict[str, str]) -> None:
    story = Story().client("session.update", session={"voice": "ash"})
    story.client("session.update", session={"instructions": "Be brief."})
    story.server("error", error=error)
    told = {"id": "sess", "voice": "alloy", "instructions": "Be brief."}
    (finding,) = story.server("session.updated", session=told).session.findings
    assert (finding.code, finding.severity, finding.events) == ("config-refused", "error", (1, 3))
    assert story.server("error", error=error).session.errors[1].cause_seq is None
    # What was answered is not refused afterwards.
    assert [one.code for one in story.session.findings] == ["config-refused", "server-error"]


def test_an_update_without_any_answer() -> None:
    story = Story().client("session.update", session={"voice": "marin"})
    assert story.wait(1_000).control("marker").codes == []
    assert story.wait(6_000).control("marker").codes == ["config-refused"]


# session-dropped


@pytest.mark.parametrize(
    ("name", "by_server", "data", "dropped"),
    [
        ("close", True, {"code": 1000}, False),
        ("close", True, {"code": 1011, "reason": "internal error"}, True),
        ("close", False, {"code": 1001}, False),
        ("eof", True, {}, True),
        ("eof", False, {}, False),
        ("reset", True, {}, True),
        ("refused", True, {"status": 401}, True),
    ],
)
def test_session_dropped_is_an_end_that_the_client_did_not_want(
    name: str, by_server: bool, data: dict[str, object], dropped: bool
) -> None:
    story = asked().reply("r1").control(name, by_server=by_server, **data)
    assert story.codes == ["session-dropped"] * dropped


def test_a_limit_that_is_told_twice_is_found_once() -> None:
    error = {"type": "tokens", "code": "rate_limit_exceeded", "message": "Wait for 3 s."}
    story = asked().wait(30).begin("r1").server("error", error=error)
    story.end("r1", "failed", status_details={"type": "failed", "error": error})
    (finding,) = story.session.findings
    assert (finding.code, finding.turn) == ("session-dropped", 1)


def test_a_drop_explains_the_reply_that_never_came() -> None:
    story = asked().wait(6_000).control("close", code=1011, reason="internal error")
    (finding,) = story.session.findings
    assert (finding.code, finding.turn) == ("session-dropped", 1)


# Damage


def test_what_is_missing_is_not_held_against_anybody() -> None:
    story = asked().lose(10).wait(9_000).control("marker")
    session = story.session
    assert session.findings == []
    assert session.gaps
    assert not session.audio_complete
    metrics = session.measure(session.turns[0])
    assert {key for key, value in metrics.items() if value is not None} == set()


# request-refused, server-error


def test_an_error_that_nothing_comes_of_is_found_all_the_same() -> None:
    story = asked().reply("r1").client("input_audio_buffer.commit", event_id="e")
    message = "Error committing input audio buffer: buffer too small."
    empty = {"type": "invalid_request_error", "code": "input_audio_buffer_commit_empty"}
    story.server("error", error={**empty, "message": message, "event_id": "e"})
    story.server("error", error={"type": "server_error", "message": "Something went wrong."})
    refused, failed = story.session.findings
    assert (refused.code, refused.severity, refused.turn) == ("request-refused", "warning", 1)
    assert refused.message == (
        "The server refused input_audio_buffer.commit, input_audio_buffer_commit_empty: " + message
    )
    cause, error = refused.events
    assert error == cause + 1
    assert (failed.code, failed.severity, failed.turn) == ("server-error", "warning", 1)
    assert failed.message == "The server had an error, server_error: Something went wrong."
    assert failed.events == (error + 1,)


def test_errors_of_one_kind_are_one_finding() -> None:
    story = Story()
    for n in range(20):
        error = {"type": "invalid_request_error", "code": "invalid_value", "event_id": f"e{n}"}
        error |= {"param": "item.role", "message": f"Invalid role in {n}."}
        story.client("conversation.item.create", event_id=f"e{n}").server("error", error=error)
    (finding,) = story.session.findings
    assert finding.message.startswith("The server refused conversation.item.create 20 times, ")
    assert finding.next == "Correct item.role: the server has done nothing of it."
    assert finding.turn is None


def test_a_cancel_that_comes_too_late_is_no_more_than_worth_knowing() -> None:
    story = asked().reply("r1").client("response.cancel", event_id="e")
    code = "response_cancel_not_active"
    story.server("error", error={"type": "invalid_request_error", "code": code, "event_id": "e"})
    (finding,) = story.session.findings
    assert (finding.code, finding.severity) == ("request-refused", "info")


def test_an_error_that_is_part_of_another_finding_is_told_once() -> None:
    story = Story().client("session.update", event_id="e", session={"voice": "ash"})
    error = {"type": "invalid_request_error", "code": "cannot_update_voice", "event_id": "e"}
    assert story.server("error", error=error).codes == ["config-refused"]
    assert Story().server("error", error={"code": "session_expired"}).codes == ["session-dropped"]
