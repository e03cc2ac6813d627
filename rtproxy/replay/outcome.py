"""How a replay went, once it is over."""

from dataclasses import dataclass
from typing import Any

from rtproxy.replay.report import Place, Report


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

    @property
    def complete(self) -> bool:
        """True if all of the tape was played."""
        return self.cut or not (self.unsent or self.undelivered)

    @property
    def ok(self) -> bool:
        """True if nothing differed and the whole tape was played; warnings do not count."""
        return not self.reports and self.complete

    def brief(self, count: int) -> "Outcome":
        """The same without what takes room: so many reports and events of each kind, in short."""
        return Outcome(
            tuple(report.brief(count) for report in self.reports[:count]),
            tuple(report.brief(count) for report in self.warnings[:count]),
            self.unsent[:count],
            self.undelivered[:count],
            self.reordered[:count],
            self.cut,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "complete": self.complete,
            "reports": [report.to_json() for report in self.reports],
            "warnings": [report.to_json() for report in self.warnings],
            "unsent": [place.to_json() for place in self.unsent],
            "undelivered": [place.to_json() for place in self.undelivered],
            "reordered": [list(pair) for pair in self.reordered],
        }
