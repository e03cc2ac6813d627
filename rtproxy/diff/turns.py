"""Which turn of one session stands beside which of another: by what was said and done in each."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from rtproxy.diff.align import Alignment, Pair, align
from rtproxy.diff.normal import NormalTurn

_WORD = re.compile(r"\w+")

UNKNOWN = 0.6
"""How alike words are that nobody knows on either side."""
HALF_KNOWN = 0.4


def align_turns(a: Sequence[NormalTurn], b: Sequence[NormalTurn]) -> Alignment:
    """Align turns by the caller's words, the tools and the assistant's words; places from 0.

    A turn that was said and done in both sessions, but elsewhere among the others, is moved.
    """
    whole = [_whole(turn) for turn in a], [_whole(turn) for turn in b]
    asked = [_asked(turn) for turn in a], [_asked(turn) for turn in b]

    traits = [Traits.of(turn) for turn in a], [Traits.of(turn) for turn in b]

    def likeness(i: int, j: int) -> float:
        return traits[0][i].likeness(traits[1][j])

    return align([whole, asked], likeness)


@dataclass(frozen=True, slots=True)
class Traits:
    """What turns are told apart by: words and tools as sets; None is unknown."""

    kind: str
    user: frozenset[str] | None
    assistant: frozenset[str] | None
    tools: frozenset[str]

    @classmethod
    def of(cls, turn: NormalTurn) -> "Traits":
        return cls(turn.kind, _words(turn.user), _words(turn.assistant), frozenset(turn.tools))

    def likeness(self, other: "Traits") -> float:
        """How alike two turns are, from 0 to 1: half of it is what the caller said."""
        alike = (
            0.5 * _shared(self.user, other.user)
            + 0.3 * _shared(self.assistant, other.assistant)
            + 0.2 * _shared(self.tools, other.tools)
        )
        return alike if self.kind == other.kind else alike * 0.8


def in_order(found: Alignment) -> list[Pair]:
    """All pairs as they are told: in the order of both, what moved at its place in the first."""
    moved = sorted(found.moved, reverse=True)
    pairs: list[Pair] = []
    for i, j in found.pairs:
        while i is not None and moved and moved[-1][0] < i:
            pairs.append(moved.pop())
        pairs.append((i, j))
    return [*pairs, *reversed(moved)]


def _words(text: str | None) -> frozenset[str] | None:
    return frozenset(_WORD.findall(text.lower())) if text else None


def _shared(a: frozenset[str] | None, b: frozenset[str] | None) -> float:
    """How much two sets have in common, from 0 to 1 (Dice's coefficient)."""
    if a is None or b is None:
        return UNKNOWN if a is b else HALF_KNOWN
    return 2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0


def _whole(turn: NormalTurn) -> Hashable:
    return turn.kind, _bare(turn.user), turn.tools, _bare(turn.assistant)


def _asked(turn: NormalTurn) -> Hashable:
    """What was asked of the assistant; None where that says nothing."""
    user = _bare(turn.user)
    return (turn.kind, user, turn.tools) if user or turn.calls else None


def _bare(text: str | None) -> str:
    """Words without case and punctuation, which differ between two transcriptions."""
    return " ".join(_WORD.findall(text.lower())) if text else ""
