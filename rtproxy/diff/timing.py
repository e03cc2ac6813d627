"""Times of two sessions: metrics side by side, and what in a turn took longer or less long.

Two runs never take the same time. Without a budget, times of a turn are the same if they are
within 100 ms or 10 % of one another, whichever is more: less than a caller notices in a pause, and
what one network does to another run. With budgets on times, the budgets alone judge.

Of a turn the parts are told, not their sums: where the model took 300 ms longer, so did the turn.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from rtproxy.diff.budget import STATISTICS, Budget
from rtproxy.diff.difference import Metric
from rtproxy.diff.normal import NormalTurn
from rtproxy.realtime.metrics import METRICS

Values = Mapping[str, float | None]

TOLERANCE_MS = 100.0
TOLERANCE = 0.10
SUMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("v2v_ms", ("endpoint_ms", "queue_ms", "model_ms", "tool_ms")),
    ("dead_air_ms", ("v2v_ms",)),
)
"""A metric and the parts that may explain its change, in this order."""
SINGLE = (
    "endpoint_ms", "queue_ms", "model_ms", "tool_ms", "prebuffer_ms", "barge_in_ms",
    "barge_in_detection_ms", "overlap_ms",
)  # fmt: skip
"""Metrics that stand for themselves; the length of audio is compared as audio."""
UNITS = {metric.key: metric.unit for metric in METRICS}
NUMBER_UNITS = {"talk_ratio": "", "tokens_in": "tokens", "tokens_out": "tokens",
                "tokens_cached": "tokens"}  # fmt: skip


def tolerance(a: float, b: float) -> float:
    """How far apart two times may be and still be the same, in ms."""
    return max(TOLERANCE_MS, TOLERANCE * max(abs(a), abs(b)))


def changes(a: NormalTurn, b: NormalTurn) -> Iterator[str]:
    """Keys of the metrics of a turn that changed by more than the tolerance, without sums of
    those. What was heard of a reply is told of one that was stopped; else it is all of it."""
    keys = [*SINGLE, *(name for name, _ in SUMS), *(["heard_ms"] if a.cut and b.cut else [])]
    changed = {key for key in keys if _changed(a.metrics, b.metrics, key)}
    told = changed | {"v2v_ms"}
    for name, parts in SUMS:
        if name in changed and _explained(a.metrics, b.metrics, name, parts, told):
            changed.discard(name)
    if len(a.calls) != len(b.calls):  # what the calls that only one has took is told by them
        changed.discard("tool_ms")
    yield from (key for key in UNITS if key in changed)


def _changed(a: Values, b: Values, key: str) -> bool:
    one, two = a.get(key), b.get(key)
    return one is not None and two is not None and abs(two - one) > tolerance(one, two)


def _explained(a: Values, b: Values, name: str, parts: Sequence[str], told: set[str]) -> bool:
    """Whether the parts' changes come to that of the sum, and some part is told of."""
    one, two = a[name], b[name]
    if one is None or two is None:
        return False
    total = sum((b.get(part) or 0.0) - (a.get(part) or 0.0) for part in parts)
    return not told.isdisjoint(parts) and abs(two - one - total) <= tolerance(one, two)


def broken(budgets: Iterable[Budget], a: Values, b: Values) -> Iterator[str]:
    """Keys of the metrics of a turn that break a budget, each once."""
    seen: set[str] = set()
    for budget in budgets:
        key = f"{budget.family}_ms"
        if key not in seen and budget.timed and budget.breaks(a.get(key), b.get(key)):
            seen.add(key)
            yield key


def spread(a: Sequence[Values], b: Sequence[Values]) -> Iterator[Metric]:
    """The statistics of each time over the turns of either side, by their metrics."""
    for key, unit in UNITS.items():
        if unit != "ms":
            continue
        one = [value for metrics in a if (value := metrics.get(key)) is not None]
        two = [value for metrics in b if (value := metrics.get(key)) is not None]
        if not one and not two:
            continue
        for statistic in STATISTICS:
            yield Metric(
                f"{key.removesuffix('_ms')}.{statistic}",
                statistic_of(one, statistic),
                statistic_of(two, statistic),
                unit,
                len(one),
                len(two),
            )


def statistic_of(values: Sequence[float], statistic: str) -> float | None:
    """p50, p95 or max of values, linear between ranks; None of no values."""
    if not values:
        return None
    if statistic == "max":
        return round(max(values), 3)
    found = np.percentile(np.asarray(values), 50 if statistic == "p50" else 95)
    return round(float(found), 3)


def counts(a: Values, b: Values) -> Iterator[Metric]:
    """Metrics of whole sessions that are not of turns."""
    for key in a:
        one, two = a[key], b.get(key)
        if one is not None or two is not None:
            yield Metric(key, one, two, NUMBER_UNITS.get(key, ""))
