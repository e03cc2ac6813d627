"""Options as a caller in Python gives them, made plain: ReplayError for what cannot be meant.

A text where a list of texts is wanted stands for a list of one. Taken as a sequence, which it is
to Python, `ignore="item.output"` would name eleven paths of a letter each, and ignore nothing.
"""

import re
from collections.abc import Callable, Collection
from numbers import Real
from typing import Any

from rtproxy.errors import ReplayError


def texts(given: str | Collection[str], name: str) -> tuple[str, ...]:
    """Several texts, or one."""
    if isinstance(given, str):
        return (given,)
    found = _several(given, name, "texts")
    for one in found:
        if not isinstance(one, str):
            raise ReplayError(f"{name} takes texts, and {one!r} is none.")
    return found


def functions(given: Any, name: str) -> tuple[Callable[..., Any], ...]:
    """Several functions, or one."""
    if callable(given):
        return (given,)
    found = _several(given, name, "functions")
    for one in found:
        if not callable(one):
            raise ReplayError(f"{name} takes functions, and {one!r} is none.")
    return found


def above_zero(given: Any, name: str, what: str) -> float:
    """A number, of whatever library."""
    if isinstance(given, bool) or not isinstance(given, Real) or not float(given) > 0:
        raise ReplayError(f"{name} is {given!r}; it takes {what} above 0.")
    return float(given)


def patterns(given: str | Collection[str], name: str) -> list[re.Pattern[str]]:
    """Several regular expressions, or one."""
    found = []
    for one in texts(given, name):
        try:
            found.append(re.compile(one))
        except re.error as error:
            raise ReplayError(f"{name}: {one!r} is no regular expression: {error}.") from None
    return found


def _several(given: Any, name: str, what: str) -> tuple[Any, ...]:
    if not isinstance(given, Collection):  # an iterator would be at its end the second time
        raise ReplayError(f"{name} is {given!r}; it takes a list of {what}.")
    return tuple(given)
