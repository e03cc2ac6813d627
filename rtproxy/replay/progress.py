"""How far one run has come on its script: what the client has done, what the server may do."""

from rtproxy.replay.message import CLEAR, COMMIT
from rtproxy.replay.script import ClientStep, Script, ServerStep
from rtproxy.replay.window import Window


class Progress:
    """Matched client steps, the amount of audio heard, and the server steps that are free to go."""

    __slots__ = ("_waived", "heard", "opened", "script", "segment", "window")

    def __init__(self, script: Script, window: Window) -> None:
        self.script = script
        self.window = window
        self.opened = 0
        """Number of server steps whose gate has opened."""
        self.segment = 0
        """Index of the audio segment that the client is in."""
        self.heard = 0
        """Bytes of audio received in this segment."""
        self._waived = (0, 0)

    @property
    def next(self) -> ServerStep | None:
        """The first server step that may not go yet."""
        return self.script.server[self.opened] if self.opened < len(self.script.server) else None

    @property
    def recorded(self) -> int:
        """Bytes of audio that the tape has in the segment that the client is in."""
        segments = self.script.segments
        return segments[self.segment] if self.segment < len(segments) else 0

    def match(self, step: ClientStep) -> None:
        """The client has done `step`; a commit or clear begins a new segment of audio."""
        self.window.close(step.index)
        if step.type in (COMMIT, CLEAR):
            self.segment += 1
            self.heard = 0

    def is_heard(self, step: ServerStep) -> bool:
        """True if the audio that `step` waits for has come."""
        amount = (step.segment, step.audio)
        return (self.segment, self.heard) >= amount or self._waived >= amount

    def is_free(self, step: ServerStep) -> bool:
        """True if all that `step` waits for has come."""
        return step.after <= self.window.first and self.is_heard(step)

    def waive(self, step: ServerStep) -> tuple[ClientStep, ...]:
        """Wait no longer for what holds `step` up; return the client steps that were given up."""
        given_up = tuple(one for one in self.window.open_steps() if one.index < step.after)
        for one in given_up:
            self.window.close(one.index)
        self._waived = max(self._waived, (step.segment, step.audio))
        return given_up
