"""Which of one sequence stands beside which of another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.diff.align import Alignment, align


def aligned(a: str, b: str, calls: list[int] | None = None) -> Alignment:
    """Letters; those that differ in case only are alike. Counts what is asked of likeness."""

    def likeness(i: int, j: int) -> float:
        if calls is not None:
            calls.append(1)
        return 0.9 if a[i].lower() == b[j].lower() else 0.0

    return align([(list(a), list(b))], likeness)


def shown(a: str, b: str) -> str:
    """Pairs as `ab`, what is alone as `a-` or `-b`, what moved after a bar."""
    found = aligned(a, b)
    pairs = [f"{'-' if i is None else a[i]}{'-' if j is None else b[j]}" for i, j in found.pairs]
    moved = [f"{a[i]}{i}{j}" for i, j in found.moved]
    return " ".join(pairs) + (" | " + " ".join(moved) if moved else "")


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("", "", ""),
        ("abc", "abc", "aa bb cc"),
        ("abc", "", "a- b- c-"),
        ("", "ab", "-a -b"),
        ("abcd", "acd", "aa b- cc dd"),
        ("acd", "abcd", "aa -b cc dd"),
        ("abcd", "abxcd", "aa bb -x cc dd"),
        ("abcd", "aBcd", "aa bB cc dd"),
        ("abcd", "axcd", "aa b- -x cc dd"),
        ("abcd", "acbd", "aa cc dd | b12"),
        ("abcd", "dabc", "aa bb cc | d30"),
        ("aaab", "aab", "aa aa a- bb"),
        ("xaby", "yabx", "aa bb | x03 y30"),
        ("aBcD", "AbCd", "aA Bb cC Dd"),
        ("aXbX", "aXXb", "aa XX XX | b23"),
    ],
)
def test_what_stands_beside_what(a: str, b: str, expected: str) -> None:
    assert shown(a, b) == expected


LETTERS = st.text(alphabet="abcABCxyz", max_size=150)


@given(LETTERS, LETTERS)
def test_each_stands_at_one_place(a: str, b: str) -> None:
    found = aligned(a, b)
    left = [i for i, _ in found.pairs if i is not None] + [i for i, _ in found.moved]
    right = [j for _, j in found.pairs if j is not None] + [j for _, j in found.moved]
    assert sorted(left) == list(range(len(a)))
    assert sorted(right) == list(range(len(b)))
    order = [(i, j) for i, j in found.pairs if i is not None and j is not None]
    assert order == sorted(order)
    assert [j for _, j in order] == sorted(j for _, j in order)
    for i, j in [*order, *found.moved]:
        assert a[i].lower() == b[j].lower()


@given(LETTERS)
def test_a_sequence_and_itself(a: str) -> None:
    assert aligned(a, a).pairs == [(i, i) for i in range(len(a))]


@pytest.mark.parametrize(
    ("a", "b"),
    [("ab", "AB"), ("aa", "bb"), ("abc", "xyz"), ("a", "A"), ("aabb", "bbaa")],
    ids=["alike", "other", "mixed", "one", "swapped"],
)
def test_the_work_grows_with_the_length(a: str, b: str) -> None:
    """Twice as long, at most about twice as many comparisons, also of what is not alike at all."""
    counts = []
    for times in (100, 200, 400):
        calls: list[int] = []
        aligned(a * times, b * times, calls)
        counts.append(len(calls))
    assert counts[1] <= 2.2 * counts[0] + 5000
    assert counts[2] <= 2.2 * counts[1] + 5000


def test_a_long_alignment_finds_what_is_near() -> None:
    """Far beyond the band, as long as what belongs together is not too far apart."""
    a = "ab" * 300
    b = "ab" * 100 + "x" * 20 + "AB" * 200
    found = aligned(a, b)
    assert sum(i is not None and j is not None for i, j in found.pairs) >= 595
