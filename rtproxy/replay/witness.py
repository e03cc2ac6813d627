"""What one replayed connection has exchanged so far: what was said, with the times of the tape.

A replay's own times say little: at full speed there are none. So each message that went out, or
that stood for one on the tape, takes that one's place; what was not exchanged is left out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from rtproxy.replay.message import APPENDS, peek
from rtproxy.tape.record import FROM_SERVER, INJECTED, Control, Event, Record

Payload = str | bytes


class Witness:
    """Told by a player of what is sent and taken; `tape` is the path of the tape that it plays."""

    def __init__(self, tape: str) -> None:
        self.tape = tape
        self._exchanged: dict[int, Payload] = {}
        self._added: dict[int, list[Payload]] = {}
        """What the server said that is not on the tape, by the number of what came before it."""
        self._last = -1
        self._complete = False

    def sent(self, seq: int | None, payload: Payload) -> None:
        """A message of the server went out; `seq` is its number on the tape, if it is there."""
        if seq is None:
            self._added.setdefault(self._last, []).append(payload)
        else:
            self._exchanged[seq] = payload
            self.reached(seq)

    def took(self, seq: int, payload: Payload) -> None:
        """A message of the client came that stands for the one of this number."""
        self._exchanged[seq] = payload
        self.reached(seq)

    def reached(self, seq: int) -> None:
        """The replay has come as far as this."""
        self._last = max(self._last, seq)

    def complete(self) -> None:
        """The session ended as on the tape: whatever else is there belongs to it."""
        self._complete = True

    def records(self, tape: Iterable[Record]) -> Iterator[Event | Control]:
        """The records of the tape as they were exchanged, numbered anew where some are left out.

        Audio that the client appends is taken from the tape: it may come in other pieces.
        """
        for seq, record in enumerate(self._events(tape)):
            yield replace(record, seq=seq)

    def _events(self, tape: Iterable[Record]) -> Iterator[Event | Control]:
        """What was exchanged, in the tape's order, with the tape's numbers."""
        yield from self._additions(-1, 0)
        for record in tape:
            if not isinstance(record, Event | Control):
                continue
            if record.seq > self._last and not self._complete:
                return
            if isinstance(record, Control):
                yield record
            elif (payload := self._payload(record)) is not None:
                yield replace(record, payload=payload)
            yield from self._additions(record.seq, record.t_ns)

    def _additions(self, seq: int, t_ns: int) -> Iterator[Event]:
        for payload in self._added.get(seq, ()):
            yield Event(seq, t_ns, FROM_SERVER | INJECTED, payload)

    def _payload(self, event: Event) -> Payload | None:
        """What was said in an event's place; None if nothing was."""
        said = self._exchanged.get(event.seq)
        if said is None and not event.from_server and isinstance(event.payload, str):
            return event.payload if peek(event.payload) in APPENDS else None
        return said
