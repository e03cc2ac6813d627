"""Sets of sessions compared pair by pair, and what their differences come to together."""

from dataclasses import dataclass
from typing import Any

from rtproxy.diff.difference import Diff, Level, Verdict
from rtproxy.realtime.plain import plain

SCHEMA = "rtproxy.diff-set/1"


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric of turns over all pairs of sessions, such as `v2v_ms`.

    `a` and `b` are the medians over each side's turns. `change` is the median of b − a over the
    `turns` pairs of turns that both have it, in `sessions` pairs of sessions; `low` and `high` are
    its 95 % interval, None where there are too few sessions to tell.
    """

    key: str
    unit: str
    a: float | None
    b: float | None
    change: float | None
    low: float | None
    high: float | None
    turns: int
    sessions: int

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out 0: it is not chance that they differ."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "unit": self.unit,
            "a": self.a,
            "b": self.b,
            "change": self.change,
            "low": self.low,
            "high": self.high,
            "turns": self.turns,
            "sessions": self.sessions,
            "certain": self.certain,
        }


@dataclass(frozen=True, slots=True)
class SetPair:
    """Two sessions of one name, compared."""

    name: str
    diff: Diff


@dataclass(frozen=True, slots=True)
class SetDiff:
    """Two sets of sessions compared. It is true when they differ or a budget is broken.

    `only_a` and `only_b` are the names that the other set has not. `budgets` are judged over all
    turns of all sessions of a set, as if it were one.
    """

    level: Level
    pairs: tuple[SetPair, ...] = ()
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    spreads: tuple[Spread, ...] = ()
    budgets: tuple[Verdict, ...] = ()

    @property
    def equal(self) -> bool:
        alone = self.only_a or self.only_b
        within = all(verdict.ok for verdict in self.budgets)
        return within and not alone and all(pair.diff.equal for pair in self.pairs)

    def __bool__(self) -> bool:
        return not self.equal

    def to_json(self) -> dict[str, Any]:
        """The document `rtproxy.diff-set/1`."""
        found: dict[str, Any] = plain(
            {
                "schema": SCHEMA,
                "equal": self.equal,
                "level": self.level,
                "sessions": [{"name": pair.name, **pair.diff.to_json()} for pair in self.pairs],
                "only_a": list(self.only_a),
                "only_b": list(self.only_b),
                "metrics": [spread.to_json() for spread in self.spreads],
                "budgets": [verdict.to_json() for verdict in self.budgets],
            }
        )
        return found
