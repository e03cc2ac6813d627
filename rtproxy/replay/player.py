"""The player: a tape in the server's part. Pure: messages and times in, actions out.

What it sends, and in which order, follows from the script and from what the client sent. Time
only decides when. A shell calls `advance` when the connection opens and whenever `next_due` has
come, `receive` for each message, `closed` when the client leaves, and does what is returned.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import partial
from math import inf

from rtproxy.errors import ReplayError
from rtproxy.realtime.audio import decode_base64
from rtproxy.realtime.dialect import canonical
from rtproxy.replay import diagnosis
from rtproxy.replay.action import Action, Close, Eof, Fail, Ping, Reset, Send, Warn
from rtproxy.replay.fault import Faults, Timed
from rtproxy.replay.ids import IdMap
from rtproxy.replay.likeness import Likeness
from rtproxy.replay.matching import Comparison, CustomMatcher, Mode, Rules, compare
from rtproxy.replay.message import APPENDS, COMMIT, appended_audio, audio_size, parse_message, peek
from rtproxy.replay.outcome import Outcome
from rtproxy.replay.pacing import Pacer
from rtproxy.replay.progress import Progress
from rtproxy.replay.report import CODE, PLACES, Place, Report
from rtproxy.replay.script import Script, ServerStep
from rtproxy.replay.window import SIZE, Window
from rtproxy.replay.witness import Witness

STALL_S = 10.0
TRAILING = ("rate_limits.updated",)
POLICY_VIOLATION = 1008
LISTED = 50
"""Mismatches of one session that lenient matching tells of and keeps; more it only counts."""

Places = tuple[Place, ...]


class Player:
    """Plays the server of one connection. Make one for each; the script can be shared.

    `stall_s` is how long the client may keep the rest of the tape waiting, beyond the time it
    took on the tape; `trailing` are types of events that may be left out at the end; `ignore`
    are JSON paths as in `jsonpath`. `faults` are drawn anew for each `connection` number. A
    `witness` is told what is exchanged, `elsewhere` asked about other tapes.
    Raises ReplayError for a path or a fault that is none.
    """

    def __init__(
        self,
        script: Script,
        *,
        match: Mode = "strict",
        speed: float = 1.0,
        stall_s: float = STALL_S,
        window: int = SIZE,
        ignore: Sequence[str] = (),
        matchers: Sequence[CustomMatcher] = (),
        trailing: Collection[str] = TRAILING,
        faults: Faults | None = None,
        connection: int = 0,
        witness: Witness | None = None,
        elsewhere: diagnosis.Elsewhere | None = None,
    ) -> None:
        self.script = script
        self._elsewhere = elsewhere
        self._witness = witness
        self._rules = Rules.of(match, ignore, matchers)
        self._progress = Progress(script, Window(script, 1 if match == "exact" else window))
        self._ids = IdMap()
        self._pacer = Pacer(speed)
        self._faults = faults.pipeline(connection) if faults and faults.specs else None
        self._stall_s = stall_s
        self._trailing = {canonical(kind) for kind in trailing}
        self._queue: deque[tuple[float, Action]] = deque()
        self._matched_at: list[float] = []
        """For each client step up to the first open one: when it and all before it had come."""
        self._moved_at: float | None = None
        """When something last happened that brings the session forward; None before the start."""
        self._over = False
        self._cut = False
        self._reports: list[Report] = []
        self._warnings: list[Report] = []
        self._unlisted = 0
        """Warnings beyond LISTED."""
        self._left: tuple[Places, Places] | None = None
        """What was unsent and undelivered when it was over."""
        self._reordered: list[tuple[int, int]] = []

    @property
    def over(self) -> bool:
        """True once the connection has been ended, by either side."""
        return self._over

    @property
    def complete(self) -> bool:
        """True once everything on the tape has been received and sent."""
        progress = self._progress
        return progress.next is None and not self._queue and progress.window.first == len(
            self.script.client
        )  # fmt: skip

    @property
    def next_due(self) -> float | None:
        """When to call `advance` next; None if nothing but a message can bring anything on."""
        if self._over:
            return None
        if self._moved_at is None:
            return -inf
        due = self._queue[0][0] if self._queue else self._deadline()
        return None if due == inf else due

    def receive(self, message: str | bytes, now: float) -> list[Action]:
        """Take one message of the client."""
        if self._over:
            return []
        self._begin(now)
        try:
            actions = self._take(message, now)
        except ReplayError as error:
            value = parse_message(message)
            why = diagnosis.matcher_failed(self._progress, value, str(error))
            actions = self._fail(why.short())
        if not self._over:
            self._open_gates(now)
            actions += self.advance(now)
        return actions

    def advance(self, now: float) -> list[Action]:
        """Do what is due. The first call starts the session."""
        if self._over:
            return []
        self._begin(now)
        actions: list[Action] = []
        queue = self._queue
        while queue and queue[0][0] <= now:
            action = queue.popleft()[1]
            actions.append(action)
            self._moved_at = now
            self._tell(action)
            if isinstance(action, Close | Eof | Reset):
                self._over = True
                self._cut = action.seq is None
                return actions + self._sum_up()
        if not queue and now >= self._deadline():
            actions += self._stall(now)
        return actions

    def closed(self, code: int | None, reason: str, now: float) -> list[Action]:  # noqa: ARG002
        """The client has left: with a close frame, or without one (`code` None)."""
        if self._over:
            return []
        self._begin(now)
        self._over = True
        unsent, undelivered = self._rest()
        actions = self._sum_up()
        if unsent or undelivered:
            early = diagnosis.left_early(unsent, undelivered, code, "client")
            return actions + self._object(lambda: early, last=True)
        if self._witness is not None:
            self._witness.complete()
        return actions

    def finish(self) -> Outcome:
        """How it went, so far or in the end."""
        unsent, undelivered = ((), ()) if self._cut else self._rest()
        return Outcome(
            tuple(self._reports),
            tuple(self._warnings),
            unsent,
            undelivered,
            tuple(self._reordered),
            self._cut,
            {"warnings": self._unlisted} if self._unlisted else {},
        ).listed(PLACES)

    def _begin(self, now: float) -> None:
        if self._moved_at is None:
            self._moved_at = now
            self._pacer.begin(now)
            self._open_gates(now)

    def _take(self, message: str | bytes, now: float) -> list[Action]:
        if self.script.realtime and isinstance(message, str) and peek(message) in APPENDS:
            audio = appended_audio(message)
            if audio is not None:
                return self._hear(message, audio, now)
        value = parse_message(message)
        equal: Comparison | None = None
        for step in self._progress.window.candidates(self._progress.opened):
            comparison = compare(self.script, step, value, self._rules, self._ids, most=1)
            if comparison.equal and (equal is None or not comparison.loose):
                equal = comparison
                if not comparison.loose:
                    break
        if equal is not None:
            return self._accept(equal, message, value, now)
        likeness = Likeness(value)
        closest = diagnosis.closest(self._progress, value, self._rules, self._ids, likeness)
        why = partial(diagnosis.refused, self._progress, value, self._rules, likeness, closest)
        actions = self._object(lambda: why(self._reordered, self._elsewhere))
        if self._rules.mode == "lenient" and closest is not None:
            actions += self._accept(closest, message, value, now)
        return actions

    def _hear(self, message: str, audio: str, now: float) -> list[Action]:
        """Take appended audio: by amount, and under exact matching by its bytes."""
        progress = self._progress
        size = audio_size(audio)
        if progress.heard < progress.recorded:
            self._moved_at = now
        if self._rules.mode == "exact":
            start = progress.heard
            segments = self.script.audio
            recorded = segments[progress.segment] if progress.segment < len(segments) else b""
            if _decoded(audio) != recorded[start : start + size]:
                return self._object(lambda: diagnosis.other_audio(progress, parse_message(message)))
        progress.heard += size
        return []

    def _accept(
        self, comparison: Comparison, message: str | bytes, value: object, now: float
    ) -> list[Action]:
        """Let the message stand for the step that it was compared with."""
        progress, step = self._progress, comparison.step
        actions: list[Action] = []
        if step.type == COMMIT and progress.heard < progress.recorded:
            actions = self._object(lambda: diagnosis.too_quiet(progress, step, value))
            if self._over:
                return actions
        if step.index != progress.window.first:
            ahead_of = self.script.client[progress.window.first]
            self._reordered.append((step.seq, ahead_of.seq))
        comparison.accept(self._ids)
        if self._witness is not None:
            self._witness.took(step.seq, message)
        progress.match(step)
        self._note_matches(now)
        self._moved_at = now
        return actions

    def _note_matches(self, now: float) -> None:
        done = self._progress.window.first
        self._matched_at += [now] * (done - len(self._matched_at))

    def _open_gates(self, now: float) -> None:
        """Queue every server step that has what it waits for, with the time it is due."""
        progress, server = self._progress, self.script.server
        while (step := progress.next) is not None and progress.is_free(step):
            matched = self._matched_at[step.after - 1] if step.after else self._pacer.start
            due = self._pacer.due(step, matched, now)
            progress.opened += 1
            action = self._action(step)
            if self._faults is None:
                self._queue.append((due, action))
                continue
            after = server[progress.opened] if progress.opened < len(server) else None
            more = after is not None and after.kind == "message" and after.gate == step.gate
            for timed in self._faults.push(Timed(due, action, step.type, more)):
                self._queue.append((timed.due, timed.action))

    def _tell(self, action: Action) -> None:
        """Tell the witness what goes out."""
        if self._witness is None:
            return
        if isinstance(action, Send):
            self._witness.sent(action.seq, action.payload)
        elif not isinstance(action, Warn | Fail) and action.seq is not None:
            self._witness.reached(action.seq)

    def _action(self, step: ServerStep) -> Action:
        match step.kind:
            case "message":
                payload = step.payload
                if step.echoes and isinstance(payload, str):
                    payload = self._ids.rewrite(payload, step.echoes)
                return Send(payload, step.seq)
            case "ping":
                assert isinstance(step.payload, bytes)
                return Ping(step.payload, step.seq)
            case "eof":
                return Eof(step.seq)
            case "reset":
                return Reset(step.seq)
        ending = self.script.ending
        assert ending is not None
        return Close(ending.code, ending.reason, step.seq)

    def _deadline(self) -> float:
        """When the client will have kept the tape waiting for too long."""
        progress = self._progress
        if progress.next is None or self._moved_at is None:
            return inf
        pause_ns = 0
        if progress.opened and (first := next(progress.window.open_steps(), None)):
            pause_ns = max(0, first.t_ns - self.script.server[progress.opened - 1].t_ns)
        return self._moved_at + self._stall_s + self._pacer.lapse(pause_ns)

    def _stall(self, now: float) -> list[Action]:
        step = self._progress.next
        assert step is not None
        actions = self._object(lambda: diagnosis.stalled(self._progress, step, self._stall_s))
        if not self._over:
            self._progress.waive(step)
            self._note_matches(now)
            self._moved_at = now
            self._open_gates(now)
            actions += self.advance(now)
        return actions

    def _object(self, why: Callable[[], Report], *, last: bool = False) -> list[Action]:
        """Warn of a mismatch and go on, or fail and end the connection.

        Whoever says too much is only counted: nobody asks `why` then. But it is told how it ended.
        """
        lenient = self._rules.mode == "lenient"
        if lenient and len(self._warnings) >= LISTED and not last:
            self._unlisted += 1
            return [Warn(diagnosis.rest_counted(LISTED))] if self._unlisted == 1 else []
        report = why().short()
        if lenient:
            self._warnings.append(report)
            return [Warn(report)]
        return self._fail(report)

    def _fail(self, report: Report) -> list[Action]:
        self._reports.append(report)
        actions: list[Action] = [Fail(report)]
        if not self._over:
            if self.script.realtime:
                actions.append(Send(report.to_error_event()))
                self._tell(actions[-1])
            actions.append(Close(POLICY_VIOLATION, CODE))
        self._over = True
        return actions

    def _sum_up(self) -> list[Action]:
        """At the end: how many warnings nobody was told of."""
        if not self._unlisted:
            return []
        return [Warn(diagnosis.rest_counted(LISTED, self._unlisted))]

    def _rest(self) -> tuple[Places, Places]:
        """What is unsent and undelivered; once it is over, that changes no more."""
        if self._left is not None:
            return self._left
        rest = self._unsent(), self._undelivered()
        if self._over:
            self._left = rest
        return rest

    def _unsent(self) -> tuple[Place, ...]:
        return self._without_trailing(map(diagnosis.place, self._progress.window.open_steps()))

    def _undelivered(self) -> tuple[Place, ...]:
        queued = {action.seq for _, action in self._queue if isinstance(action, Send)}
        left = (
            step
            for step in self.script.server
            if step.kind == "message"
            and (step.index >= self._progress.opened or step.seq in queued)
        )
        return self._without_trailing(map(diagnosis.place, left))

    def _without_trailing(self, places: "map[Place]") -> tuple[Place, ...]:
        rest = list(places)
        while rest and canonical(rest[-1].type) in self._trailing:
            rest.pop()
        return tuple(rest)


def _decoded(audio: str) -> bytes | None:
    try:
        return decode_base64(audio)
    except ValueError:
        return None
