"""What a run has recorded: told at its end, and under `rewrite` put in place then, all or nothing.

With pytest-xdist each worker keeps a ledger and hands it to the controller when it is done.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from rtproxy.errors import TapeError
from rtproxy.pytest_plugin.tapeset import TapeSet, discard


@dataclass(slots=True)
class Ledger:
    """One run's recordings."""

    recorded: list[str] = field(default_factory=list)
    """What was put in place, in words."""
    staged: list[tuple[str, list[str]]] = field(default_factory=list)
    """Tapes that wait for the end of the run: (base of their set, where they are)."""
    failed: list[str] = field(default_factory=list)
    """Tests that recorded, and did not pass."""
    crashed: bool = False
    """True if a worker is gone, and nobody knows what it has recorded."""

    def begin(self, nodeid: str) -> None:
        """A test begins, perhaps once more (pytest-rerunfailures): its last run counts."""
        self.failed = [one for one in self.failed if one != nodeid]

    def settle(self, *, interrupted: bool) -> list[str]:
        """Put everything that waits in place, or remove it; returns the lines that say so."""
        waiting, self.staged = self.staged, []
        why_not = ""
        if interrupted:
            why_not = "the run was interrupted"
        elif self.crashed:
            why_not = "a worker crashed"
        elif self.failed:
            others = f" and {len(self.failed) - 1} more" if len(self.failed) > 1 else ""
            why_not = f"{self.failed[0]}{others} did not pass"
        broken = []
        for base, paths in waiting:
            new, tapes = [Path(path) for path in paths], TapeSet(Path(base))
            try:
                if not why_not:
                    tapes.replace(new)
                    self.recorded.append(tapes.describe())
            except (OSError, TapeError) as error:
                broken.append(f"{tapes.describe()} stays as it was: {error}")
                self.failed.append(base)
            for stage in {path.parent for path in new}:
                discard(stage)
        lines = [*(f"recorded {where}" for where in sorted(self.recorded)), *broken]
        if why_not and waiting:
            lines.append(f"all tapes stay as they were, because {why_not}")
        return lines

    def add(self, other: Self) -> None:
        """Take over what a worker has recorded."""
        self.recorded += other.recorded
        self.staged += other.staged
        self.failed += other.failed
        self.crashed = self.crashed or other.crashed

    def to_json(self) -> dict[str, Any]:
        return {
            "recorded": self.recorded,
            "staged": [list(one) for one in self.staged],
            "failed": self.failed,
            "crashed": self.crashed,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Ledger":
        return cls(
            value["recorded"],
            [(base, tapes) for base, tapes in value["staged"]],
            value["failed"],
            value["crashed"],
        )
