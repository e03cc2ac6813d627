"""Changes planted in a call: each is found, at its turn, path and level, and nothing else is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from rtproxy.diff.compare import compare_records
from rtproxy.tape.record import Control
from tests.diff.planting import SPOKEN, Call, Json, Moment, Samples, renamed, spoken, typed
from tests.realtime.simulated import call_records

Found = tuple[str, int | None, str, str]
"""(level, turn in the first call or else in the second, path, kind)."""


@dataclass(frozen=True)
class Plant:
    """A change, and all that is to be found of it."""

    name: str
    change: Callable[[Call], None]
    found: tuple[Found, ...]
    of: Callable[[], Call] = spoken


def text(old: str, new: str, *types: str) -> Callable[[Call], None]:
    return lambda call: call.replace(old, new, *types)


def in_response(turn: int, which: int, **fields: Any) -> Callable[[Call], None]:
    """Other fields in a response.done."""

    def change(call: Call) -> None:
        for moment in call.of("response.done"):
            if moment.event["response"]["id"] == call.response(turn, which):
                moment.event["response"] |= fields

    return change


def in_settings(change: Callable[[Json], None], *, asked: bool = True) -> Callable[[Call], None]:
    """Other settings, asked for and confirmed."""

    def changed(call: Call) -> None:
        for moment in call.of("session.updated", *(("session.update",) if asked else ())):
            change(moment.event["session"])

    return changed


def later(type_: str, which: int, ms: float) -> Callable[[Call], None]:
    """All from an event on comes later: the nth of its type, from 0."""
    return lambda call: call.delay(list(call.of(type_))[which], ms)


def said(turn: int, change: Callable[[Samples], Samples], which: int = 0) -> Callable[[Call], None]:
    return lambda call: call.say(call.item(turn, which), change)


def drop(call: Call, *moments: Moment) -> None:
    gone = {id(moment) for moment in moments}
    assert gone
    call.moments = [moment for moment in call.moments if id(moment) not in gone]


def of_item(call: Call, type_: str, turn: int, which: int = 0) -> Moment:
    """The event of a type about a turn's first item."""
    wanted = call.item(turn, which)
    return next(moment for moment in call.of(type_) if moment.event["item_id"] == wanted)


def without_turn(turn: int) -> Callable[[Call], None]:
    return lambda call: drop(call, *call.of_turn(turn))


def turn_again(call: Call) -> None:
    """The third turn once more, at the end, about something else."""
    end = call.moments[-1].t_ns
    again = [Moment(end, moment.flags, renamed(moment.event, "x")) for moment in call.of_turn(3)]
    call.moments[-1:-1] = again
    for moment in again:
        for old, new in (("red before", "green ever"), ("never was", "may be")):
            moment.event = reworded(moment.event, old, new)


