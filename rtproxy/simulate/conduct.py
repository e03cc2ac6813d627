"""How a caller conducts itself: a pure machine that follows a script.

`receive(event, now)` and `advance(now)` return what to do; `due()` says when to come again. Times
are milliseconds of the call: real time multiplied by the script's speed.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtproxy.errors import UpstreamError
from rtproxy.realtime.audio import PCM16, resample
from rtproxy.realtime.dialect import canonical
from rtproxy.simulate.conversation import Conversation
from rtproxy.simulate.microphone import Microphone
from rtproxy.simulate.report import CallReport
from rtproxy.simulate.script import REPLY, Script, Step, Truncate
from rtproxy.simulate.voice import speech

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Send:
    """Send this event."""

    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the connection; nothing follows."""

    code: int = 1000
    reason: str = ""


Action = Send | HangUp


@dataclass(frozen=True, slots=True)
class Pause:
    """The script stands still until `ready` says so, or until the time `at`.

    `what` names what the server has to send for it, if anything: patience with it is limited.
    """

    ready: Callable[[], bool] = lambda: False
    at: float = inf
    what: str = ""


class Conduct:
    """The caller's mind. `recordings` holds the samples of the script's files, at 24 kHz."""

    def __init__(self, script: Script, recordings: Mapping[str, Samples] | None = None) -> None:
        self.script = script
        self.conversation = Conversation()
        self.finished = False
        """Whether the caller has hung up."""
        self._utterances = [_utterance(step, script, recordings or {}) for step in script.steps]
        self._mic = Microphone(
            script.input_format,
            script.chunk_ms,
            idle=None if script.idle_noise == "none" else script.idle_noise,
            open_=script.open_microphone,
            seed=script.seed,
        )
        self._out: list[Action] = []
        self._now = 0.0
        self._seen: list[str] = []
        self._answered: set[str] = set()
        self._unanswered: dict[str, float] = {}
        self._truncate: Truncate = script.truncate
        self._made = 0
        self._walk = self._follow()
        self._pause = Pause(at=0.0)
        self._patient_until = inf

    def receive(self, event: Mapping[str, Any], now: float) -> list[Action]:
        """Take an event from the server; return what to do now. Raises as `advance` does."""
        self._now = now
        name = self.conversation.receive(event, now)
        self._seen.append(name)
        self._be_patient()
        if name == "input_audio_buffer.speech_started":
            self._fall_silent()
        return self.advance(now)

    def advance(self, now: float) -> list[Action]:
        """Return what to do now. The first call, right after connecting, starts the script.

        Raises UpstreamError when the server is overdue with what the script waits for.
        """
        self._now = now
        self._answer_calls()
        while not self.finished:
            chunk = self._mic.take(now)
            if chunk is not None:
                audio = b64encode(chunk).decode("ascii")
                self._out.append(Send({"type": "input_audio_buffer.append", "audio": audio}))
            elif not self._move():
                break
        actions, self._out = self._out, []
        return actions

    def due(self) -> float:
        """When `advance` has something to do at the latest; an event may come before."""
        times = [self._pause.at, self._patient_until, *self._unanswered.values()]
        if self.conversation.playback.ends > self._now:
            times.append(self.conversation.playback.ends)
        mic = self._mic.due()
        return min(times if mic is None else [*times, mic])

    def conclude(self, now: float) -> CallReport:
        """What came of the call by now."""
        return self.conversation.conclude(now)

    def _move(self) -> bool:
        """Go on in the script; False if it stands still."""
        pause = self._pause
        if self._now < pause.at and not pause.ready():
            if self._now >= self._patient_until:
                raise UpstreamError(self._overdue(pause.what))
            return False
        following = next(self._walk, None)
        if following is None:
            self.finished = True
            return False
        self._pause = following
        self._be_patient()
        return True

    def _be_patient(self) -> None:
        """Give the server its time from now on."""
        patience = self.script.patience_ms * self.script.speed
        self._patient_until = self._now + patience if self._pause.what else inf

    def _overdue(self, what: str) -> str:
        last = self.conversation.last_error
        told = f"; its last error was: {last}" if last else ""
        return (
            f"The server sent no {what} within {self.script.patience_ms / 1000:g} s, which the "
            f"caller waits for{told}."
        )

    def _follow(self) -> Iterator[Pause]:
        """The script as a sequence of pauses, between which things are done."""
        known = self.conversation
        update = self.script.session_update()
        if update:
            self._send(update)
            yield Pause(lambda: known.configured, what="session.updated")
        else:
            yield Pause(lambda: known.created, what="session.created")
        self._mic.start(self._now)
        for step, samples in zip(self.script.steps, self._utterances, strict=True):
            match step.action:
                case "say" | "file":
                    yield from self._speak(step, samples)
                case "wait":
                    yield from self._wait(step.wait)
                case "hang_up":
                    self._out.append(HangUp(step.code or 1000, step.reason or ""))
                    return
                case _:
                    self._act(step)
        self._out.append(HangUp())

    def _speak(self, step: Step, samples: Samples) -> Iterator[Pause]:
        known = self.conversation
        if step.interrupt_after_ms is not None:
            yield Pause(lambda: known.first_audio is not None, what="audio to interrupt")
            yield Pause(at=(known.first_audio or self._now) + step.interrupt_after_ms)
        self._truncate = step.truncate or self.script.truncate
        known.begin_turn(step.say or step.file or "", self._now)
        if not self.script.detects_turns:
            self._fall_silent()
        self._mic.speak(samples, self._now)
        yield Pause(lambda: not self._mic.busy)

    def _wait(self, what: str | float | None) -> Iterator[Pause]:
        known = self.conversation
        if isinstance(what, float | int):
            yield Pause(at=self._now + what)
        elif what == REPLY:
            yield Pause(lambda: known.settled, what="reply")
            self._seen.clear()  # what comes while it plays can still be waited for
            yield Pause(lambda: not known.playback.playing(self._now))
        elif what is not None:
            name = canonical(what)
            yield Pause(lambda: name in self._seen, what=what)
            del self._seen[: self._seen.index(name) + 1]

    def _act(self, step: Step) -> None:
        match step.action:
            case "text":
                self.conversation.begin_turn(step.text or "", self._now)
                content = [{"type": "input_text", "text": step.text}]
                item = {"type": "message", "role": "user", "content": content}
                self._send({"type": "conversation.item.create", "item": item})
                if step.respond is not False:
                    self._send({"type": "response.create"})
            case "respond":
                if self.conversation.report.turns:
                    self.conversation.expect_reply()
                else:
                    self.conversation.begin_turn("", self._now)
                self._send({"type": "response.create"})
            case "cancel":
                self._send({"type": "response.cancel"})
                self._truncate = step.truncate or self.script.truncate
                self._stop_playing()
            case "commit" | "clear" as verb:
                self._send({"type": f"input_audio_buffer.{verb}"})
            case "send":
                self._out.append(Send(dict(step.send or {})))

    def _fall_silent(self) -> None:
        """Somebody speaks over the reply: stop it and, where that is up to the caller, cancel."""
        if self.script.cancels and self.conversation.active is not None:
            self._send({"type": "response.cancel"})
        self._stop_playing()

    def _stop_playing(self) -> None:
        cut = self.conversation.playback.flush(self._now)
        if cut is None:
            return
        self.conversation.interrupt(cut.item_id)
        if self._truncate != "none":
            ms = cut.heard_ms if self._truncate == "heard" else cut.received_ms
            self._send({
                "type": "conversation.item.truncate",
                "item_id": cut.item_id,
                "content_index": cut.content_index,
                "audio_end_ms": int(ms),
            })  # fmt: skip

    def _answer_calls(self) -> None:
        """Send the outputs that are due, and ask the model to go on once it has them all."""
        known = self.conversation
        tools = {tool.name: tool for tool in self.script.tools}
        for call in known.calls.values():
            if call.id in self._answered:
                continue
            tool = tools.get(call.name)
            due = call.at + (tool.delay_ms if tool else 0)
            if self._now < due:
                self._unanswered[call.id] = due
                continue
            self._unanswered.pop(call.id, None)
            self._answered.add(call.id)
            output = tool.output_text if tool else f'{{"error": "no function {call.name}"}}'
            item = {"type": "function_call_output", "call_id": call.id, "output": output}
            self._send({"type": "conversation.item.create", "item": item})
        while known.owed and known.active is None and known.owed[0] <= self._answered:
            known.owed.pop(0)
            self._send({"type": "response.create"})

    def _send(self, event: dict[str, Any]) -> None:
        self._made += 1
        self._out.append(Send({"event_id": f"caller_{self._made:04}", **event}))


def _utterance(step: Step, script: Script, recordings: Mapping[str, Samples]) -> Samples:
    """What a step says, as samples at the rate of the session's input; nothing for others."""
    rate = script.input_format.rate
    if step.say is not None:
        return speech(step.say, rate=rate, seed=script.seed)
    if step.file is not None:
        return resample(recordings[step.file], PCM16.rate, rate)
    return np.zeros(0, dtype=np.int16)
