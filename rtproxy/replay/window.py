"""Which recorded client steps a received message may stand for, though others come before them.

Clients do several things at once, so two runs order them differently. A step may be matched
ahead of earlier ones if

- no more than `size` earlier steps are still open,
- every server step whose id it carries may have gone out already, and
- it is no request to answer (response.create), or the earlier ones are of its own burst: no
  server event lies between them. An answer rests on all that was said before it, but not on what
  changes nothing: frameworks retrieve items and set up tracing whenever a server event comes, in
  parallel to what the application asks for.

Nothing here asks what was sent yet or how late it is, so that the outcome depends on the
messages alone.
"""

from collections.abc import Iterator
from itertools import takewhile

from rtproxy.replay.script import ClientStep, Script

SIZE = 16
_REQUESTS = {"response.create"}
_READS = {"conversation.item.retrieve"}
_UNHEARD = {"type", "model", "tracing"}
"""Fields of a session.update that no answer depends on; the model of a session stays the same."""


def is_aside(step: ClientStep) -> bool:
    """True if no answer depends on the step: it only reads, or sets up tracing."""
    if step.type == "session.update":
        session = step.value.get("session")
        return isinstance(session, dict) and "tracing" in session and session.keys() <= _UNHEARD
    return step.type in _READS


class Window:
    """The client steps of a script that have not been matched yet."""

    __slots__ = ("_done", "_script", "first", "size")

    def __init__(self, script: Script, size: int = SIZE) -> None:
        self._script = script
        self._done = bytearray(len(script.client))
        self.first = 0
        """Index of the first open step: all before it are done."""
        self.size = size

    def is_open(self, index: int) -> bool:
        return not self._done[index]

    def close(self, index: int) -> None:
        """The step has been matched, or is waived."""
        self._done[index] = 1
        while self.first < len(self._done) and self._done[self.first]:
            self.first += 1

    def open_steps(self) -> Iterator[ClientStep]:
        """Every step that is not done, in recorded order."""
        for index in range(self.first, len(self._done)):
            if not self._done[index]:
                yield self._script.client[index]

    def candidates(self, opened: int) -> Iterator[ClientStep]:
        """Steps that the next message may stand for; `opened` server steps may have gone out."""
        earliest: ClientStep | None = None
        """The first open step that an answer rests on."""
        for passed, step in enumerate(self.open_steps()):
            if passed >= self.size:
                return
            if earliest is None and not is_aside(step):
                earliest = step
            if step.rests_on > opened:
                continue
            if step.type in _REQUESTS and earliest and step.after != earliest.after:
                continue
            yield step

    def before(self, step: ClientStep) -> ClientStep:
        """The open step that has to come before `step`."""
        earlier = list(takewhile(lambda one: one.index < step.index, self.open_steps()))
        heard = [one for one in earlier if not is_aside(one)]
        return (heard if heard and step.type in _REQUESTS else earlier)[0]
