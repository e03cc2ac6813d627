"""A tape as a table: one row an event, with what queries ask for in columns of their own."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import orjson

from rtproxy.realtime.event import RealtimeEvent, mapping, parse, string
from rtproxy.realtime.formats import AudioFormats
from rtproxy.realtime.session import Session
from rtproxy.tape.record import Control, Event, Record

Type = Literal["string", "name", "int64", "double", "timestamp"]
"""A `name` is a string of which there are few different ones; a timestamp is in µs UTC."""

COLUMNS: dict[str, tuple[Type, str]] = {
    "tape": ("name", "name of the tape's file"),
    "tape_id": ("name", "id of the tape"),
    "session_id": ("name", "id of the session, by the server"),
    "model": ("name", "the session's model"),
    "dialect": ("name", "ga or beta"),
    "origin": ("name", "recorded, simulated, replayed, imported"),
    "seq": ("int64", "number of the record on the tape"),
    "t_ms": ("double", "ms from the tape's start; null where it has no times"),
    "wall": ("timestamp", "wall clock, µs UTC; null where it is unknown"),
    "direction": ("name", "client or server, who sent it"),
    "kind": ("name", "event, or control: what happened on the connection"),
    "type": ("name", "as on the wire; of a control rtproxy.NAME; null for a message without one"),
    "name": ("name", "the type by its GA name"),
    "turn": ("int64", "number of the turn that it is about, or came in"),
    "bytes": ("int64", "bytes of the payload"),
    "audio_ms": ("double", "ms of audio in it"),
    "event_id": ("string", ""),
    "response_id": ("string", ""),
    "item_id": ("string", ""),
    "call_id": ("string", ""),
    "status": ("name", "of a response that is done"),
    "error_code": ("name", "code of an error, or of a response that failed; else its type"),
    "error_message": ("string", ""),
    "text": (
        "string",
        "words in it: a piece of a transcript or text, all of it, or typed",
    ),
    "payload": ("string", "the message, with the number of characters in place of audio"),
}
"""Column → its type and what it holds."""

Row = dict[str, Any]
AUDIO = {"audio", "delta"}
MAX_DEPTH = 32


def rows(session: Session, records: Iterable[Record], tape: str) -> Iterator[Row]:
    """A row for each event and control, in order. `session` has taken the records."""
    header = session.header
    started = header.fields.get("started_ns") if header is not None else None
    started_ns = started if isinstance(started, int) and 0 < started < 1 << 62 else None
    about = {
        "tape": tape,
        "tape_id": header.id if header is not None else None,
        "session_id": session.id,
        "model": session.model,
        "dialect": session.dialect,
        "origin": session.origin,
    }
    about = {key: _text(value) for key, value in about.items()}
    formats = AudioFormats()
    timed = session.times_known
    dated = timed and started_ns is not None
    for record in records:
        if not isinstance(record, Event | Control):
            continue
        row: Row = about | {
            "seq": record.seq,
            "t_ms": record.t_ns / 1e6 if timed else None,
            "wall": ((started_ns or 0) + record.t_ns) // 1000 if dated else None,
            "direction": "server" if record.from_server else "client",
        }
        if isinstance(record, Control):
            yield row | _control(record, session)
        else:
            event = parse(record)
            formats.observe(event)
            yield row | _event(event, formats.duration_ms(event), session)


def _control(record: Control, session: Session) -> Row:
    data = dict(record.data)
    return {
        "kind": "control",
        "type": f"rtproxy.{_text(record.name)}",
        "name": f"rtproxy.{_text(record.name)}",
        "turn": _during(record.seq, session),
        "text": _text(data.get("reason")),
        "payload": orjson.dumps(_without_audio(data)).decode(),
    }


def _event(event: RealtimeEvent, audio_ms: float, session: Session) -> Row:
    data = event.data
    response = mapping(data, "response")
    error = mapping(data, "error") or mapping(mapping(response, "status_details"), "error")
    return {
        "kind": "event",
        "type": _text(event.type),
        "name": _text(event.name or None),
        "turn": _about(event, session) or _during(event.seq, session),
        "bytes": event.size,
        "audio_ms": audio_ms or None,
        "event_id": _text(event.event_id),
        "response_id": _text(event.response_id),
        "item_id": _text(event.item_id),
        "call_id": _text(event.call_id),
        "status": _text(string(response, "status")),
        "error_code": _text(string(error, "code") or string(error, "type")),
        "error_message": _text(string(error, "message")),
        "text": _text(_words(event)),
        "payload": _payload(event),
    }


def _words(event: RealtimeEvent) -> str | None:
    data = event.data
    said = event.text or string(data, "transcript") or string(data, "text")
    if said or event.form != "object":
        return said or (str(event.record.payload) if event.form == "text" else None)
    parts = mapping(data, "item").get("content")
    if not isinstance(parts, list):
        return None
    found = [part.get("text") or part.get("transcript") for part in parts if isinstance(part, dict)]
    return " ".join(one for one in found if isinstance(one, str)) or None


def _payload(event: RealtimeEvent) -> str | None:
    payload = event.record.payload
    if isinstance(payload, bytes):
        return None
    if event.form != "object":
        return _text(payload)
    if event.audio is None:
        return _text(payload)
    return orjson.dumps(_without_audio(dict(event.data), event.audio)).decode()


def _without_audio(value: Any, audio: str | None = None, depth: int = 0) -> Any:
    """A value as JSON can hold it; `audio` is named by its length alone."""
    match value:
        case str():
            return f"({len(value)} characters)" if audio and value == audio else _text(value)
        case bytes():
            return f"({len(value)} bytes)"
        case dict() if depth < MAX_DEPTH:
            return {_text(str(k)): _without_audio(v, audio, depth + 1) for k, v in value.items()}
        case list() | tuple() if depth < MAX_DEPTH:
            return [_without_audio(one, audio, depth + 1) for one in value]
        case bool() | float() | None:
            return value
        case int() if -(2**63) <= value < 2**64:
            return value
    return type(value).__name__


def _during(seq: int, session: Session) -> int | None:
    return bisect_right(session.turns.all, seq, key=lambda turn: turn.seq) or None


def _about(event: RealtimeEvent, session: Session) -> int | None:
    """The turn whose response or item an event names."""
    answers = session.answers
    turn = answers.turn_of(event.response_id)
    if turn is None and event.item_id is not None:
        item = answers.conversation.items.get(event.item_id)
        turn = answers.turn_of(item.response_id) if item is not None else None
    return None if turn is None else turn.n


def _text(value: object) -> str | None:
    """Text as UTF-8 can hold it."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else None
