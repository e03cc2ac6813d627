"""Turns: what the caller said or typed, and all that the assistant did about it.

A turn begins with the caller: speech that the server detected, audio that the client committed, or
text that it typed and asked to be answered. Everything until the caller's next one belongs to it,
tools and the responses after them included. A response before the caller has said anything is a
greeting, a turn without a caller.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from rtproxy.realtime.item import ToolCall
from rtproxy.realtime.problem import Problem
from rtproxy.realtime.response import Response
from rtproxy.realtime.transcript import Transcript

Kind = Literal["speech", "commit", "text", "timeout", "greeting", "unknown"]
"""What began a turn.

speech: detected by the server · commit: committed by the client · text: typed · timeout: the caller
said nothing for too long · greeting: nothing · unknown: the tape begins later.
"""


@dataclass(slots=True)
class Speech:
    """A span of the caller's speech, as detected.

    `start_ms` and `end_ms` are the server's positions on the input-audio clock: the first lies
    `padding_ms` before the onset, the second `silence_ms` after the end, each None where unknown.
    `onset_ms` and `fell_silent_ms` are W of the onset and of the end: when that audio arrived.
    """

    started_ms: float
    started_seq: int
    start_ms: float | None
    padding_ms: float | None
    onset_ms: float | None = None
    stopped_ms: float | None = None
    stopped_seq: int | None = None
    end_ms: float | None = None
    silence_ms: float | None = None
    fell_silent_ms: float | None = None

    @property
    def spoken_ms(self) -> float | None:
        """How long speech lasted on the audio clock, without padding and silence."""
        start, end = self.onset_position_ms, self.end_position_ms
        return None if start is None or end is None else max(0.0, end - start)

    @property
    def onset_position_ms(self) -> float | None:
        if self.start_ms is None or self.padding_ms is None:
            return None
        # Nothing lies before the audio begins, so there the padding is shorter than it should be.
        return self.start_ms + self.padding_ms

    @property
    def end_position_ms(self) -> float | None:
        if self.end_ms is None or self.silence_ms is None:
            return None
        return self.end_ms - self.silence_ms


@dataclass(slots=True)
class Interruption:
    """The assistant was cut off: by whom, how much of the item had been heard, what was done.

    `by` is the turn whose speech did it, None where the client did so by itself. `heard_ms` is by
    the virtual player, None where that knows nothing. `reaction_ms` is t(client's cancel or
    truncate) − t(`speech_started`).
    """

    at_ms: float
    seq: int
    item_id: str | None
    response_id: str | None
    by: "Turn | None" = None
    started_ms: float | None = None
    heard_ms: float | None = None
    received_ms: float = 0.0
    reaction_ms: float | None = None
    reaction_seq: int | None = None
    truncated_ms: float | None = None
    truncated_seq: int | None = None
    truncated_by: Literal["client", "server"] | None = None

    @property
    def unheard(self) -> bool:
        """Whether some of it was never played."""
        return self.heard_ms is not None and self.heard_ms < self.received_ms

    def react(self, t_ms: float, seq: int) -> None:
        """The client's first reaction."""
        if self.reaction_ms is None and self.started_ms is not None:
            self.reaction_ms, self.reaction_seq = t_ms - self.started_ms, seq

    def to_json(self) -> dict[str, Any]:
        return {
            "t_ms": self.at_ms,
            "seq": self.seq,
            "item_id": self.item_id,
            "by_turn": self.by.n if self.by else None,
            "heard_ms": self.heard_ms,
            "truncated_ms": self.truncated_ms,
        }


@dataclass(slots=True, eq=False)
class Turn:
    """One turn. `n` counts from 1.

    `ended_ms` is when the caller's part was over on the wire: speech_stopped, the client's commit,
    or the typed item; `due_ms` when an answer was due: then, or at the client's response.create.
    `creates` is whether the server answers it unasked (None: unknown). `damaged`: records of it
    are missing. `refused` is the error that kept a response from being created.
    """

    n: int
    kind: Kind
    began_ms: float
    seq: int
    item_ids: list[str] = field(default_factory=list)
    speech: list[Speech] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)
    transcripts: list[Transcript] = field(default_factory=list)
    ended_ms: float | None = None
    ended_seq: int | None = None
    committed_seq: int | None = None
    creates: bool | None = None
    asked: bool = False
    due_ms: float | None = None
    cleared_seq: int | None = None
    damaged: bool = False
    refused: Problem | None = None
    responses: list[Response] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)

    def ask(self, t_ms: float) -> None:
        """The client asks for an answer to it."""
        self.asked = True
        if self.due_ms is None:
            self.due_ms = t_ms

    @property
    def has_caller(self) -> bool:
        return self.kind in ("speech", "commit", "text")

    @property
    def user(self) -> str | None:
        """What the caller said, if it was transcribed, or typed."""
        return _joined([*self.typed, *(said.text for said in self.transcripts)])

    @property
    def assistant(self) -> str | None:
        """What the assistant said or wrote."""
        return _joined(response.text for response in self.responses)

    @property
    def produced(self) -> bool:
        """Whether the caller got anything, or a tool was called."""
        return any(response.produced for response in self.responses)

    @property
    def interrupted(self) -> Interruption | None:
        """The last time that the caller's speech cut the assistant off."""
        return next((cut for cut in reversed(self.interruptions) if cut.by is not None), None)

    @property
    def end(self) -> str:
        """How it ended: completed, interrupted, cancelled, failed, incomplete, open or unanswered.

        open: a response was still under way; unanswered: there was none.
        """
        if not self.responses:
            return "unanswered"
        last = self.responses[-1]
        if self.interrupted is not None:
            return "interrupted"
        if any(cut.unheard for cut in self.interruptions):
            return "cancelled"
        if last.status is None:
            return "open"
        if last.silenced or (last.status == "cancelled" and last.reason == "turn_detected"):
            return "interrupted"
        return last.status


def _joined(texts: Iterable[str | None]) -> str | None:
    return " ".join(text for text in texts if text) or None
