"""A script: what a simulated caller does, read from the `[caller]` table of a scenario.

    [caller]
    idle_noise = -62
    session = {voice = "marin", turn_detection = {silence_duration_ms = 200}}

    [[caller.tool]]
    name = "find_order"
    output = {status = "shipped"}
    delay_ms = 250

    [[caller.step]]
    say = "Where is my order?"
    [[caller.step]]
    wait = "reply"

All times are milliseconds of the call; at `speed` 2 they pass twice as fast.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import orjson

from rtproxy.errors import ScenarioError
from rtproxy.realtime.audio import PCM16, AudioFormat, parse_format
from rtproxy.realtime.dialect import SESSION_FIELDS, Dialect
from rtproxy.simulate.table import read

NOT_NEGATIVE = {"least": 0}

Format = Literal["pcm16", "g711_ulaw", "g711_alaw"]
Truncate = Literal["heard", "wrong", "none"]

REPLY = "reply"
"""What a step waits for when it waits until the reply was received and played to its end."""


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """How the server shall find the end of a turn; keys without a value are not sent."""

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    idle_timeout_ms: int | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None

    def fields(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Session:
    """What the caller asks of the session; what is not given is left to the server.

    `turn_detection` "none" means that the caller commits its turns itself.
    """

    instructions: str | None = None
    voice: str | None = None
    output: Literal["audio", "text"] | None = None
    input_format: Format | None = None
    output_format: Format | None = None
    transcription: str | None = None
    turn_detection: TurnDetection | Literal["none"] | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call, and what it is told `delay_ms` after it did."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(
        default_factory=lambda: {"type": "object", "properties": {}}
    )
    output: str | Mapping[str, Any] = "ok"
    delay_ms: float = field(default=0, metadata=NOT_NEGATIVE)

    @property
    def output_text(self) -> str:
        return self.output if isinstance(self.output, str) else orjson.dumps(self.output).decode()


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do; exactly one of the keys before the line is given.

    say:      speak these words in a synthetic voice
    file:     speak what is in a file, WAV or raw s16le at `rate` Hz, relative to the scenario
    text:     type these words, and ask for a response unless `respond` is false
    wait:     "reply", the type of a server event, or a number of ms
    send:     send this event as it is
    respond, cancel, commit, clear: send that event
    hang_up:  close the connection with `code` and `reason`
    ────
    interrupt_after_ms: speak only so long after the reply's first audio, over it
    truncate: when the reply is cut off, say what was "heard", claim that all that had arrived was
              ("wrong"), or keep quiet ("none")
    """

    say: str | None = None
    file: str | None = None
    text: str | None = None
    wait: str | float | None = None
    send: Mapping[str, Any] | None = None
    respond: bool | None = None
    cancel: bool | None = None
    commit: bool | None = None
    clear: bool | None = None
    hang_up: bool | None = None
    interrupt_after_ms: float | None = field(default=None, metadata=NOT_NEGATIVE)
    truncate: Truncate | None = None
    rate: int | None = field(default=None, metadata={"least": 4_000, "most": 192_000})
    code: int | None = field(default=None, metadata={"least": 1000, "most": 4999})
    reason: str | None = None

    @property
    def action(self) -> str:
        """Which of the actions it is."""
        return next(self._actions())

    def _actions(self) -> Iterator[str]:
        for name in ACTIONS:
            value = getattr(self, name)
            modifier = name == "respond" and self.text is not None
            if value is not None and value is not False and not modifier:
                yield name


ACTIONS = (
    "say", "file", "text", "wait", "send", "respond", "cancel", "commit", "clear", "hang_up",
)  # fmt: skip
MODIFIERS = {
    "interrupt_after_ms": {"say", "file"},
    "truncate": {"say", "file", "cancel"},
    "rate": {"file"},
    "code": {"hang_up"},
    "reason": {"hang_up"},
}
"""Key of a step → the actions that it may stand with."""


