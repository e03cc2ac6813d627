"""Reads a tape step by step, so that it can be looked at from the first step on.

    loading = Loading(tape)
    while not loading.complete:
        loading.step(200)

Each record is read once: the session, the links and the catalogue take it together. A second pass
over the caller's audio, in steps too, tells how loud it was.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

from rtproxy.inspect.entry import entry_of
from rtproxy.inspect.listing import Missing
from rtproxy.inspect.overview import damage_line
from rtproxy.inspect.tui.catalogue import Catalogue
from rtproxy.inspect.tui.shelf import Shelf
from rtproxy.realtime.levels import Levels
from rtproxy.realtime.linking import Linker
from rtproxy.realtime.loudness import Loudness
from rtproxy.realtime.session import Session
from rtproxy.tape.record import Control, Event, Header, Seal, Trailer
from rtproxy.tape.scanner import Damage, Scanned, Scanner

State = Literal["sealed", "live", "crashed"]


class Recording(Protocol):
    """An open tape, as the reader gives it."""

    header: Header
    state: State

    @property
    def size(self) -> int: ...
    def new_scanner(self) -> Scanner: ...
    def is_live(self) -> bool: ...
    def read(self, offset: int, size: int) -> bytes: ...


class Loading:
    """What has been read of a tape so far.

    `complete` says that there is nothing more to read, or on a live tape that there is nothing
    more yet: then `look` says whether there is.
    """

    def __init__(self, tape: Recording) -> None:
        self.session = Session()
        self.session.take(tape.header)
        self.linker = Linker()
        self.catalogue = Catalogue()
        self.shelf = Shelf(self.catalogue, tape.read)
        self.state: State = tape.state
        self.complete = False
        self.size = tape.size
        """Bytes of the tape when it was looked at last."""
        self._tape = tape
        self._scanner = tape.new_scanner()
        self._told = 0
        self._sealed = False
        self._scanned = self._scan()

    @property
    def fraction(self) -> float:
        """How much of the tape has been read, from 0 to 1."""
        return 1.0 if self.complete else min(1.0, self._scanner.position / max(1, self.size))

    @property
    def damage(self) -> Sequence[Damage]:
        """Damage that was met so far."""
        return self._scanner.damage

    def step(self, records: int) -> None:
        """Read up to so many records."""
        for _ in range(records):
            scanned = next(self._scanned, None)
            self._note_damage()
            if scanned is None:
                self.complete = True
                return
            self._take(scanned)

    def look(self) -> bool:
        """Whether a live tape has grown; it is read on from there. One that has ended is known."""
        if self.state != "live":
            return False
        live = self._tape.is_live()  # asked first: what is appended until then is in the size
        size = self._tape.size
        if size == self.size and live:
            return False
        self.size = size
        if not live:
            self.state = "crashed"
        self.complete = False
        self._scanned = self._scan()
        return True

    def _scan(self) -> Iterator[Scanned]:
        return self._scanner.scan(self.size, final=self.state != "live")

    def _take(self, scanned: Scanned) -> None:
        record = scanned.record
        if isinstance(record, Event | Control):
            entry = entry_of(record)
            self.catalogue.add(entry, scanned.offset, len(scanned.data))
            self.session.take(record)
            if entry.event is not None:
                self.linker.note(entry.event)
            else:
                self.linker.take(record)
        elif isinstance(record, Seal | Trailer):
            self.state = "sealed"
        else:
            self.session.take(record)

    def _note_damage(self) -> None:
        """Put a place of damage where it was met."""
        seqs, times = self.catalogue.seqs, self.catalogue.times
        for damage in self._scanner.damage[self._told :]:
            before = seqs[-1] + 1 if len(seqs) else 0
            seq = damage.missing[0] if damage.missing else before
            t_ns = times[-1] if len(times) else 0
            self.catalogue.miss(Missing(seq, t_ns, damage_line(damage)))
        self._told = len(self._scanner.damage)


class Listening:
    """How loud the caller was: the appends that the catalogue knows, read again in steps."""

    def __init__(self, loading: Loading) -> None:
        self._catalogue = loading.catalogue
        self._shelf = loading.shelf
        self._session = loading.session
        self._levels = Levels()
        self._next = 0

    @property
    def complete(self) -> bool:
        """Whether all appends that are known have been read."""
        return self._next >= len(self._catalogue)

    @property
    def fraction(self) -> float:
        return min(1.0, self._next / max(1, len(self._catalogue)))

    def step(self, records: int) -> None:
        """Read up to so many appends."""
        while records and not self.complete:
            at, self._next = self._next, self._next + 1
            audio = self._catalogue.format(at)
            if audio is None or self._catalogue.from_server(at):
                continue
            records -= 1
            entry = self._shelf.fresh(at)
            if entry is not None and entry.event is not None:
                self._levels.add(entry.event.audio or "", audio)

    def loudness(self) -> Loudness:
        """As far as it has been read."""
        return Loudness.of(self._levels.values(), self._session.clock)
