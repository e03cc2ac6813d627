"""What a session or a response is set to, in words; beta and GA alike."""

from collections.abc import Callable
from itertools import islice

from rtproxy.realtime.dialect import session_field
from rtproxy.realtime.event import number, string
from rtproxy.realtime.phrase import Data, join, quote, value_text

_MISSING = object()


def format_name(value: object) -> str:
    """An audio format as one word, such as pcm16 or audio/pcm@24000."""
    if isinstance(value, dict):
        rate = number(value, "rate")
        return f"{string(value, 'type') or '?'}{'' if rate is None else f'@{rate}'}"
    return value_text(value)


def voice_name(value: object) -> str:
    """A voice's name; custom voices and other servers' voices are objects."""
    if isinstance(value, dict):
        return string(value, "name") or string(value, "id") or "?"
    return value_text(value)


def turn_detection(value: object) -> str:
    """Who decides that a turn is over and how, as in `server_vad 0.5, silence 200 ms`."""
    if not isinstance(value, dict):
        return "vad off"
    padding, silence = number(value, "prefix_padding_ms"), number(value, "silence_duration_ms")
    settings = [
        value_text(value["threshold"]) if number(value, "threshold") is not None else "",
        "" if padding is None else f"prefix {padding} ms",
        "" if silence is None else f"silence {silence} ms",
        f"eagerness {value['eagerness']}" if string(value, "eagerness") else "",
        "no reply" if value.get("create_response") is False else "",
        "no interruption" if value.get("interrupt_response") is False else "",
    ]
    said = ", ".join(filter(None, settings))
    return f"{string(value, 'type') or 'vad'}{' ' + said if said else ''}"


def tool_names(value: object) -> str:
    """How many tools a list has, and the names of the first."""
    if not isinstance(value, list) or not value:
        return ""
    names = [
        string(tool, "name") or string(tool, "server_label") or "?"
        for tool in value
        if isinstance(tool, dict)
    ]
    shown = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
    return f"{len(value)} tool{'s' if len(value) > 1 else ''} ({shown})"


def settings(fields_: Data) -> str:
    """What a session or a response is set to, as far as its fields say, in either dialect."""

    def said(name: str, show: Callable[[object], str]) -> str:
        value = session_field(fields_, name, _MISSING)
        return "" if value is _MISSING or value is None else show(value)

    detection = session_field(fields_, "turn_detection", _MISSING)
    return join([
        string(fields_, "model"),
        "transcription only" if fields_.get("type") == "transcription" else "",
        said("modalities", _modalities),
        said("voice", lambda value: f"voice {voice_name(value)}"),
        "" if detection is _MISSING else turn_detection(detection),
        _formats(
            said("input_audio_format", format_name), said("output_audio_format", format_name)
        ),
        said("input_audio_transcription", _transcription),
        said("conversation", lambda value: f"conversation {value_text(value)}"),
        said("input", _input),
        tool_names(fields_.get("tools")),
        said("metadata", _metadata),
        quote(string(fields_, "instructions")),
    ])  # fmt: skip


def _formats(into: str, out: str) -> str:
    if into == out:
        return into
    return ", ".join(filter(None, (into and f"in {into}", out and f"out {out}")))


def _transcription(value: object) -> str:
    return f"transcription {string(value, 'model') or 'on'}" if isinstance(value, dict) else ""


def _input(value: object) -> str:
    if not isinstance(value, list):
        return ""
    return f"{len(value)} input item{'' if len(value) == 1 else 's'}"


def _modalities(value: object) -> str:
    return "+".join(map(value_text, value)) if isinstance(value, list) else ""


def _metadata(value: object) -> str:
    if not isinstance(value, dict) or not value:
        return ""
    pairs = islice(value.items(), 3)
    return "metadata " + ", ".join(f"{key}={value_text(inner)}" for key, inner in pairs)
