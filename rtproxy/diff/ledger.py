"""Where differences are put down as they are found: those of the level asked for, less what is
to be ignored."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rtproxy.diff.difference import Difference, Kind, Level, rank
from rtproxy.diff.timing import tolerance
from rtproxy.diff.values import Path, places
from rtproxy.diff.words import compare_words, same_words
from rtproxy.realtime.dialect import SESSION_FIELDS
from rtproxy.realtime.jsonpath import PathPattern, format_path

Seqs = tuple[int | None, int | None]

FEWEST_WORDS = 2
"""Texts of so many words are compared word by word."""


@dataclass(slots=True)
class Ledger:
    """Takes differences. `turn` and `other_turn` are those that are being compared."""

    level: Level
    ignore: tuple[PathPattern, ...] = ()
    differences: list[Difference] = field(default_factory=list)
    turn: int | None = None
    other_turn: int | None = None
    root: Path = ()
    """The path of what is being compared."""
    times: bool = True
    """Whether times in events are compared; not where budgets judge."""

    @classmethod
    def of(cls, level: Level, ignore: Iterable[str]) -> "Ledger":
        """A ledger for a level. Raises PathError for what is no path."""
        return cls(level, tuple(PathPattern(ga_path(text)) for text in ignore))

    @contextmanager
    def of_turn(self, turn: int | None, other: int | None) -> Iterator[None]:
        """What is put down now is of these turns, or of that one, where there is only one."""
        index = turn if turn is not None else other
        assert index is not None
        self.turn, self.other_turn, self.root = turn, other, ("turns", index - 1)
        try:
            yield
        finally:
            self.turn, self.other_turn, self.root = None, None, ()

    def wants(self, level: Level) -> bool:
        """Whether a level is compared at all."""
        return rank(level) <= rank(self.level)

    def ignores(self, path: Path) -> bool:
        """Whether a place is to be left out: named from the top, or from its turn."""
        whole = (*self.root, *path)
        return any(p.covers(whole) or (self.root and p.covers(path)) for p in self.ignore)

    def put(
        self,
        level: Level,
        path: Path,
        a: Any,
        b: Any,
        seqs: Seqs = (None, None),
        *,
        kind: Kind = "changed",
        unit: str | None = None,
    ) -> None:
        """Put a difference down; `path` begins where the turn's ends."""
        if not self.wants(level) or self.ignores(path):
            return
        words, wer = None, None
        texts = level == "text" and isinstance(a, str) and isinstance(b, str)
        if texts and max(len(a.split()), len(b.split())) >= FEWEST_WORDS:
            found = compare_words(a, b)
            words, wer = found.runs, round(found.wer, 4)
        self.differences.append(
            Difference(
                level, self.turn, self.other_turn, format_path((*self.root, *path)), kind, a, b,
                *seqs, unit, words, wer,
            )
        )  # fmt: skip

    def values(
        self,
        a: Any,
        b: Any,
        path: Path,
        seqs: Seqs,
        *,
        level: Level = "text",
        one_sided: bool = True,
    ) -> None:
        """Put down where two plain values differ. Unless `one_sided`, what only one has is no
        difference."""
        for inner, kind, one, two in places(a, b):
            if kind in ("added", "removed") and not one_sided:
                continue
            if isinstance(one, str) and isinstance(two, str) and same_words(one, two):
                continue
            unit = None
            at: Level = level_of(inner, one, two, level)
            if is_time(inner, one, two):
                if not self.times or abs(two - one) <= tolerance(one, two):
                    continue
                at, unit = "timing", "ms"
            self.put(at, (*path, *inner), one, two, seqs, kind=kind, unit=unit)

    def text(self, a: str | None, b: str | None, path: Path, seqs: Seqs) -> None:
        """Put down two texts, if they differ in more than blanks."""
        if not same_words(a, b):
            kind: Kind = "changed" if a and b else "added" if b else "removed"
            self.put("text", path, a, b, seqs, kind=kind)


def level_of(path: Sequence[str | int], a: Any, b: Any, level: Level) -> Level:
    """The level of a place in the fields of an event."""
    last = path[-1] if path else None
    if last in ("arguments", "output"):
        return "tools"
    if last == "audio" and (isinstance(a, str) or isinstance(b, str)):
        return "audio"
    if path[:2] in (("error", "code"), ("error", "type"), ("error", "event")):
        return "structure"
    return level


def is_time(path: Path, a: Any, b: Any) -> bool:
    """Whether a place in the fields of an event counts milliseconds."""
    numbers = all(isinstance(value, int | float) for value in (a, b))
    return numbers and bool(path) and str(path[-1]).endswith("_ms")


def ga_path(text: str) -> str:
    """A path in which the beta name of a session's setting is GA's: `session.voice`."""
    head, dot, rest = text.strip().removeprefix("$.").partition(".")
    name = rest.partition(".")[0]
    if head == "session" and dot and name in SESSION_FIELDS:
        return ".".join((head, *SESSION_FIELDS[name])) + rest.removeprefix(name)
    return text
