"""Checks of what a client sets: (value, param, value until now) → the value that is kept.

A check raises InvalidRequest, in the live service's words, for a value that it does not allow.
"""

from collections.abc import Callable, Mapping
from typing import Any

from rtproxy.realtime.audio import AudioFormat, parse_format
from rtproxy.simulate.invalid_request import (
    InvalidRequest,
    missing,
    out_of_range,
    unknown,
    wrong_type,
    wrong_value,
)

Check = Callable[[Any, str, Any], Any]

VOICES = (
    "alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar",
)  # fmt: skip
FUNCTION = {"type", "name", "description", "parameters", "strict"}
EAGERNESS = ("low", "medium", "high", "auto")
SERVER_VAD: dict[str, Any] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
SEMANTIC_VAD: dict[str, Any] = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}


def text(value: Any, param: str, _old: Any) -> Any:
    if not isinstance(value, str):
        raise wrong_type(param, "a string", value)
    return value


def boolean(value: Any, param: str, _old: Any) -> Any:
    if not isinstance(value, bool):
        raise wrong_type(param, "a boolean", value)
    return value


def table(value: Any, param: str, _old: Any) -> Any:
    if not isinstance(value, Mapping):
        raise wrong_type(param, "an object", value)
    return dict(value)


def anything(value: Any, _param: str, _old: Any) -> Any:
    return value


def unchanged(_value: Any, _param: str, old: Any) -> Any:
    """Accepted and ignored, such as another model in the middle of a session."""
    return old


def read_only(_value: Any, param: str, _old: Any) -> Any:
    raise unknown(param)


def choice(*allowed: str) -> Check:
    def check(value: Any, param: str, _old: Any) -> Any:
        if not isinstance(value, str):
            raise wrong_type(param, "a string", value)
        if value not in allowed:
            raise wrong_value(param, value, allowed)
        return value

    return check


def nullable(check: Check) -> Check:
    def check_or_null(value: Any, param: str, old: Any) -> Any:
        return None if value is None else check(value, param, old)

    return check_or_null


