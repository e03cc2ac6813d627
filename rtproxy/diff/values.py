"""Where two plain values differ: the smallest places, each with its path."""

from collections.abc import Iterator
from typing import Any

import orjson

from rtproxy.diff.align import align
from rtproxy.diff.difference import Kind
from rtproxy.diff.fields import same

Path = tuple[str | int, ...]
Place = tuple[Path, Kind, Any, Any]
"""(path, kind, value in `a`, value in `b`)."""

MISSING = object()
NAMES = ("name", "server_label", "id", "type")
"""Keys by which the objects of a list are told apart, in the order in which they are tried."""
MAX_DEPTH = 80


def places(a: Any, b: Any, path: Path = (), *, depth: int = 0) -> Iterator[Place]:
    """Every place where two values differ; null is the same as missing."""
    if isinstance(a, dict) and isinstance(b, dict) and depth < MAX_DEPTH:
        for key in [*a, *(key for key in b if key not in a)]:
            one, two = a.get(key, MISSING), b.get(key, MISSING)
            yield from places(one, two, (*path, str(key)), depth=depth + 1)
    elif isinstance(a, list) and isinstance(b, list) and depth < MAX_DEPTH:
        yield from _places_in_lists(a, b, path, depth)
    elif a is MISSING or b is MISSING:
        if (b if a is MISSING else a) is not None:
            yield path, *_one_sided(a, b)
    elif not same(a, b):
        kind: Kind = "added" if a is None else "removed" if b is None else "changed"
        yield path, kind, a, b


def _one_sided(a: Any, b: Any) -> tuple[Kind, Any, Any]:
    return ("added", None, b) if a is MISSING else ("removed", a, None)


def _places_in_lists(a: list[Any], b: list[Any], path: Path, depth: int) -> Iterator[Place]:
    if len(a) == len(b) and all(map(same, a, b)):
        return
    whole = [canonical(value) for value in a], [canonical(value) for value in b]
    names = [name_of(value) for value in a], [name_of(value) for value in b]
    found = align([whole, names], lambda i, j: _likeness(a[i], b[j]))
    for at, to in found.moved:
        yield (*path, at), "moved", a[at], b[to]
        yield from places(a[at], b[to], (*path, at), depth=depth + 1)
    for i, j in found.pairs:
        if j is None and i is not None:
            yield (*path, i), "removed", a[i], None
        elif i is None and j is not None:
            yield (*path, j), "added", None, b[j]
        elif i is not None and j is not None:
            yield from places(a[i], b[j], (*path, i), depth=depth + 1)


def _likeness(a: Any, b: Any) -> float:
    """Whether two elements of a list are one that changed: objects with names only if most of
    what they hold is equal."""
    if name_of(a) is None or name_of(b) is None:
        return 0.5
    keys = {*a, *b}
    return sum(key in a and key in b and same(a[key], b[key]) for key in keys) / len(keys)


def canonical(value: Any) -> str:
    """A text that is the same for equal values."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except (orjson.JSONEncodeError, RecursionError):
        return repr(value)  # an integer that no JSON library agrees on, or a lone surrogate


def name_of(value: Any) -> str | None:
    """What tells an object from the others in its list; None for what is no object."""
    if not isinstance(value, dict):
        return None
    named = (value.get(key) for key in NAMES)
    return next((name for name in named if isinstance(name, str)), None)
