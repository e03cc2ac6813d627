"""A session in its normal form: what it comes to once all that differs from run to run is away.

    NormalSession ─┬─ settings, items and events before the first turn, how it ended
                   ├─ responses that are outside of the conversation
                   └─ turns: NormalTurn ─┬─ what the caller said, and how it sounded
                                         ├─ responses: NormalResponse ── items: NormalItem
                                         ├─ calls: NormalCall
                                         └─ events that are of none of these, by name

Names and shapes are those of GA. Nothing in it is an id: what belongs together stands together.
`seq` is the record where each is to be found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rtproxy.diff.sound import Sound

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NormalEvent:
    """An event, and what it says that is said nowhere else."""

    name: str
    seq: int
    fields: Fields

    def summary(self) -> Fields:
        """The event as one value."""
        return {"type": self.name, **self.fields}


@dataclass(slots=True)
class Part:
    """A content part of an item; `text` is what was typed, written or said in it.

    It is told several times: `told` counts what is told. Most count, or else the latest.
    """

    type: str | None = None
    text: str = ""
    told: dict[str, int] = field(default_factory=dict)
    fields: Fields = field(default_factory=dict)

    def tell(self, text: str) -> None:
        """One more event says what all of the part is."""
        times = self.told[text] = self.told.get(text, 0) + 1
        if times >= self.told.get(self.text, 0):
            self.text = text


@dataclass(slots=True)
class NormalItem:
    """An item that is no tool call. `events` are those of the server about it, in order."""

    seq: int
    type: str | None = None
    role: str | None = None
    status: str | None = None
    parts: dict[int, Part] = field(default_factory=dict)
    """By their index, which is any number."""
    fields: Fields = field(default_factory=dict)
    events: list[NormalEvent] = field(default_factory=list)
    sound: Sound | None = None

    @property
    def text(self) -> str | None:
        return " ".join(part.text for part in self.parts.values() if part.text) or None

    def summary(self) -> Fields:
        """The item as one value."""
        said = {"type": self.type, "role": self.role, "text": self.text}
        return {key: value for key, value in said.items() if value is not None}


@dataclass(slots=True)
class NormalCall:
    """A tool call; `arguments` and `output` are parsed where they hold JSON, else text or None.

    `fields` are unusual ones of its item; `response` is the one that made it.
    """

    seq: int | None
    name: str | None = None
    kind: str = "function_call"
    arguments: Any = None
    output: Any = None
    output_seq: int | None = None
    fields: Fields = field(default_factory=dict)
    events: list[NormalEvent] = field(default_factory=list)
    response: "NormalResponse | None" = None

    def summary(self) -> Fields:
        """The call as one value."""
        return {"name": self.name, "arguments": self.arguments, "output": self.output}


@dataclass(slots=True)
class NormalResponse:
    """One response; `status`, `reason` and `error` are as response.done says, None before it."""

    seq: int
    status: str | None = None
    reason: str | None = None
    error: Fields = field(default_factory=dict)
    done_seq: int | None = None
    fields: Fields = field(default_factory=dict)
    items: list[NormalItem] = field(default_factory=list)
    calls: list[NormalCall] = field(default_factory=list)
    events: list[NormalEvent] = field(default_factory=list)

    @property
    def text(self) -> str | None:
        return " ".join(item.text for item in self.items if item.text) or None

    @property
    def cut(self) -> bool:
        """Whether it was stopped before it was through: how far it came is a matter of time."""
        return self.status == "cancelled"

    def summary(self) -> Fields:
        """The response as one value."""
        return {"status": self.status, "text": self.text}


@dataclass(slots=True)
class NormalTurn:
    """One turn. `n` counts from 1; `user` is what the caller said or typed.

    `settings` are those in force when it was answered. `spoken_ms` is how long the server found
    the caller to speak. `metrics` is what `inspect` measures.
    """

    n: int
    kind: str
    seq: int
    began_ms: float
    user: str | None
    user_seq: int
    settings: Fields
    settings_seq: int | None = None
    spoken_ms: float | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    responses: list[NormalResponse] = field(default_factory=list)
    calls: list[NormalCall] = field(default_factory=list)
    items: list[NormalItem] = field(default_factory=list)
    events: dict[str, list[NormalEvent]] = field(default_factory=dict)
    sound: Sound | None = None

    @property
    def assistant(self) -> str | None:
        return " ".join(r.text for r in self.responses if r.text) or None

    @property
    def cut(self) -> bool:
        """Whether a response of it was stopped."""
        return any(response.cut for response in self.responses)

    @property
    def tools(self) -> tuple[str, ...]:
        return tuple(call.name or "?" for call in self.calls)

    def summary(self) -> Fields:
        """The turn as one value."""
        found: Fields = {"kind": self.kind, "user": self.user, "assistant": self.assistant}
        return found | ({"tools": list(self.tools)} if self.calls else {})


@dataclass(slots=True)
class NormalSession:
    """One session. `name` is what it is called, `origin` the tape's; `replay_of` names the tape
    that it is a replay of, "" if that is not known, None if it is no replay.

    `settings` are those in force at the end; `limits` the rate limits by name. `numbers` are the
    metrics of the whole session that are not of turns.
    """

    name: str | None
    origin: str | None
    dialect: str | None
    replay_of: str | None
    times_known: bool
    audio_complete: bool
    missing: int
    settings: Fields
    ending: Fields
    ending_seq: int | None
    limits: Fields
    limits_seq: int | None
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    turns: list[NormalTurn] = field(default_factory=list)
    responses: list[NormalResponse] = field(default_factory=list)
    calls: list[NormalCall] = field(default_factory=list)
    items: list[NormalItem] = field(default_factory=list)
    events: dict[str, list[NormalEvent]] = field(default_factory=dict)
    settings_seq: int | None = None