def decimal(low: float, high: float) -> Check:
    def check(value: Any, param: str, _old: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(param, "a decimal", value)
        if not low <= value <= high:
            raise out_of_range(param, value, low, high)
        return value

    return check


def integer(low: int, high: int | None = None) -> Check:
    def check(value: Any, param: str, _old: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(param, "an integer", value)
        if value < low or (high is not None and value > high):
            raise out_of_range(param, value, low, high)
        return value

    return check


def token_limit(value: Any, param: str, old: Any) -> Any:
    if value == "inf":
        return value
    if isinstance(value, str):
        raise wrong_type(param, "an integer or 'inf'", value)
    return integer(1, 4096)(value, param, old)


def modalities(*combinations: tuple[str, ...]) -> Check:
    """One of the combinations, in any order; kept in the client's order."""

    def check(value: Any, param: str, _old: Any) -> Any:
        if not isinstance(value, list):
            raise wrong_type(param, "an array of strings", value)
        if not any(sorted(map(str, value)) == sorted(allowed) for allowed in combinations):
            listed = " and ".join(str(list(allowed)) for allowed in combinations)
            message = f"Invalid modalities: {value}. Supported combinations are: {listed}."
            raise InvalidRequest("invalid_value", message, param)
        return tuple(value)

    return check


def voice(value: Any, param: str, _old: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)  # a custom voice: {"id": …}, or Azure's {"name": …, "type": …}
    return choice(*VOICES)(value, param, None)


def audio_format_ga(value: Any, param: str, old: AudioFormat) -> AudioFormat:
    table(value, param, old)
    if "type" not in value:
        raise missing(f"{param}.type")
    choice("audio/pcm", "audio/pcmu", "audio/pcma")(value["type"], f"{param}.type", old)
    for key in value:
        if key not in ("type", "rate"):
            raise unknown(f"{param}.{key}")
    if value["type"] == "audio/pcm":
        if "rate" not in value:
            raise missing(f"{param}.rate")
        if value["rate"] != 24_000:
            raise wrong_value(f"{param}.rate", value["rate"], ("24000",))
    found = parse_format(value)
    assert found is not None
    return found


def audio_format_beta(value: Any, param: str, old: AudioFormat) -> AudioFormat:
    found = parse_format(choice("pcm16", "g711_ulaw", "g711_alaw")(value, param, old))
    assert found is not None
    return found


def fields(known: Mapping[str, Check], value: Any, param: str) -> dict[str, Any]:
    """An object whose fields each have a check; what is not known is refused."""
    table(value, param, None)
    for key in value:
        if key not in known:
            raise unknown(f"{param}.{key}")
    return {key: known[key](entry, f"{param}.{key}", None) for key, entry in value.items()}


def transcription(value: Any, param: str, old: Any) -> Any:
    known = {
        "model": text,
        "language": nullable(text),
        "prompt": nullable(text),
        "delay": anything,
        "languages": anything,
    }
    empty = {"model": "whisper-1", "language": None, "prompt": None}
    return {**empty, **(old or {}), **fields(known, value, param)}


def noise_reduction(value: Any, param: str, _old: Any) -> Any:
    kind = choice("near_field", "far_field")
    return fields({"type": kind, "strength": decimal(0.0, 1.0)}, value, param)


SERVER_VAD_CHECKS: dict[str, Check] = {
    "type": text,
    "threshold": decimal(0.0, 1.0),
    "prefix_padding_ms": integer(0),
    "silence_duration_ms": integer(0),
    "idle_timeout_ms": nullable(integer(5_000, 30_000)),
    "create_response": boolean,
    "interrupt_response": boolean,
}
SEMANTIC_VAD_CHECKS: dict[str, Check] = {
    "type": text,
    "eagerness": choice(*EAGERNESS),
    "create_response": boolean,
    "interrupt_response": boolean,
}


def turn_detection(value: Any, param: str, old: Any) -> Any:
    """Merged into what is in force if that is of the same type, into the defaults otherwise."""
    table(value, param, old)
    if "type" not in value and not old:
        raise missing(f"{param}.type")
    kind = choice("server_vad", "semantic_vad")(
        value.get("type", (old or {}).get("type")), f"{param}.type", None
    )
    given = {key: entry for key, entry in value.items() if entry is not None}
    if kind == "semantic_vad":
        checked = fields(SEMANTIC_VAD_CHECKS, given, param)
        defaults = SEMANTIC_VAD
    else:
        checked = fields(SERVER_VAD_CHECKS, given, param)
        defaults = SERVER_VAD
    base = old if old and old["type"] == kind else defaults
    return {**base, **checked, "type": kind}


def tools(value: Any, param: str, _old: Any) -> Any:
    if not isinstance(value, list):
        raise wrong_type(param, "an array of objects", value)
    for n, tool in enumerate(value):
        place = f"{param}[{n}]"
        table(tool, place, None)
        if "type" not in tool:
            raise missing(f"{place}.type")
        kind = choice("function", "mcp")(tool["type"], f"{place}.type", None)
        for key in tool:
            if kind == "function" and key not in FUNCTION:
                raise unknown(f"{place}.{key}")
        needed = "name" if kind == "function" else "server_label"
        if needed not in tool:
            raise missing(f"{place}.{needed}")
        text(tool[needed], f"{place}.{needed}", None)
    return tuple(dict(tool) for tool in value)


def tool_choice(value: Any, param: str, _old: Any) -> Any:
    if isinstance(value, Mapping):
        kind = choice("function", "mcp")(value.get("type"), f"{param}.type", None)
        needed = "name" if kind == "function" else "server_label"
        if needed not in value:
            raise missing(f"{param}.{needed}")
        return dict(value)
    return choice("none", "auto", "required")(value, param, None)
