"""Budgets: how much worse the second session may be.

| a budget | `b` may be at most |
|---|---|
| `v2v.p50=+200ms` | 200 ms more than `a` |
| `v2v.max=+20%` | 20 % more than `a` |
| `v2v.p95=900ms`, `v2v.p95=0.9s` | 900 ms, whatever `a` is |
| `v2v=+200ms` | 200 ms more than `a`, in every turn |
| `model.p50=-50ms` | 50 ms less than `a`: it must have become better |
| `tokens_out=+10%`, `errors=0` | what is no time has no statistic |
| `assistant.wer=5%` | 5 words of 100 may be others; `+5%` are points here |
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rtproxy.diff.difference import Metric, Verdict
from rtproxy.errors import DiffError
from rtproxy.realtime.metrics import METRICS

TIMES = tuple(metric.key.removesuffix("_ms") for metric in METRICS if metric.unit == "ms")
STATISTICS = ("p50", "p95", "max")
COUNTS = (
    "tokens_in", "tokens_out", "tokens_cached", "talk_ratio", "turns", "responses", "tool_calls",
    "barge_ins", "errors", "user.wer", "assistant.wer",
)  # fmt: skip
"""Keys that have no statistic."""
Values = Mapping[str, float | None]

EXAMPLES = "write one such as v2v.p50=+200ms, v2v.max=+20% or v2v.p95=900ms"

_FORM = re.compile(r"([a-z0-9_.]+?)\s*=\s*([+-]?)\s*(\d+(?:\.\d+)?)\s*(ms|s|%|tokens?)?", re.I)


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget. `key` is that of a metric; without a statistic, a time is that of every turn.

    `amount` is in ms for times; `relative` to the value of `a`, in percent of it if `percent`.
    """

    text: str
    key: str
    amount: float
    relative: bool
    percent: bool

    @property
    def family(self) -> str:
        """The key without the statistic: `v2v`."""
        name, _, statistic = self.key.rpartition(".")
        return name if statistic in STATISTICS else self.key

    @property
    def timed(self) -> bool:
        """Whether it is about time."""
        return self.family in TIMES

    @property
    def each(self) -> bool:
        """Whether every turn is to keep it."""
        return self.key in TIMES

    def allowed(self, a: float | None) -> float | None:
        """The most that `b` may be where `a` is that; None if that cannot be told."""
        if not self.relative:
            return self.amount
        if a is None:
            return None
        return a + (abs(a) * self.amount / 100 if self.percent else self.amount)

    def breaks(self, a: float | None, b: float | None) -> bool:
        """Whether `b` is more than allowed."""
        most = self.allowed(a)
        return most is not None and b is not None and b > most + 1e-6

    def judge(self, metric: Metric | None) -> Verdict:
        """Whether it is kept by a metric of both sessions, None if there is none."""
        a = metric.a if metric is not None else None
        b = metric.b if metric is not None else None
        unit = metric.unit if metric is not None else "ms"
        why = None
        ok = not self.breaks(a, b)
        if b is None:
            ok = a is None
            why = "not known in either" if ok else "not known in the second"
        elif self.relative and a is None:
            why = "not known in the first"
        return Verdict(self.text, self.key, a, b, self.allowed(a), unit, ok, why)

    def judge_each(self, turns: Iterable[tuple[int, Values, Values]]) -> Verdict:
        """Whether every turn keeps it: (number, metrics of `a`, metrics of `b`). The verdict is
        on the turn that is nearest to breaking it, or has broken it most."""
        key = f"{self.family}_ms"
        worst: tuple[float, int, Metric] | None = None
        for n, one, two in turns:
            metric = Metric(self.key, one.get(key), two.get(key), "ms")
            most = self.allowed(metric.a)
            if most is None or metric.b is None:
                continue
            over = metric.b - most
            if worst is None or over > worst[0]:
                worst = over, n, metric
        if worst is None:
            return self.judge(None)
        return replace(self.judge(worst[2]), why=f"turn {worst[1]}")


def parse_budget(text: str) -> Budget:
    """A budget from its text. Raises DiffError."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise DiffError(f"{text!r} is no budget: {EXAMPLES}.")
    key, sign, digits, unit = found[1].lower(), found[2], float(found[3]), (found[4] or "").lower()
    key = re.sub(r"_ms(?=\.|$)", "", key)
    name, _, statistic = key.rpartition(".")
    timed = key in TIMES or (name in TIMES and statistic in STATISTICS)
    if not timed and key not in COUNTS:
        raise DiffError(
            f"{text!r} is no budget: there is no metric {found[1]}; choose from "
            f"{', '.join(TIMES)} (each alone, or with .p50, .p95 or .max), {', '.join(COUNTS)}."
        )
    points = key.endswith(".wer")
    if (unit in ("ms", "s") and not timed) or (unit.startswith("token") and "token" not in key):
        raise DiffError(f"{text!r} is no budget: {key} is not counted in {unit}.")
    if unit == "%" and not sign and not points:
        raise DiffError(f"{text!r} is no budget: a share of what? {EXAMPLES}.")
    amount = digits * (1000 if unit == "s" else 1) * (-1 if sign == "-" else 1)
    return Budget(text, key, amount, bool(sign), unit == "%" and not points)
