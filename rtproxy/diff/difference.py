"""What two sessions differ in: the words that the core, the reports and the command share.

    Diff ─┬─ pairs        TurnPair: which turn of one stands beside which of the other
          ├─ differences  Difference, at a level, in a turn, at a path
          ├─ metrics      Metric of both sessions, side by side
          └─ budgets      Verdict on each budget that was given

`a` is always the first session, the baseline, and `b` the second, the candidate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from rtproxy.realtime.plain import plain

SCHEMA = "rtproxy.diff/1"

Level = Literal["structure", "tools", "text", "timing", "audio"]
LEVELS: tuple[Level, ...] = ("structure", "tools", "text", "timing", "audio")
"""Each includes those before it."""

Kind = Literal["changed", "added", "removed", "moved"]
"""added: only `b` has it · removed: only `a` has it · moved: both have it, at another place."""


def rank(level: Level) -> int:
    """The place of a level: 0 is structure."""
    return LEVELS.index(level)


@dataclass(frozen=True, slots=True)
class WordRun:
    """Words in a row that both texts have, or that stand in place of one another.

    "same": `a` and `b` are as written in each; "added": `a` is empty; "removed": `b` is empty.
    """

    kind: Literal["same", "changed", "added", "removed"]
    a: str
    b: str

    def to_json(self) -> dict[str, str]:
        return {"kind": self.kind, "a": self.a, "b": self.b}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same.

    `turn` and `other_turn` count from 1, in `a` and in `b`: None where there is no such turn, and
    both None for what is the session's. `path` is a JSON path into the normalised session, with
    the turn's place in `a` (in `b` if added), such as `turns[2].tools[0].arguments.city`; like any
    JSON path it counts from 0. `a` and `b` are plain values, None where there is none; `unit` is
    theirs if they are measured ("ms", "dB", "%", …). `a_seq` and `b_seq` are the records where each
    is to be found. For texts, `words` aligns them and `wer` is the word error rate of `b`.
    """

    level: Level
    turn: int | None
    other_turn: int | None
    path: str
    kind: Kind
    a: Any
    b: Any
    a_seq: int | None = None
    b_seq: int | None = None
    unit: str | None = None
    words: tuple[WordRun, ...] | None = None
    wer: float | None = None

    @property
    def n(self) -> int | None:
        """The number of the turn that it is told of: that in `a` if it has one."""
        return self.turn if self.turn is not None else self.other_turn

    @property
    def place(self) -> str:
        """The path within the turn, such as `tools[0].arguments.city`; "" for a whole turn."""
        if self.n is None or not self.path.startswith("turns["):
            return self.path
        return self.path.partition("]")[2].removeprefix(".")

    def to_json(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "turn": self.turn,
            "other_turn": self.other_turn,
            "path": self.path,
            "kind": self.kind,
            "a": self.a,
            "b": self.b,
            "a_seq": self.a_seq,
            "b_seq": self.b_seq,
            "unit": self.unit,
            "words": [run.to_json() for run in self.words] if self.words is not None else None,
            "wer": self.wer,
        }


