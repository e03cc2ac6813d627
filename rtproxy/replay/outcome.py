"""How a replay went, once it is over."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from rtproxy.replay.report import Place, Report

_REPORTS = ("reports", "warnings")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What matched, what did not, and what of the tape was not played."""

    reports: tuple[Report, ...] = ()
    """Mismatches that ended the replay."""
    warnings: tuple[Report, ...] = ()
    """Mismatches that lenient matching passed over."""
    unsent: tuple[Place, ...] = ()
    """Recorded events that should have been sent by the client and were not."""
    undelivered: tuple[Place, ...] = ()
    """Recorded server events that did not go out or come in; allowed trailing ones not counted."""
    reordered: tuple[tuple[int, int], ...] = ()
    """Client events taken ahead of their place: (seq, seq of the first that was still open)."""
    cut: bool = False
    """True if a fault ended the session; then nothing is said to be missing."""
    unlisted: Mapping[str, int] = field(default_factory=dict)
    """How many more there are than are listed: of warnings, unsent, undelivered, reordered."""

    @property
    def complete(self) -> bool:
        """True if all of the tape was played."""
        return self.cut or not (self.unsent or self.undelivered)

    @property
    def ok(self) -> bool:
        """True if nothing differed and the whole tape was played; warnings do not count."""
        return not self.reports and self.complete

    def listed(self, count: int) -> "Outcome":
        """The same with so many of the events that are missing or in another order."""
        brief = self.brief(count)
        unlisted = {name: n for name, n in brief.unlisted.items() if name not in _REPORTS}
        return replace(
            brief,
            reports=self.reports,
            warnings=self.warnings,
            unlisted={name: n for name, n in self.unlisted.items() if name in _REPORTS} | unlisted,
        )

    def brief(self, count: int) -> "Outcome":
        """The same without what takes room: so many reports and events of each kind, in short."""
        return Outcome(
            tuple(report.brief(count) for report in self.reports[:count]),
            tuple(report.brief(count) for report in self.warnings[:count]),
            self.unsent[:count],
            self.undelivered[:count],
            self.reordered[:count],
            self.cut,
            self._unlisted(count),
        )

    def _unlisted(self, count: int) -> Mapping[str, int]:
        """How many are not listed if `count` of each are."""
        lists: dict[str, Iterable[object]] = {
            "reports": self.reports,
            "warnings": self.warnings,
            "unsent": self.unsent,
            "undelivered": self.undelivered,
            "reordered": self.reordered,
        }
        unlisted = {
            name: self.unlisted.get(name, 0) + max(0, len(tuple(each)) - count)
            for name, each in lists.items()
        }
        return {name: more for name, more in unlisted.items() if more}

    def count(self, name: Literal["unsent", "undelivered"]) -> int:
        """How many there are, listed or not."""
        listed: tuple[Place, ...] = getattr(self, name)
        return len(listed) + self.unlisted.get(name, 0)

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "complete": self.complete,
            "reports": [report.to_json() for report in self.reports],
            "warnings": [report.to_json() for report in self.warnings],
            "unsent": [place.to_json() for place in self.unsent],
            "undelivered": [place.to_json() for place in self.undelivered],
            "reordered": [list(pair) for pair in self.reordered],
        } | ({"unlisted": dict(self.unlisted)} if self.unlisted else {})
