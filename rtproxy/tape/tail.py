"""Reads a tape while it is being recorded."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rtproxy.tape.reader import Tape, open_tape
from rtproxy.tape.record import Header, Record, Trailer

POLL_SECONDS = 0.05


def pause() -> None:
    """Wait a moment for the tape to grow."""
    time.sleep(POLL_SECONDS)


def follow(tape: Tape | str | Path, *, wait: Callable[[], object] = pause) -> Iterator[Record]:
    """Yield the records of a tape, then those that are appended, until it is sealed or let go.

    `wait` is called when there is nothing new; when it returns False, following ends. An
    incomplete last record is waited for while the tape is live, and is damage afterwards. Pass a
    Tape to see its `damage`; raises what `open_tape` raises.
    """
    if not isinstance(tape, Tape):
        with open_tape(tape) as opened:
            yield from follow(opened, wait=wait)
        return
    scanner = tape.new_scanner()
    headed = False
    while True:
        live = tape.is_live()  # asked first: what is appended until then is in the size
        for scanned in scanner.scan(tape.size, final=not live):
            if not headed and not isinstance(scanned.record, Header):
                yield tape.header
            headed = True
            yield scanned.record
            if isinstance(scanned.record, Trailer):
                live = False
        if not live or wait() is False:
            return