@dataclass(frozen=True, slots=True)
class TurnPair:
    """A turn of `a` and the turn of `b` that says and does the same, or one that has no other.

    `kind`: "same" · "changed" (at the level that was asked for) · "added" · "removed" · "moved"
    (the same turn at another place, perhaps changed too). `a_ms` and `b_ms` are when it began,
    `a_seq` and `b_seq` its first record. `a_metrics` and `b_metrics` are what `inspect` measures
    of it, by key (`v2v_ms`, …).
    """

    kind: Literal["same", "changed", "added", "removed", "moved"]
    a: int | None
    b: int | None
    a_user: str | None = None
    b_user: str | None = None
    a_assistant: str | None = None
    b_assistant: str | None = None
    a_seq: int | None = None
    b_seq: int | None = None
    a_ms: float | None = None
    b_ms: float | None = None
    a_metrics: Mapping[str, float | None] = field(default_factory=dict)
    b_metrics: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        return self.kind == "same"

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "a": self.a,
            "b": self.b,
            "a_user": self.a_user,
            "b_user": self.b_user,
            "a_assistant": self.a_assistant,
            "b_assistant": self.b_assistant,
            "a_seq": self.a_seq,
            "b_seq": self.b_seq,
            "a_ms": self.a_ms,
            "b_ms": self.b_ms,
            "a_metrics": dict(self.a_metrics),
            "b_metrics": dict(self.b_metrics),
        }


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of both sessions, such as `v2v.p50`, `endpoint.max`, `tokens_out` or `wer`.

    None where it is not known. `a_n` and `b_n` are how many turns it rests on, None if it is not
    of turns.
    """

    key: str
    a: float | None
    b: float | None
    unit: str
    a_n: int | None = None
    b_n: int | None = None

    @property
    def change(self) -> float | None:
        """`b` − `a`, where both are known."""
        return None if self.a is None or self.b is None else self.b - self.a

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "a": self.a,
            "b": self.b,
            "change": self.change,
            "unit": self.unit,
            "a_n": self.a_n,
            "b_n": self.b_n,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a budget was kept. `allowed` is the most that `b` may be, None if `a` is unknown.

    A budget on what is not known in either is kept, and `why` says so; one on what `a` has and
    `b` has not is broken.
    """

    budget: str
    key: str
    a: float | None
    b: float | None
    allowed: float | None
    unit: str
    ok: bool
    why: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "budget": self.budget,
            "key": self.key,
            "a": self.a,
            "b": self.b,
            "allowed": self.allowed,
            "unit": self.unit,
            "ok": self.ok,
            "why": self.why,
        }


@dataclass(frozen=True)
class Diff:
    """Two sessions compared at a level. It is true when they differ or a budget is broken.

    `a` and `b` name the sessions, None where they have no name. `turn` is the turn that was asked
    for, None for all. `notes` are sentences on what could not be compared, and why.
    """

    level: Level
    pairs: tuple[TurnPair, ...] = ()
    differences: tuple[Difference, ...] = ()
    metrics: tuple[Metric, ...] = ()
    budgets: tuple[Verdict, ...] = ()
    a: str | None = None
    b: str | None = None
    turn: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether there is no difference and every budget is kept."""
        return not self.differences and all(verdict.ok for verdict in self.budgets)

    def __bool__(self) -> bool:
        return not self.equal

    def of_turn(self, pair: TurnPair) -> tuple[Difference, ...]:
        """What differs in a pair of turns."""
        return tuple(self._by_turn.get((pair.a, pair.b), ()))

    @property
    def of_session(self) -> tuple[Difference, ...]:
        """What differs in no turn: the session's configuration, its errors, how it ended."""
        return tuple(self._by_turn.get((None, None), ()))

    @cached_property
    def _by_turn(self) -> Mapping[tuple[int | None, int | None], list[Difference]]:
        found: dict[tuple[int | None, int | None], list[Difference]] = {}
        for difference in self.differences:
            found.setdefault((difference.turn, difference.other_turn), []).append(difference)
        return found

    def count(self) -> Mapping[Level, int]:
        """How many differences there are at each level that was compared."""
        counts = dict.fromkeys(LEVELS[: rank(self.level) + 1], 0)
        for difference in self.differences:
            counts[difference.level] = counts.get(difference.level, 0) + 1
        return counts

    def to_json(self) -> dict[str, Any]:
        """The document `rtproxy.diff/1`."""
        found: dict[str, Any] = plain(
            {
                "schema": SCHEMA,
                "equal": self.equal,
                "level": self.level,
                "a": self.a,
                "b": self.b,
                "turn": self.turn,
                "turns": [pair.to_json() for pair in self.pairs],
                "differences": [difference.to_json() for difference in self.differences],
                "metrics": [metric.to_json() for metric in self.metrics],
                "budgets": [verdict.to_json() for verdict in self.budgets],
                "notes": list(self.notes),
            }
        )
        return found
