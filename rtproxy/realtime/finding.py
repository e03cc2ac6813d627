"""A finding: something that went wrong in a call, where it shows, and what to do about it."""

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["info", "warning", "error"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")
"""From least to most severe."""
MAX_EVIDENCE = 12


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` is stable. `turn` is the turn's number, None for the session as a whole.

    `events` are the seqs of the records that it rests on, in order.
    """

    code: str
    severity: Severity
    turn: int | None
    events: tuple[int, ...]
    message: str
    next: str

    def is_at_least(self, severity: Severity) -> bool:
        return SEVERITIES.index(self.severity) >= SEVERITIES.index(severity)

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity,
            "turn": self.turn,
            "events": list(self.events),
            "message": self.message,
            "next": self.next,
        }


def evidence(*seqs: int | None) -> tuple[int, ...]:
    """Seqs in order, without those that are not there."""
    return tuple(sorted({seq for seq in seqs if seq is not None})[:MAX_EVIDENCE])
