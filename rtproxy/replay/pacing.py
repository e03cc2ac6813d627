"""When a server step is due: its recorded offset from what caused it, at some speed.

    due = max(due of the step before, time of the anchor + offset / speed)

The anchor's time is this run's: when the client step came, when the audio had come, when the
server step before was due. So pacing moves steps in time and never past one another.
"""

from dataclasses import dataclass, field
from math import inf

from rtproxy.errors import ReplayError
from rtproxy.replay.script import ServerStep


def parse_speed(text: str) -> float:
    """Speed as written on the command line: "1", "2.5", "10x" or "max" (infinite).

    Raises ReplayError for anything else.
    """
    word = text.strip().lower()
    if word in ("max", "inf"):
        return inf
    try:
        speed = float(word.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < inf:
        raise ReplayError(f"{text!r} is no speed: write 1, a factor such as 2.5, or max.")
    return speed


@dataclass(slots=True)
class Pacer:
    """Due times of one run, in seconds on the caller's clock; ReplayError for a speed of 0."""

    speed: float = 1.0
    start: float = 0.0
    last: float = field(default=0.0, init=False)
    """When the latest step is due."""

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise ReplayError(f"{self.speed} is no speed: it must be above 0; use inf for max.")

    def begin(self, now: float) -> None:
        self.start = self.last = now

    def due(self, step: ServerStep, matched: float, now: float) -> float:
        """When `step` is due, whose gate has opened `now`.

        `matched` is when the last of the client steps that it waits for had come.
        """
        if self.speed == inf:
            self.last = max(self.last, now)
            return self.last
        anchor = now
        if step.anchor == "server":
            anchor = self.last
        elif step.anchor == "client":
            anchor = matched
        elif step.anchor == "start":
            anchor = self.start
        self.last = max(self.last, now, anchor + self.lapse(step.offset_ns))
        return self.last

    def lapse(self, ns: int) -> float:
        """Seconds that a recorded span of `ns` nanoseconds takes at this speed."""
        return ns / 1e9 / self.speed
