"""How a live session stands, as far as a tape that is played to its server rests upon it.

The server's messages go in; what has come, under which ids, and how much was said come out.
"""

from collections import defaultdict
from typing import Any

from rtproxy.realtime.dialect import Dialect, canonical, dialect_of_session
from rtproxy.realtime.event import DELTAS, RealtimeEvent, mapping, parse
from rtproxy.realtime.formats import AudioFormats
from rtproxy.replay.message import parse_message
from rtproxy.replay.naming import SPEAKING, Namer
from rtproxy.replay.script import Script
from rtproxy.tape.record import FROM_SERVER, Event

_SESSION = frozenset({"session.created", "session.updated"})


class LiveSession:
    """What the server has said so far. `own` are the ids that the tape's client made."""

    def __init__(self, own: frozenset[str] = frozenset()) -> None:
        self.came: dict[str, float] = {}
        """Moment (see `naming`) → when it came first."""
        self.heard_at: float | None = None
        """When the server's last message came."""
        self.answering: set[str] = set()
        """Names of the responses that are under way."""
        self.dialect: Dialect | None = None
        self.error: RealtimeEvent | None = None
        """The last error."""
        self._namer = Namer(own)
        self._formats = AudioFormats()
        self._spoken_ms: defaultdict[tuple[str | None, int], float] = defaultdict(float)

    def take(self, message: str | bytes, now: float) -> RealtimeEvent:
        """Learn from one message of the server."""
        self.heard_at = now
        event = parse(Event(0, 0, FROM_SERVER, message))
        self._formats.observe(event)
        if isinstance(message, str):
            self._note(self._namer.take(event.type or "", message), now)
        if DELTAS.get(event.name) == "audio":
            self._spoken_ms[event.item_id, _part(event.data)] += self._formats.duration_ms(event)
        elif event.name in _SESSION:
            self.dialect = dialect_of_session(mapping(event.data, "session")) or self.dialect
        elif event.type == "error":
            self.error = event
        return event

    def id_of(self, name: str) -> str | None:
        """The id that goes by this name in this run; None if it has not come."""
        return self._namer.id_of.get(name)

    def spoken_ms(self, item: str, part: int) -> int:
        """Whole milliseconds of audio that have come of one part of the item of this name."""
        item_id = self.id_of(item)
        return int(self._spoken_ms[item_id, part]) if item_id is not None else 0

    @property
    def error_message(self) -> str:
        """What the last error says; empty if there was none."""
        message = mapping(self.error.data, "error").get("message") if self.error else None
        return message if isinstance(message, str) else ""

    def _note(self, moment: str | None, now: float) -> None:
        if moment is None:
            return
        self.came.setdefault(moment, now)
        what, _, name = moment.partition(" ")
        if what == "response.created":
            self.answering.add(name)
        elif what == "response.done":
            self.answering.discard(name)
            self.came.setdefault(f"{SPEAKING} {name}", now)  # for an answer without a word


def recorded_dialect(script: Script) -> Dialect | None:
    """The dialect in which the tape's server said how the session was set; None if it did not."""
    for step in script.server:
        if canonical(step.type) in _SESSION:
            event = parse_message(step.payload)
            session = event.get("session") if isinstance(event, dict) else None
            dialect = dialect_of_session(session) if isinstance(session, dict) else None
            if dialect is not None:
                return dialect
    return None


def _part(data: Any) -> int:
    index = data.get("content_index")
    return index if isinstance(index, int) else 0
