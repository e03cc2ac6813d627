"""Fields of events as they are compared: without what is another in every run, in GA shapes.

| what | becomes |
|---|---|
| event ids, obfuscation, usage, log probabilities, metadata, expiry, secrets | nothing |
| null | nothing: it says no more than a field that is missing, but where it turns something off |
| what was redacted | `REDACTED`: its key is of one tape |
| base64 audio, and text of more than 64 KB | a digest |
| names and places of the beta dialect | those of GA |
| `["audio", "text"]` as modalities | `["audio"]`: audio comes with text anyway |
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from rtproxy.realtime.audio import parse_format
from rtproxy.realtime.dialect import CONTENT_TYPES, SESSION_FIELDS
from rtproxy.realtime.event import number

Data = Mapping[str, Any]

VOLATILE = frozenset({
    "client_secret", "created_at", "event_id", "expires_at", "expires_after", "logprobs",
    "metadata", "obfuscation", "rate_limits", "usage",
})  # fmt: skip
"""Keys of what differs between any two runs, wherever they stand."""
BODIES = ("session", "response", "item", "part")
"""Objects in events that tell of something that has its own place."""
FREE = frozenset({"parameters", "schema", "arguments", "output", "headers"})
"""Objects with keys of the user's own."""
SWITCHES = frozenset({"turn_detection", "transcription", "input_audio_transcription"})
"""Settings of which null says that something is off."""
LONGEST = 1 << 16
MAX_DEPTH = 64
DEEPER = "(nested deeper)"
_REDACTED = re.compile(r"REDACTED:[0-9a-f]{8}")
_ID = re.compile(r"\b([a-z]{2,10}_)(?=[A-Za-z]*\d|[a-z]*[A-Z])[A-Za-z0-9]{8,}\b")
_TIME = re.compile(r"\b\d+(?:\.\d+)?(?= ?(?:ms|s|m|seconds|minutes)\b)")
_FORMATS = ("input_audio_format", "output_audio_format")


def settle(value: Any, depth: int = 0, *, verbatim: bool = False) -> Any:
    """A value of an event without volatile keys and nulls; bounded in depth and length.

    Where names are the user's own, as in the parameters of a tool, no key is volatile.
    """
    match value:
        case str():
            return _settled_text(value)
        case dict():
            if depth > MAX_DEPTH:
                return DEEPER
            settled = {
                key: settle(inner, depth + 1, verbatim=verbatim or key in FREE)
                for key, inner in value.items()
                if verbatim or _says(key, inner)
            }
            audio = settled.get("audio")
            if isinstance(audio, str) and audio and not verbatim and "type" in settled:
                settled["audio"] = digest(audio)
            return settled
        case list():
            if depth > MAX_DEPTH:
                return DEEPER
            return [settle(inner, depth + 1, verbatim=verbatim) for inner in value]
    return value


def _says(key: str, value: Any) -> bool:
    return key not in VOLATILE and (value is not None or key in SWITCHES)


def parsed(text: str | None) -> Any:
    """The object or array that a text holds as JSON, or else the text."""
    if text is None:
        return None
    if text.lstrip()[:1] in ("{", "["):
        try:
            return settle(orjson.loads(text), verbatim=True)
        except (ValueError, RecursionError):
            pass
    return _settled_text(text)


def digest(text: str) -> str:
    """What stands for text that is too long, or for audio: equal for what is equal."""
    name = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{len(text):,} characters, {name}"


def _settled_text(text: str) -> str:
    if "REDACTED:" in text:
        text = _REDACTED.sub("REDACTED", text)
    return digest(text) if len(text) > LONGEST else text


def ga_settings(fields: Data) -> dict[str, Any]:
    """Settings of a session, or of a response, in either dialect, as GA has them.

    `fields` are settled. What no table knows stays where it is.
    """
    found: dict[str, Any] = {}
    for key, value in fields.items():
        if key in ("id", "object", "input_audio_sampling_rate"):
            continue
        path = SESSION_FIELDS.get(key, (key,))
        if key in _FORMATS:
            value = _ga_format(key, value, fields)
        elif key == "voice" and isinstance(value, dict) and value.get("type") == "openai":
            value = value.get("name", value)  # as Azure Voice Live writes it
        elif path == ("output_modalities",) or key == "output_modalities":
            value = _modalities(value)
        _put(found, path, value)
    for side in ("input", "output"):
        place = _at(found, ("audio", side))
        if isinstance(place, dict) and "format" in place:
            known = parse_format(place["format"])
            place["format"] = known.ga if known is not None else place["format"]
    return found


def _ga_format(key: str, value: Any, fields: Data) -> Any:
    known = parse_format(value)
    if known is None:
        return value
    rate = number(fields, "input_audio_sampling_rate") if key == _FORMATS[0] else None
    return known.ga | ({"rate": rate} if rate is not None and "rate" in known.ga else {})


def _modalities(value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return value
    return ["audio"] if "audio" in value else sorted(value)


def _put(found: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Put a value at a path; objects are joined, so that beta and GA names may stand mixed."""
    for step in path[:-1]:
        inner = found.get(step)
        if not isinstance(inner, dict):
            inner = found[step] = {}
        found = inner
    before = found.get(path[-1])
    if isinstance(before, dict) and isinstance(value, dict):
        for key, inner in value.items():
            _put(before, (key,), inner)
    else:
        found[path[-1]] = dict(value) if isinstance(value, dict) else value


def _at(fields: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if not isinstance(fields, dict):
            return None
        fields = fields.get(step)
    return fields


def without(fields: Data, known: Data) -> dict[str, Any]:
    """The fields that `known` does not say, too."""
    left: dict[str, Any] = {}
    for key, value in fields.items():
        said = known.get(key)
        if isinstance(value, dict) and isinstance(said, dict):
            if inner := without(value, said):
                left[key] = inner
        elif not covered(value, said):
            left[key] = value
    return left


def impersonal(error: Data) -> dict[str, Any]:
    """An error, without ids and times in its message: "try again in 4.2s"."""
    message = error.get("message")
    if not isinstance(message, str):
        return dict(error)
    return {**error, "message": _TIME.sub("…", _ID.sub(r"\1…", message))}


def merge(old: dict[str, Any], new: Data) -> None:
    """Join newer fields to older ones, objects with objects."""
    for key, value in new.items():
        before = old.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merge(before, value)
        else:
            old[key] = value


def part_type(type_: Any, role: str | None) -> Any:
    """The GA type of a content part."""
    return CONTENT_TYPES.get(type_, type_) if role in ("assistant", None) else type_


def covered(value: Any, said: Any) -> bool:
    """Whether `said` says all that `value` does, and perhaps more."""
    if isinstance(value, dict) and isinstance(said, dict):
        return all(key in said and covered(inner, said[key]) for key, inner in value.items())
    if isinstance(value, list) and isinstance(said, list):
        pairs = zip(value, said, strict=False)
        return len(value) == len(said) and all(covered(*pair) for pair in pairs)
    return same(value, said)


def same(a: Any, b: Any) -> bool:
    """Whether two plain values are equal; numbers may have gone through a float of 32 bits."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a == b or abs(a - b) <= 1e-6 * max(abs(a), abs(b))
    return bool(a == b)
