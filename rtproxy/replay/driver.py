"""The driver: a tape in the client's part, played to a live server. Pure, like the player.

Each recorded client event is sent once the moments that it waited for have come again, with the
ids of this run in it. The server may answer otherwise than it did: other words, more deltas,
another order. Only what is waited for must come.

Audio is less patient: an answer that has not begun may lack just the silence that comes next,
because the server of today listens longer. So audio goes on after `PATIENCE_S` of quiet.

Nobody has heard what has not come: a truncate claims no more of an answer than this run has
received, and is left out if that is nothing.
"""

import json
from math import inf

from rtproxy.replay.action import Action, Close, Eof, Fail, Reset, Send, Warn
from rtproxy.replay.cue import Cue, own_ids, read_cues
from rtproxy.replay.live import LiveSession, recorded_dialect
from rtproxy.replay.matching import ABSENT, Mode
from rtproxy.replay.outcome import Outcome
from rtproxy.replay.player import STALL_S
from rtproxy.replay.report import Place, Report
from rtproxy.replay.script import Script
from rtproxy.replay.splice import replace_spans

NORMAL = 1000
PATIENCE_S = 3.0
"""How long audio waits for an answer while the server says nothing at all."""
QUIET_S = 0.5
"""A server that says nothing for so long has said what belongs to its last answer."""
_LONGER = "Give the server longer with --stall, if it is only slow."
_LENIENT = "Use --match lenient to go on without it."
_DIALECTS = {"ga": "GA", "beta": "beta"}


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
        self._live = LiveSession(own_ids(script))
        self._dialect = recorded_dialect(script)
        self._lenient = match == "lenient"
        self._waived = -1
        """Index of the cue that waits no longer, though something is missing."""
        self._speed = speed
        self._stall_s = stall_s
        self._started = False
        self._last_due = 0.0
        self._moved_at = 0.0
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
    def progress(self) -> tuple[int, int]:
        """How many client events have been dealt with, and of how many."""
        last = len(self._cues) - 1
        return min(self._index, last), last

    @property
    def waiting(self) -> tuple[Place, ...]:
        """The recorded server events that must come before anything is sent."""
        return () if self._over else self._awaited()

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
        error_before = self._live.error
        self._live.take(message, now)
        if self._live.error is not error_before and self._is_foreign():
            actions = self._object(self._other_dialect())
            self._dialect = None  # to say it once is enough
            return actions + self.advance(now)
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
                    actions += self._stall(cue)
                    self._waive(now)
                continue
            due = self._due(cue)
            if due > now:
                return actions
            self._last_due = due
            self._moved_at = now
            actions.append(self._leave_out(cue) if self._is_void(cue) else self._action(cue))
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
        how = "left without a close frame" if code is None else f"closed with {code}"
        how += f" ({reason})" if reason else ""
        return self._object(
            Report(
                "early disconnect",
                f"the server {how} while {self._state()}; {len(left)} client events were not "
                f"sent.{self._last_error()}",
                (*left, *missing)[0],
                self._error(),
                waiting=missing,
                advice=self._advice(),
            )
        )

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
        moments = [one.place for one in cue.waits if one.key not in self._live.came]
        if moments or self._is_void(cue):
            return tuple(moments)
        return tuple(cue.place for name in cue.references if self._live.id_of(name.name) is None)

    def _patience(self, cue: Cue) -> float:
        return min(PATIENCE_S, self._stall_s) if self._is_optional(cue) else self._stall_s

    def _is_optional(self, cue: Cue) -> bool:
        """True for audio that waits for nothing but answers that have not begun."""
        came = self._live.came
        missing = (one.key.partition(" ") for one in cue.waits if one.key not in came)
        return cue.is_audio and all(
            what.startswith("response.") and f"response.created {name}" not in came
            for what, _, name in missing
        )

    def _is_void(self, cue: Cue) -> bool:
        """True for a truncate of audio that has not come, when its item is there or will not be."""
        cut = cue.cut
        if cut is None or self._live.spoken_ms(cut.item, cut.part):
            return False
        response = cut.item.partition("/")[0]
        return self._live.id_of(cut.item) is not None or (
            f"response.done {response}" in self._live.came
        )

    def _waive(self, now: float) -> None:
        """Let the next cue wait no longer."""
        self._waived = self._index
        self._moved_at = now

    def _due(self, cue: Cue) -> float:
        """When `cue` is to be sent, which waits for nothing more."""
        came = [self._live.came[one.key] for one in cue.waits if one.key in self._live.came]
        anchor = max(came) if came else self._last_due
        due = max(self._last_due, anchor + cue.offset_ns / 1e9 / self._speed)
        return self._end_due(cue, due, anchor) if cue.payload is None else due

    def _end_due(self, cue: Cue, due: float, anchor: float) -> float:
        """When to hang up, which is due by the tape.

        However fast the tape is played, what the server has still to say comes at its own pace.
        """
        heard_at = self._live.heard_at
        if heard_at is None:
            return due
        if self._live.answering and not cue.in_answer:
            return max(due, heard_at + self._stall_s)
        return max(due, min(anchor + cue.offset_ns / 1e9, heard_at + QUIET_S))

    def _action(self, cue: Cue) -> Action:
        if cue.payload is not None:
            return Send(self._filled(cue, cue.payload), cue.place.seq)
        end = self.script.ending
        if end is None or end.by_server:
            return Close(NORMAL, "", None)
        if end.kind == "eof":
            return Eof(end.seq)
        return Reset(end.seq) if end.kind == "reset" else Close(end.code, end.reason, end.seq)

    def _filled(self, cue: Cue, payload: str | bytes) -> str | bytes:
        """The recorded payload with the ids, and the audio received, of this run."""
        if isinstance(payload, bytes):
            return payload
        spans = [
            (one.start, one.end, json.dumps(self._live.id_of(one.name) or one.recorded))
            for one in cue.references
        ]
        if cue.cut is not None:
            cut = cue.cut
            heard_ms = min(cut.ms, self._live.spoken_ms(cut.item, cut.part))
            spans.append((cut.start, cut.end, str(heard_ms)))
        return replace_spans(payload, sorted(spans)) if spans else payload

    def _leave_out(self, cue: Cue) -> Action:
        """Not to send a truncate, with a word on it."""
        report = Report(
            "missing",
            f"{_name(cue.place)} is left out: in this run nothing of the answer that it cuts "
            "has been heard.",
            cue.place,
        )
        self._warnings.append(report)
        return Warn(report)

    def _stall(self, cue: Cue) -> list[Action]:
        missing = self._awaited()
        what = ", ".join(map(_name, missing[:3]))
        if missing[0] is cue.place:  # all moments have come, but the new run lacks an id
            what = ", ".join(one.name for one in cue.references)
        return self._object(
            Report(
                "missing",
                f"the server has not brought {what} and sent nothing for {self._stall_s:g} s; "
                f"{_name(cue.place)} waits for it.{self._last_error()}",
                missing[0],
                self._error(),
                waiting=missing,
                advice=(*self._advice(), _LONGER, _LENIENT),
            )
        )

    def _other_dialect(self) -> Report:
        return Report(
            "differing",
            f"{self._dialects()} and it refuses what it is sent.{self._last_error()}",
            received=self._error(),
            advice=self._advice(),
        )

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

    def _is_foreign(self) -> bool:
        """True if the server speaks the other dialect of the protocol than the tape."""
        return None not in (self._dialect, self._live.dialect) and (
            self._dialect != self._live.dialect
        )

    def _dialects(self) -> str:
        assert self._dialect is not None
        assert self._live.dialect is not None
        mine, other = _DIALECTS[self._dialect], _DIALECTS[self._live.dialect]
        return f"the tape is of a {mine} session, the server speaks {other},"

    def _advice(self) -> tuple[str, ...]:
        if not self._is_foreign():
            return ()
        return (
            "Drive a tape of the server's own dialect: events are sent as recorded, and not "
            "translated.",
        )

    def _error(self) -> object:
        """The server's last error as it came."""
        return dict(self._live.error.data) if self._live.error else ABSENT

    def _last_error(self) -> str:
        said = self._live.error_message
        return f" The server's last error: {said}" if said else ""

    def _state(self) -> str:
        """What is going on, in words."""
        awaited = self._awaited()
        if awaited:
            return f"it was waited for {', '.join(map(_name, awaited[:3]))}"
        cue = self._cues[self._index]
        return f"{_name(cue.place)} was next"

    def _unsent(self) -> tuple[Place, ...]:
        return tuple(cue.place for cue in self._cues[self._index :] if cue.payload is not None)


def _name(place: Place) -> str:
    return f"{place.type or 'a message'} (#{place.seq})"
