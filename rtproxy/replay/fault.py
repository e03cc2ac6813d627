"""Faults: what goes wrong on purpose, the same way for the same seed.

    player → delay → drop → close → … → shell

Each fault is a stage; what the player sends runs through them in the order given. A stage may
move an action to a later time, change it, leave it out or add to it. Times ascend at the end:
like TCP, what is held up holds up what follows.

| fault | does |
|---|---|
| `delay=TIME[@EVENT[#N]]` | sends every message, or the event, later |
| `jitter=TIME` | sends every message later by a random part of TIME |
| `bandwidth=RATE` | lets no more than RATE bytes per second through |
| `drop=EVENT[:P%]` | leaves the event out, with probability P (100 % if not given) |
| `duplicate=EVENT[:P%]` | sends it twice |
| `reorder=EVENT[:P%]` | sends it after the message that follows it, if one follows at once |
| `garble=EVENT[:P%]` | spoils a few characters or bytes of it |
| `error=CODE[@EVENT[#N]]` | sends an error event with this code after the event |
| `close=CODE[@EVENT[#N]]` | closes after the event, and sends nothing more |
| `reset[@EVENT[#N]]` | resets the connection after the event |
| `stall=TIME[@EVENT[#N]]` | sends nothing for TIME after the event; `stall@EVENT`: for ever |
| `refuse=STATUS` | refuses the handshake with this HTTP status |

EVENT is a type, in either dialect, or a pattern such as `response.*.delta` or `*`; `#N` is the
Nth such event, the first if not given (for delay: every one). Without EVENT the first message
is meant. TIME is `200ms`, `1.5s` or `2m`; RATE is `500B/s`, `64kB/s`, `1MB/s`, `256kbit/s`.
`1:` in front of a fault is for the first WebSocket connection only, `2:` for the second.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from math import inf
from random import Random
from typing import Protocol

from rtproxy.errors import ReplayError
from rtproxy.realtime.dialect import canonical
from rtproxy.replay.action import Action, Close, Reset, Send

_SPEC = re.compile(r"(?:(\d{1,9}):)?([a-z]+)(?:=([^@]*))?(?:@([^@#]+)(?:#(\d{1,9}))?)?")
_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
_RATE = re.compile(r"(\d+(?:\.\d+)?)(B|kB|MB|kbit|Mbit)(?:/s|ps)")
_CHANCE = re.compile(r"(.+?)(?::(\d+(?:\.\d+)?)%)?")
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0}
_BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "kbit": 125.0, "Mbit": 125e3}


@dataclass(frozen=True, slots=True)
class Timed:
    """An action and when it is due. `more`: the tape goes on at once with another message."""

    due: float
    action: Action
    type: str = ""
    more: bool = False


class Stage(Protocol):
    def push(self, timed: Timed) -> list[Timed]:
        """What becomes of one action."""


@dataclass(slots=True)
class Which:
    """Picks events by type and count. Counts every event of the type that passes."""

    event: str = "*"
    nth: int | None = None
    seen: int = field(default=0, init=False)

    @property
    def found(self) -> bool:
        """Whether there has been such an event."""
        return self.seen >= (self.nth or 1)

    def picks(self, timed: Timed) -> bool:
        if not isinstance(timed.action, Send) or not self.fits(timed.type):
            return False
        self.seen += 1
        return self.nth is None or self.seen == self.nth

    def fits(self, kind: str) -> bool:
        names = {kind, canonical(kind)}
        return any(fnmatchcase(name, event) for name in names for event in self._events())

    def _events(self) -> set[str]:
        return {self.event, canonical(self.event)}


@dataclass(slots=True)
class Delay:
    seconds: float
    which: Which

    def push(self, timed: Timed) -> list[Timed]:
        held = self.which.picks(timed)
        return [replace(timed, due=timed.due + self.seconds) if held else timed]


@dataclass(slots=True)
class Jitter:
    seconds: float
    random: Random

    def push(self, timed: Timed) -> list[Timed]:
        return [replace(timed, due=timed.due + self.random.random() * self.seconds)]


@dataclass(slots=True)
class Bandwidth:
    bytes_per_second: float
    free: float = -inf
    """When the line has carried all that came before."""

    def push(self, timed: Timed) -> list[Timed]:
        size = _size(timed.action.payload) if isinstance(timed.action, Send) else 0
        self.free = max(self.free, timed.due) + size / self.bytes_per_second
        return [replace(timed, due=self.free)]


@dataclass(slots=True)
class Chance:
    """Does something to some of the events that it picks."""

    which: Which
    probability: float
    random: Random
    change: Callable[[Timed, Random], list[Timed]]

    def push(self, timed: Timed) -> list[Timed]:
        if self.which.picks(timed) and self.random.random() < self.probability:
            return self.change(timed, self.random)
        return [timed]


@dataclass(slots=True)
class Reorder:
    """Holds an event back until the next has passed.

    It holds only what the tape follows up at once, so that nothing waits for the client.
    """

    which: Which
    probability: float
    random: Random
    held: Timed | None = None

    def push(self, timed: Timed) -> list[Timed]:
        if self.held is not None:
            late, self.held = replace(self.held, due=timed.due), None
            return [timed, late]
        if self.which.picks(timed) and self.random.random() < self.probability and timed.more:
            self.held = timed
            return []
        return [timed]

    def release(self, due: float) -> list[Timed]:
        """Let go of what is held: what should have passed it was taken out by another fault."""
        held, self.held = self.held, None
        return [] if held is None else [replace(held, due=due)]


@dataclass(slots=True)
class Follow:
    """Adds an action after an event; after one that ends the connection nothing more comes."""

    which: Which
    action: Action
    over: bool = False

    def push(self, timed: Timed) -> list[Timed]:
        if self.over:
            return []
        if not self.which.picks(timed):
            return [timed]
        self.over = not isinstance(self.action, Send)
        return [timed, Timed(timed.due, self.action, "error")]


@dataclass(slots=True)
class Stall:
    seconds: float
    which: Which
    until: float = -inf

    def push(self, timed: Timed) -> list[Timed]:
        if timed.due < self.until:
            timed = replace(timed, due=self.until)
        if self.which.picks(timed):
            self.until = timed.due + self.seconds
        return [timed]


@dataclass(slots=True)
class Pipeline:
    """The stages of one connection, by the places of their faults."""

    stages: Mapping[int, Stage]
    met: set[int] = field(default_factory=set)
    """Places of the faults that have happened, or have found their event."""
    last: float = -inf

    def push(self, timed: Timed) -> list[Timed]:
        """What comes out for one action, in order; due times ascend over all calls."""
        passing = [timed]
        for place, stage in self.stages.items():
            passing = [after for before in passing for after in stage.push(before)]
            if place not in self.met and _has_met(stage):
                self.met.add(place)
            if isinstance(stage, Reorder) and not timed.more:
                passing += stage.release(timed.due)
        for index, one in enumerate(passing):
            self.last = max(self.last, one.due)
            passing[index] = replace(one, due=self.last)
        return passing


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults as asked for; `pipeline()` makes the stages for one connection."""

    specs: tuple[str, ...] = ()
    seed: int = 0
    _met: set[int] = field(default_factory=set, compare=False)
    """Places of the specs that have happened, or have found their event, on any connection."""

    def pipeline(self, connection: int = 0) -> Pipeline:
        """Fresh stages; the same seed and connection number give the same faults."""
        stages = {}
        for place, spec in enumerate(self.specs):
            stage = _stage(spec, Random(f"{self.seed}/{connection}/{place}"))
            if not isinstance(stage, int) and _only_on(spec) in (None, connection):
                stages[place] = stage
                if _has_met(stage):
                    self._met.add(place)
        return Pipeline(stages, self._met)

    def refusal(self, connection: int | None = None) -> int | None:
        """HTTP status to refuse a handshake with, or, without a number, each of them."""
        for place, spec in enumerate(self.specs):
            status = _stage(spec, Random(0))
            if isinstance(status, int) and _only_on(spec) in (None, connection):
                if connection is not None:
                    self._met.add(place)
                return status
        return None

    def unmet(self) -> list[str]:
        """The faults whose event, or connection, has not come."""
        return [spec for place, spec in enumerate(self.specs) if place not in self._met]


