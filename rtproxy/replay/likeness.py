"""How alike a received message and recorded ones are, for so much work at most."""

from collections import Counter
from collections.abc import Iterable
from itertools import islice, zip_longest
from typing import Any

from rtproxy.replay.matching import ABSENT
from rtproxy.replay.message import type_of
from rtproxy.replay.script import ClientStep

WORK = 2000
"""What may be looked at for one message: a value costs 1, a comparison of texts TEXTS."""
TEXTS = 4
HEAD = 300
"""Characters of a text that are looked at."""


class Likeness:
    """Of one message to any recorded ones. Once the work is used up, all else is unlike it."""

    def __init__(self, received: Any, work: int = WORK) -> None:
        self._received = received
        self._left = work
        self._scores: dict[int, float] = {}
        self._signs: dict[str, Counter[str]] = {}
        """How often each character is in a received text."""

    def score(self, step: ClientStep) -> float:
        """0 nothing, 1 everything; one `type` is half of it."""
        if step.index not in self._scores:
            self._scores[step.index] = self._score(step.value)
        return self._scores[step.index]

    def is_of_type(self, step: ClientStep) -> bool:
        """Whether the step is of the message's type, without which it is not much like it."""
        return not isinstance(step.value, dict) or (
            "type" not in step.value or step.type == type_of(self._received)
        )

    def _score(self, recorded: Any) -> float:
        received = self._received
        alike: float = self._alike(recorded, received)
        if isinstance(recorded, dict) and isinstance(received, dict) and "type" in recorded:
            return alike / 2 + 0.5 if recorded["type"] == received.get("type") else alike / 4
        return alike

    def _alike(self, recorded: Any, received: Any) -> float:
        self._left -= 1
        if self._left < 0:
            return 0.0
        if recorded == received:
            return 1.0
        pairs: Iterable[tuple[Any, Any]]
        if isinstance(recorded, dict) and isinstance(received, dict):
            keys = [key for key in recorded if key not in ("event_id", "type")]
            fresh = (key for key in received if key not in recorded)
            keys += islice((key for key in fresh if key not in ("event_id", "type")), self._left)
            pairs = ((recorded.get(key, ABSENT), received.get(key, ABSENT)) for key in keys)
            count = len(keys)
        elif isinstance(recorded, list) and isinstance(received, list):
            pairs = zip_longest(recorded, received, fillvalue=ABSENT)
            count = max(len(recorded), len(received))
        elif isinstance(recorded, str) and isinstance(received, str):
            return self._texts(recorded[:HEAD], received[:HEAD])
        else:
            return 0.0
        alike = 0.0
        for pair in pairs:
            if self._left <= 0:
                break
            alike += self._alike(*pair)
        return alike / count if count else 1.0

    def _texts(self, recorded: str, received: str) -> float:
        """What two texts have in common, whatever the order of their characters."""
        self._left -= TEXTS
        signs = self._signs.get(received)
        if signs is None:
            signs = self._signs[received] = Counter(received)
        common = sum((Counter(recorded) & signs).values())
        total = len(recorded) + len(received)
        return 2 * common / total if total else 1.0
