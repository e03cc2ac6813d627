"""One record of a tape as a view shows it: a message or something on the connection, named."""

from contextlib import suppress
from dataclasses import dataclass

import orjson

from rtproxy.realtime.describe import describe
from rtproxy.realtime.describe_control import describe_control
from rtproxy.realtime.event import RealtimeEvent, parse, payload_size
from rtproxy.tape.record import INJECTED, NOT_FORWARDED, REDACTED, Control, Event

OWN = "rtproxy."
"""What the names begin with that are given here: rtproxy.close, rtproxy.ping, rtproxy.text, …"""

MARKS = {REDACTED: "redacted", NOT_FORWARDED: "not forwarded", INJECTED: "injected"}
"""Flags of a record that are worth a word."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record with its name.

    `type` is the event's type as on the wire; `rtproxy.json`, `rtproxy.text` or `rtproxy.binary`
    for a message that has none; `rtproxy.` and the control's name otherwise. `event` is the
    decoded message, None for what is no message.
    """

    record: Event | Control
    type: str
    event: RealtimeEvent | None

    @property
    def seq(self) -> int:
        return self.record.seq

    @property
    def t_ns(self) -> int:
        return self.record.t_ns

    @property
    def from_server(self) -> bool:
        return self.record.from_server

    @property
    def name(self) -> str:
        """The canonical name of the event, or `type` where there is no such name."""
        return (self.event.name if self.event is not None else "") or self.type

    @property
    def size(self) -> int:
        """Bytes of payload."""
        if isinstance(self.record, Event):
            return payload_size(self.record.payload)
        payload = self.record.data.get("payload")
        return len(payload) if isinstance(payload, bytes) else 0

    @property
    def marks(self) -> list[str]:
        """What the record's flags say beside the direction."""
        return [word for flag, word in MARKS.items() if self.record.flags & flag]

    def describe(self) -> str:
        """What matters of it, as one short line."""
        if isinstance(self.record, Control):
            return describe_control(self.record)
        return describe(self.event) if self.event is not None else ""

    def text(self) -> str:
        """The text that can be searched: JSON without its escapes and without audio."""
        if self.event is None:
            return f"{self.type} {self.describe()}"
        payload = self.record.payload if isinstance(self.record, Event) else ""
        if isinstance(payload, bytes):
            return ""
        if self.event.form == "object":
            audio = self.event.audio
            if audio and "\\" not in audio:
                payload = payload.replace(audio, "")
            if "\\u" in payload:
                with suppress(TypeError):  # nested too deep, or lone surrogates
                    payload = orjson.dumps(self.event.data).decode()
        return payload


def entry_of(record: Event | Control) -> Entry:
    """Name and decode a record. Never raises."""
    if isinstance(record, Control):
        return Entry(record, f"{OWN}{record.name}", None)
    event = parse(record)
    form = "json" if event.form == "object" else event.form
    return Entry(record, event.type or f"{OWN}{form}", event)
