"""As much of a tape as it takes to hear a part of a call."""

from collections.abc import Iterator

from rtproxy.inspect.timeline import Span
from rtproxy.inspect.tui.catalogue import Catalogue
from rtproxy.inspect.tui.shelf import Shelf
from rtproxy.realtime.mixdown import Stereo, rate_of, render
from rtproxy.realtime.session import Session
from rtproxy.tape.record import Record

BEFORE_MS = 5_000.0
"""How much earlier the caller's stream is picked up."""
AFTER_MS = 45_000.0
"""How much later audio may still come that sounds in the span."""
LONGEST_MS = 600_000.0
"""No more than this is played at once."""
TELLING = {"session.created", "session.updated", "response.created", "response.done"}
"""Events that say how audio is to be read, wherever they stand."""


def heard(span: Span) -> Span:
    """A span as far as it is played."""
    return Span(span.start_ms, min(span.end_ms, span.start_ms + LONGEST_MS))


def numbers(catalogue: Catalogue, session: Session, span: Span) -> Iterator[int]:
    """The records that a part of a call is made of, by their numbers."""
    begin_ms = span.start_ms - BEFORE_MS
    for track in session.tracks:
        # An item's audio is counted from its first delta on.
        lasts = max(track.end_ms, track.first_ms + track.received_ms)
        if track.first_ms <= span.end_ms and lasts >= span.start_ms:
            begin_ms = min(begin_ms, track.first_ms)
    first, last = catalogue.since(begin_ms), catalogue.since(span.end_ms + AFTER_MS)
    for at in catalogue.milestones().tolist():
        if at >= first:
            break
        if catalogue.name(at).name in TELLING:
            yield at
    yield from range(first, last)


def sound(catalogue: Catalogue, session: Session, shelf: Shelf, span: Span) -> Iterator[Stereo]:
    """Both sides of a part of a call: the caller left, the assistant right, as it was heard."""

    def records() -> Iterator[Record]:
        for at in numbers(catalogue, session, span):
            entry = shelf.fresh(at)
            if entry is not None:
                yield entry.record

    return render(
        session,
        records(),
        heard=session.plays,
        rate=rate_of(session),
        start_ms=span.start_ms,
        end_ms=span.end_ms,
    )
