"""Which of one sequence stands beside which of another.

First what is the same in both and only once in each holds everything in place, as in a patience
diff; then what lies between is aligned by how alike it is, with the least that must be left
over. The work grows with the length, not with its square: between two anchors more than 64 by 64
are only compared with those at about the same place.

    Bram Cohen, "Patience Diff Advantages", 2010 · Needleman, Wunsch, J. Mol. Biol. 48, 1970
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

Pair = tuple[int | None, int | None]
Likeness = Callable[[int, int], float]
"""How alike the one at a place of `a` and the one at a place of `b` are, from 0 to 1."""

LEAST = 0.3
"""Less alike than this is not the same thing changed."""
BAND = 32
"""How far from its place something is looked for, where there is no anchor near."""
WHOLE = 64
"""Up to so many by so many all are compared with all."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """`pairs` in the order of both; `moved` are those of which one stands elsewhere."""

    pairs: list[Pair]
    moved: list[tuple[int, int]]

    @property
    def both(self) -> list[tuple[int, int]]:
        """What both have, moved or not."""
        found = [(i, j) for i, j in self.pairs if i is not None and j is not None]
        return sorted([*found, *self.moved])

    @property
    def only_a(self) -> list[int]:
        return [i for i, j in self.pairs if i is not None and j is None]

    @property
    def only_b(self) -> list[int]:
        return [j for i, j in self.pairs if j is not None and i is None]


def align(
    keys: Sequence[tuple[Sequence[Hashable], Sequence[Hashable]]], likeness: Likeness
) -> Alignment:
    """Align two sequences by one or more pairs of keys, the most telling first, and by likeness.

    Equal keys are the same thing; a key of None says nothing. Keys of `a` and of `b` are as long
    as these are. What is left over on both sides under one key is moved.
    """
    length_a, length_b = len(keys[0][0]), len(keys[0][1])
    pairs: list[Pair] = []
    stack = [(0, length_a, 0, length_b, 0)]
    while stack:  # of what lies between anchors, last first
        a0, a1, b0, b1, level = stack.pop()
        if a0 == a1 or b0 == b1:
            pairs += [(i, None) for i in range(a0, a1)] + [(None, j) for j in range(b0, b1)]
        elif level == len(keys):
            pairs += _by_likeness(range(a0, a1), range(b0, b1), likeness)
        else:
            anchors = _anchors(*keys[level], (a0, a1, b0, b1))
            spans, i, j = [], a0, b0
            for x, y in anchors:
                spans += [(i, x, j, y, level + 1), (x, x + 1, y, y + 1, len(keys))]
                i, j = x + 1, y + 1
            spans.append((i, a1, j, b1, level + 1))
            stack += reversed([span for span in spans if span[0] < span[1] or span[2] < span[3]])
    return _with_moves(pairs, keys)


def _anchors(
    a: Sequence[Hashable], b: Sequence[Hashable], window: tuple[int, int, int, int]
) -> list[tuple[int, int]]:
    """The longest run of pairs with keys that are equal, and once in each; equal ends too."""
    a0, a1, b0, b1 = window
    head: list[tuple[int, int]] = []
    tail: list[tuple[int, int]] = []
    while a0 < a1 and b0 < b1 and a[a0] is not None and a[a0] == b[b0]:
        head.append((a0, b0))
        a0, b0 = a0 + 1, b0 + 1
    while a0 < a1 and b0 < b1 and a[a1 - 1] is not None and a[a1 - 1] == b[b1 - 1]:
        a1, b1 = a1 - 1, b1 - 1
        tail.append((a1, b1))
    count_a, count_b = Counter(a[a0:a1]), Counter(b[b0:b1])
    places = {b[j]: j for j in range(b0, b1)}
    unique = [
        (i, places[a[i]])
        for i in range(a0, a1)
        if a[i] is not None and count_a[a[i]] == 1 == count_b[a[i]]
    ]
    return head + _rising(unique) + tail[::-1]


def _rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest of the pairs, which rise in the first place, that rise in the second too."""
    ends: list[int] = []
    at: list[int] = []
    before: list[int | None] = []
    for index, (_, j) in enumerate(pairs):
        place = bisect_left(ends, j)
        before.append(at[place - 1] if place else None)
        if place == len(ends):
            ends.append(j)
            at.append(index)
        else:
            ends[place], at[place] = j, index
    found = []
    step = at[-1] if at else None
    while step is not None:
        found.append(pairs[step])
        step = before[step]
    return found[::-1]


def _by_likeness(a: range, b: range, likeness: Likeness) -> list[Pair]:
    """The pairs whose likeness comes to the most, in a band around the diagonal."""
    whole = len(a) <= WHOLE and len(b) <= WHOLE
    slope = len(b) / len(a)
    rows: list[tuple[int, list[float], list[int]]] = []
    for x, i in enumerate(a):
        centre = round(x * slope)
        low = 0 if whole else max(0, centre - BAND)
        high = len(b) if whole else min(len(b), centre + max(BAND, round(slope) + 1))
        row, moves = [0.0] * (high - low + 1), [0] * (high - low + 1)
        above, start = (rows[-1][1], rows[-1][0]) if rows else ([], 0)
        for y in range(low, high + 1):
            best, move = _at(above, y - start), 0
            if y > low and row[y - low - 1] >= best:
                best, move = row[y - low - 1], 1
            if y > low:
                alike = likeness(i, b[y - 1])
                total = _at(above, y - 1 - start) + alike
                if alike >= LEAST and total > best:  # of equal ways that which pairs first
                    best, move = total, 2
            row[y - low], moves[y - low] = best, move
        rows.append((low, row, moves))
    return _walk_back(a, b, rows)


def _at(row: list[float], index: int) -> float:
    """The score there; beyond a band's end it is that of the end."""
    if not row or index < 0:
        return 0.0
    return row[min(index, len(row) - 1)]


def _walk_back(a: range, b: range, rows: list[tuple[int, list[float], list[int]]]) -> list[Pair]:
    pairs: list[Pair] = []
    y = len(b)
    for x in range(len(a) - 1, -1, -1):
        low, row, moves = rows[x]
        while y - low >= len(row):  # beyond the band
            y -= 1
            pairs.append((None, b[y]))
        while y > low and moves[y - low] == 1:
            y -= 1
            pairs.append((None, b[y]))
        if y > low and moves[y - low] == 2:
            y -= 1
            pairs.append((a[x], b[y]))
        else:
            pairs.append((a[x], None))
    pairs += [(None, b[j]) for j in range(y - 1, -1, -1)]
    return pairs[::-1]


def _with_moves(
    pairs: list[Pair], keys: Sequence[tuple[Sequence[Hashable], Sequence[Hashable]]]
) -> Alignment:
    """Find those left over on both sides under one key, in order."""
    moved: list[tuple[int, int]] = []
    gone = {i for i, j in pairs if i is not None and j is None}
    come = {j for i, j in pairs if j is not None and i is None}
    for a, b in keys:
        waiting: dict[Hashable, list[int]] = {}
        for j in sorted(come, reverse=True):
            if b[j] is not None:
                waiting.setdefault(b[j], []).append(j)
        for i in sorted(gone):
            if a[i] is not None and waiting.get(a[i]):
                j = waiting[a[i]].pop()
                moved.append((i, j))
                gone.discard(i)
                come.discard(j)
    kept = [(i, j) for i, j in pairs if None not in (i, j) or i in gone or j in come]
    return Alignment(kept, moved)
