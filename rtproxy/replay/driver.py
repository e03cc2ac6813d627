"""The driver: a tape in the client's part, played to a live server. Pure, like the player.

Each recorded client event is sent once the moments that it waited for have come again, with the
ids of this run in it. The server may answer otherwise than it did: other words, more deltas,
another order. Only what is waited for must come.

Audio is less patient: an answer that has not begun may lack just the silence that comes next,
because the server of today listens longer. So audio goes on after `PATIENCE_S` of quiet.
"""

import json
from math import inf

from rtproxy.replay.action import Action, Close, Eof, Fail, Reset, Send, Warn
from rtproxy.replay.cue import Cue, read_cues
from rtproxy.replay.diagnosis import left_early
from rtproxy.replay.matching import ABSENT, Mode
from rtproxy.replay.message import parse_message, peek
from rtproxy.replay.naming import SPEAKING, Namer
from rtproxy.replay.outcome import Outcome
from rtproxy.replay.player import STALL_S
from rtproxy.replay.report import Place, Report
from rtproxy.replay.script import Script
from rtproxy.replay.splice import replace_spans

NORMAL = 1000
PATIENCE_S = 3.0
"""How long audio waits for an answer while the server says nothing at all."""


class Driver:
    """Plays the client of one connection; its script is read with `role="client"`.

    `stall_s` is how long the server may say nothing while it is waited for. Under lenient
    matching what does not come is waited for no longer; otherwise the drive fails.
    """

    def __init__(
        self,
        script: Script,
        *,
        match: Mode = "strict",
        speed: float = 1.0,
        stall_s: float = STALL_S,
    ) -> None:
        self.script = script
        self._cues = read_cues(script)
        self._index = 0
        adopted = {step.adopts for step in script.client}
        own = frozenset(name.removeprefix("id:") for name in script.client_ids - adopted)
        self._namer = Namer(own)
        self._came: dict[str, float] = {}
        """Moment → when it came."""
        self._lenient = match == "lenient"
        self._waived = -1
        """Index of the cue that waits no longer, though something is missing."""
        self._speed = speed
        self._stall_s = stall_s
        self._started = False
        self._last_due = 0.0
        self._moved_at = 0.0
        self._error: object = ABSENT
        self._over = False
        self._reports: list[Report] = []
        self._warnings: list[Report] = []

    @property
    def over(self) -> bool:
        """True once the connection has been ended, by either side."""
        return self._over

    @property
    def complete(self) -> bool:
        """True once everything has been sent."""
        return self._index >= len(self._cues) - 1

    @property
    def next_due(self) -> float | None:
        """When to call `advance` next; None once it is over."""
        if self._over:
            return None
        if not self._started:
            return -inf
        cue = self._cues[self._index]
        return self._moved_at + self._patience(cue) if self._awaited() else self._due(cue)

    def receive(self, message: str | bytes, now: float) -> list[Action]:
        """Take one message of the server."""
        if self._over:
            return []
        self._begin(now)
        self._moved_at = now
        if isinstance(message, str):
            kind = peek(message)
            moment = self._namer.take(kind, message)
            if moment is not None:
                self._came.setdefault(moment, now)
                what, _, name = moment.partition(" ")
                if what == "response.done":  # an answer without a word has no first one
                    self._came.setdefault(f"{SPEAKING} {name}", now)
            if kind == "error":
                self._error = parse_message(message)
        return self.advance(now)

    def advance(self, now: float) -> list[Action]:
        """Send what is due. The first call starts the session."""
        if self._over:
            return []
        self._begin(now)
        actions: list[Action] = []
        while not self._over:
            cue = self._cues[self._index]
            if self._awaited():
                if now < self._moved_at + self._patience(cue):
                    return actions
                if self._is_optional(cue):
                    self._waive(now)
                else:
                    actions += self._stall(cue, now)
                continue
            due = self._due(cue)
            if due > now:
                return actions
            self._last_due = due
            self._moved_at = now
            actions.append(self._action(cue))
            self._index += 1
            self._over = cue.payload is None
        return actions

    def closed(self, code: int | None, reason: str, now: float) -> list[Action]:  # noqa: ARG002
        """The server has left: with a close frame, or without one (`code` None)."""
        if self._over:
            return []
        self._over = True
        left = self._unsent()
        missing = self._missing(self._cues[-1])
        if not left and not missing:
            return []
        return self._object(left_early(left, missing, code, "server"))

    def finish(self) -> Outcome:
        """How it went, so far or in the end."""
        undelivered = () if self._over and not self._reports else self._missing(self._cues[-1])
        return Outcome(tuple(self._reports), tuple(self._warnings), self._unsent(), undelivered)

    def _begin(self, now: float) -> None:
        if not self._started:
            self._started = True
            self._last_due = self._moved_at = now

    def _awaited(self) -> tuple[Place, ...]:
        """What the next cue waits for and has not come."""
        return () if self._index == self._waived else self._missing(self._cues[self._index])

    def _missing(self, cue: Cue) -> tuple[Place, ...]:
        """The server's moments that `cue` rests on and that have not come."""
        moments = [one.place for one in cue.waits if one.key not in self._came]
        known = self._namer.id_of
        ids = [cue.place for one in cue.references if one.name not in known]
        return tuple(moments or ids)

    def _patience(self, cue: Cue) -> float:
        return min(PATIENCE_S, self._stall_s) if self._is_optional(cue) else self._stall_s

    def _is_optional(self, cue: Cue) -> bool:
        """True for audio that waits for nothing but answers that have not begun."""
        missing = (one.key.partition(" ") for one in cue.waits if one.key not in self._came)
        return cue.is_audio and all(
            what.startswith("response.") and f"response.created {name}" not in self._came
            for what, _, name in missing
        )

    def _waive(self, now: float) -> None:
        """Let the next cue wait no longer."""
        self._waived = self._index
        self._moved_at = now

    def _due(self, cue: Cue) -> float:
        """When `cue` is to be sent, which waits for nothing more."""
        offset = cue.offset_ns / 1e9 / self._speed
        came = [self._came[one.key] for one in cue.waits if one.key in self._came]
        anchor = max(came) if came else self._last_due
        return max(self._last_due, anchor + offset)

    def _action(self, cue: Cue) -> Action:
        if cue.payload is not None:
            return Send(self._live(cue, cue.payload), cue.place.seq)
        end = self.script.ending
        if end is None or end.by_server:
            return Close(NORMAL, "", None)
        if end.kind == "eof":
            return Eof(end.seq)
        return Reset(end.seq) if end.kind == "reset" else Close(end.code, end.reason, end.seq)

    def _live(self, cue: Cue, payload: str | bytes) -> str | bytes:
        """The recorded payload with the ids of this run."""
        if not cue.references or isinstance(payload, bytes):
            return payload
        return replace_spans(
            payload,
            [
                (one.start, one.end, json.dumps(self._namer.id_of.get(one.name, one.recorded)))
                for one in cue.references
            ],
        )

    def _stall(self, cue: Cue, now: float) -> list[Action]:
        missing = self._awaited()
        what = ", ".join(f"{one.type} (#{one.seq})" for one in missing[:3])
        if missing[0] is cue.place:  # all moments have come, but the new run lacks an id
            what = ", ".join(one.name for one in cue.references)
        doing = f"{cue.place.type} (#{cue.place.seq})"
        report = Report(
            "missing",
            f"the server has not brought {what} and sent nothing for {self._stall_s:g} s; "
            f"{doing} waits for it.",
            missing[0],
            self._error,
            waiting=missing,
            advice=(
                "Give the server longer with --stall, if it is only slow.",
                "Use --match lenient to go on without it.",
            ),
        )
        self._waive(now)
        return self._object(report)

    def _object(self, report: Report) -> list[Action]:
        if self._lenient:
            self._warnings.append(report)
            return [Warn(report)]
        self._reports.append(report)
        actions: list[Action] = [Fail(report)]
        if not self._over:
            actions.append(Close(NORMAL, ""))
        self._over = True
        return actions

    def _unsent(self) -> tuple[Place, ...]:
        return tuple(cue.place for cue in self._cues[self._index :] if cue.payload is not None)
