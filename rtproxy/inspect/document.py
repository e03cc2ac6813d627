"""The listing for programs: `--ndjson`, one event a line, and `--json`, one document.

Both are made piece by piece, so that a tape of any length takes no more memory than a short one.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import orjson

from rtproxy.inspect.entry import Entry, entry_of
from rtproxy.inspect.filter import Predicate
from rtproxy.inspect.listing import Lull, Missing, Row, milliseconds
from rtproxy.inspect.overview import Overview
from rtproxy.realtime.session import Session
from rtproxy.tape.dump import harmless
from rtproxy.tape.record import Control, Event, Record

SCHEMA = "rtproxy.inspect/1"

T = TypeVar("T", bound=Record | Missing | Lull)


def ndjson(
    records: Iterable[Record | Missing | Lull], keep: Predicate | None = None
) -> Iterator[bytes]:
    """One line for each event and each thing on the connection; places of damage are left out."""
    for record in records:
        if isinstance(record, Event | Control):
            entry = entry_of(record)
            if keep is None or keep(entry):
                yield line(entry)


def line(entry: Entry) -> bytes:
    """`{"seq", "t_ms", "direction", "type", "event"}` and a line feed.

    JSON stands in "event" as it was sent, character for character but for line breaks, and what a
    terminal might obey is escaped. Other text is {"text": …}, bytes are {"base64": …}, and a
    control is its data.
    """
    said = {
        "seq": entry.seq,
        "t_ms": milliseconds(entry.t_ns),
        "direction": "server" if entry.from_server else "client",
        "type": well_formed(entry.type),
        "event": body(entry),
    }
    return harmless(orjson.dumps(said, default=_bytes)) + b"\n"


def body(entry: Entry) -> Any:
    """What an entry holds, as JSON can: the value of "event"."""
    record = entry.record
    if isinstance(record, Control):
        return _plain(record.data)
    if isinstance(record.payload, bytes):
        return _bytes(record.payload)
    if entry.event is None or entry.event.form == "text":
        return {"text": well_formed(record.payload)}
    # Outside of its strings, where JSON has no line breaks, they are blanks.
    return orjson.Fragment(record.payload.replace("\n", " ").replace("\r", " "))


def told(records: Iterable[T], session: Session) -> Iterator[T]:
    """The records as they come, of which `session` is told first."""
    for record in records:
        if not isinstance(record, Missing | Lull):
            session.take(record)
        yield record


def document(
    make: Callable[[], Overview], rows: Iterable[Row], session: Session, turn: int | None = None
) -> Iterator[bytes]:
    """The document of `--json`: schema, events, session, turns, metrics, findings, tape.

    `make` is called, and `session` asked, when the rows are through: only then is all known. With
    `turn` the turns and the findings are those of that turn alone.
    """
    yield b'{"schema":' + orjson.dumps(SCHEMA) + b',"events":['
    separator = b"\n"
    for row in rows:
        yield separator + harmless(orjson.dumps(_plain(row.to_map())))
        separator = b",\n"
    overview = make()
    parts = session.to_json()
    for key, value in overview.session().items():
        if parts["session"][key] is None:
            parts["session"][key] = value  # the seal may know what is lost to damage
    if turn is not None:
        parts["turns"] = [part for part in parts["turns"] if part["n"] == turn]
        parts["findings"] = [part for part in parts["findings"] if part["turn"] == turn]
    parts["tape"] = overview.to_map()
    yield b"\n]"
    for key, part in parts.items():
        yield b",\n" + orjson.dumps(key) + b":" + harmless(orjson.dumps(_plain(part)))
    yield b"}\n"


def well_formed(text: str) -> str:
    """Text that can stand in UTF-8: a lone surrogate becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def _bytes(value: object) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value)} is not on tapes")
    return {"base64": b64encode(value).decode("ascii")}


def _plain(value: Any, depth: int = 0) -> Any:
    """A value from a tape's map as JSON can hold it."""
    match value:
        case str():
            return well_formed(value)
        case bytes():
            return _bytes(value)
        case dict() if depth < 64:
            return {well_formed(str(key)): _plain(inner, depth + 1) for key, inner in value.items()}
        case list() | tuple() if depth < 64:
            return [_plain(inner, depth + 1) for inner in value]
        case float() | None:
            return value
        case int() if -(2**63) <= value < 2**64:
            return value
    return type(value).__name__
