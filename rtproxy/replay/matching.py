"""Comparing what a client sends with what is recorded: by meaning, not by bytes.

| a message of the client | exact | strict, lenient |
|---|---|---|
| key order, spacing, 1 or 1.0 | free | free |
| `event_id` | free | free |
| other ids that the client makes | free, one for one | free, one for one |
| ids that the server made | must be equal | must be equal |
| `metadata` of session, response or item | must be equal | free; echoes carry the new one |
| `audio_end_ms` of conversation.item.truncate | must be equal | free |
| `item.output`, `item.arguments` that hold JSON | equal as text | equal by value |
| everything else, unknown fields too | must be equal | must be equal |
| a value that was redacted on the tape | anything | anything |
| order of concurrent events | must be equal | free within the window |
| appended audio, up to the next commit or clear | same bytes in any chunks | at least as much |
| binary, text that is not JSON | same bytes | same bytes |

Lenient compares like strict; what differs is a warning and the replay goes on. "One for one"
means that an id which stands for one recorded id cannot stand for another. What a tool answers
often differs from run to run: leave it out with the path `item.output`. A tape that is not
of the Realtime protocol has no ids and no volatile fields: all its JSON must be equal by value.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain, zip_longest
from traceback import walk_tb
from typing import Any, Literal, get_args

from rtproxy.errors import PathError, ReplayError
from rtproxy.realtime.jsonpath import Path, PathPattern, format_path
from rtproxy.replay.ids import IdMap, namespace
from rtproxy.replay.message import parse_message, type_of
from rtproxy.replay.script import ClientStep, Script

Mode = Literal["exact", "strict", "lenient"]
MODES: tuple[Mode, ...] = get_args(Mode)
CustomMatcher = Callable[[Any, Any], bool | None]
"""(recorded, received) → True: same, False: different, None: compare as usual.

