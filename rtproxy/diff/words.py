"""Two texts word by word: which words stand in place of which, and the word error rate.

Word error rate = (substituted + deleted + inserted) / words of `a`. It is `jiwer`'s where that is
installed (pip install 'rtproxy[diff]'); the alignment of this module's own is as good for texts of
up to some hundreds of words, and for longer ones it may count a few words more.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from rtproxy.diff.difference import Metric, WordRun

CELLS = 160_000
"""Texts of so many words by words are aligned at the least cost without `jiwer`."""
LONGEST = 20_000
"""Words of a text that are aligned; two of this length take `jiwer` about a second."""

Op = tuple[Literal["same", "changed", "added", "removed"], int, int, int, int]
"""What happened to a[i0:i1] and b[j0:j1]: (kind, i0, i1, j0, j1)."""


@dataclass(frozen=True, slots=True)
class WordDiff:
    """`runs` tell both texts; `errors` words differ, of `words` that `a` has."""

    runs: tuple[WordRun, ...]
    errors: int
    words: int

    @property
    def wer(self) -> float:
        """Word error rate; 1 where all words of `b` are too many."""
        return self.errors / self.words if self.words else float(self.errors > 0)


def compare_words(a: str | None, b: str | None) -> WordDiff:
    """Align two texts; None is no text."""
    one, two = (a or "").split()[:LONGEST], (b or "").split()[:LONGEST]
    runs: list[WordRun] = []
    errors = 0
    for kind, i0, i1, j0, j1 in _align(one, two):
        if kind != "same":
            errors += max(i1 - i0, j1 - j0)
        run = WordRun(kind, " ".join(one[i0:i1]), " ".join(two[j0:j1]))
        runs.append(run)
    return WordDiff(tuple(_joined(runs)), errors, len(one))


def same_words(a: str | None, b: str | None) -> bool:
    """Whether two texts are the same but for blanks."""
    return a == b or (a or "").split() == (b or "").split()


def begins_alike(a: str | None, b: str | None) -> bool:
    """Whether one text is how the other begins, perhaps in the middle of a word."""
    one, two = (" ".join((text or "").split()) for text in (a, b))
    return one.startswith(two) or two.startswith(one)


def word_count(a: str | None, b: str | None) -> tuple[int, int]:
    """(words of `b` that are others, words of `a`)."""
    if same_words(a, b):
        return 0, len((a or "").split())
    found = compare_words(a, b)
    return found.errors, found.words


def word_errors(key: str, texts: Iterable[tuple[str | None, str | None]]) -> Iterator[Metric]:
    """The word error rate of all these texts together in percent, such as `assistant.wer`."""
    errors = words = 0
    for a, b in texts:
        found = word_count(a, b)
        errors, words = errors + found[0], words + found[1]
    if words or errors:
        rate = 100 * errors / words if words else 100.0
        yield Metric(f"{key}.wer", 0.0, round(rate, 3), "%")


def alikeness(a: str, b: str) -> float:
    """How many words two texts share, from 0 to 1, wherever they stand (Dice's coefficient)."""
    one, two = set(a.lower().split()), set(b.lower().split())
    if not one or not two:
        return float(one == two)
    return 2 * len(one & two) / (len(one) + len(two))


def _joined(runs: list[WordRun]) -> Iterator[WordRun]:
    """Neighbours of one kind are one run; what was removed next to what was added is changed."""
    waiting: WordRun | None = None
    for run in runs:
        if waiting is not None and (waiting.kind == "same") == (run.kind == "same"):
            a = " ".join(filter(None, (waiting.a, run.a)))
            b = " ".join(filter(None, (waiting.b, run.b)))
            kind = "same" if run.kind == "same" else _kind(a, b)
            waiting = WordRun(kind, a, b)
            continue
        if waiting is not None:
            yield waiting
        waiting = run
    if waiting is not None:
        yield waiting


def _kind(a: str, b: str) -> Literal["changed", "added", "removed"]:
    return "changed" if a and b else "added" if b else "removed"


def _align(a: list[str], b: list[str]) -> Iterator[Op]:
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    if head:
        yield "same", 0, head, 0, head
    inner_a, inner_b = a[head : len(a) - tail], b[head : len(b) - tail]
    if not inner_a or not inner_b:
        if inner_a or inner_b:
            kind: Literal["removed", "added"] = "removed" if inner_a else "added"
            yield kind, head, len(a) - tail, head, len(b) - tail
    else:
        for op, i0, i1, j0, j1 in _align_inner(inner_a, inner_b):
            yield op, i0 + head, i1 + head, j0 + head, j1 + head
    if tail:
        yield "same", len(a) - tail, len(a), len(b) - tail, len(b)


def _align_inner(a: list[str], b: list[str]) -> Iterator[Op]:
    try:
        import jiwer
    except ImportError:
        yield from _align_here(a, b)
        return
    kinds: dict[str, Any] = {
        "equal": "same", "substitute": "changed", "delete": "removed", "insert": "added"
    }  # fmt: skip
    found = jiwer.process_words(" ".join(a), " ".join(b))
    for chunk in found.alignments[0]:
        yield (
            kinds[chunk.type],
            chunk.ref_start_idx,
            chunk.ref_end_idx,
            chunk.hyp_start_idx,
            chunk.hyp_end_idx,
        )


def _align_here(a: list[str], b: list[str]) -> Iterator[Op]:
    kinds: dict[str, Any] = {
        "equal": "same", "replace": "changed", "delete": "removed", "insert": "added"
    }  # fmt: skip
    if len(a) * len(b) <= CELLS:
        yield from _least(a, b)
        return
    for tag, i0, i1, j0, j1 in SequenceMatcher(None, a, b, autojunk=True).get_opcodes():
        yield kinds[tag], i0, i1, j0, j1


def _least(a: list[str], b: list[str]) -> Iterator[Op]:
    """The alignment with the fewest errors: Levenshtein's distance, and the way back."""
    costs = [list(range(len(b) + 1))]
    for i, word in enumerate(a, start=1):
        above, row = costs[-1], [i]
        for j, other in enumerate(b, start=1):
            row.append(min(above[j - 1] + (word != other), above[j] + 1, row[j - 1] + 1))
        costs.append(row)
    ops: list[Op] = []
    i, j = len(a), len(b)
    while i or j:
        here = costs[i][j]
        if i and j and here == costs[i - 1][j - 1] + (a[i - 1] != b[j - 1]):
            i, j = i - 1, j - 1
            ops.append(("same" if a[i] == b[j] else "changed", i, i + 1, j, j + 1))
        elif i and here == costs[i - 1][j] + 1:
            i -= 1
            ops.append(("removed", i, i + 1, j, j))
        else:
            j -= 1
            ops.append(("added", i, i, j, j + 1))
    yield from reversed(ops)
