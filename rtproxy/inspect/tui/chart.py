"""The lanes of a call for what is shown of it: those of the timeline, and one of its events.

Every lane that a call has keeps its place, whatever part of the call is shown.
"""

from collections.abc import Iterable

import numpy as np

from rtproxy.inspect.timeline import Lane, Span, Timeline
from rtproxy.inspect.tui.catalogue import Catalogue, Numbers
from rtproxy.inspect.tui.line import ink_of
from rtproxy.inspect.tui.stage import Stage
from rtproxy.realtime.finding import Finding
from rtproxy.realtime.loudness import Loudness
from rtproxy.realtime.session import Session

SENT, RECEIVED, BOTH, WRONG = "→", "←", "↔", "!"
EVENTS = "events"
ORDER = ("", "caller", "turns", "assistant", "responses", "tools", EVENTS, "errors", "findings")


class Chart:
    """Draws lanes for any span of time. `prepare` takes what has been read; drawing reads nothing.

    `drawings` counts how often lanes were made: where nothing has changed they are kept.
    """

    def __init__(self, session: Session, catalogue: Catalogue) -> None:
        self.drawings = 0
        self._session = session
        self._catalogue = catalogue
        self._stage = Stage(session, None)
        self._findings: list[tuple[str, Finding]] = []
        self._milestones: Numbers = np.zeros(0, dtype=np.int64)
        self._times: Numbers = np.zeros(0, dtype=np.int64)
        self._signs: Numbers = np.zeros(0, dtype=np.int64)
        self._seen = 0
        self._loudness: Loudness | None = None
        self._drawn: tuple[Span, int, list[Lane]] | None = None
        self._names: set[str] = set()

    def prepare(self, findings: Iterable[tuple[str, Finding]]) -> None:
        """The call has been read further."""
        self._stage = Stage(self._session, self._loudness)
        self._findings = list(findings)
        self._note_events()
        self._drawn = None

    def hear(self, loudness: Loudness) -> None:
        """How loud the caller was is known."""
        self._loudness = loudness
        self._stage = Stage(self._session, loudness)
        self._drawn = None

    def lanes(self, span: Span, width: int) -> list[Lane]:
        """The lanes for a span of time in so many cells."""
        if self._drawn is None or self._drawn[:2] != (span, width):
            self._drawn = (span, width, self._draw(span, width))
        return self._drawn[2]

    def _draw(self, span: Span, width: int) -> list[Lane]:
        self.drawings += 1
        if not self._session.times_known:
            return []
        view = self._stage.within(span)
        timeline = Timeline(view, self._catalogue, span, width)
        lanes = {lane.name: lane for lane in timeline.lanes(self._findings)}
        lanes[EVENTS] = self._events(span, width)
        self._names |= {name for name, lane in lanes.items() if lane.text.strip()}
        return [
            lanes.get(name) or Lane(name, width)
            for name in ORDER
            if name in self._names and name != "errors"
        ]

    def _note_events(self) -> None:
        """Note the events that are no deltas, of which there are few."""
        catalogue, fresh = self._catalogue, self._catalogue.milestones(self._seen)
        self._seen = len(catalogue)
        times = np.array(catalogue.times, dtype=np.int64)[fresh]
        if len(self._times) and len(times):
            times[0] = max(times[0], self._times[-1])
        signs = np.array([self._sign(at) for at in fresh.tolist()], dtype=np.int64)
        self._times = np.concatenate((self._times, np.maximum.accumulate(times)))
        self._signs = np.concatenate((self._signs, signs))

    def _sign(self, at: int) -> int:
        """1 for what the client sent, 2 for what the server did, 4 more for trouble."""
        side = 2 if self._catalogue.from_server(at) else 1
        return side | (4 if ink_of(self._catalogue.name(at).name) == "error" else 0)

    def _events(self, span: Span, width: int) -> Lane:
        """Where something was sent or received that is no piece of anything."""
        lane = Lane(EVENTS, width)
        first = int(np.searchsorted(self._times, span.start_ms * 1e6))
        last = int(np.searchsorted(self._times, span.end_ms * 1e6, side="right"))
        cells = (self._times[first:last] / 1e6 - span.start_ms) / span.ms * width
        found = np.zeros(width, dtype=np.int64)
        np.bitwise_or.at(
            found, np.clip(cells.astype(np.int64), 0, width - 1), self._signs[first:last]
        )
        for cell in np.flatnonzero(found).tolist():
            sign = int(found[cell])
            if sign & 4:
                lane.put(cell, WRONG, "error")
            elif sign == 3:
                lane.put(cell, BOTH, "")
            elif sign == 1:
                lane.put(cell, SENT, "caller")
            else:
                lane.put(cell, RECEIVED, "heard")
        return lane
