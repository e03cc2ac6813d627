"""What the proxy is doing right now: one entry a connection, counted as the bytes go by."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from rtproxy.record.insight import Insight

Phase = Literal["open", "closed", "refused", "failed"]


@dataclass(slots=True, eq=False)  # two connections with the same counts are still two
class Traffic:
    """Counts of one connection. `up` is client to server, `down` server to client."""

    name: str
    """The tape's file name, or the request's path where nothing is taped."""
    connection: str = "websocket"
    model: str | None = None
    phase: Phase = "open"
    note: str = ""
    messages_up: int = 0
    messages_down: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    insight: Insight | None = None
    """How the session stands, if somebody looks at it."""

    def count_bytes(self, size: int, *, from_server: bool) -> None:
        if from_server:
            self.bytes_down += size
        else:
            self.bytes_up += size

    def count_message(self, *, from_server: bool) -> None:
        if from_server:
            self.messages_down += 1
        else:
            self.messages_up += 1


@dataclass(slots=True)
class Status:
    """All connections of a proxy: those that are open, and how many there were.

    `watch` is called when a connection opens or ends and when something goes wrong, with the
    connection and a sentence; `ended` with each connection that has ended.
    """

    watch: Callable[[Traffic, str], None] | None = None
    ended: Callable[[Traffic], None] | None = None
    open: list[Traffic] = field(default_factory=list)
    finished: int = 0
    messages: int = 0
    bytes: int = 0
    failures: list[str] = field(default_factory=list)

    def begin(self, traffic: Traffic) -> None:
        self.open.append(traffic)
        self._tell(traffic, "opened")

    def end(self, traffic: Traffic, phase: Phase, note: str = "") -> None:
        if traffic in self.open:
            self.open.remove(traffic)
        traffic.phase = phase
        traffic.note = note
        self.finished += 1
        self.messages += traffic.messages_up + traffic.messages_down
        self.bytes += traffic.bytes_up + traffic.bytes_down
        self._tell(traffic, note or phase)
        if self.ended is not None:
            self.ended(traffic)

    def fail(self, traffic: Traffic, sentence: str) -> None:
        """Note that a tape could not be written as it should; the session goes on."""
        self.failures.append(sentence)
        traffic.note = sentence
        self._tell(traffic, sentence)

    def remark(self, about: str, sentence: str) -> None:
        """Say something about a connection that never became one."""
        self._tell(Traffic(about, phase="refused", note=sentence), sentence)

    def _tell(self, traffic: Traffic, sentence: str) -> None:
        if self.watch is not None:
            self.watch(traffic, sentence)
