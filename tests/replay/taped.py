"""Tapes for the tests of replay: short to write, and the captured sessions where they are."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from rtproxy.tape.record import FROM_SERVER, Control, Event, Header, Record
from tests.captures import CAPTURES

captured = pytest.mark.parametrize(
    "capture",
    [pytest.param(path, id=path.stem) for path in sorted(CAPTURES.glob("*.jsonl"))]
    or [pytest.param(None, marks=pytest.mark.skip(reason="no captured sessions here"))],
)

STEP_NS = 20_000_000


class Tape:
    """Builds records: `client(...)` and `server(...)` add an event each, 20 ms apart."""

    def __init__(self) -> None:
        self.records: list[Record] = [Header({"id": "t", "connection": "websocket"})]
        self.t_ns = 0

    def client(self, type_or_payload: str | bytes, /, **fields: Any) -> "Tape":
        return self._add(0, type_or_payload, fields)

    def server(self, type_or_payload: str | bytes, /, **fields: Any) -> "Tape":
        return self._add(FROM_SERVER, type_or_payload, fields)

    def append(self, *sizes: int) -> "Tape":
        for size in sizes:
            self.client(appended(bytes(size)))
        return self

    def control(self, name: str, from_server: bool = False, **data: Any) -> "Tape":
        self.t_ns += STEP_NS
        flags = FROM_SERVER if from_server else 0
        self.records.append(Control(len(self.records), self.t_ns, flags, name, data))
        return self

    def wait(self, ms: int) -> "Tape":
        self.t_ns += ms * 1_000_000
        return self

    def _add(self, flags: int, payload: str | bytes, fields: dict[str, Any]) -> "Tape":
        if isinstance(payload, str) and not payload.startswith(("{", "[", "=")):
            payload = event(payload, **fields)
        elif isinstance(payload, str):
            payload = payload.removeprefix("=")
        self.t_ns += STEP_NS
        self.records.append(Event(len(self.records), self.t_ns, flags, payload))
        return self


def event(kind: str, /, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields})


def appended(audio: bytes) -> str:
    return event("input_audio_buffer.append", audio=base64.b64encode(audio).decode())


def user(text: str, **fields: Any) -> str:
    """A conversation.item.create with a user's message; `fields` are the item's."""
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content} | fields
    return event("conversation.item.create", item=item)


def added(text: str, item_id: str, previous: str | None = None) -> str:
    """The server's conversation.item.added for `user(text)`."""
    content = [{"type": "input_text", "text": text}]
    item = {"id": item_id, "type": "message", "role": "user", "content": content}
    return event(
        "conversation.item.added", event_id="event_s", previous_item_id=previous, item=item
    )


def read_capture(path: Path) -> list[Record]:
    """A captured session as records, 20 ms apart: the captures hold no times."""
    records: list[Record] = [Header({"id": path.stem, "connection": "websocket"})]
    with path.open(encoding="utf-8") as lines:
        for seq, line in enumerate(lines, start=1):
            entry = json.loads(line)
            flags = FROM_SERVER if entry["direction"] == "server" else 0
            text = json.dumps(entry["data"], ensure_ascii=False)
            records.append(Event(seq, seq * STEP_NS, flags, text))
    return records


def messages(records: Iterable[Record], from_server: bool) -> list[str | bytes]:
    return [
        record.payload
        for record in records
        if isinstance(record, Event) and record.from_server == from_server
    ]