def reworded(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {key: reworded(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [reworded(inner, old, new) for inner in value]
    return value.replace(old, new) if isinstance(value, str) else value


def swap_turns(call: Call) -> None:
    """The second turn after the third."""
    second, third = call.of_turn(2), call.of_turn(3)
    ahead = third[0].t_ns - second[0].t_ns
    behind = third[-1].t_ns - second[-1].t_ns
    for moment in second:
        moment.t_ns += behind
    for moment in third:
        moment.t_ns -= ahead
    call.sort()


def call_twice(call: Call) -> None:
    """The tool is called once more in the same response, and answered."""
    first = call.item(2)
    for moment in list(call.moments):
        if moment.type == "response.done":
            body = moment.event["response"]
            if body["id"] == call.response(2):
                body["output"].append(renamed(body["output"][0], "x"))
        elif first in str(moment.event.get("item_id")) or first == moment.event.get("item", {}).get(
            "id"
        ):
            again = renamed(moment.event, "x")
            again["response_id"] = call.response(2)
            call.moments.insert(call.moments.index(moment) + 1, replace(moment, event=again))
        elif moment.event.get("item", {}).get("type") == "function_call_output":
            again = renamed(moment.event, "x")
            call.moments.insert(call.moments.index(moment) + 1, replace(moment, event=again))


def unanswered_call(call: Call) -> None:
    """Nobody answers the tool, but the client goes on."""
    drop(
        call,
        *(
            moment
            for moment in call.moments
            if moment.event.get("item", {}).get("type") == "function_call_output"
        ),
    )


def louder(factor: float) -> Callable[[Samples], Samples]:
    return lambda samples: np.clip(samples.astype(np.float64) * factor, -32768, 32767).astype(
        np.int16
    )


def cut(ms: int) -> Callable[[Samples], Samples]:
    return lambda samples: samples[: -ms * 24]


def paused(start_ms: int, end_ms: int) -> Callable[[Samples], Samples]:
    def change(samples: Samples) -> Samples:
        samples[start_ms * 24 : end_ms * 24] = 0
        return samples

    return change


def quiet_caller(call: Call) -> None:
    """The caller speaks lower in the third turn."""
    speech = call.session.turns[2].speech[0]
    assert speech.start_ms is not None
    assert speech.end_ms is not None
    first, last = int(speech.start_ms) * 24, int(speech.end_ms) * 24

    def change(samples: Samples) -> Samples:
        samples[first:last] = louder(0.9)(samples[first:last])
        return samples

    call.hear(change)


def longer_speech(call: Call) -> None:
    """The server takes 300 ms more of silence for speech, in the first turn."""
    moment = next(call.of("input_audio_buffer.speech_stopped"))
    moment.event["audio_end_ms"] += 300
    call.delay(moment, 300)


def other_voice_midway(call: Call) -> None:
    """The voice changes before the third turn."""
    settings = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
    at = call.session.turns[2].began_ms - 200
    call.insert(at, {"type": "session.update", "session": settings}, client=True)
    call.insert(at + 50, {"type": "session.updated", "session": settings})
    answers = {call.response(turn) for turn in (3, 4, 5)}
    for moment in call.of("response.created", "response.done"):
        if moment.event["response"]["id"] in answers:
            moment.event["response"]["audio"]["output"]["voice"] = "cedar"


def new_event(call: Call) -> None:
    at = call.session.turns[2].responses[0].done_ms
    assert at is not None
    event = {"type": "response.mood", "response_id": call.response(3), "mood": "glad"}
    call.insert(at - 1, event)


def error_in_turn(call: Call) -> None:
    at = call.session.turns[2].responses[0].created_ms
    assert at is not None
    error = {"type": "invalid_request_error", "code": "invalid_value", "message": "No."}
    call.insert(at + 5, {"type": "error", "event_id": "event_q", "error": error})


def no_truncate(call: Call) -> None:
    drop(call, *call.of("conversation.item.truncate*"))


def truncated_elsewhere(call: Call) -> None:
    for moment in call.of("conversation.item.truncate*"):
        moment.event["audio_end_ms"] -= 500


def closed_by_server(call: Call) -> None:
    last = call.moments[-1]
    last.flags = 1
    last.control = Control(0, 0, 1, "close", {"code": 1001, "reason": "expired"})


def failed_transcript(call: Call) -> None:
    for moment in list(call.of("conversation.item.input_audio_transcription.*")):
        if moment.event["item_id"] in call.session.turns[2].item_ids:
            if moment.type.endswith("completed"):
                moment.event = {
                    "type": "conversation.item.input_audio_transcription.failed",
                    "item_id": moment.event["item_id"],
                    "content_index": 0,
                    "error": {"code": "audio_unintelligible", "message": "Not understood."},
                }
            else:
                drop(call, moment)


def written_instead(call: Call) -> None:
    """The third answer is written, not said."""
    item = call.item(3)
    for moment in list(call.moments):
        if moment.type == "response.output_audio.delta" and moment.event["item_id"] == item:
            drop(call, moment)
    for moment in call.of_turn(3):
        if item in str(moment.event):
            moment.event = reworded(moment.event, "output_audio", "output_text")
    for moment in call.of("response.output_text_transcript.*"):
        moment.event["type"] = moment.type.replace("output_text_transcript", "output_text")


def lost_event(type_: str) -> Callable[[Call], None]:
    return lambda call: drop(call, of_item(call, type_, 3))


def swapped_events(call: Call) -> None:
    one = of_item(call, "response.output_audio.done", 3)
    two = of_item(call, "response.output_audio_transcript.done", 3)
    one.event, two.event = two.event, one.event


def one_more_response(call: Call) -> None:
    """The second typed turn is answered twice."""
    done = next(
        m for m in call.of("response.done") if m.event["response"]["id"] == call.response(2)
    )
    at = call.moments.index(done) + 1
    again = []
    for moment in call.of_turn(2):
        named = call.response(2) in str(moment.event) or call.item(2) in str(moment.event)
        if named or moment.type == "response.create":
            event = reworded(renamed(moment.event, "x"), "Blue, I would say", "Or green it is")
            again.append(Moment(done.t_ns, moment.flags, event))
    call.moments[at:at] = again


def asked_otherwise(call: Call) -> None:
    asked = list(call.of("response.create"))[1]
    asked.event["response"] = {"instructions": "Answer in verse."}


def new_field_in_deltas(call: Call) -> None:
    for moment in call.of("response.output_audio.delta"):
        if moment.event["item_id"] == call.item(3):
            moment.event["loudness"] = 3


def new_field_in_item(call: Call) -> None:
    for moment in call.of("response.output_item.done"):
        if moment.event["item"]["id"] == call.item(3):
            moment.event["item"]["phase"] = "final"


def not_confirmed(call: Call) -> None:
    """The server keeps its voice, whatever it is asked."""
    for moment in call.of("session.update"):
        moment.event["session"]["audio"]["output"]["voice"] = "verse"


def volatile(call: Call) -> None:
    """All that may be another in every run: ids, padding, usage, order of keys, blanks."""
    for index, moment in enumerate(call.moments):
        event = renamed(moment.event, "z")
        event = dict(reversed(event.items()))
        if "event_id" in event:
            event["event_id"] = f"event_{index}"
        if "obfuscation" in event:
            event["obfuscation"] = "x"
        response = event.get("response")
        if isinstance(response, dict):
            response["usage"] = {"input_tokens": index, "output_tokens": 3}
            response["metadata"] = {"run": str(index)}
        session = event.get("session")
        if isinstance(session, dict) and "expires_at" in session:
            session["expires_at"] += 77
        if "rate_limits" in event:
            event["rate_limits"][0] |= {"remaining": index, "reset_seconds": 0.5}
        moment.event = event
    call.replace("How is the weather", "How  is the weather")
    call.replace('{"city":"London","days":2}', '{"days": 2, "city":"London"}')


def other_limits(call: Call) -> None:
    for moment in call.of("rate_limits.updated"):
        moment.event["rate_limits"][0]["limit"] = 40_000


def answer(turn: int, path: str) -> str:
    return f"turns[{turn - 1}].responses[0].items[0].{path}"


FIELD = "turns[2].responses[0]"
PLANTS = [
    Plant("volatile", volatile, ()),
    Plant(
        "a word of the assistant's",
        text("sunny and warm", "sunny and cold"),
        (("text", 3, answer(3, "text"), "changed"),),
    ),
    Plant(
        "a word of the assistant's, in one event only",
        text("sunny and warm", "sunny and cold", "response.output_audio_transcript.done"),
        (("text", 3, f"{answer(3, 'events')}[4].transcript", "added"),),
    ),
    Plant(
        "a word of the caller's",
        text("And what about tomorrow", "And what about today"),
        (("text", 3, "turns[2].user", "changed"),),
    ),
    Plant(
        "a tool argument",
        text('"city":"London"', '"city":"Paris"'),
        (("tools", 2, "turns[1].tools[0].arguments.city", "changed"),),
    ),
    Plant(
        "a tool argument more",
        text('"days":2', '"days":2,"unit":"C"'),
        (("tools", 2, "turns[1].tools[0].arguments.unit", "added"),),
    ),
    Plant(
        "another tool",
        text("get_weather", "get_forecast", "conversation.item*", "response.*"),
        (("tools", 2, "turns[1].tools[0].name", "changed"),),
    ),
    Plant(
        "what a tool answers",
        text('"degrees": 12', '"degrees": 14'),
        (("tools", 2, "turns[1].tools[0].output.degrees", "changed"),),
    ),
    Plant("a tool called twice", call_twice, (("structure", 2, "turns[1].tools[1]", "added"),)),
    Plant(
        "a tool without an answer",
        unanswered_call,
        (("tools", 2, "turns[1].tools[0].output", "removed"),),
    ),
    Plant("a turn missing", without_turn(3), (("structure", 3, "turns[2]", "removed"),)),
    Plant(
        "a typed turn missing",
        without_turn(2),
        (("structure", 2, "turns[1]", "removed"),),
        typed,
    ),
    Plant("a turn more", turn_again, (("structure", 5, "turns[4]", "added"),), typed),
    Plant("turns swapped", swap_turns, (("structure", 2, "turns[1]", "moved"),), typed),
    Plant(
        "a response cancelled",
        in_response(3, 0, status="cancelled", status_details={"reason": "client_cancelled"}),
        (("structure", 3, f"{FIELD}.status", "changed"),),
    ),
    Plant(
        "a response failed",
        in_response(3, 0, status="failed", status_details={"error": {"code": "server_error"}}),
        (("structure", 3, f"{FIELD}.status", "changed"),),
    ),
    Plant(
        "one more response",
        one_more_response,
        (("structure", 2, "turns[1].responses[1]", "added"),),
        typed,
    ),
    Plant(
        "another instruction for a response",
        asked_otherwise,
        (("text", 2, "turns[1].events['response.create'][0].response", "added"),),
        typed,
    ),
    Plant(
        "another word from the system",
        text("closed on Mondays", "closed on Sundays"),
        (("text", None, "items[0].text", "changed"),),
        typed,
    ),
    Plant(
        "another voice",
        text("marin", "cedar"),
        (("text", None, "session.audio.output.voice", "changed"),),
    ),
    Plant(
        "a voice that was not granted",
        not_confirmed,
        (("text", None, "events['session.update'][0].session", "added"),),
    ),
    Plant(
        "another voice midway",
        other_voice_midway,
        (
            ("structure", None, "events['session.update'][1]", "added"),
            ("text", 3, "turns[2].session.audio.output.voice", "changed"),
        ),
    ),
    Plant(
        "another instruction",
        text("Be brief and kind.", "Be brief and strict."),
        (("text", None, "session.instructions", "changed"),),
    ),
    Plant(
        "another model",
        in_settings(lambda s: s.update(model="gpt-realtime-2"), asked=False),
        (("text", None, "session.model", "changed"),),
    ),
    Plant(
        "a tool more in the settings",
        in_settings(lambda s: s["tools"].append({"type": "function", "name": "get_time"})),
        (("text", None, "session.tools[1]", "added"),),
    ),
    Plant(
        "another description of a tool",
        in_settings(lambda s: s["tools"][0].update(description="Says how the weather is.")),
        (("text", None, "session.tools[0].description", "changed"),),
    ),
    Plant(
        "+300 ms of the model",
        later("response.output_item.added", 3, 300),
        (("timing", 3, "turns[2].metrics.model_ms", "changed"),),
    ),
    Plant(
        "+300 ms of the endpoint",
        later("input_audio_buffer.speech_stopped", 0, 300),
        (("timing", 1, "turns[0].metrics.endpoint_ms", "changed"),),
    ),
    Plant(
        "audio 10 % quieter",
        said(3, louder(0.9)),
        (("audio", 3, answer(3, "audio.level_db"), "changed"),),
    ),
    Plant(
        "audio cut by 200 ms",
        said(3, cut(200)),
        (("audio", 3, answer(3, "audio.ms"), "changed"),),
    ),
    Plant(
        "a pause in the audio",
        said(3, paused(600, 1200)),
        (("audio", 3, answer(3, "audio.pauses"), "changed"),),
    ),
    Plant(
        "audio that is clipped",
        said(3, louder(12)),
        (
            ("audio", 3, answer(3, "audio.level_db"), "changed"),
            ("audio", 3, answer(3, "audio.clipped"), "changed"),
        ),
    ),
    Plant(
        "a caller 10 % quieter",
        quiet_caller,
        (("audio", 3, "turns[2].speech.level_db", "changed"),),
    ),
    Plant(
        "a field of a newer server",
        in_response(3, 0, safety="checked"),
        (("text", 3, f"{FIELD}.safety", "added"),),
    ),
    Plant(
        "a new field of an item",
        new_field_in_item,
        (("text", 3, answer(3, "phase"), "added"),),
    ),
    Plant(
        "a new field in deltas",
        new_field_in_deltas,
        (("text", 3, answer(3, "deltas"), "added"),),
    ),
    Plant(
        "a new event",
        new_event,
        (("structure", 3, "turns[2].events['response.mood'][0]", "added"),),
    ),
    Plant("an error", error_in_turn, (("structure", 3, "turns[2].events.error[0]", "added"),)),
    Plant(
        "not truncated",
        no_truncate,
        (("structure", 4, "turns[3].events['conversation.item.truncate'][0]", "removed"),),
    ),
    Plant(
        "truncated elsewhere",
        truncated_elsewhere,
        (
            (
                "timing",
                4,
                "turns[3].events['conversation.item.truncate'][0].audio_end_ms",
                "changed",
            ),
        ),
    ),
    Plant(
        "closed by the server",
        closed_by_server,
        (
            ("structure", None, "ending.by", "changed"),
            ("structure", None, "ending.code", "changed"),
        ),
    ),
    Plant(
        "other rate limits",
        other_limits,
        (("text", None, "rate_limits.tokens", "changed"),),
    ),
    Plant(
        "a transcription failed",
        failed_transcript,
        (
            ("text", 3, "turns[2].user", "removed"),
            (
                "structure",
                3,
                "turns[2].events['conversation.item.input_audio_transcription.failed'][0]",
                "added",
            ),
        ),
    ),
    Plant(
        "written, not said",
        written_instead,
        (
            ("structure", 3, answer(3, "content[0]"), "changed"),
            ("timing", 3, "turns[2].metrics.model_ms", "changed"),
        ),
    ),
    Plant(
        "an event missing",
        lost_event("response.content_part.done"),
        (("structure", 3, answer(3, "events[5]"), "removed"),),
    ),
    Plant(
        "two events swapped",
        swapped_events,
        (("structure", 3, answer(3, "events[3]"), "moved"),),
    ),
]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_planted_change_is_found_and_nothing_else(plant: Plant) -> None:
    changed = plant.of()
    plant.change(changed)
    diff = compare_records(plant.of().records, changed.records)
    found = tuple((d.level, d.n, d.path, d.kind) for d in diff.differences)
    assert found == plant.found, [(d.path, d.a, d.b) for d in diff.differences]


def test_there_are_enough_of_them() -> None:
    assert len({plant.name for plant in PLANTS}) == len(PLANTS) >= 35


def test_a_tool_called_again_after_its_answer() -> None:
    """The response that only calls it, and what asked for that, go without saying."""
    answered = '[[reply]]\nwhen = "degrees"\n'
    again = 'function_call = { name = "get_weather", arguments = { city = "London", days = 3 } }\n'
    records = call_records(SPOKEN.replace(answered, answered + again + answered))
    diff = compare_records(spoken().records, records)
    assert [(d.level, d.n, d.path, d.kind) for d in diff.differences] == [
        ("structure", 2, "turns[1].tools[1]", "added"),
        ("timing", 2, "turns[1].metrics.v2v_ms", "changed"),
    ]


def test_a_caller_who_interrupts_while_the_answer_is_made() -> None:
    """The response is cancelled, and says so; how far it came follows from that."""
    slow = SPOKEN.replace("rate = 5", "rate = 1.5")
    stop, wait = '[[caller.step]]\nsay = "Stop', '[[caller.step]]\nwait = "reply"\n'
    patient = slow.replace("interrupt_after_ms = 2000", "").replace(stop, wait + stop)
    one, two = (call_records(scenario) for scenario in (patient, slow))
    assert [(d.level, d.path) for d in compare_records(one, two).differences] == [
        ("structure", "turns[3].responses[0].status"),
        ("text", "turns[3].responses[0].items[0].text"),
        ("audio", "turns[3].responses[0].items[0].audio.ms"),
        ("structure", "turns[3].events['conversation.item.truncate'][0]"),
    ]


def test_how_far_a_cancelled_answer_came_is_a_matter_of_time() -> None:
    slow = SPOKEN.replace("rate = 5", "rate = 1.5")
    early = slow.replace("interrupt_after_ms = 2000", "interrupt_after_ms = 1400")
    one, two = (call_records(scenario) for scenario in (slow, early))
    assert {d.level for d in compare_records(one, two).differences} == {"timing"}
    assert compare_records(one, two, level="text").equal
