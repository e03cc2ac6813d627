"""Rows of the event list, by number: which records stand in each. Nothing is read for it.

Rows are those of `listing`, made from the catalogue instead of the records: they can be made anew
for another filter in no time, and cost forty bytes each however long what they show is.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator

from rtproxy.inspect.listing import MAX_OPEN, MAX_RUN, PAUSE_NS, SPAN_NS
from rtproxy.inspect.tui.catalogue import Catalogue, Name

Keep = Callable[[int], bool]
"""Whether a record, by its number, is wanted."""


class Folding:
    """The rows for the records of a catalogue that `keep` wants; runs of deltas are one row.

    `extend` takes further records, as many at a time as there is time for.
    """

    def __init__(self, catalogue: Catalogue, keep: Keep | None = None, fold: bool = True) -> None:
        self.firsts = array("I")
        self.lasts = array("I")
        self.counts = array("I")
        self.sizes = array("q")
        self.audio_ms = array("d")
        self.taken = 0
        """Records that were looked at."""
        self._catalogue = catalogue
        self._keep = keep
        self._fold = fold
        self._befores = array("q")
        self._names: dict[int, dict[int, None]] = {}  # of rows with more than one
        self._open: dict[int, int] = {}  # strand → row
        self._last = -1

    def __len__(self) -> int:
        return len(self.firsts)

    @property
    def complete(self) -> bool:
        """Whether all records of the catalogue were looked at."""
        return self.taken >= len(self._catalogue)

    def extend(self, limit: int) -> None:
        """Look at up to `limit` more records."""
        catalogue, keep = self._catalogue, self._keep
        end = min(len(catalogue), self.taken + limit)
        for at in range(self.taken, end):
            if at in catalogue.missing:
                self._open.clear()
                self._begin(at, -1)
            elif keep is None or keep(at):
                self._take(at)
        self.taken = end

    def _take(self, at: int) -> None:
        catalogue = self._catalogue
        strand = catalogue.strands_at[at] if self._fold else 0
        before, self._last = self._last, at
        if not strand:
            self._open.clear()
            self._begin(at, before)
            return
        row = self._open.get(strand)
        if len(self._open) >= MAX_OPEN if row is None else not self._has_room(row, at):
            self._open.clear()
            row = None
        if row is None:
            self._open[strand] = len(self)
            self._begin(at, before)
        else:
            self._add(row, at)

    def _begin(self, at: int, before: int) -> None:
        self.firsts.append(at)
        self.lasts.append(at)
        self.counts.append(1)
        self.sizes.append(self._catalogue.sizes[at])
        self.audio_ms.append(self._catalogue.audio_ms[at])
        self._befores.append(before)

    def _add(self, row: int, at: int) -> None:
        catalogue = self._catalogue
        first, name = catalogue.names_at[self.firsts[row]], catalogue.names_at[at]
        if name != first or row in self._names:
            self._names.setdefault(row, {first: None})[name] = None
        self.lasts[row] = at
        self.counts[row] += 1
        self.sizes[row] += catalogue.sizes[at]
        self.audio_ms[row] += catalogue.audio_ms[at]

    def _has_room(self, row: int, at: int) -> bool:
        times = self._catalogue.times
        return (
            times[at] - times[self.lasts[row]] <= PAUSE_NS
            and times[at] - times[self.firsts[row]] <= SPAN_NS
            and self.counts[row] < MAX_RUN
        )

    def is_run(self, row: int) -> bool:
        """Whether a row is of deltas that were folded, if only of one."""
        return self._fold and self._catalogue.strands_at[self.firsts[row]] != 0

    def gap_ns(self, row: int) -> int | None:
        """The time since the record listed before; None for the first."""
        before = self._befores[row]
        times = self._catalogue.times
        return None if before < 0 else times[self.firsts[row]] - times[before]

    def names(self, row: int) -> list[Name]:
        """The different names in a row, the first one first."""
        numbers = self._names.get(row) or (self._catalogue.names_at[self.firsts[row]],)
        return [self._catalogue.names[number] for number in numbers]

    def members(self, row: int) -> Iterator[int]:
        """The records of a row."""
        first, catalogue = self.firsts[row], self._catalogue
        strand = catalogue.strands_at[first]
        if self.counts[row] == 1:
            yield first
            return
        for at in range(first, self.lasts[row] + 1):
            if catalogue.strands_at[at] == strand and (self._keep is None or self._keep(at)):
                yield at

    def row_of(self, at: int) -> int | None:
        """The row in which a record stands, or else the last one that begins before it."""
        last = bisect_right(self.firsts, at) - 1
        if last < 0:
            return 0 if len(self) else None
        strand = self._catalogue.strands_at[at]
        for row in range(last, max(-1, last - MAX_OPEN), -1):
            if self.firsts[row] == at:
                return row
            same = strand and self._catalogue.strands_at[self.firsts[row]] == strand
            if same and self.lasts[row] >= at:
                return row
        return last
