"""Which turn of one session stands beside which of another: by what was said and done in each."""

import re
from collections.abc import Hashable, Sequence

from rtproxy.diff.align import Alignment, Pair, align
from rtproxy.diff.normal import NormalTurn
from rtproxy.diff.words import alikeness

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

    def likeness(i: int, j: int) -> float:
        return turn_likeness(a[i], b[j])

    return align([whole, asked], likeness)


def turn_likeness(a: NormalTurn, b: NormalTurn) -> float:
    """How alike two turns are, from 0 to 1: half of it is what the caller said."""
    said, answered = _words_alike(a.user, b.user), _words_alike(a.assistant, b.assistant)
    called = len({*a.tools} & {*b.tools}) / len({*a.tools} | {*b.tools}) if a.calls else 0.0
    if not a.calls and not b.calls:
        called = 1.0
    alike = 0.5 * said + 0.3 * answered + 0.2 * called
    return alike if a.kind == b.kind else alike * 0.8


def in_order(found: Alignment) -> list[Pair]:
    """All pairs as they are told: in the order of both, what moved at its place in the first."""
    moved = sorted(found.moved, reverse=True)
    pairs: list[Pair] = []
    for i, j in found.pairs:
        while i is not None and moved and moved[-1][0] < i:
            pairs.append(moved.pop())
        pairs.append((i, j))
    return [*pairs, *reversed(moved)]


def _words_alike(a: str | None, b: str | None) -> float:
    if a is None and b is None:
        return UNKNOWN
    return HALF_KNOWN if a is None or b is None else alikeness(a, b)


def _whole(turn: NormalTurn) -> Hashable:
    return turn.kind, _bare(turn.user), turn.tools, _bare(turn.assistant)


def _asked(turn: NormalTurn) -> Hashable:
    """What was asked of the assistant; None where that says nothing."""
    user = _bare(turn.user)
    return (turn.kind, user, turn.tools) if user or turn.calls else None


def _bare(text: str | None) -> str:
    """Words without case and punctuation, which differ between two transcriptions."""
    return " ".join(_WORD.findall(text.lower())) if text else ""