@dataclass(frozen=True, slots=True)
class Script:
    """All that a caller does. `source` names the file it stands in.

    dialect:     which names to use
    speed:       1 is real time
    chunk_ms:    audio in one append
    idle_noise:  level in dBFS of an open microphone while nobody speaks, or "none"
    microphone:  "open" streams all the time, "push_to_talk" only while speaking; the former is
                 the default where the server detects turns
    patience_ms: how long, in real time, the server may take for what a step waits for
    """

    source: str = ""
    dialect: Dialect = "ga"
    model: str = "gpt-realtime"
    speed: float = field(default=1.0, metadata={"least": 0.01, "most": 1000})
    chunk_ms: int = field(default=20, metadata={"least": 1, "most": 60_000})
    idle_noise: float | Literal["none"] = field(default=-62.0, metadata={"most": 0})
    microphone: Literal["open", "push_to_talk"] | None = None
    truncate: Truncate = "heard"
    seed: int = 0
    patience_ms: float = field(default=20_000, metadata={"least": 1})
    compress: bool = False
    session: Session = Session()
    tools: tuple[Tool, ...] = field(default=(), metadata={"key": "tool"})
    steps: tuple[Step, ...] = field(default=(), metadata={"key": "step"})

    @classmethod
    def parse(cls, table: Mapping[str, Any], source: str) -> "Script":
        """The script in a `[caller]` table of the file `source`.

        Raises ScenarioError with one sentence that names the file, the key and what is allowed.
        """
        if "source" in table:
            raise ScenarioError(f"{source}: there is no key caller.source.")
        script = replace(read(cls, table, source, "caller."), source=source)
        if not script.steps:
            raise ScenarioError(f"{source}: the caller does nothing; give it a [[caller.step]].")
        for n, step in enumerate(script.steps):
            _check(step, f"caller.step[{n}]", source)
        return script

    @property
    def speaks(self) -> bool:
        """Whether it needs a microphone."""
        return any(step.action in ("say", "file") for step in self.steps)

    @property
    def detects_turns(self) -> bool:
        """Whether the server, not the caller, decides where a turn ends."""
        return self.session.turn_detection != "none"

    @property
    def open_microphone(self) -> bool:
        if self.microphone is None:
            return self.speaks and self.detects_turns
        return self.microphone == "open"

    @property
    def cancels(self) -> bool:
        """Whether it is the caller who cancels a response that it speaks over."""
        detection = self.session.turn_detection
        if isinstance(detection, TurnDetection):
            return detection.interrupt_response is False
        return detection == "none"

    @property
    def input_format(self) -> AudioFormat:
        return parse_format(self.session.input_format) or PCM16

    def session_update(self) -> dict[str, Any] | None:
        """The session.update event that the call starts with; None if nothing is asked for."""
        wanted = {
            "instructions": self.session.instructions,
            "modalities": _modalities(self.session.output, self.dialect),
            "voice": self.session.voice,
            "input_audio_format": _format(self.session.input_format, self.dialect),
            "output_audio_format": _format(self.session.output_format, self.dialect),
            "input_audio_transcription": (
                {"model": self.session.transcription} if self.session.transcription else None
            ),
            "turn_detection": (
                self.session.turn_detection.fields()
                if isinstance(self.session.turn_detection, TurnDetection)
                else None
            ),
            "tools": [_declare(tool) for tool in self.tools] or None,
            "tool_choice": "auto" if self.tools else None,
        }
        given = {name: value for name, value in wanted.items() if value is not None}
        if self.session.turn_detection == "none":
            given["turn_detection"] = None
        if not given:
            return None
        return {"type": "session.update", "session": _spell(given, self.dialect)}


def _check(step: Step, path: str, source: str) -> None:
    """Raise ScenarioError if the keys of a step do not go together."""
    actions = list(step._actions())
    if len(actions) != 1:
        said = " and ".join(actions) if actions else "nothing"
        raise ScenarioError(
            f"{source}: {path} does {said}; it must do one of {', '.join(ACTIONS)}."
        )
    for key, allowed in MODIFIERS.items():
        if getattr(step, key) is not None and actions[0] not in allowed:
            raise ScenarioError(f"{source}: {path}.{key} goes only with {' or '.join(allowed)}.")
    if isinstance(step.wait, str) and step.wait not in (REPLY, "error") and "." not in step.wait:
        raise ScenarioError(
            f'{source}: {path}.wait must be "reply", the type of a server event or a number of '
            f"milliseconds, not {step.wait!r}."
        )
    if isinstance(step.wait, float) and step.wait < 0:
        raise ScenarioError(f"{source}: {path}.wait must be at least 0, not {step.wait!r}.")


def _spell(given: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """A session in the names of `dialect`, from the flat names of beta."""
    if dialect == "beta":
        return dict(given)
    session: dict[str, Any] = {"type": "realtime"}
    for name, value in given.items():
        *parents, last = SESSION_FIELDS.get(name, (name,))
        place = session
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return session


def _modalities(output: str | None, dialect: Dialect) -> list[str] | None:
    if output is None:
        return None
    return ["audio", "text"] if output == "audio" and dialect == "beta" else [output]


def _format(name: str | None, dialect: Dialect) -> Any:
    known = parse_format(name)
    if known is None:
        return None
    return known.beta if dialect == "beta" else known.ga


def _declare(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
