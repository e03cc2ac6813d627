"""What happened on a connection beside its messages, as one short line."""

from collections.abc import Mapping
from typing import Any

from rtproxy.realtime.phrase import binary, fields, join, quote
from rtproxy.tape.record import Control

CLOSE_CODES = {
    1000: "normal",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no code",
    1006: "abnormal",
    1007: "invalid data",
    1008: "policy violation",
    1009: "too big",
    1010: "extension missing",
    1011: "server error",
    1012: "restart",
    1013: "try again later",
    1014: "bad gateway",
}
"""Names of close codes, from the registry that RFC 6455 §11.7 sets up."""


def describe_control(control: Control) -> str:
    """What matters of something on the connection that is no message."""
    data = control.data
    match control.name:
        case "close":
            code = data.get("code")
            known = CLOSE_CODES.get(code) if isinstance(code, int) else None
            named = "no code" if code is None else f"{code} {known}" if known else str(code)
            return " ".join(filter(None, (named, quote(_text(data, "reason")))))
        case "ping" | "pong":
            payload = data.get("payload")
            if not isinstance(payload, bytes) or not payload:
                return ""
            plain = payload.isascii() and payload.decode("ascii").isprintable()
            return quote(payload.decode("ascii")) if plain else binary(payload)
        case "refused":
            status = data.get("status")
            body = " ".join(_text(data, "body").split()) or _text(data, "omitted")
            return join(("" if status is None else str(status), quote(body)))
        case "eof":
            return fields(data)
        case "protocol_error" | "reset" | "gap":
            why = _text(data, "reason") or _text(data, "error")
            rest = {key: value for key, value in data.items() if key not in ("reason", "error")}
            return join((why, fields(rest)))
    return fields(data)


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
