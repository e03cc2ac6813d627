"""What a row found: figures for each target, and whether the budgets are met."""

import operator
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.figure import Figure, number

Cell = Figure | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A budget, what was measured against it, and whether its median is within."""

    what: str
    budget: str
    figure: Figure
    met: bool

    @property
    def word(self) -> str:
        return "met" if self.met else "MISSED"


@dataclass
class Report:
    """One row. `lines` has a label and a figure (or none) for each of `columns`."""

    name: str
    title: str
    columns: Sequence[str] = ()
    lines: list[tuple[str, Sequence[Cell]]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: str | None = None
    failed: str | None = None

    def at_most(self, what: str, figure: Cell, limit: float, said: str | None = None) -> None:
        """Judge a figure that should be small; nothing without a figure."""
        self._judge("≤", what, figure, limit, said)

    def at_least(self, what: str, figure: Cell, limit: float, said: str | None = None) -> None:
        """Judge a figure that should be large; nothing without a figure."""
        self._judge("≥", what, figure, limit, said)

    def _judge(self, sign: str, what: str, figure: Cell, limit: float, said: str | None) -> None:
        if figure is None:
            return
        compare = operator.le if sign == "≤" else operator.ge
        budget = said or f"{sign} {number(limit)} {figure.unit}"
        self.verdicts.append(Verdict(what, budget, figure, compare(figure.median, limit)))

    def note_noise(self, what: str, figure: Cell) -> None:
        """Say how far the rounds of a figure that rtproxy has no part in lie apart."""
        if figure is not None and figure.median:
            share = (figure.high - figure.low) / figure.median
            self.notes.append(f"noise: {what}: the rounds lie {share:.0%} of their median apart")

    def to_map(self) -> dict[str, Any]:
        """The row for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "skipped": self.skipped,
            "failed": self.failed,
            "figures": [
                {"label": label, "column": column, **asdict(cell), "median": cell.median}
                for label, cells in self.lines
                for column, cell in zip(self.columns, cells, strict=True)
                if cell is not None
            ],
            "verdicts": [
                {
                    "what": verdict.what,
                    "budget": verdict.budget,
                    "median": verdict.figure.median,
                    "met": verdict.met,
                }
                for verdict in self.verdicts
            ],
            "notes": self.notes,
        }
