"""What is refused, in the words in which users of the live service report it."""

from typing import Any

import pytest

from tests.simulate.dialogue import Dialogue

CALL = '[[reply]]\nfunction_call = { name = "look_up", arguments = {} }\n'


def output(call_id: str) -> dict[str, Any]:
    return {"item": {"type": "function_call_output", "call_id": call_id, "output": "Found."}}


def refused(talk: Dialogue) -> tuple[str, str | None, str]:
    assert talk.types[-1] == "error"
    assert talk.error["type"] == "invalid_request_error"
    return talk.error["code"], talk.error["param"], talk.error["message"]


def test_the_output_of_a_call_that_nobody_made() -> None:
    talk = Dialogue().send("conversation.item.create", **output("call_0"))
    assert refused(talk) == (
        "invalid_tool_call_id",
        None,
        "Tool call ID 'call_0' not found in conversation.",
    )


def test_the_output_of_a_call_may_come_once_the_call_is_known() -> None:
    talk = Dialogue(CALL).say_text("Look it up.").send("response.create")
    while not talk.of("response.output_item.added"):
        talk.wait(10)
    call_id = talk.last("response.output_item.added")["item"]["call_id"]
    talk.send("conversation.item.create", **output(call_id))
    assert talk.last("conversation.item.done")["item"]["call_id"] == call_id
    told = {"type": "function_call", "call_id": "earlier", "name": "f", "arguments": "{}"}
    talk.send("conversation.item.create", item=told)
    talk.send("conversation.item.create", **output("earlier"))
    assert talk.last("conversation.item.done")["item"]["call_id"] == "earlier"
    assert not talk.of("error")


def test_a_call_outside_of_the_conversation_cannot_be_answered_in_it() -> None:
    talk = Dialogue(CALL).send("response.create", response={"conversation": "none"}).wait()
    (item,) = talk.last("response.done")["response"]["output"]
    talk.send("conversation.item.create", **output(item["call_id"]))
    assert refused(talk)[0] == "invalid_tool_call_id"


@pytest.mark.parametrize(
    ("dialect", "content"),
    [
        ("ga", {"type": "output_audio", "transcript": "Thanks for calling.", "audio": None}),
        ("beta", {"type": "audio", "transcript": "Thanks for calling."}),
    ],
)
def test_what_an_assistant_said_aloud_cannot_be_told_again(
    dialect: str, content: dict[str, Any]
) -> None:
    item = {"type": "message", "role": "assistant", "content": [content]}
    talk = Dialogue(dialect=dialect).send("conversation.item.create", item=item)
    assert refused(talk) == (
        "missing_required_parameter",
        "item.content[0].text",
        "Missing required parameter: 'item.content[0].text'.",
    )


@pytest.mark.parametrize(
    ("kind", "field"), [("input_image", "image_url"), ("input_audio", "audio")]
)
def test_a_part_without_what_it_is_made_of(kind: str, field: str) -> None:
    def create(part: dict[str, str]) -> Dialogue:
        item = {"type": "message", "role": "user", "content": [{"type": kind, **part}]}
        return Dialogue().send("conversation.item.create", item=item)

    param = f"item.content[0].{field}"
    assert refused(create({}))[:2] == ("missing_required_parameter", param)
    assert not create({field: "data"}).of("error")


@pytest.mark.parametrize("side", ["input", "output"])
def test_pcm_needs_its_rate(side: str) -> None:
    def update(form: dict[str, Any]) -> Dialogue:
        session = {"type": "realtime", "audio": {side: {"format": form}}}
        return Dialogue().send("session.update", session=session).wait(1_000)

    param = f"session.audio.{side}.format.rate"
    assert refused(update({"type": "audio/pcm"}))[:2] == ("missing_required_parameter", param)
    assert not update({"type": "audio/pcm", "rate": 24_000}).of("error")
    assert not update({"type": "audio/pcmu"}).of("error")


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "input_audio_buffer.append", "session": "sess_1", "audio": ""}, "session"),
        ({"type": "session.update", "voice": "ash", "session": {"type": "realtime"}}, "voice"),
        ({"type": "response.create", "conversation": "none"}, "conversation"),
        ({"type": "input_audio_buffer.commit", "item_id": "x"}, "item_id"),
    ],
)
def test_a_field_that_an_event_does_not_have(event: dict[str, Any], param: str) -> None:
    talk = Dialogue().send(**event)
    assert refused(talk) == ("unknown_parameter", param, f"Unknown parameter: '{param}'.")


@pytest.mark.parametrize(
    ("settings", "code", "param"),
    [
        (
            {"tools": [{"type": "function", "name": "f", "meta": {}}]},
            "unknown_parameter",
            "session.tools[0].meta",
        ),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            "missing_required_parameter",
            "session.tool_choice.name",
        ),
    ],
)
def test_tools_as_other_services_write_them(
    settings: dict[str, Any], code: str, param: str
) -> None:
    talk = Dialogue().send("session.update", session={"type": "realtime", **settings})
    assert refused(talk)[:2] == (code, param)


def test_a_session_of_one_kind_does_not_become_one_of_the_other() -> None:
    talk = Dialogue().send("session.update", session={"type": "transcription"})
    code, _, message = refused(talk)
    assert code == "invalid_parameter"
    assert message == (
        "Passing a transcription session update event to a realtime session is not allowed."
    )


def test_three_values_are_listed_with_a_comma_before_the_last() -> None:
    talk = Dialogue(dialect="beta")
    talk.send("session.update", session={"input_audio_format": "g711-ulaw"})
    assert refused(talk)[2] == (
        "Invalid value: 'g711-ulaw'. Supported values are: 'pcm16', 'g711_ulaw', and 'g711_alaw'."
    )


def test_audio_that_is_not_base64() -> None:
    talk = Dialogue().send("input_audio_buffer.append", audio="no audio!")
    assert refused(talk)[2] == (
        "Invalid 'audio'. Expected base64-encoded audio bytes (mono PCM16 at 24kHz) "
        "but got an invalid value."
    )


@pytest.mark.parametrize(
    ("item_id", "code", "words"),
    [
        (
            "x" * 33,
            "string_above_max_length",
            "string too long. Expected a string with maximum length 32, but got a string with "
            "length 33 instead.",
        ),
        (
            "",
            "empty_string",
            "empty string. Expected a string with minimum length 1, but got an empty string "
            "instead.",
        ),
    ],
)
def test_an_id_of_a_wrong_length(item_id: str, code: str, words: str) -> None:
    item = {"id": item_id, "type": "message", "role": "user", "content": []}
    talk = Dialogue().send("conversation.item.create", item=item)
    assert refused(talk) == (code, "item.id", f"Invalid 'item.id': {words}")