Both are parsed JSON of one `type`, or str or bytes where a message is not JSON.
"""


class Absent(Enum):
    """The value of what is not there: neither None nor any JSON value."""

    ABSENT = "absent"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "(absent)"


ABSENT = Absent.ABSENT

_VOLATILE: dict[str, set[Path]] = {
    "session.update": {("session", "metadata")},
    "response.create": {("response", "metadata")},
    "conversation.item.create": {("item", "metadata")},
    "conversation.item.truncate": {("audio_end_ms",)},
}
_JSON_TEXT: set[Path] = {("item", "output"), ("item", "arguments")}
MANY = 50
"""Differences after which two messages are compared no further."""
_REDACTED = re.compile(r"REDACTED:[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where a message differs from the recorded one; ABSENT where it has no value."""

    path: str
    expected: Any
    received: Any


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts as equal. `ignore` names JSON values that need not be compared."""

    mode: Mode = "strict"
    ignore: tuple[PathPattern, ...] = ()
    matchers: tuple[CustomMatcher, ...] = ()

    @classmethod
    def of(
        cls, mode: Mode, ignore: Sequence[str] = (), matchers: Sequence[CustomMatcher] = ()
    ) -> "Rules":
        """Rules from JSON paths as text; raises ReplayError for a path or a mode that is none."""
        if mode not in MODES:
            raise ReplayError(f"{mode!r} is no way to match: choose from {', '.join(MODES)}.")
        try:
            ignored = tuple(PathPattern(path) for path in ignore)
        except PathError as error:
            raise ReplayError(str(error)) from None
        return cls(mode, ignored, tuple(matchers))


@dataclass(slots=True)
class Comparison:
    """Result of comparing one received message with one recorded step."""

    step: ClientStep
    differences: list[Difference] = field(default_factory=list)
    bindings: dict[str, str | None] = field(default_factory=dict)
    metadata: Any = ABSENT
    loose: bool = False
    """True if equal only because ids and volatile values are free: another step may fit better."""
    cut: bool = False
    """True if there are so many differences that not all of them were looked for."""
    matcher: str = ""
    """Name of the custom matcher that has said that the two differ, as a whole."""

    @property
    def equal(self) -> bool:
        return not self.differences

    def accept(self, ids: IdMap) -> None:
        """Let the recorded ids of the step stand for the received ones from now on."""
        for name, live in self.bindings.items():
            ids.bind(name, live)
        if self.metadata is not ABSENT:
            ids.bind_metadata(self.step.index, self.metadata)


def compare(
    script: Script, step: ClientStep, value: Any, rules: Rules, ids: IdMap, most: int = MANY
) -> Comparison:
    """Compare a received message with a recorded step; nothing is bound until it is accepted.

    `value` is parsed JSON, or the message itself where it is not JSON. No more than `most`
    differences are looked for. Raises ReplayError if a matcher raises anything.
    """
    result = Comparison(step)
    for matcher in rules.matchers if type_of(value) == step.type else ():
        verdict = _verdict(matcher, step.value, value)
        if verdict is not None:
            if not verdict:
                result.differences.append(Difference("$", step.value, value))
                result.matcher = _name_of(matcher)
            return result
    _Walk(script, rules, ids, result, most).values(step.value, value, ())
    return result


def _verdict(matcher: CustomMatcher, recorded: Any, received: Any) -> bool | None:
    try:
        verdict = matcher(recorded, received)
        return None if verdict is None else bool(verdict)
    except Exception as error:
        inside = list(walk_tb(error.__traceback__))[1:]  # none if it does not take two values
        where = f", at {inside[-1][0].f_code.co_filename}:{inside[-1][1]}" if inside else ""
        why = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise ReplayError(f"the matcher {_name_of(matcher)} raised {why}{where}.") from error


def _name_of(matcher: CustomMatcher) -> str:
    name: str = getattr(matcher, "__name__", repr(matcher))
    return name


@dataclass(slots=True)
class _Walk:
    """One walk over two values, side by side."""

    script: Script
    rules: Rules
    ids: IdMap
    result: Comparison
    most: int

    def values(self, recorded: Any, received: Any, path: Path) -> None:
        if self.script.realtime:
            space = namespace(path)
            if space and _is_id(recorded) and _is_id(received):
                self.id(space, recorded, received, path)
                return
            if self.is_volatile(path):
                if recorded != received:
                    self.result.loose = True
                    if path[-1] == "metadata":
                        self.result.metadata = None if received is ABSENT else received
                return
        if isinstance(recorded, dict) and isinstance(received, dict):
            for key in chain(recorded, (key for key in received if key not in recorded)):
                if self.is_enough():
                    return
                self.values(recorded.get(key, ABSENT), received.get(key, ABSENT), (*path, key))
        elif isinstance(recorded, list) and isinstance(received, list):
            for index, pair in enumerate(zip_longest(recorded, received, fillvalue=ABSENT)):
                if self.is_enough():
                    return
                self.values(*pair, (*path, index))
        elif not self.scalars_equal(recorded, received, path):
            self.differ(path, recorded, received)

    def is_enough(self) -> bool:
        """True once there are so many differences that no more are looked for."""
        self.result.cut = len(self.result.differences) >= self.most
        return self.result.cut

    def id(self, space: str, recorded: Any, received: Any, path: Path) -> None:
        """Compare two ids, or an id and its absence (null or no member)."""
        if space == "event:":
            if recorded:
                self.result.bindings[space + recorded] = received or None
            return
        if path == ("item", "id") and not recorded and self.result.step.adopts:
            recorded = self.result.step.adopts.removeprefix(space)
        if not recorded or not received:
            if path != ("item", "id") and (recorded or received):  # which a client need not give
                self.differ(path, recorded, received)
            return
        name = space + recorded
        if self.ids.is_bound(name) or name in self.result.bindings:
            expected = self.result.bindings.get(name, self.ids.live(name))
        elif name in self.script.client_ids and not self.ids.is_taken(space, received):
            self.result.bindings[name] = expected = received
            self.result.loose = self.result.loose or recorded != received
        else:
            expected = recorded
        if expected != received:
            self.differ(path, expected, received)

    def is_volatile(self, path: Path) -> bool:
        volatile = _VOLATILE.get(self.result.step.type, set())
        return path in volatile and self.rules.mode != "exact"

    def scalars_equal(self, recorded: Any, received: Any, path: Path) -> bool:
        if isinstance(recorded, str):
            if "REDACTED:" in recorded and received is not ABSENT and _redacted(recorded, received):
                return True
            if self.rules.mode != "exact" and self.script.realtime and path in _JSON_TEXT:
                return _same_json_text(recorded, received)
        if isinstance(recorded, bool) or isinstance(received, bool):
            return recorded is received  # to Python, true equals 1
        equal: bool = recorded == received
        return equal or (recorded != recorded and received != received)  # NaN

    def differ(self, path: Path, recorded: Any, received: Any) -> None:
        if not any(pattern.covers(path) for pattern in self.rules.ignore):
            self.result.differences.append(Difference(format_path(path), recorded, received))


def _is_id(value: Any) -> bool:
    return value is ABSENT or value is None or isinstance(value, str)


def _redacted(recorded: str, received: Any) -> bool:
    """True if `received` is `recorded` with anything where a secret was taken out."""
    head, *middle = _REDACTED.split(recorded)
    if not head and middle == [""]:
        return True
    if not middle or not isinstance(received, str) or not received.startswith(head):
        return False
    at = len(head)
    for piece in middle[:-1]:
        found = received.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return received.endswith(middle[-1]) and len(received) - len(middle[-1]) >= at


def _same_json_text(recorded: str, received: Any) -> bool:
    if recorded == received:
        return True
    if not isinstance(received, str):
        return False
    old, new = parse_message(recorded), parse_message(received)
    return isinstance(old, dict | list) and not any(_unequal(old, new))


def _unequal(old: Any, new: Any) -> Iterator[bool]:
    """Yield True for each place where two JSON values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {*old, *new}:
            yield from _unequal(old.get(key, ABSENT), new.get(key, ABSENT))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for one, other in zip(old, new, strict=True):
            yield from _unequal(one, other)
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield True
