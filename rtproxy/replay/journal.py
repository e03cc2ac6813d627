"""What a replay server has done, for a person, for tests in other languages, for the exit code."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from rtproxy.replay.outcome import Outcome
from rtproxy.replay.report import Report
from rtproxy.replay.selection import Shelf

SCHEMA = "rtproxy.journal/1"
KEPT = 10_000
"""Entries kept; of more, those that went well are forgotten, oldest first."""

WHOLE = 100
"""The latest connections that are over: all that went wrong with them is kept. Of the others, FEW
mismatches and events are: a client that leaves a long tape at its beginning leaves all of it over.
"""
FEW = 20

LONGEST = 1000
"""Characters of a request, or of why it was refused, that are kept."""

State = Literal["open", "over", "refused"]


@dataclass(slots=True)
class Entry:
    """One request. `outcome()` says how it went, or how it goes so far."""

    number: int
    asked: str
    connection: str
    tape: str | None
    state: State = "open"
    refusal: str = ""
    finish: Callable[[], Outcome] = Outcome

    @property
    def outcome(self) -> Outcome:
        """How it went so far, with the tape's name in its reports."""
        outcome = self.finish()
        return replace(
            outcome,
            reports=tuple(replace(one, tape=self.tape or "") for one in outcome.reports),
            warnings=tuple(replace(one, tape=self.tape or "") for one in outcome.warnings),
        )

    @property
    def ok(self) -> bool:
        return not self.refusal and self.finish().ok

    def to_json(self) -> dict[str, Any]:
        entry = {
            "number": self.number,
            "request": self.asked,
            "connection": self.connection,
            "tape": self.tape,
            "state": self.state,
        }
        if self.refusal:
            return entry | {"ok": False, "refusal": self.refusal}
        return entry | self.outcome.to_json()


@dataclass(slots=True)
class Journal:
    """The requests that came, in order."""

    shelf: Shelf
    all_required: bool = True
    """True if every required tape must have been used in the end."""
    entries: list[Entry] = field(default_factory=list)
    count: int = 0
    _whole: deque[Entry] = field(default_factory=deque)

    def begin(self, asked: str, connection: str, tape: str | None) -> Entry:
        """A request has come and been given a tape, or none."""
        entry = Entry(self.count, shortened(asked), connection, tape)
        self.count += 1
        if len(self.entries) >= KEPT:
            well = (n for n, one in enumerate(self.entries) if one.state == "over" and one.ok)
            del self.entries[next(well, 0)]
        self.entries.append(entry)
        return entry

    def end(self, entry: Entry, outcome: Outcome) -> None:
        """A connection is over, and this is how it went."""
        entry.state, entry.finish = "over", lambda: outcome
        self._whole.append(entry)
        if len(self._whole) > WHOLE:
            eldest = self._whole.popleft()
            brief = eldest.finish().brief(FEW)
            eldest.finish = lambda: brief

    def refuse(self, asked: str, connection: str, why: str) -> Entry:
        """A request has come that could not be served: a failure."""
        entry = self.begin(asked, connection, None)
        entry.state, entry.refusal = "refused", shortened(why)
        return entry

    @property
    def unused(self) -> list[str]:
        """Names of the tapes that should have been used and were not."""
        if not self.all_required:
            return []
        return [slot.name for slot in self.shelf.slots if slot.required and not slot.uses]

    @property
    def ok(self) -> bool:
        """Whether every request was served, and every tape played to its end."""
        return next(self.failures(), None) is None

    def failures(self) -> Iterator[str | Report]:
        """Everything that went wrong: reports, and sentences about what has no report."""
        for entry in self.entries:
            if entry.refusal:
                yield entry.refusal
            else:
                yield from entry.outcome.reports
        yield from self.leftovers()

    def leftovers(self) -> Iterator[str]:
        """Sentences about what was not played, though nothing went wrong."""
        for entry in self.entries:
            outcome = entry.finish()
            if not entry.refusal and not outcome.reports and not outcome.complete:
                yield unfinished(entry.tape or "", outcome)
        for name in self.unused:
            yield f"{name} was not played: no client asked for it."

    def to_json(self) -> dict[str, Any]:
        """The journal as JSON values; see docs/replay.md."""
        return {
            "schema": SCHEMA,
            "ok": self.ok,
            "connections": [entry.to_json() for entry in self.entries],
            "tapes": [
                {
                    "name": slot.name,
                    "connection": slot.connection,
                    "request": str(slot.asked) if slot.asked else None,
                    "uses": slot.uses,
                }
                for slot in self.shelf.slots
            ],
            "unused": self.unused,
        }


def shortened(text: str) -> str:
    """What a client has made up may be long, and is kept."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def unfinished(tape: str, outcome: Outcome) -> str:
    """A sentence about a tape that is not at its end though nobody has left or failed."""
    unsent, undelivered = outcome.count("unsent"), outcome.count("undelivered")
    first = next(iter((*outcome.unsent, *outcome.undelivered)))
    return (
        f"{tape} was not played to its end: {unsent} client and {undelivered} server events were "
        f"still to come, the first of them {first.type or 'a message'} (#{first.seq})."
    )
