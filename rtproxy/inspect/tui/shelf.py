"""Records of a tape read again when somebody looks at them; the last few are kept."""

from collections import OrderedDict
from collections.abc import Callable

from rtproxy.errors import TapeError
from rtproxy.inspect.entry import Entry, entry_of
from rtproxy.inspect.listing import Row, glob_of, length
from rtproxy.inspect.tui.catalogue import Catalogue
from rtproxy.inspect.tui.folding import Folding
from rtproxy.realtime.event import DELTAS
from rtproxy.realtime.phrase import MAX_QUOTE, join, quote
from rtproxy.tape.codec import decode
from rtproxy.tape.record import Control, Event

Read = Callable[[int, int], bytes]
"""`read(offset, length)`: bytes of the tape."""

KEPT = 64
LARGEST_KEPT = 1 << 16
"""Bytes of the largest record that is kept."""
MAX_PIECES = 400
"""Deltas of a run that are read for its text."""
SILENT = ("audio", "input_audio")


class Shelf:
    """Gives records by their number. `reads` counts how often the tape was read."""

    def __init__(self, catalogue: Catalogue, read: Read) -> None:
        self.reads = 0
        self._catalogue = catalogue
        self._read = read
        self._kept: OrderedDict[int, Entry] = OrderedDict()

    def entry(self, at: int) -> Entry | None:
        """A record; None for a place of damage, and where the tape has changed since."""
        kept = self._kept.get(at)
        if kept is not None:
            self._kept.move_to_end(at)
            return kept
        entry = self.fresh(at)
        if entry is not None and self._catalogue.lengths[at] <= LARGEST_KEPT:
            self._kept[at] = entry
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return entry

    def fresh(self, at: int) -> Entry | None:
        """A record, read whether or not it is kept, and not kept."""
        size = self._catalogue.lengths[at]
        if not size:
            return None
        self.reads += 1
        try:
            record = decode(self._read(self._catalogue.offsets[at], size))
        except TapeError:
            return None
        return entry_of(record) if isinstance(record, Event | Control) else None

    def text(self, rows: Folding, row: int) -> str:
        """What the deltas of a row say together, as much of it as can be quoted."""
        text, read = "", 0
        for at in rows.members(row):
            if DELTAS.get(self._catalogue.name(at).name) in SILENT:
                continue
            entry = self.entry(at)
            if entry is not None and entry.event is not None:
                text += entry.event.text
            read += 1
            if len(text) > MAX_QUOTE or read == MAX_PIECES:
                break
        return text


def row_at(rows: Folding, row: int, catalogue: Catalogue, shelf: Shelf) -> Row:
    """A row of the listing as it is shown."""
    at, last, names = rows.firsts[row], rows.lasts[row], rows.names(row)
    missing = catalogue.missing.get(at)
    audio_ms = rows.audio_ms[row]
    if missing is not None:
        detail = missing.what
    else:
        detail = _detail(rows, row, catalogue, shelf)
    return Row(
        catalogue.seqs[at],
        catalogue.seqs[last],
        catalogue.times[at],
        catalogue.times[last],
        rows.gap_ns(row),
        catalogue.from_server(at),
        glob_of([name.type for name in names]),
        names[0].name,
        detail,
        rows.sizes[row],
        rows.counts[row],
        audio_ms or None,
        catalogue.marks(at),
    )


def _detail(rows: Folding, row: int, catalogue: Catalogue, shelf: Shelf) -> str:
    at, audio_ms = rows.firsts[row], rows.audio_ms[row]
    audio = f"{length(audio_ms)} audio" if audio_ms else ""
    if rows.is_run(row):
        if audio and rows.counts[row] > 1:
            lasted_ns = catalogue.times[rows.lasts[row]] - catalogue.times[at]
            audio += f" in {length(lasted_ns / 1e6)}"
        found = join((audio, quote(shelf.text(rows, row))))
        if found:
            return found
        audio = ""
    entry = shelf.entry(at)
    return audio if entry is None else join((audio, entry.describe()))