def parse_faults(specs: Sequence[str], seed: int = 0) -> Faults:
    """Faults from `--fault` texts; raises ReplayError for what is none."""
    for spec in specs:
        _stage(spec, Random(0))
    return Faults(tuple(specs), seed)


def not_happened(spec: str) -> str:
    """A sentence about one of those that are `unmet`."""
    return f"The fault {spec} has not happened: there was no such event or connection."


def _only_on(spec: str) -> int | None:
    """The number, from 0, of the only connection that a fault is for."""
    found = _SPEC.fullmatch(spec.strip())
    return int(found[1]) - 1 if found and found[1] else None


def _has_met(stage: Stage) -> bool:
    """Whether its event has come; a stage that waits for none has met what it is for."""
    which = getattr(stage, "which", None)
    return which is None or which.found


def _stage(spec: str, random: Random) -> Stage | int:
    found = _SPEC.fullmatch(spec.strip())
    if found is None:
        raise _nonsense(spec, "it reads NAME=VALUE@EVENT#N, or 1:NAME=VALUE@EVENT#N")
    only_on, name, value, event, nth = found.groups()
    if any(number and not int(number) for number in (only_on, nth)):
        raise _nonsense(spec, "connections and events are counted from 1")
    which = Which(event or "*", int(nth) if nth else 1)
    match name:
        case "delay":
            return Delay(_time(spec, value), Which(event or "*", int(nth) if nth else None))
        case "jitter" if event is None:
            return Jitter(_time(spec, value), random)
        case "bandwidth" if event is None:
            return Bandwidth(_rate(spec, value))
        case "drop" | "duplicate" | "reorder" | "garble" if event is None:
            return _chance(spec, name, value, random)
        case "error" if value:
            return Follow(which, Send(_error_event(value)))
        case "close":
            return Follow(which, Close(_code(spec, value), "injected by rtproxy"))
        case "reset" if not value:
            return Follow(which, Reset())
        case "stall":
            return Stall(_time(spec, value) if value else inf, which)
        case "refuse" if event is None and re.fullmatch(r"[45]\d\d", value or ""):
            return int(value)
    raise _nonsense(spec, "see `rtproxy replay --help` for the kinds of faults")


