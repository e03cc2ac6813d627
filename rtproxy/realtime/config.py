"""What a session is set to over time, and what of the client's wishes came to nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rtproxy.realtime.audio import parse_format
from rtproxy.realtime.dialect import SESSION_FIELDS, session_field
from rtproxy.realtime.event import mapping, number, string
from rtproxy.realtime.settings import voice_name

Data = Mapping[str, Any]

MISSING = object()
_NESTED = {"audio", "input", "output"}
_OWN = {"type", "object", "id", "client_secret", "expires_at", "prompt", "tracing", "include"}
_SWITCHES = {
    "turn_detection",
    "transcription",
    "input_audio_transcription",
    "noise_reduction",
    "input_audio_noise_reduction",
}
"""Settings of which null says that something is off."""
_REDACTED = "REDACTED:"
MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force from the record `seq` on, as the server gave them, in either dialect.

    Before the server said anything `seq` is None, and everything is unknown.
    """

    t_ms: float = 0.0
    seq: int | None = None
    fields: Data = field(default_factory=dict)

    @property
    def model(self) -> str | None:
        return string(self.fields, "model")

    @property
    def voice(self) -> str | None:
        value = session_field(self.fields, "voice")
        return voice_name(value) if value else None

    @property
    def modalities(self) -> list[str]:
        value = session_field(self.fields, "modalities")
        return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []

    @property
    def transcribes_only(self) -> bool:
        """Whether it is a session that listens and never answers."""
        kind, name = self.fields.get("type"), string(self.fields, "object") or ""
        return kind == "transcription" or "transcription" in name

    @property
    def transcription(self) -> Data | None:
        """How the caller's audio is transcribed; None if it is not."""
        value = session_field(self.fields, "input_audio_transcription")
        return value if isinstance(value, dict) else None

    @property
    def detection(self) -> Data | None:
        """How the server finds turns; None if it does not, or if that is unknown."""
        value = session_field(self.fields, "turn_detection")
        return value if isinstance(value, dict) else None

    @property
    def detects(self) -> bool | None:
        """Whether the server finds turns; None where it never said."""
        value = session_field(self.fields, "turn_detection", MISSING)
        return None if value is MISSING else isinstance(value, dict)

    @property
    def silence_ms(self) -> float | None:
        """The silence that ends a turn; None where it is unknown, as for semantic_vad."""
        return number(self.detection or {}, "silence_duration_ms")

    @property
    def padding_ms(self) -> float | None:
        """How much before the onset of speech `audio_start_ms` lies."""
        return number(self.detection or {}, "prefix_padding_ms")

    @property
    def creates_response(self) -> bool | None:
        """Whether the server answers a turn that it found without being asked."""
        if self.transcribes_only:
            return False
        if self.detection is None:
            return self.detects
        return self.detection.get("create_response") is not False

    @property
    def interrupts(self) -> bool:
        """Whether the caller's speech stops the assistant; so it is unless said otherwise."""
        return (self.detection or {}).get("interrupt_response") is not False

    @property
    def truncates(self) -> bool:
        """Whether the server itself cuts what was not heard (Azure Voice Live)."""
        return (self.detection or {}).get("auto_truncate") is True

    def followed_by(self, session: Data, t_ms: float, seq: int) -> "Config":
        """These settings changed by a session.created or session.updated, whole or partial."""
        return Config(t_ms, seq, _merged(self.fields, session))

    def to_json(self) -> dict[str, Any]:
        detection = dict(self.detection) if self.detection is not None else None
        return {
            "seq": self.seq,
            "t_ms": self.t_ms,
            "model": self.model,
            "voice": self.voice,
            "modalities": self.modalities,
            "input_audio_format": session_field(self.fields, "input_audio_format"),
            "output_audio_format": session_field(self.fields, "output_audio_format"),
            "turn_detection": detection,
            "input_audio_transcription": self.transcription,
        }


def _merged(old: Data, new: Data) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        nested = key in _NESTED and isinstance(before, dict) and isinstance(value, dict)
        merged[key] = _merged(before, value) if nested else value  # type: ignore[arg-type]
    return merged


def ignored(wanted: Data, confirmed: Data) -> Iterator[tuple[str, Any, Any]]:
    """What was asked for and is something else now: (path, asked, in force).

    What the server does not mention at all is not judged.
    """
    yield from _ignored(wanted, confirmed, (), 0)


def _ignored(
    wanted: Data, confirmed: Data, path: tuple[str, ...], depth: int
) -> Iterator[tuple[str, Any, Any]]:
    for key, value in wanted.items():
        here = (*path, key)
        if (not path and key in _OWN) or depth > MAX_DEPTH:
            continue
        found = _lookup(confirmed, here)
        if found is MISSING or (value is None and key not in _SWITCHES):
            continue  # null stands for the server's default
        if isinstance(value, dict) and isinstance(found, dict) and key not in ("format", "voice"):
            yield from _ignored(value, confirmed, here, depth + 1)
        elif not _same(key, value, found):
            yield ".".join(here), value, found


def _lookup(confirmed: Data, path: tuple[str, ...]) -> Any:
    value: Any = confirmed
    for step in path:
        if not isinstance(value, dict) or step not in value:
            break
        value = value[step]
    else:
        return value
    named = next((beta for beta, ga in SESSION_FIELDS.items() if path in (ga, (beta,))), None)
    return MISSING if named is None else session_field(confirmed, named, MISSING)


def _same(key: str, wanted: Any, found: Any) -> bool:
    """Whether a setting is what was asked for, however the server writes it."""
    if bool(wanted == found) or _is_redacted(wanted) or _is_redacted(found):
        return True
    if key in ("format", "input_audio_format", "output_audio_format"):
        return parse_format(wanted) == parse_format(found)
    if key == "voice":
        return voice_name(wanted) == voice_name(found)
    if key in ("modalities", "output_modalities"):
        return bool(_spoken(wanted) == _spoken(found))
    if key == "tools":
        return bool(_names(wanted) == _names(found))
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        return abs(wanted - found) <= 1e-3 * max(1.0, abs(wanted))  # servers round to floats
    if isinstance(wanted, str) and isinstance(found, str):
        alias = key == "model" and found.startswith(wanted)
        return alias or wanted.split() == found.split()
    return False


def _is_redacted(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_REDACTED)


def _spoken(value: Any) -> Any:
    """Modalities as a set; audio comes with text anyway."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return value
    return {"audio"} if "audio" in value else set(value)


def _names(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [string(mapping({"tool": tool}, "tool"), "name") for tool in value]
