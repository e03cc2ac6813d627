"""Records as JSON, one line each, safe to be shown on a terminal.

    {"seq": 3, "kind": "event", "t_ns": 81234, "flags": 1, "direction": "server", "payload": "…"}

Text is exact. Bytes become base64: a binary message's as "payload_base64", elsewhere in an object
{"base64": "…"}.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any

import orjson

from rtproxy.tape.record import (
    INJECTED,
    NOT_FORWARDED,
    REDACTED,
    Control,
    Event,
    Header,
    Record,
    Seal,
    Trailer,
)

FLAG_NAMES = {REDACTED: "redacted", NOT_FORWARDED: "not_forwarded", INJECTED: "injected"}
_MAX_DEPTH = 100

# Controls, and the marks that turn the direction of text: none of them belongs on a terminal.
UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_UNSHOWN_IN_JSON = re.compile(UNSHOWN.pattern.replace("\x00-\x1f", ""))


def as_json(record: Record) -> dict[str, Any]:
    """The record as an object that JSON can hold; nothing that it says is left out."""
    match record:
        case Header():
            version = {"major": record.major, "minor": record.minor}
            return {"kind": "header", **version, "fields": _value(record.fields)}
        case Event():
            payload = record.payload
            said = (
                {"payload": payload}
                if isinstance(payload, str)
                else {"payload_base64": base64.b64encode(payload).decode()}
            )
            return {"kind": "event", "seq": record.seq, **_travel(record), **said}
        case Control():
            said_ = {"name": record.name, "data": _value(record.data)}
            return {"kind": "control", "seq": record.seq, **_travel(record), **said_}
        case Seal():
            when = {"seq": record.seq, "t_ns": record.t_ns}
            return {"kind": "seal", **when, "data": _value(record.data)}
        case Trailer():
            return {"kind": "trailer", "seal_offset": record.seal_offset}
    body = _value(list(record.body))
    return {"kind": record.kind, "seq": record.seq, "body": body}


def _travel(record: Event | Control) -> dict[str, Any]:
    names = {name: True for flag, name in FLAG_NAMES.items() if record.flags & flag}
    direction = "server" if record.from_server else "client"
    return {"t_ns": record.t_ns, "flags": record.flags, "direction": direction, **names}


def _value(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if depth == _MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {_key(key): _value(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_value(inner, depth + 1) for inner in value]
    return repr(value)


def _key(key: Any) -> str:
    return key if isinstance(key, str) else repr(key)


def json_line(value: Mapping[str, Any]) -> str:
    """JSON in one line, with every character escaped that a terminal might obey."""
    return harmless(orjson.dumps(value)).decode()


def harmless(json: bytes) -> bytes:
    """JSON that says the same, with every character escaped that a terminal might obey.

    Line feeds stand between values, and stay.
    """
    if json.isascii() and b"\x7f" not in json:
        return json
    return _UNSHOWN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", json.decode()).encode()