def _chance(spec: str, name: str, value: str | None, random: Random) -> Stage:
    found = _CHANCE.fullmatch(value or "")
    probability = float(found[2] or 100) / 100 if found else 2.0
    if found is None or probability > 1:
        raise _nonsense(spec, f"it reads {name}=EVENT or {name}=EVENT:5%")
    which = Which(found[1])
    if name == "reorder":
        return Reorder(which, probability, random)
    return Chance(which, probability, random, _CHANGES[name])


def _size(payload: str | bytes) -> int:
    if isinstance(payload, bytes) or payload.isascii():
        return len(payload)
    return len(payload.encode("utf-8", "surrogatepass"))


def _drop(timed: Timed, random: Random) -> list[Timed]:  # noqa: ARG001
    return []


def _duplicate(timed: Timed, random: Random) -> list[Timed]:  # noqa: ARG001
    return [timed, timed]


def _garble(timed: Timed, random: Random) -> list[Timed]:
    assert isinstance(timed.action, Send)
    payload = timed.action.payload
    if not payload:
        return [timed]
    spoilt: str | bytes
    places = [random.randrange(len(payload)) for _ in range(3)]
    if isinstance(payload, str):
        letters = list(payload)
        for place in places:
            letters[place] = "\ufffd"
        spoilt = "".join(letters)
    else:
        body = bytearray(payload)
        for place in places:
            body[place] ^= random.randrange(1, 256)
        spoilt = bytes(body)
    return [replace(timed, action=replace(timed.action, payload=spoilt))]


_CHANGES = {"drop": _drop, "duplicate": _duplicate, "garble": _garble}


def _error_event(code: str) -> str:
    error = {"type": "server_error", "code": code, "message": f"{code}, injected by rtproxy"}
    return json.dumps({
        "type": "error",
        "event_id": "event_rtproxy_fault",
        "error": error | {"param": None, "event_id": None},
    })  # fmt: skip


def _time(spec: str, text: str | None) -> float:
    found = _TIME.fullmatch(text or "")
    if found is None:
        raise _nonsense(spec, "a time reads 200ms, 1.5s or 2m")
    return float(found[1]) * _SECONDS[found[2]]


def _rate(spec: str, text: str | None) -> float:
    found = _RATE.fullmatch(text or "")
    if found is None or not float(found[1]):
        raise _nonsense(spec, "a bandwidth reads 500B/s, 64kB/s, 1MB/s or 256kbit/s")
    return float(found[1]) * _BYTES[found[2]]


def _code(spec: str, text: str | None) -> int:
    code = int(text) if text and re.fullmatch(r"\d{4}", text) else 0
    if not (1000 <= code <= 1014 or 3000 <= code <= 4999) or code in (1004, 1005, 1006):
        raise _nonsense(spec, "a close code is 1000 to 1014 or 3000 to 4999, and can be sent")
    return code


def _nonsense(spec: str, why: str) -> ReplayError:
    return ReplayError(f"{spec!r} is no fault: {why}.")
