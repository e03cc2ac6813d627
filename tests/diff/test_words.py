"""Texts word by word."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.diff.words import alikeness, begins_alike, compare_words, same_words, word_errors

TEXTS = [
    ("", "", 0, 0),
    ("a b c", "a b c", 0, 3),
    ("a b c", "a x c", 1, 3),
    ("a b c", "a c", 1, 3),
    ("a c", "a b c", 1, 2),
    ("a b", "", 2, 2),
    ("", "a b", 2, 0),
    ("the quick brown fox", "a quick fox jumps", 3, 4),
    ("one two three four five", "five four three two one", 4, 5),
]


@pytest.fixture(params=["jiwer", "without jiwer"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways lead to the same."""
    name: str = request.param
    if name == "jiwer":
        pytest.importorskip("jiwer")
    else:
        monkeypatch.setitem(sys.modules, "jiwer", None)
    return name


@pytest.mark.parametrize(("a", "b", "errors", "words"), TEXTS)
@pytest.mark.usefixtures("way")
def test_errors_and_words(a: str, b: str, errors: int, words: int) -> None:
    found = compare_words(a, b)
    assert (found.errors, found.words) == (errors, words)
    assert found.wer == (errors / words if words else float(errors > 0))


@pytest.mark.usefixtures("way")
def test_runs_of_words() -> None:
    found = compare_words("It is foggy, with twelve degrees.", "It is sunny, with 20 degrees now.")
    assert [(run.kind, run.a, run.b) for run in found.runs] == [
        ("same", "It is", "It is"),
        ("changed", "foggy,", "sunny,"),
        ("same", "with", "with"),
        ("changed", "twelve degrees.", "20 degrees now."),
    ]


@given(
    st.lists(st.sampled_from("abcd"), max_size=30), st.lists(st.sampled_from("abcd"), max_size=30)
)
def test_runs_tell_both_texts(a: list[str], b: list[str]) -> None:
    found = compare_words(" ".join(a), " ".join(b))
    assert " ".join(filter(None, (run.a for run in found.runs))).split() == a
    assert " ".join(filter(None, (run.b for run in found.runs))).split() == b
    for run in found.runs:
        assert (run.kind == "same") == (run.a.split() == run.b.split())
        assert (run.kind == "added") == (not run.a)
        assert (run.kind == "removed") == (not run.b)
    assert found.errors <= max(len(a), len(b))
    assert (found.errors == 0) == (a == b)


@pytest.mark.usefixtures("way")
def test_long_texts_take_no_time() -> None:
    a = " ".join(str(n % 997) for n in range(3_000))
    b = " ".join(str(n % 991) for n in range(3_000))
    assert compare_words(a, b).errors > 0


def test_blanks_are_no_words() -> None:
    assert same_words(" a  b\n", "a b")
    assert same_words(None, "")
    assert not same_words("a", None)


def test_how_alike_texts_are() -> None:
    assert alikeness("Good day to you", "good day to YOU") == 1
    assert alikeness("a b", "c d") == 0
    assert alikeness("a b c d", "a b") == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("a", "b", "alike"),
    [("It is", "It is la", True), (None, "It", True), ("It was", "It is", False), ("", "", True)],
)
def test_texts_that_begin_alike(a: str | None, b: str | None, alike: bool) -> None:
    assert begins_alike(a, b) is alike


def test_the_error_rate_of_many_texts() -> None:
    (metric,) = word_errors("user", [("a b", "a c"), ("d e", "d e"), (None, None)])
    assert (metric.key, metric.a, metric.b, metric.unit) == ("user.wer", 0.0, 25.0, "%")
    assert list(word_errors("user", [(None, None)])) == []
    assert next(word_errors("user", [(None, "a")])).b == 100.0
