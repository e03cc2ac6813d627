"""Cause and effect: which event of a call led to which.

    links = links_of(records, session)
    for seq, why in links.causes(120):
        print(BACK[why], seq)          # e.g. "asked for by" 117
    for seq, why in links.effects(117):
        print(FORTH[why], seq)         # e.g. "asked for" 120

Here links are kept and looked up; `linking` finds them.
"""

from array import array
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Why = Literal[
    "answer", "error", "ask", "reply", "about", "part", "place", "complete", "output",
    "heard", "stop", "commit", "transcript", "interrupt", "cut", "cancel", "follow",
]  # fmt: skip
"""What kind of cause it is."""

BACK: dict[Why, str] = {
    "answer": "answers",
    "error": "caused by",
    "ask": "asked for by",
    "reply": "replies to",
    "about": "is about",
    "part": "part of",
    "place": "is the item of",
    "complete": "completes",
    "output": "output of",
    "heard": "heard in",
    "stop": "ends",
    "commit": "commits",
    "transcript": "transcribes",
    "interrupt": "reacts to",
    "cut": "cuts",
    "cancel": "cancelled by",
    "follow": "follows",
}
"""How an effect speaks of its cause."""
FORTH: dict[Why, str] = {
    "answer": "answered by",
    "error": "caused the error",
    "ask": "asked for",
    "reply": "got the reply",
    "about": "asked about by",
    "part": "led to",
    "place": "became the item",
    "complete": "completed by",
    "output": "output sent in",
    "heard": "heard as",
    "stop": "ended by",
    "commit": "committed as",
    "transcript": "transcribed by",
    "interrupt": "led to",
    "cut": "cut by",
    "cancel": "cancelled",
    "follow": "followed by",
}
"""How a cause speaks of its effect."""
_WHYS: tuple[Why, ...] = tuple(BACK)
_NUMBERS = {why: number for number, why in enumerate(_WHYS)}

Order = NDArray[np.int64]


class Link(NamedTuple):
    """The other end of a link, and what kind of cause it is."""

    seq: int
    why: Why


class Links:
    """Links by the seqs of the records at both ends; 17 bytes are kept of each.

    `add` costs the same however many there are; looking up after it sorts them once more.
    """

    def __init__(self) -> None:
        self._causes = array("q")
        self._effects = array("q")
        self._whys = array("b")
        self._pieces = array("q")
        self._wholes = array("q")
        self._by_cause: tuple[Order, Order] | None = None
        self._by_effect: tuple[Order, Order] | None = None
        self._by_piece: tuple[Order, Order] | None = None

    def __len__(self) -> int:
        return len(self._causes)

    def add(self, cause: int, effect: int, why: Why) -> None:
        """`cause` led to `effect`."""
        if cause != effect:
            self._causes.append(cause)
            self._effects.append(effect)
            self._whys.append(_NUMBERS[why])
            self._by_cause = self._by_effect = None

    def piece(self, piece: int, whole: int) -> None:
        """A delta is part of what `whole` began, which does not list its thousands of deltas."""
        self._pieces.append(piece)
        self._wholes.append(whole)
        self._by_piece = None

    def copy(self) -> "Links":
        """The same links, to add others to."""
        other = Links()
        other._causes, other._effects = self._causes[:], self._effects[:]
        other._whys = self._whys[:]
        other._pieces, other._wholes = self._pieces[:], self._wholes[:]
        return other

    def causes(self, seq: int) -> list[Link]:
        """What led to the record, in the order of the tape."""
        if self._by_effect is None:
            self._by_effect = _sorted(self._effects)
        if self._by_piece is None:
            self._by_piece = _sorted(self._pieces)
        found = [
            Link(self._causes[at], _WHYS[self._whys[at]]) for at in _where(self._by_effect, seq)
        ]
        found += [Link(self._wholes[at], "part") for at in _where(self._by_piece, seq)]
        return sorted(set(found))

    def effects(self, seq: int) -> list[Link]:
        """What the record led to, in the order of the tape; of a run of deltas the first."""
        if self._by_cause is None:
            self._by_cause = _sorted(self._causes)
        return sorted({
            Link(self._effects[at], _WHYS[self._whys[at]]) for at in _where(self._by_cause, seq)
        })  # fmt: skip

    def pairs(self) -> list[tuple[int, int, Why]]:
        """(cause, effect, why) of every link, as they were added."""
        whys = (_WHYS[number] for number in self._whys)
        return list(zip(self._causes, self._effects, whys, strict=True))


def _sorted(seqs: "array[int]") -> tuple[Order, Order]:
    """The seqs in order, and where each stood."""
    values = np.array(seqs, dtype=np.int64)
    order = np.argsort(values, kind="stable")
    return values[order], order


def _where(index: tuple[Order, Order], seq: int) -> list[int]:
    values, order = index
    first, last = np.searchsorted(values, (seq, seq + 1))
    found: list[int] = order[first:last].tolist()
    return found
