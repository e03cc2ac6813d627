"""Where two plain values differ."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.diff.values import places

A_TOOL = {"type": "function", "name": "one", "description": "First."}
OTHER = {"type": "function", "name": "two", "description": "Second."}


@pytest.mark.parametrize(
    ("a", "b", "found"),
    [
        (1, 1, []),
        (1, 1.0, []),
        (0.8, 0.800000011920929, []),
        (1, True, [((), "changed", 1, True)]),
        ({"a": None}, {}, []),
        ({"a": 1}, {}, [(("a",), "removed", 1, None)]),
        ({}, {"a": 1}, [(("a",), "added", None, 1)]),
        ({"a": 1}, {"a": None}, [(("a",), "removed", 1, None)]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 3}}, [(("a", "b"), "changed", 1, 3)]),
        ([1, 2], [1, 3], [((1,), "changed", 2, 3)]),
        ([1, 2, 3], [1, 3], [((1,), "removed", 2, None)]),
        ([A_TOOL, OTHER], [OTHER], [((0,), "removed", A_TOOL, None)]),
        (
            [A_TOOL, OTHER],
            [A_TOOL, {**OTHER, "description": "2nd."}],
            [((1, "description"), "changed", "Second.", "2nd.")],
        ),
        ([A_TOOL], [A_TOOL, OTHER], [((1,), "added", None, OTHER)]),
        ("a", {"a": 1}, [((), "changed", "a", {"a": 1})]),
    ],
)
def test_places(a: Any, b: Any, found: list[Any]) -> None:
    assert list(places(a, b)) == found


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(PLAIN, PLAIN)
def test_any_values(a: Any, b: Any) -> None:
    assert list(places(a, a)) == []
    one, two = list(places(a, b)), list(places(b, a))
    assert bool(one) == bool(two)


def test_what_is_nested_deep() -> None:
    a: Any = 1
    b: Any = 2
    for _ in range(70):
        a, b = [a], [b]
    assert len(list(places(a, b))) == 1
