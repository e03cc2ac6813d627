"""The settings of a session or a response, and where each dialect keeps them.

One table per dialect serves both ways: it says which fields a client may set, how each is checked,
and how the whole is written into session.created and session.updated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rtproxy.realtime.audio import PCM16, AudioFormat
from rtproxy.simulate import checks
from rtproxy.simulate.checks import Check
from rtproxy.simulate.invalid_request import unknown, wrong_type

INSTRUCTIONS = (
    "You are a helpful, friendly assistant that speaks with people. Answer briefly, and call a "
    "function when one can help."
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in force. `kind` is realtime or transcription; `turn_detection` None is manual."""

    id: str
    expires_at: int
    model: str
    kind: str = "realtime"
    modalities: tuple[str, ...] = ("audio",)
    instructions: str = INSTRUCTIONS
    voice: str | Mapping[str, Any] = "alloy"
    speed: float = 1.0
    input_format: AudioFormat = PCM16
    output_format: AudioFormat = PCM16
    transcription: Mapping[str, Any] | None = None
    noise_reduction: Mapping[str, Any] | None = None
    turn_detection: Mapping[str, Any] | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: str | Mapping[str, Any] = "auto"
    parallel_tool_calls: bool | None = None
    temperature: float = 0.8
    max_output_tokens: int | str = "inf"
    reasoning: Mapping[str, Any] | None = None
    tracing: Any = None
    truncation: Any = "auto"
    prompt: Mapping[str, Any] | None = None
    include: list[str] | None = None
    client_secret: Mapping[str, Any] | None = None

    @property
    def object(self) -> str:
        return f"realtime.{'transcription_' if self.kind == 'transcription' else ''}session"

    @property
    def speaks(self) -> bool:
        return "audio" in self.modalities


