"""What `@pytest.mark.rtproxy(…)` says: which tapes, recorded from where, replayed how."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from rtproxy.errors import ReplayError
from rtproxy.replay.options import patterns

REPLAY_OPTIONS = (
    "match", "speed", "stall", "ignore", "matchers", "trailing", "loop", "faults", "seed",
    "salvage",
)  # fmt: skip
"""Passed on to `rtproxy.ReplayServer` as they are."""
OPTIONS = ("name", "upstream", "redact", *REPLAY_OPTIONS)

LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Marker:
    """The markers of one test taken together; `name` None stands for the test's own."""

    name: str | None = None
    upstream: str | None = None
    redact: Sequence[str] = ()
    replay: Mapping[str, Any] = field(default_factory=dict)


def read_marks(marks: Iterable[pytest.Mark]) -> Marker:
    """Merge a test's marks, closest first: what a test says goes before its class and module.

    Raises ReplayError for an option that there is not, or that means nothing.
    """
    from rtproxy.serve import replay_settings

    found: dict[str, Any] = {}
    for mark in marks:
        if len(mark.args) > 1:
            raise ReplayError(
                "The marker rtproxy(…) takes one name; everything else has a keyword."
            )
        if unknown := [key for key in mark.kwargs if key not in OPTIONS]:
            raise ReplayError(
                f"The marker rtproxy(…) has no {unknown[0]!r}; it has {', '.join(OPTIONS)}."
            )
        said = dict(mark.kwargs)
        if mark.args:
            said["name"] = mark.args[0]
        found = said | found
    marker = Marker(
        found.pop("name", None),
        found.pop("upstream", None),
        found.pop("redact", ()),
        found,
    )
    # Whether it is recorded or replayed now: the other comes later.
    patterns(marker.redact, "redact")
    replay_settings(**{key: value for key, value in found.items() if key != "salvage"})
    return marker


def tape_name(item: pytest.Function, marker: Marker) -> str:
    """What a test's tapes are called, relative to the folder of its module, without an ending.

    Raises ReplayError for a name that is no relative path.
    """
    if marker.name is None:
        return own_name(item)
    name = str(marker.name).removesuffix(".zst").removesuffix(".rtape")
    if not name.strip("./ ") or name.startswith(("/", "~")) or name.endswith("/") or "\0" in name:
        raise ReplayError(
            f"{marker.name!r} is no name for a tape; give one such as 'greeting' or 'en/greeting'."
        )
    return name


def own_name(item: pytest.Function) -> str:
    """A file name made of a test's class, name and parameters; different tests get different ones.

    >>> file_name("test_hello-en-us")
    'test_hello-en-us'
    """
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    name = item.originalname
    if hasattr(item, "callspec"):
        name = f"{name}-{item.callspec.id}"
    return file_name(".".join([*classes, name]))


def file_name(name: str) -> str:
    plain = re.sub(r"[^\w.+-]+", "-", name).rstrip("-")
    if plain == name and len(name) <= LONGEST_NAME:
        return plain
    digits = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{plain[:LONGEST_NAME]}-{digits}"
