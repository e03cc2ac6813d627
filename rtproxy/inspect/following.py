"""A tape that is followed: its records as they come, until it is sealed, let go, or enough.

with Interrupt() as interrupt, open_tape(newest(folder, interrupt)) as tape:
    for row in Listing().rows(records(Following(tape, interrupt))):
        print(row)
"""

import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Literal, Self

from rtproxy.errors import TapeError
from rtproxy.inspect.listing import Lull
from rtproxy.inspect.overview import Overview
from rtproxy.tape.library import Library
from rtproxy.tape.reader import Tape, open_tape
from rtproxy.tape.record import Control, Event, Header, Record, Seal, Trailer
from rtproxy.tape.scanner import Damage
from rtproxy.tape.summary import Summary
from rtproxy.tape.tail import POLL_SECONDS, watch

FOLDER_POLL_S = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM)

State = Literal["sealed", "live", "crashed"]


class Interrupt:
    """Notes Ctrl-C and SIGTERM while it is used, so that what follows a tape can end in good order.

    A second one ends the program at once. `code` is the exit code after the first.
    """

    def __init__(self) -> None:
        self.asked = False
        self.code = 128 + signal.SIGINT

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def pause(self, seconds: float) -> bool:
        """Wait; True if it is time to end."""
        if not self.asked:
            time.sleep(seconds)
        return self.asked

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.asked, self.code = True, 128 + number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class Following:
    """A live tape as a source of records. It may be iterated once.

    `state` is "live" until the tape's end has been seen; `summary` counts what has come. It also
    ends when `is_unread` says that nobody is there to see more.
    """

    def __init__(
        self, tape: Tape, interrupt: Interrupt, is_unread: Callable[[], bool] = lambda: False
    ) -> None:
        self.header: Header = tape.header
        self.state: State = tape.state
        self.was_live = tape.state == "live"
        self.summary = Summary()
        self._tape = tape
        self._interrupt = interrupt
        self._is_unread = is_unread
        self._t_ns = 0
        self._read_ns = time.monotonic_ns()

    @property
    def damage(self) -> Sequence[Damage]:
        return self._tape.damage

    @property
    def broke_off(self) -> bool:
        """Whether its recording ended unsealed while it was followed."""
        return self.was_live and self.state == "crashed"

    def __iter__(self) -> Iterator[Record | Lull]:
        """Its records, and a lull about twenty times a second when there is nothing new."""
        for record in watch(self._tape):
            if self._interrupt.asked:
                return
            if record is None:
                yield Lull(self._now_ns())
                if self._interrupt.pause(POLL_SECONDS) or self._is_unread():
                    return
                continue
            self._note(record)
            yield record
        if self.state == "live":
            self.state = "crashed"

    def overview(self) -> Overview:
        """What the tape is, as far as it has been read."""
        damage = list(self.damage)
        state = "damaged" if damage else self.state
        path, size = str(self._tape.path), self._tape.size
        return Overview(path, self.header, state, size, self.summary, True, damage)

    def _note(self, record: Record) -> None:
        self.summary.add(record, 0)
        if isinstance(record, Event | Control):
            self._t_ns, self._read_ns = record.t_ns, time.monotonic_ns()
        elif isinstance(record, Seal | Trailer):
            self.state = "sealed"

    def _now_ns(self) -> int:
        """What time it is on the tape."""
        return self._t_ns + time.monotonic_ns() - self._read_ns


def newest(folder: Path, interrupt: Interrupt, say: Callable[[str], None]) -> Path | None:
    """The tape of the session that is being recorded into a folder: the latest, or the next.

    Waits for one, which `say` is told; None if it was interrupted. Tapes of HTTP requests, which
    are over at once, are passed over. Raises TapeError when the folder cannot be read.
    """
    library = Library(folder)
    known = set(library.paths())
    for path in sorted(known, reverse=True):
        if _verdict(path) == "live":
            return path
    say(f"Waiting for a session to be recorded into {folder}.")
    while not interrupt.pause(FOLDER_POLL_S):
        for path in set(library.paths()) - known:
            match _verdict(path):
                case "live" | "sealed":  # sealed: it came and went since the last look
                    return path
                case "other":
                    known.add(path)
    return None


def _verdict(path: Path) -> Literal["live", "sealed", "other", "unknown"]:
    """What a tape is: a session that goes on, one that is over, or something else."""
    with suppress(TapeError), open_tape(path) as tape:
        if tape.header.connection != "websocket":
            return "other"
        # Without seal and lock it may have crashed, or have been created this very moment.
        return "unknown" if tape.state == "crashed" else tape.state
    return "unknown"


def is_unread() -> bool:
    """Whether whoever read our output has gone, which a pipe says before it is written to."""
    try:
        poll = select.poll()
        poll.register(sys.stdout, 0)
        return any(state & (select.POLLERR | select.POLLNVAL) for _, state in poll.poll(0))
    except (AttributeError, OSError, ValueError):
        return False  # no descriptor, or no way to ask
