"""A record as a filter looks at it: from the catalogue, read again only for its text."""

from rtproxy.inspect.entry import Entry
from rtproxy.inspect.filter import Predicate, TurnsOf, parse_filter
from rtproxy.inspect.tui.catalogue import Catalogue
from rtproxy.inspect.tui.folding import Keep
from rtproxy.inspect.tui.shelf import Shelf
from rtproxy.inspect.turn_index import TurnIndex
from rtproxy.realtime.event import RealtimeEvent
from rtproxy.realtime.session import Session
from rtproxy.tape.record import Event


class Glance:
    """The subject of a filter; moved from record to record."""

    def __init__(self, catalogue: Catalogue, shelf: Shelf) -> None:
        self.at = 0
        self._catalogue = catalogue
        self._shelf = shelf

    @property
    def seq(self) -> int:
        return self._catalogue.seqs[self.at]

    @property
    def t_ns(self) -> int:
        return self._catalogue.times[self.at]

    @property
    def from_server(self) -> bool:
        return self._catalogue.from_server(self.at)

    @property
    def type(self) -> str:
        return self._catalogue.name(self.at).type

    @property
    def name(self) -> str:
        return self._catalogue.name(self.at).name

    def text(self) -> str:
        entry = self._shelf.entry(self.at)
        return "" if entry is None else entry.text()

    def entry(self) -> Entry | None:
        """The record; of a delta no more than what it is a piece of."""
        strand = self._catalogue.strand(self.at)
        if strand is None:
            return self._shelf.entry(self.at)
        record = Event(self.seq, self.t_ns, self._catalogue.flags[self.at], "")
        ids = {"response_id": strand.response_id, "item_id": strand.item_id}
        return Entry(record, self.type, RealtimeEvent(record, self.type, self.name, ids, "object"))


def keep_for(expression: str, catalogue: Catalogue, shelf: Shelf, session: Session) -> Keep:
    """What a filter keeps, as a function of a record's number. Raises FilterError."""
    glance = Glance(catalogue, shelf)
    index = TurnIndex(session)
    turns: TurnsOf = lambda _: index(glance.entry() or glance)  # noqa: E731
    predicate: Predicate = parse_filter(expression, turns)

    def keep(at: int) -> bool:
        glance.at = at
        return predicate(glance)

    return keep
