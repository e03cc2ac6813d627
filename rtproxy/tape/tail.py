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


def watch(tape: Tape) -> Iterator[Record | None]:
    """Yield the records of a tape as they come, and None whenever there is nothing new.

    Ends when the tape is sealed or its writer has let go of it. An incomplete last record is left
    for later while the tape is live, and is damage afterwards. Never waits by itself.
    """
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
        if not live:
            return
        yield None


def follow(tape: Tape | str | Path, *, wait: Callable[[], object] = pause) -> Iterator[Record]:
    """Yield the records of a tape, then those that are appended, until it is sealed or let go.

    `wait` is called when there is nothing new; when it returns False, following ends. Pass a
    Tape to see its `damage`; raises what `open_tape` raises.
    """
    if not isinstance(tape, Tape):
        with open_tape(tape) as opened:
            yield from follow(opened, wait=wait)
        return
    for record in watch(tape):
        if record is not None:
            yield record
        elif wait() is False:
            return
