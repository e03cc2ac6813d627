"""A tape as JSON lines: one event a line, and nothing lost.

    {"schema":"rtproxy.jsonl/1","kind":"header","tape":"1.0","header":{"id":"4f2a9c…",…}}
    {"kind":"message","seq":0,"direction":"server","at":0.0012,"data":{"type":"session.created",…}}
    {"kind":"control","seq":1,"direction":"client","at":7.5,"name":"close","data":{"code":1000,…}}
    {"kind":"seal","at":7.5}

JSON stands in "data" character for character, as it was sent. Any other text stands there as a
string, and so does JSON that would not stay as it is on one line that is safe to look at; bytes are
base64 with "encoding". Lines are equal for equal tapes, and `jsonl_source` makes the tape again.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from rtproxy.tape.codec import plain
from rtproxy.tape.dump import FLAG_NAMES, UNSHOWN, json_line
from rtproxy.tape.record import Control, Event, Header, Seal, Trailer, Unknown
from rtproxy.tape.scanner import Scanned
from rtproxy.tape.summary import Summary

SCHEMA = "rtproxy.jsonl/1"
KNOWN_FLAGS = sum(FLAG_NAMES) | 1
RECKONED = Summary().to_map().keys() | {"id", "sha256"}
"""What a seal says that every seal of these records says."""


def lines(header: Header, records: Iterable[Scanned], seal: Seal | None) -> Iterator[str]:
    """The lines of a tape, in order, each with its line feed.

    `records` is a scan over the tape and `seal` the tape's, if it is sealed. Where records are
    missing, a line says how many.
    """
    version = f"{header.major}.{header.minor}"
    fields = _value(plain(header.fields))
    yield _line({"schema": SCHEMA, "kind": "header", "tape": version, "header": fields})
    expected = 0
    for scanned in records:
        record = scanned.record
        if isinstance(record, Header | Trailer) or (isinstance(record, Seal) and record != seal):
            continue
        seq = record.seq if record.seq is not None else expected
        if seq > expected:
            yield _line({"kind": "missing", "seq": expected, "records": seq - expected})
        expected = seq if record.seq is None else seq + 1
        yield line(scanned)


def line(scanned: Scanned) -> str:
    """One record as a line."""
    record = scanned.record
    match record:
        case Event():
            return _message(record)
        case Control():
            data = _value(plain(record.data))
            return _line({"kind": "control", **_travel(record), "name": record.name, "data": data})
        case Seal():
            own = {key: value for key, value in record.data.items() if key not in RECKONED}
            more = {"data": _value(plain(own))} if own else {}
            return _line({"kind": "seal", "at": seconds(record.t_ns), **more})
        case Unknown():
            return _line({"kind": "unknown", "record": b64encode(scanned.data).decode()})
    raise AssertionError(f"{record!r} is no line")


def seconds(ns: int) -> orjson.Fragment:
    """Nanoseconds as a JSON number of seconds, exactly, in as few digits as will do."""
    whole, rest = divmod(abs(ns), 1_000_000_000)
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    return orjson.Fragment(f"{'-' if ns < 0 else ''}{whole}{fraction}")


def _message(event: Event) -> str:
    head = {"kind": "message", **_travel(event)}
    payload = event.payload
    if isinstance(payload, bytes):
        return _line({**head, "encoding": "base64", "data": b64encode(payload).decode()})
    if _stays(payload):
        return f'{_line(head)[:-2]},"data":{payload}}}\n'
    return _line({**head, "data": payload})


def _stays(payload: str) -> bool:
    """Whether a payload is JSON that can stand in a line as it is."""
    if payload[:1] not in ("{", "[") or payload[-1:] not in ("}", "]"):
        return False
    if not payload.isprintable() and UNSHOWN.search(payload):
        return False
    try:
        orjson.loads(payload)
    except ValueError:
        return False
    return True


def _travel(record: Event | Control) -> dict[str, Any]:
    named = {name: True for flag, name in FLAG_NAMES.items() if record.flags & flag}
    others = record.flags & ~KNOWN_FLAGS
    return {
        "seq": record.seq,
        "direction": "server" if record.from_server else "client",
        "at": seconds(record.t_ns),
        **named,
        **({"flags": others} if others else {}),
    }


def _line(members: dict[str, Any]) -> str:
    return f"{json_line(members)}\n"


def _value(value: Any) -> Any:
    """A value that is plain (`codec.plain`) as JSON can hold it; bytes are {"base64": …}."""
    if isinstance(value, bytes):
        return {"base64": b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: _value(inner) for key, inner in value.items()}
    return [_value(inner) for inner in value] if isinstance(value, list) else value
