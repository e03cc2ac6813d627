"""One pass over a tape: all that the page needs to know of it.

gathering = Gathering(tape.header)
for _ in gathering.take(records(tape)):
    ...                                # the reels' pieces may be taken out meanwhile
gathering.finish()
"""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from rtproxy.inspect.entry import entry_of
from rtproxy.inspect.listing import Listing, Lull, Missing, Row
from rtproxy.inspect.page.bodies import Bodies
from rtproxy.inspect.page.events import EventList
from rtproxy.inspect.page.sound import Part, Side, Sound
from rtproxy.inspect.timeline import Moments
from rtproxy.realtime.linking import Linker
from rtproxy.realtime.links import BACK, FORTH, Links
from rtproxy.realtime.piece import Faults, Pieces
from rtproxy.realtime.session import Session
from rtproxy.tape.record import NOT_FORWARDED, Control, Event, Header, Record

Source = Record | Missing | Lull

MAX_FAULTS = 50


class Gathering:
    """Takes the records of a tape. What is kept does not grow with its audio."""

    def __init__(self, header: Header) -> None:
        self.session = Session()
        self.session.take(header)
        self.moments = Moments()
        self.sound = Sound()
        self.faults = Faults()
        self.bodies = Bodies()
        self.events = EventList()
        self.links = Links()
        self._linker = Linker()
        self._listing = Listing()

    def take(self, records: Iterable[Source]) -> Iterator[None]:
        """Take all records; yields now and then, when memory may be freed."""
        for piece in Pieces(self.session, self._noted(records), faults=self.faults):
            self.sound.take(piece)
            yield

    def finish(self) -> None:
        """No more will come."""
        self.bodies.finish()
        self.sound.finish()
        self.links = self._linker.links(self.session)

    def _noted(self, records: Iterable[Source]) -> Iterator[Record]:
        """The records of the call, when all else has been made of them."""
        for record in records:
            if isinstance(record, Missing):
                self._list(self._listing.take(record))
            elif not isinstance(record, Lull):
                self.session.take(record)
                if isinstance(record, Event | Control):
                    self._note(record)
                yield record
        self._list(self._listing.close())

    def _note(self, record: Event | Control) -> None:
        self.moments.take(record)
        entry = entry_of(record)
        if entry.event is None:
            self._linker.take(record)
        elif not record.flags & NOT_FORWARDED:
            self._linker.note(entry.event)
        if self.events.full:
            self.events.left_out += 1
            return
        self.events.note(entry, self.bodies.add(entry))
        self._list(self._listing.add(entry))

    def _list(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.events.add(row)

    def event_json(self) -> bytes:
        """Rows, the links between them, and what was left out."""
        whys = list(BACK)
        told = {
            **self.events.to_map(self._whole),
            "links": [[a, b, whys.index(why)] for a, b, why in self.links.pairs()],
            "back": list(BACK.values()),
            "forth": [FORTH[why] for why in whys],
            "count": len(self.events),
            "events_left_out": self.events.left_out,
            "bodies_left_out": self.bodies.left_out,
            "blocks": len(self.bodies.blocks),
        }
        return orjson.dumps(told)

    def audio_map(self) -> dict[str, Any]:
        """Where each side's samples stand, without the samples."""
        sound, session = self.sound, self.session
        timed = session.times_known
        heard, unheard = sound.heard(session) if session.plays else (None, None)
        return {
            "caller": {**_side(sound.caller), "delivered": _parts(sound.caller.parts, timed)},
            "assistant": {
                **_side(sound.assistant),
                "delivered": _parts(sound.delivered, timed),
                "heard": _parts(heard, timed),
                "unheard": _parts(unheard, timed),
            },
            "faults": [[fault.seq, fault.what] for fault in list(self.faults)[:MAX_FAULTS]],
            "faults_left_out": max(0, len(self.faults) - MAX_FAULTS),
        }

    def _whole(self, seq: int) -> int | None:
        """What a delta is a part of."""
        return next((link.seq for link in self.links.causes(seq) if link.why == "part"), None)


def _side(side: Side) -> dict[str, Any]:
    reel = side.reel
    if reel is None or not reel.length:
        return {"rate": 0, "length": 0}
    return {
        "rate": reel.rate,
        "length": reel.length,
        "bucket": reel.bucket,
        "cut": side.is_cut,
    }


def _parts(parts: list[Part] | None, timed: bool) -> list[list[float]] | None:
    """[t_ms, first sample, samples] of each part; None where that is not known."""
    if parts is None or not timed:
        return None
    return [[round(part.t_ms, 3), part.first, part.count] for part in parts]
