"""Calls as moments that can be changed: what differs between two of them is known."""

import base64
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rtproxy.realtime.audio import PCM16
from rtproxy.realtime.session import Session
from rtproxy.tape.record import FROM_SERVER, Control, Event, Header, Record
from tests.realtime.simulated import call_records

Json = dict[str, Any]
Samples = NDArray[np.int16]

SPOKEN = """
seed = 4
[audio]
rate = 5
[[reply]]
text = "Yes, I am here for you."
audio_ms = 1600
[[reply]]
when = "weather"
function_call = { name = "get_weather", arguments = { city = "London", days = 2 } }
[[reply]]
when = "degrees"
text = "It is foggy, with twelve degrees."
audio_ms = 2000
[[reply]]
when = "tomorrow"
text = "Tomorrow it will be sunny and warm."
audio_ms = 2200
[[reply]]
when = "Thursday"
text = "On Thursday there will be rain in the morning, and wind from the west all day long."
audio_ms = 6000
[[reply]]
text = "You are welcome."
audio_ms = 900
[transcription]
texts = [
  "Hello, is anybody there?", "How is the weather in London?", "And what about tomorrow?",
  "Tell me about Thursday.", "Stop, thank you.",
]
[caller]
truncate = "heard"
[caller.session]
transcription = "gpt-realtime-whisper"
voice = "marin"
instructions = "Be brief and kind."
[[caller.tool]]
name = "get_weather"
output = '{"sky": "fog", "degrees": 12}'
delay_ms = 400
[[caller.step]]
say = "Hello, is anybody there?"
[[caller.step]]
wait = "reply"
[[caller.step]]
say = "How is the weather in London?"
[[caller.step]]
wait = "reply"
[[caller.step]]
say = "And what about tomorrow?"
[[caller.step]]
wait = "reply"
[[caller.step]]
say = "Tell me about Thursday."
[[caller.step]]
say = "Stop, thank you."
interrupt_after_ms = 2000
[[caller.step]]
wait = "reply"
[[caller.step]]
wait = 1000
"""
"""Five spoken turns: a tool in the second, and the fourth is interrupted by the fifth."""

TYPED = """
[[reply]]
text = "There are four of them."
[[reply]]
text = "Blue, I would say."
[[reply]]
text = "No, it never was."
[[reply]]
text = "Then good bye."
[caller]
session = { output = "text" }
[[caller.step]]
send = { type = "conversation.item.create", item = { type = "message", role = "system", content = [{ type = "input_text", text = "The shop is closed on Mondays." }] } }
[[caller.step]]
text = "How many shops are there?"
[[caller.step]]
wait = "reply"
[[caller.step]]
text = "Which colour is the sign?"
[[caller.step]]
wait = "reply"
[[caller.step]]
text = "Has it been red before?"
[[caller.step]]
wait = "reply"
[[caller.step]]
text = "That was all."
[[caller.step]]
wait = "reply"
[[caller.step]]
wait = 500
"""  # noqa: E501
"""Four typed turns after a word from the system."""


@dataclass
class Moment:
    """An event or a control of a call, that may be changed."""

    t_ns: int
    flags: int
    event: Json
    control: Control | None = None

    @property
    def type(self) -> str:
        return str(self.event.get("type", ""))

    def shift(self, ms: float) -> None:
        self.t_ns += round(ms * 1e6)


