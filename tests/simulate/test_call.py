"""Whole calls: the simulated caller and the simulated server, over a socket."""

import base64
from typing import Any

import pytest

from rtproxy.realtime.audio import PCM16, level_db
from rtproxy.realtime.dialect import dialect_of
from rtproxy.simulate.caller import Caller
from rtproxy.simulate.library import built_in, load
from rtproxy.simulate.report import CallReport
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.script import Script
from rtproxy.simulate.server import SimulatedServer
from rtproxy.simulate.voice import speech_ms

QUICK = """
[delays]
queue = 1
first_text = 2
first_audio = 5
session_update = 1
transcription = 2
rate_limits = 1
[audio]
rate = 0
"""

VAD = {"silence_duration_ms": 200}
SPEED = 8


async def call(
    scenario: str, *steps: dict[str, Any], session: dict[str, Any] | None = None, **keys: Any
) -> CallReport:
    """Let a caller that does `steps` call a server that behaves as `scenario` says."""
    table = {"speed": SPEED, "step": list(steps), "session": session or {}, **keys}
    async with SimulatedServer(Scenario.parse(QUICK + scenario, "quick.toml")) as server:
        return await Caller(server.url, Script.parse(table, "quick.toml")).run()


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize("form", ["pcm16", "g711_ulaw", "g711_alaw"])
async def test_a_spoken_turn(dialect: str, form: str) -> None:
    report = await call(
        '[transcription]\ntexts = ["Hello there."]\n[[reply]]\ntext = "Good morning to you."',
        {"wait": 300},
        {"say": "Hello there."},
        {"wait": "reply"},
        session={
            "input_format": form,
            "output_format": form,
            "transcription": "whisper-1",
            "turn_detection": VAD,
        },
        dialect=dialect,
    )
    assert report.errors == []
    assert dialect_of(report.types(from_server=True)) == dialect
    (turn,) = report.turns
    assert turn.reply == "Good morning to you."
    assert turn.transcript == "Hello there."
    assert turn.statuses == ["completed"]
    assert turn.heard_ms == turn.received_ms
    assert turn.received_ms == pytest.approx(speech_ms("Good morning to you."), abs=1)
    stopped = next(e.event for e in report.received if e.type.endswith("speech_stopped"))
    # Idle noise for as long as it takes to get there, the speech, the silence that ends a turn.
    assert stopped["audio_end_ms"] > 300 + speech_ms("Hello there.") + 100


async def test_a_typed_turn_answered_in_text() -> None:
    report = await call(
        '[[reply]]\ntext = "Yes."', {"text": "Is it you?"}, {"wait": "reply"},
        session={"output": "text"},
    )  # fmt: skip
    assert [turn.reply for turn in report.turns] == ["Yes."]
    assert report.turns[0].received_ms == 0
    assert "input_audio_buffer.append" not in report.types(from_server=False)


async def test_a_turn_that_the_caller_ends_itself() -> None:
    report = await call(
        '[[reply]]\ntext = "Copy."',
        {"say": "Over."}, {"commit": True}, {"respond": True}, {"wait": "reply"},
        session={"turn_detection": "none"},
    )  # fmt: skip
    assert report.errors == []
    assert report.turns[0].reply == "Copy."
    appended = sum(
        PCM16.duration_ms(len(base64.b64decode(event.event["audio"])))
        for event in report.sent
        if event.type == "input_audio_buffer.append"
    )
    assert appended == pytest.approx(speech_ms("Over."))


async def test_a_tool_call() -> None:
    report = await call(
        """
        [[reply]]
        function_call = {name = "weather", arguments = {city = "Turin"}}
        [[reply]]
        when = "sunny"
        text = "It is sunny in Turin."
        """,
        {"text": "How is the weather?"},
        {"wait": "reply"},
        tool=[{"name": "weather", "output": {"sky": "sunny"}, "delay_ms": 80}],
    )
    (turn,) = report.turns
    assert turn.tools == ["weather"]
    assert turn.reply == "It is sunny in Turin."
    assert turn.statuses == ["completed", "completed"]
    done = next(e for e in report.received if e.type == "response.function_call_arguments.done")
    output = [e for e in report.sent if e.type == "conversation.item.create"][1]
    assert output.event["item"]["call_id"] == done.event["call_id"]
    assert output.t_ms - done.t_ms >= 80 / SPEED - 0.1


LONG = "This is a long answer, and it goes on and on, until somebody says that it is enough."


@pytest.mark.parametrize("detection", [VAD, "none"])
async def test_a_barge_in(detection: Any) -> None:
    report = await call(
        f'[[reply]]\ntext = "{LONG}"\n[[reply]]\ntext = "All right."',
        {"text": "Tell me everything."},
        {"say": "Stop, that is enough!", "interrupt_after_ms": 800},
        *([{"commit": True}, {"respond": True}] if detection == "none" else []),
        {"wait": "reply"},
        session={"turn_detection": detection},
    )  # fmt: skip
    assert report.errors == []
    first, second = report.turns
    assert (first.interrupted, second.interrupted) == (True, False)
    assert 800 <= first.heard_ms < first.received_ms
    assert second.reply == "All right."
    (truncate,) = [e.event for e in report.sent if e.type == "conversation.item.truncate"]
    (truncated,) = [e.event for e in report.received if e.type == "conversation.item.truncated"]
    assert truncated["audio_end_ms"] == truncate["audio_end_ms"] == int(first.heard_ms)


async def test_the_built_in_support_call() -> None:
    """The demo's scenario: a spoken question, a look-up, and an answer that is interrupted."""
    scenario = load("support-call")
    script = Script.parse({**scenario.caller, "speed": 3}, "support-call.toml")
    async with SimulatedServer(scenario) as server:
        report = await Caller(server.url, script).run()
    assert report.errors == []
    question, barge_in = report.turns
    assert question.transcript == question.said
    assert question.tools == ["lookup_order"]
    assert question.statuses == ["completed", "cancelled"]
    assert question.interrupted
    assert 0 < question.heard_ms < question.received_ms
    assert barge_in.reply == "Sure. Have a good day!"
    assert barge_in.heard_ms == barge_in.received_ms > 0
    audio = b"".join(
        base64.b64decode(event.event["delta"])
        for event in report.received
        if event.type == "response.output_audio.delta"
    )
    assert level_db(PCM16.decode(audio)) > -30


@pytest.mark.parametrize("name", [name for name, each in built_in().items() if each.caller])
def test_the_callers_of_the_built_in_scenarios_have_sound_scripts(name: str) -> None:
    assert Script.parse(load(name).caller, name).steps


async def test_the_rate_limit_scenario_fails_its_second_response() -> None:
    scenario = load("rate-limit")
    async with SimulatedServer(scenario) as server:
        report = await Caller(server.url, Script.parse(scenario.caller, "rate-limit.toml")).run()
    assert [turn.statuses for turn in report.turns] == [["completed"], ["failed"]]
