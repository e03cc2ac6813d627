"""The words that descriptions of events are made of: quotes, calls, values, problems, tokens.

Text from the payload stands between “ and ”, verbatim: whoever shows it must make control
characters visible.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from rtproxy.realtime.event import mapping, number, string

Data = Mapping[str, Any]

MAX_QUOTE = 400
MAX_VALUE = 80
MAX_FIELDS = 6

_TIRESOME = {"type", "event_id", "obfuscation", "object"}


def fields(data: Data) -> str:
    """The first few fields that say something, for events that no table knows."""
    found: list[str] = []
    for key, value in data.items():
        if key in _TIRESOME and (key != "object" or "type" in data):
            continue
        if isinstance(value, dict):
            found += [
                f"{key}.{name}={value_text(inner)}"
                for name, inner in islice(value.items(), 4 * MAX_FIELDS)
                if says(inner)
            ]
        elif says(value):
            found.append(f"{key}={value_text(value)}")
        if len(found) >= MAX_FIELDS:
            break
    return " ".join(found[:MAX_FIELDS])


def quote(text: str | None) -> str:
    """Text between typographic quotes, cut where it is long; "" for none."""
    return f"“{short(text, MAX_QUOTE)}”" if text else ""


def call(name: str | None, arguments: str | None) -> str:
    """A function call, such as get_weather({"city": "London"})."""
    return f"{name or '?'}({short(' '.join((arguments or '').split()), MAX_QUOTE)})"


def short(text: str, limit: int) -> str:
    """Text, cut with … where it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def says(value: object) -> bool:
    """Whether a field's value is worth a word."""
    return value not in (None, "", [], {}) and not isinstance(value, dict)


def value_text(value: object) -> str:
    """A value in a few characters; what is nested is counted, not shown."""
    if isinstance(value, dict):
        return f"{{{len(value)}}}"
    if isinstance(value, list):
        return f"[{len(value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return short(str(value), MAX_VALUE)


def binary(payload: bytes) -> str:
    """Bytes as their number and the first of them in hexadecimal."""
    head = payload[:16].hex(" ")
    return f"{len(payload)} bytes: {head}{' …' if len(payload) > 16 else ''}" if payload else ""


def join(parts: Iterable[str | None]) -> str:
    """The parts that there are, set apart."""
    return " · ".join(part for part in parts if part)


def milliseconds(data: Data, key: str) -> str:
    """A field that counts milliseconds, by its own name."""
    value = number(data, key)
    return "" if value is None else f"{key} {value}"


def tokens(usage: Data) -> str:
    """What was used: tokens in and out, or seconds."""
    if (seconds := number(usage, "seconds")) is not None:
        return f"{seconds} s"
    into, out = number(usage, "input_tokens"), number(usage, "output_tokens")
    if into is None and out is None:
        return ""
    cached = number(mapping(usage, "input_token_details"), "cached_tokens")
    return f"tokens {into or 0} in{f' ({cached} cached)' if cached else ''}, {out or 0} out"


def problem(error: Data) -> str:
    """An error's code and message, such as `session_expired: Your session …`."""
    code = error.get("code")
    named = str(code) if isinstance(code, str | int) and code != "" else string(error, "type")
    message = string(error, "message")
    return ": ".join(filter(None, (named, message and short(message, MAX_QUOTE)))) or fields(error)