def same(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def format_ga(value: AudioFormat) -> Any:
    return value.ga


def format_beta(value: AudioFormat) -> Any:
    return value.beta


@dataclass(frozen=True, slots=True)
class Setting:
    """A field at `path` (dotted) that stands for the attribute `name` of Settings."""

    path: str
    name: str
    check: Check = checks.read_only
    write: Callable[[Any], Any] = same
    optional: bool = False  # written only where it has a value


IDENTITY = (
    Setting("object", "object", checks.unchanged),
    Setting("id", "id", checks.unchanged),
)
GA_INPUT = (
    Setting("audio.input.format", "input_format", checks.audio_format_ga, format_ga),
    Setting("audio.input.transcription", "transcription", checks.nullable(checks.transcription)),
    Setting(
        "audio.input.noise_reduction", "noise_reduction", checks.nullable(checks.noise_reduction)
    ),
    Setting("audio.input.turn_detection", "turn_detection", checks.nullable(checks.turn_detection)),
)
GA_RESPONSE = (
    Setting("output_modalities", "modalities", checks.modalities(("text",), ("audio",))),
    Setting("instructions", "instructions", checks.text),
    Setting("tools", "tools", checks.tools),
    Setting("tool_choice", "tool_choice", checks.tool_choice),
    Setting("parallel_tool_calls", "parallel_tool_calls", checks.boolean, optional=True),
    Setting("max_output_tokens", "max_output_tokens", checks.token_limit),
    Setting("reasoning", "reasoning", checks.nullable(checks.table), optional=True),
    Setting("prompt", "prompt", checks.nullable(checks.table)),
    Setting("audio.output.format", "output_format", checks.audio_format_ga, format_ga),
    Setting("audio.output.voice", "voice", checks.voice),
)
GA_REALTIME = (
    Setting("type", "kind", checks.unchanged),
    *IDENTITY,
    Setting("model", "model", checks.unchanged),
    *GA_RESPONSE[:7],
    Setting("tracing", "tracing", checks.anything),
    Setting("truncation", "truncation", checks.anything),
    Setting("prompt", "prompt", checks.nullable(checks.table)),
    Setting("expires_at", "expires_at", checks.unchanged),
    *GA_INPUT,
    *GA_RESPONSE[8:],
    Setting("audio.output.speed", "speed", checks.decimal(0.25, 1.5)),
    Setting("include", "include", checks.anything),
)
GA_TRANSCRIPTION = (
    Setting("type", "kind", checks.unchanged),
    *IDENTITY,
    Setting("expires_at", "expires_at", checks.unchanged),
    *GA_INPUT,
    Setting("include", "include", checks.anything),
)

BETA_INPUT = (
    Setting("input_audio_format", "input_format", checks.audio_format_beta, format_beta),
    Setting("input_audio_transcription", "transcription", checks.nullable(checks.transcription)),
    Setting(
        "input_audio_noise_reduction", "noise_reduction", checks.nullable(checks.noise_reduction)
    ),
    Setting("turn_detection", "turn_detection", checks.nullable(checks.turn_detection)),
)
BETA_RESPONSE = (
    Setting("modalities", "modalities", checks.modalities(("text",), ("audio", "text"))),
    Setting("instructions", "instructions", checks.text),
    Setting("voice", "voice", checks.voice),
    Setting("output_audio_format", "output_format", checks.audio_format_beta, format_beta),
    Setting("tools", "tools", checks.tools),
    Setting("tool_choice", "tool_choice", checks.tool_choice),
    Setting("temperature", "temperature", checks.decimal(0.6, 1.2)),
    Setting("max_response_output_tokens", "max_output_tokens", checks.token_limit),
)
BETA_REALTIME = (
    *IDENTITY,
    Setting("model", "model", checks.unchanged),
    Setting("expires_at", "expires_at", checks.unchanged),
    *BETA_INPUT,
    *BETA_RESPONSE,
    Setting("speed", "speed", checks.decimal(0.25, 1.5)),
    Setting("tracing", "tracing", checks.anything),
    Setting("prompt", "prompt", checks.anything, optional=True),
    Setting("include", "include", checks.anything, optional=True),
    Setting("client_secret", "client_secret", checks.unchanged),
)
BETA_TRANSCRIPTION = (
    *IDENTITY,
    Setting("expires_at", "expires_at", checks.unchanged),
    Setting("modalities", "modalities", checks.anything, optional=True),
    *BETA_INPUT,
    Setting("include", "include", checks.anything),
    Setting("client_secret", "client_secret", checks.unchanged),
)
BETA_RESPONSE_CREATE = (
    *BETA_RESPONSE,
    Setting("max_output_tokens", "max_output_tokens", checks.token_limit),
)


def update(
    current: Settings, known: tuple[Setting, ...], changes: Mapping[str, Any], root: str
) -> Settings:
    """`current` with what a client sets; only what is there is changed.

    `root` is the name of the object in the client's event ("session"); InvalidRequest names the
    first parameter that is unknown or has a value that is not allowed, and nothing is changed.
    """
    by_path = {setting.path: setting for setting in known}
    tables = {path.rsplit(".", n)[0] for path in by_path for n in range(1, path.count(".") + 1)}
    changed: dict[str, Any] = {}

    def visit(entries: Mapping[str, Any], prefix: str) -> None:
        for key, value in entries.items():
            path = prefix + key
            if path in by_path:
                name = by_path[path].name
                old = getattr(current, name)
                checked = by_path[path].check(value, f"{root}.{path}", old)
                if checked is not old:
                    changed[name] = checked
            elif path in tables:
                if not isinstance(value, Mapping):
                    raise wrong_type(f"{root}.{path}", "an object", value)
                visit(value, f"{path}.")
            else:
                raise unknown(f"{root}.{path}")

    visit(changes, "")
    return replace(current, **changed)


def write(current: Settings, known: tuple[Setting, ...]) -> dict[str, Any]:
    """The settings as a session object."""
    written: dict[str, Any] = {}
    for setting in known:
        value = getattr(current, setting.name)
        if setting.optional and value is None:
            continue
        place = written
        *tables, key = setting.path.split(".")
        for step in tables:
            place = place.setdefault(step, {})
        place[key] = setting.write(value)
    return written
