"""A measured figure: the median of its rounds, and how far they lie apart."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """Values of one thing, one for each round, in `unit`: µs, ms, s, /s, KB, % or × (a ratio)."""

    values: tuple[float, ...]
    unit: str

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    def __str__(self) -> str:
        """The median with its unit and, in brackets, the lowest and highest round."""
        spread = f" ({number(self.low)} … {number(self.high)})" if len(self.values) > 1 else ""
        return f"{number(self.median)} {self.unit}{spread}"


def combine(
    work: Callable[[float, float], float], a: Figure, b: Figure, unit: str | None = None
) -> Figure:
    """Round by round, so that what disturbed both cancels out."""
    values = tuple(work(x, y) for x, y in zip(a.values, b.values, strict=True))
    return Figure(values, unit or a.unit)


def difference(a: Figure, b: Figure) -> Figure:
    """a − b."""
    return combine(lambda x, y: x - y, a, b)


def ratio(a: Figure, b: Figure) -> Figure:
    """a ÷ b; infinite where b is nothing."""
    return combine(lambda x, y: x / y if y > 0 else float("inf"), a, b, "×")


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0–1) of the values lie: nearest rank. Needs one value."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def number(value: float) -> str:
    """Three significant digits, thousands apart."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
