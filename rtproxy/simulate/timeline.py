"""What is still to happen in a simulated session, in order of time."""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


class Timeline:
    """A schedule in milliseconds since the session's start.

    What is due is run with its due time as `now`, not with the time at which somebody looked, so
    that a late look never makes anything else later.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._entries: list[tuple[float, int, Entry]] = []
        self._order = count()

    def at(self, due_ms: float, act: Callable[[], None]) -> "Entry":
        """Run `act` at `due_ms`, or at once when that has passed; equal times keep their order."""
        entry = Entry(max(due_ms, self.now), act)
        heappush(self._entries, (entry.due_ms, next(self._order), entry))
        return entry

    def after(self, delay_ms: float, act: Callable[[], None]) -> "Entry":
        return self.at(self.now + delay_ms, act)

    def advance(self, now_ms: float) -> None:
        """Run everything that is due by `now_ms`, also what that adds."""
        while (due := self.next_due()) is not None and due <= now_ms:
            entry = heappop(self._entries)[2]
            self.now = max(self.now, due)
            entry.act()
        self.now = max(self.now, now_ms)

    def next_due(self) -> float | None:
        while self._entries and self._entries[0][2].cancelled:
            heappop(self._entries)
        return self._entries[0][0] if self._entries else None


class Entry:
    """One thing on a timeline."""

    __slots__ = ("act", "cancelled", "due_ms")

    def __init__(self, due_ms: float, act: Callable[[], None]) -> None:
        self.due_ms = due_ms
        self.act = act
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True
