"""Prints what is on a tape in one of its forms: as it is, or as it comes while it is followed."""

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rtproxy.errors import FilterError
from rtproxy.inspect.document import document, ndjson, told
from rtproxy.inspect.filter import Predicate, TurnsOf, names_turns, parse_filter
from rtproxy.inspect.listing import Listing, Lull, Missing, Row
from rtproxy.inspect.overview import Overview, records, survey
from rtproxy.inspect.turn_index import TurnIndex
from rtproxy.realtime.session import Session
from rtproxy.tape.record import Record

if TYPE_CHECKING:
    from rtproxy.inspect.following import Following
    from rtproxy.inspect.timeline import Moments
    from rtproxy.inspect.view import View
    from rtproxy.tape.reader import Tape

LEVELS_UP_TO = 32 << 20
"""A larger tape is shown without the caller's levels: they take time, and it has none to spare."""


Form = Literal["view", "table", "json", "ndjson"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a tape is to be printed, and how.

    What fits `filter` and belongs to the turn `turn`, or all; deltas folded or not. `judged` is
    whether somebody asks for the findings afterwards.
    """

    form: Form = "view"
    filter: str | None = None
    turn: int | None = None
    fold: bool = True
    pager: bool = True
    ascii: bool = False
    judged: bool = False


class Printer:
    """Prints a tape, or one that is followed, once, in one of the forms.

    `session` is what was made of its records, where something needed it. Raises FilterError for a
    filter that cannot be read and for a turn that is not there.
    """

    def __init__(self, tape: "Tape", wanted: Wanted, following: "Following | None" = None) -> None:
        self.session: Session | None = None
        self._tape = tape
        self._wanted = wanted
        self._following = following
        self._folded = False  # whether the session knows the whole tape already
        if wanted.judged:
            self._know()

    def show(self) -> None:
        """Print it in the form that is wanted."""
        match self._wanted.form:
            case "ndjson":
                self.ndjson()
            case "json":
                self.json()
            case "table":
                self.table()
            case "view":
                self.view()

    def ndjson(self) -> None:
        """Each event as a line of JSON."""
        keep = self._keep()
        write(ndjson(self._records(), keep), at_once=self._following is not None)

    def json(self) -> None:
        """One document."""
        session, keep, overview = self._know(), self._keep(), self._overview()
        rows = Listing(keep, self._wanted.fold).rows(self._records())
        write(document(lambda: self._updated(overview), rows, session, self._wanted.turn))

    def table(self) -> None:
        """The listing."""
        keep = self._keep()
        rows = Listing(keep, self._wanted.fold).rows(self._records())
        with until_unread(at_once=self._following is not None):
            self._list(self._overview(), rows)

    def view(self) -> None:
        """The call: lanes, turns, findings. What has no turns is listed."""
        if self._following is not None:
            self._view_as_it_comes(self._following)
            return
        from rtproxy.inspect.timeline import Moments

        overview, moments = self._overview(), Moments()
        self._fold(moments)
        overview = self._updated(overview)
        with until_unread():
            view = self._view(overview, moments)
            if self._know().turns.all:
                view.screen.show(view.lines(), self._wanted.pager)
            else:
                self._list(overview, Listing().rows(records(self._tape)), view.without_turns())

    def _view_as_it_comes(self, following: "Following") -> None:
        """On a terminal the view, drawn again and again; elsewhere the listing, then the view."""
        from rich.console import Console

        from rtproxy.inspect.live_view import LiveView
        from rtproxy.inspect.timeline import Moments

        session, moments, console = self._know(levels=True), Moments(), Console()
        source = moments.note(self._records())
        with until_unread(at_once=True):
            if console.is_terminal and not console.is_dumb_terminal:
                live = LiveView(
                    console, following.overview, session, moments,
                    turn=self._wanted.turn, ascii=self._wanted.ascii,
                )  # fmt: skip
                live.run(source)
                view = self._view(following.overview(), moments)
                view.screen.show(view.lines(), pager=False)
            else:
                self._list(self._overview(), Listing(self._keep()).rows(source))
                view = self._view(following.overview(), moments)
                view.screen.show(["", *view.body()], pager=False)

    def _view(self, overview: Overview, moments: "Moments") -> "View":
        from rich.console import Console

        from rtproxy.inspect.screen import Screen
        from rtproxy.inspect.view import View

        session = self._know()
        chosen = session.turns.number(self._wanted.turn)
        screen = Screen(Console(), self._wanted.ascii)
        return View(screen, overview, session, moments, turn=chosen)

    def _list(self, overview: Overview, rows: Iterable[Row], notes: Iterable[str] = ()) -> None:
        from rich.console import Console

        from rtproxy.inspect.terminal import Terminal

        pager = self._wanted.pager and self._following is None
        terminal = Terminal(Console(), ascii=self._wanted.ascii)
        terminal.show(overview, rows, self._wanted.fold, pager, notes)

    def _know(self, levels: bool = False) -> Session:
        """The session, which is told of the records from now on."""
        if self.session is None or (levels and self.session.input_levels is None):
            self.session = Session(levels)
            self.session.take(self._tape.header)
        return self.session

    def _fold(self, moments: "Moments | None" = None) -> None:
        """Read the whole tape for the session, before it is printed."""
        drawn = moments is not None and self._tape.size <= LEVELS_UP_TO
        session = self._know(levels=drawn)
        for record in self._tape if moments is None else moments.note(self._tape):
            session.take(record)
        self._folded = True
        turn, turns = self._wanted.turn, len(session.turns)
        if turn is not None and session.turns.number(turn) is None:
            raise FilterError(f"There is no turn {turn}: the tape has {turns or 'none'}.")

    def _keep(self) -> Predicate | None:
        """What the records must fit. For turns the tape is read first, unless it is followed."""
        expression, turn = self._wanted.filter, self._wanted.turn
        turns: TurnsOf | None = None
        if turn is not None or (expression is not None and names_turns(expression)):
            if self._following is None:
                self._fold()
            turns = TurnIndex(self._know())
        keep = None if expression is None else parse_filter(expression, turns)
        within = None if turn is None else parse_filter(f"turn:{turn}", turns)
        if keep is None or within is None:
            return keep or within
        return lambda subject: within(subject) and keep(subject)

    def _records(self) -> Iterator[Record | Missing | Lull]:
        """The records, of which a session that does not know them yet is told."""
        found = records(self._tape if self._following is None else self._following)
        return found if self.session is None or self._folded else told(found, self.session)

    def _overview(self) -> Overview:
        return survey(self._tape, str(self._tape.path))

    def _updated(self, overview: Overview) -> Overview:
        """The overview once the tape has been read."""
        if self._following is not None:
            return self._following.overview()
        damage = list(self._tape.damage)
        return replace(overview, damage=damage, state="damaged" if damage else self._tape.state)


def write(pieces: Iterable[bytes], *, at_once: bool = False) -> None:
    """Write bytes to stdout while somebody reads; `at_once` each piece as it comes."""
    with until_unread():
        stdout = sys.stdout.buffer
        for piece in pieces:
            stdout.write(piece)
            if at_once:
                stdout.flush()
        stdout.flush()


@contextmanager
def until_unread(*, at_once: bool = False) -> Iterator[None]:
    """Print while somebody reads; when `head` or a pager has seen enough, end quietly.

    With `at_once` each line is written as it ends.
    """
    stdout: object = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        # Not every terminal is UTF-8.
        stdout.reconfigure(errors="backslashreplace", line_buffering=at_once)
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in Python's buffer must go somewhere when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
