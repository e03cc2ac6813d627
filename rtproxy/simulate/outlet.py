"""What a simulated session does to the connection, collected until somebody carries it out."""

from dataclasses import dataclass
from typing import Any

from rtproxy.simulate.chance import Chance
from rtproxy.simulate.dialect import Dialect
from rtproxy.simulate.invalid_request import InvalidRequest
from rtproxy.simulate.scenario import Delay
from rtproxy.simulate.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Send:
    """Send an event; `at_ms` is when it was due."""

    at_ms: float
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Close:
    """Send CLOSE."""

    at_ms: float
    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the TCP connection."""

    at_ms: float


Action = Send | Close | Reset


class Outlet:
    """Everything leaves here: events get their ids and their dialect, and the time they were due.

    After a close or a reset nothing leaves any more.
    """

    def __init__(
        self,
        timeline: Timeline,
        dialect: Dialect,
        chance: Chance,
        reset_at_event: int | None = None,
    ) -> None:
        self.timeline = timeline
        self.dialect = dialect
        self.chance = chance
        self.closed = False
        self._actions: list[Action] = []
        self._reset_at_event = reset_at_event
        self._events = 0

    def take(self) -> list[Action]:
        """What was collected since the last time."""
        actions, self._actions = self._actions, []
        return actions

    def send(self, kind: str, **fields: Any) -> None:
        """Send an event, named and shaped as in GA."""
        if self.closed:
            return
        event = self.dialect.event(kind, self.chance.id("event"), fields)
        if event is None:
            return
        self._events += 1
        if self._events == self._reset_at_event:
            self._actions.append(Reset(self.timeline.now))
            self.closed = True
        else:
            self._actions.append(Send(self.timeline.now, event))

    def send_delta(self, kind: str, delta: str, **fields: Any) -> None:
        """Send a piece of text, padded as the live service does."""
        self.send(kind, **fields, delta=delta, obfuscation=self.chance.obfuscation(delta))

    def send_error(self, error: InvalidRequest, event_id: str | None = None) -> None:
        self.send(
            "error",
            error={
                "type": error.kind,
                "code": error.code,
                "message": error.message,
                "param": error.param,
                "event_id": event_id,
            },
        )

    def close(self, code: int, reason: str = "") -> None:
        if not self.closed:
            self._actions.append(Close(self.timeline.now, code, reason))
            self.closed = True

    def draw(self, name: str, delay: Delay) -> float:
        """A delay in ms, its jitter decided."""
        return max(0.0, delay.ms + self.chance.vary(name, delay.jitter))
