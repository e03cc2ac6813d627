"""Sets of sessions compared pair by pair, and what their differences come to together.

One session says little about time: networks and servers vary. Of a set, the median difference of
its turns is told, with an interval that holds the true one in 95 of 100 cases. It is found by the
bootstrap: sessions are drawn from the set again and again, each with all of its turns, as turns of
one session have much in common (B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993,
§13.3, the percentile interval). The draws are the same every time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtproxy.diff.budget import STATISTICS, Budget
from rtproxy.diff.difference import Diff, Level, Metric, TurnPair, Verdict
from rtproxy.diff.timing import UNITS, spread, statistic_of
from rtproxy.diff.words import word_errors
from rtproxy.realtime.plain import plain

SCHEMA = "rtproxy.diff-set/1"
FEWEST = 5
"""With fewer sessions there is no interval: the bootstrap would find one that is too narrow."""
DRAWS = 2000
SEED = 20


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


def gather(
    level: Level,
    pairs: Sequence[SetPair],
    only_a: Sequence[str] = (),
    only_b: Sequence[str] = (),
    budgets: Sequence[Budget] = (),
) -> SetDiff:
    """What pairs of sessions come to. Their own verdicts should have been left to this one."""
    turns = [pair.diff.pairs for pair in pairs]
    every = [turn for session in turns for turn in session]
    metrics = {metric.key: metric for metric in _metrics(pairs, every)}
    both = [(t.a or 0, t.a_metrics, t.b_metrics) for t in every if t.a and t.b]
    verdicts = (
        budget.judge_each(both) if budget.each else budget.judge(metrics.get(budget.key))
        for budget in budgets
    )
    spreads = tuple(found for key in UNITS if (found := _spread(key, turns)) is not None)
    return SetDiff(level, tuple(pairs), tuple(only_a), tuple(only_b), spreads, tuple(verdicts))


def _metrics(pairs: Sequence[SetPair], turns: Sequence[TurnPair]) -> Iterator[Metric]:
    """Metrics over all turns of all sessions, and the counts of all sessions together."""
    yield from spread([t.a_metrics for t in turns if t.a], [t.b_metrics for t in turns if t.b])
    timed = tuple(f".{statistic}" for statistic in STATISTICS)
    counts: dict[str, list[Metric]] = {}
    for pair in pairs:
        for metric in pair.diff.metrics:
            if not metric.key.endswith((*timed, ".wer")):
                counts.setdefault(metric.key, []).append(metric)
    for key, found in counts.items():
        one = [metric.a for metric in found if metric.a is not None]
        two = [metric.b for metric in found if metric.b is not None]
        share = len(found) if key == "talk_ratio" else 1  # a mean; of the others the sum
        a, b = (sum(values) / share if values else None for values in (one, two))
        yield Metric(key, a, b, found[0].unit)
    said = [t for t in turns if t.a and t.b]
    yield from word_errors("user", [(t.a_user, t.b_user) for t in said])
    yield from word_errors("assistant", [(t.a_assistant, t.b_assistant) for t in said])


def _spread(key: str, sessions: Sequence[Sequence[TurnPair]]) -> Spread | None:
    one = [v for turns in sessions for t in turns if (v := t.a_metrics.get(key)) is not None]
    two = [v for turns in sessions for t in turns if (v := t.b_metrics.get(key)) is not None]
    if not one and not two:
        return None
    changes = [found for turns in sessions if (found := _changes(key, turns)).size]
    low, high = interval(changes)
    together = np.concatenate(changes) if changes else np.empty(0)
    return Spread(
        key,
        UNITS[key],
        statistic_of(one, "p50"),
        statistic_of(two, "p50"),
        statistic_of(together.tolist(), "p50"),
        low,
        high,
        int(together.size),
        len(changes),
    )


def _changes(key: str, turns: Sequence[TurnPair]) -> NDArray[np.float64]:
    """b − a of each pair of turns that both have it."""
    found = ((t.a_metrics.get(key), t.b_metrics.get(key)) for t in turns)
    return np.array([b - a for a, b in found if a is not None and b is not None], np.float64)


def interval(sessions: Sequence[NDArray[np.float64]]) -> tuple[float | None, float | None]:
    """The 95 % interval of the median of all numbers, which come in sessions."""
    if len(sessions) < FEWEST:
        return None, None
    chance = np.random.default_rng(SEED)
    medians = np.empty(DRAWS)
    for draw in range(DRAWS):
        chosen = chance.integers(0, len(sessions), len(sessions))
        medians[draw] = np.median(np.concatenate([sessions[index] for index in chosen]))
    low, high = np.percentile(medians, [2.5, 97.5])
    return round(float(low), 3), round(float(high), 3)