class Call:
    """A call as moments. What changes it may be called one after the other."""

    def __init__(self, records: list[Record]) -> None:
        self.header = next(record for record in records if isinstance(record, Header))
        self.moments: list[Moment] = []
        for record in records:
            if isinstance(record, Event):
                value = orjson.loads(record.payload)
                self.moments.append(Moment(record.t_ns, record.flags, value))
            elif isinstance(record, Control):
                self.moments.append(Moment(record.t_ns, record.flags, {}, record))
        self.session = Session.fold(records)

    @property
    def records(self) -> list[Record]:
        found: list[Record] = [self.header]
        for seq, moment in enumerate(self.moments):
            if moment.control is not None:
                name, data = moment.control.name, moment.control.data
                found.append(Control(seq, moment.t_ns, moment.flags, name, data))
            else:
                text = orjson.dumps(moment.event).decode()
                found.append(Event(seq, moment.t_ns, moment.flags, text))
        return found

    def of(self, *types: str) -> Iterator[Moment]:
        """The events of these types, whose ends may be `*`."""
        for moment in self.moments:
            for type_ in types:
                if moment.type == type_ or (
                    type_.endswith("*") and moment.type.startswith(type_[:-1])
                ):
                    yield moment

    def item(self, turn: int, response: int = 0) -> str:
        """The id of the first item of a response, which counts from 0; the turn from 1."""
        return next(iter(self.session.turns[turn - 1].responses[response].items))

    def response(self, turn: int, response: int = 0) -> str:
        return self.session.turns[turn - 1].responses[response].id

    def of_turn(self, turn: int) -> list[Moment]:
        """All that is about a turn, but for the caller's audio."""
        about = self.session.turns[turn - 1]
        ids = {*about.item_ids, *(response.id for response in about.responses)}
        for response in about.responses:
            ids |= {*response.items, *response.calls}
        asked = {response.ask_seq for response in about.responses}
        if about.kind == "text":
            asked.add(about.seq)
        found = []
        for seq, moment in enumerate(self.moments):
            named = set(_ids(moment.event)) - set(_ids({"": moment.event.get("previous_item_id")}))
            if named & ids or (seq in asked and not moment.flags):
                found.append(moment)
        return found

    def replace(self, old: str, new: str, *types: str) -> None:
        """Another text in the events of these types, or of all."""
        found = False
        for moment in self.of(*types) if types else self.moments:
            before = orjson.dumps(moment.event)
            after = before.replace(orjson.dumps(old)[1:-1], orjson.dumps(new)[1:-1])
            found = found or before != after
            moment.event = orjson.loads(after)
        assert found, f"{old!r} is not in the call"

    def insert(self, ms: float, event: Json, *, client: bool = False) -> Moment:
        """Another event, `ms` from the start."""
        moment = Moment(round(ms * 1e6), 0 if client else FROM_SERVER, event)
        index = sum(other.t_ns <= moment.t_ns for other in self.moments)
        self.moments.insert(index, moment)
        return moment

    def delay(self, first: Moment, ms: float) -> None:
        """Everything from a moment on comes later."""
        for moment in self.moments[self.moments.index(first) :]:
            moment.shift(ms)

    def sort(self) -> None:
        self.moments.sort(key=lambda moment: moment.t_ns)

    def say(self, item_id: str, change: Callable[[Samples], Samples]) -> None:
        """Other audio of the assistant's in an item, in as many pieces of the same size."""
        deltas = [
            moment
            for moment in self.of("response.output_audio.delta")
            if moment.event["item_id"] == item_id
        ]
        pieces = [base64.b64decode(moment.event["delta"]) for moment in deltas]
        data, at = PCM16.encode(change(PCM16.decode(b"".join(pieces)).copy())), 0
        for moment, piece in zip(deltas, pieces, strict=True):
            moment.event["delta"] = base64.b64encode(data[at : at + len(piece)]).decode()
            at += len(piece)

    def hear(self, change: Callable[[Samples], Samples]) -> None:
        """Other audio of the caller's, of the same length."""
        appends = list(self.of("input_audio_buffer.append"))
        pieces = [base64.b64decode(moment.event["audio"]) for moment in appends]
        data, at = PCM16.encode(change(PCM16.decode(b"".join(pieces)).copy())), 0
        for moment, piece in zip(appends, pieces, strict=True):
            moment.event["audio"] = base64.b64encode(data[at : at + len(piece)]).decode()
            at += len(piece)


def _ids(value: Any) -> Iterator[str]:
    """All texts in a value that may be ids."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "previous_item_id":
                yield from _ids(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _ids(inner)
    elif isinstance(value, str):
        yield value


@cache
def _played(scenario: str) -> tuple[Record, ...]:
    return tuple(call_records(scenario))


def spoken() -> Call:
    return Call(list(_played(SPOKEN)))


def typed() -> Call:
    return Call(list(_played(TYPED)))


def renamed(value: Any, mark: str) -> Any:
    """A copy with other ids."""
    if isinstance(value, dict):
        return {
            key: inner + mark
            if isinstance(inner, str) and (key == "id" or key.endswith("_id"))
            else renamed(inner, mark)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [renamed(inner, mark) for inner in value]
    return deepcopy(value)
