"""What is known of a session while it goes on, as one process tells it to another: JSON lines.

asked   {"watch": "recordings/20261121-040612-fb6fcc.rtape"}
told    {"tape": "20261121-040612-fb6fcc.rtape", "turn": 2, "stage": "caller", …}
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from rtproxy.realtime.finding import Severity
from rtproxy.realtime.stage import Stage


@dataclass(frozen=True, slots=True)
class Found:
    """A finding that is new. `turn` is None for one about the session as a whole."""

    severity: Severity
    code: str
    turn: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Insight:
    """How a session stands. `turn` is the number of the latest one, 0 before there is any.

    `v2v_ms` is the last turn's time from voice to voice. `found` are findings that were not told
    before, `findings` is the number of all. `behind`: the session is no longer looked at, as there
    was no time for it.
    """

    tape: str
    turn: int = 0
    stage: Stage = "quiet"
    v2v_ms: float | None = None
    findings: int = 0
    found: tuple[Found, ...] = ()
    behind: bool = False

    def to_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str | bytes) -> "Insight":
        """Raises ValueError for what is no such line."""
        try:
            data = json.loads(line)
            found = tuple(Found(**one) for one in data.pop("found"))
            insight = cls(**data, found=found)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"no insight: {error}") from None
        if insight.stage not in get_args(Stage):
            raise ValueError(f"no stage: {insight.stage}")
        return insight


def request(path: Path) -> str:
    """The line that asks to look at a tape."""
    return json.dumps({"watch": str(path)}) + "\n"


def requested(line: str | bytes) -> Path:
    """The path in such a line. Raises ValueError."""
    try:
        return Path(json.loads(line)["watch"])
    except (TypeError, KeyError) as error:
        raise ValueError(f"no request: {error}") from None
