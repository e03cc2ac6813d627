"""Scripts: what they allow, what they ask of the session in either dialect."""

import tomllib
from typing import Any

import pytest

from rtproxy.errors import ScenarioError
from rtproxy.realtime.audio import G711_ULAW, PCM16
from rtproxy.simulate.script import Script

FULL = """
dialect = "ga"
model = "gpt-realtime-mini"
speed = 4
chunk_ms = 40
idle_noise = "none"

[session]
instructions = "Be brief."
voice = "marin"
output = "audio"
input_format = "g711_ulaw"
transcription = "whisper-1"
turn_detection = {threshold = 0.6, silence_duration_ms = 300}

[[tool]]
name = "find_order"
description = "Looks an order up."
parameters = {type = "object", properties = {id = {type = "string"}}}
output = {status = "shipped"}
delay_ms = 250

[[step]]
say = "Where is my order?"
[[step]]
wait = "response.done"
[[step]]
say = "Stop."
interrupt_after_ms = 800
truncate = "wrong"
[[step]]
wait = 250
[[step]]
hang_up = true
code = 4001
"""


def parse(text: str) -> Script:
    return Script.parse(tomllib.loads(text), "call.toml")


def test_a_script_is_read_whole() -> None:
    script = parse(FULL)
    assert [step.action for step in script.steps] == ["say", "wait", "say", "wait", "hang_up"]
    assert script.steps[1].wait == "response.done"
    assert script.steps[3].wait == 250.0
    assert script.tools[0].output_text == '{"status":"shipped"}'
    assert script.input_format == G711_ULAW
    assert script.open_microphone
    assert not script.cancels
    assert script.source == "call.toml"


def test_the_session_is_asked_for_in_ga_names() -> None:
    update = parse(FULL).session_update()
    assert update == {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "instructions": "Be brief.",
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transcription": {"model": "whisper-1"},
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.6,
                        "silence_duration_ms": 300,
                    },
                },
                "output": {"voice": "marin"},
            },
            "tools": [
                {
                    "type": "function",
                    "name": "find_order",
                    "description": "Looks an order up.",
                    "parameters": {"type": "object", "properties": {"id": {"type": "string"}}},
                }
            ],
            "tool_choice": "auto",
        },
    }


def test_the_session_is_asked_for_in_beta_names() -> None:
    update = parse(FULL.replace('dialect = "ga"', 'dialect = "beta"')).session_update()
    assert update is not None
    session = dict(update["session"])
    del session["tools"]
    assert session == {
        "instructions": "Be brief.",
        "modalities": ["audio", "text"],
        "voice": "marin",
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.6,
            "silence_duration_ms": 300,
        },
        "tool_choice": "auto",
    }


@pytest.mark.parametrize(
    ("dialect", "session"),
    [
        ("ga", {"type": "realtime", "audio": {"input": {"turn_detection": None}}}),
        ("beta", {"turn_detection": None}),
    ],
)
def test_turn_detection_is_turned_off_with_null(dialect: str, session: dict[str, Any]) -> None:
    script = parse(
        f'dialect = "{dialect}"\nsession = {{turn_detection = "none"}}\nstep = [{{say = "Hi"}}]'
    )
    assert script.session_update() == {"type": "session.update", "session": session}
    assert not script.open_microphone
    assert script.cancels


def test_what_is_not_asked_for_is_left_to_the_server() -> None:
    script = parse('step = [{text = "Hi"}]')
    assert script.session_update() is None
    assert script.input_format == PCM16
    assert not script.open_microphone
    assert parse('step = [{say = "Hi"}]').open_microphone
    assert not parse('microphone = "push_to_talk"\nstep = [{say = "Hi"}]').open_microphone


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the caller does nothing; give it a [[caller.step]]"),
        ('source = "x"', "no key caller.source"),
        ("speed = 0", "caller.speed must be at least 0.01, not 0"),
        ("chunk_ms = true", "caller.chunk_ms must be a whole number, not True"),
        ('idle_noise = "loud"', 'caller.idle_noise must be a number or "none"'),
        ("idle_noise = 3", "caller.idle_noise must be at most 0"),
        ('dialect = "GA"', 'caller.dialect must be "beta" or "ga"'),
        ('session = {voise = "ash"}', "no key caller.session.voise; did you mean voice?"),
        ("tool = [{}]", "caller.tool[0].name is missing"),
        ("step = [{}]", "caller.step[0] does nothing; it must do one of say, file, text"),
        ("step = [{cancel = false}]", "caller.step[0] does nothing"),
        ('step = [{say = "a", text = "b"}]', "caller.step[0] does say and text"),
        ('step = [{say = "a"}, {wate = 1}]', "no key caller.step[1].wate; did you mean wait?"),
        ('step = [{wait = "replay"}]', 'caller.step[0].wait must be "reply", the type of a'),
        ("step = [{wait = -1}]", "caller.step[0].wait must be at least 0"),
        ('step = [{text = "a", interrupt_after_ms = 5}]', "interrupt_after_ms goes only with"),
        ('step = [{say = "a", code = 1000}]', "caller.step[0].code goes only with hang_up"),
        ('step = [{say = "a", truncate = "half"}]', "caller.step[0].truncate must be"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(text)
    assert str(caught.value).startswith("call.toml: ")
    assert message in str(caught.value)


def test_a_typed_text_may_do_without_a_response() -> None:
    script = parse('step = [{text = "a", respond = false}, {respond = true}]')
    assert [step.action for step in script.steps] == ["text", "respond"]
