"""What a recording proxy is told of the connections that a forward proxy only passes on."""

from rtproxy.net.tap import Recorder
from rtproxy.record.status import Status, Traffic
from rtproxy.wire.address import host_of

MOST_EXPLAINED = 20
"""Hosts of which it is said; of those that come later it is known by then."""


class Counter:
    """Counts the bytes of a tunnel, which nobody can read."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic

    def received(self, data: bytes, *, from_server: bool, forwarded: bool) -> None:  # noqa: ARG002
        self._traffic.count_bytes(len(data), from_server=from_server)

    def ended(self, *, from_server: bool) -> None: ...

    def lost(self, error: Exception, *, from_server: bool) -> None: ...


class CountedTunnels:
    """Shows tunnels among the proxy's connections: where they go, and how much goes by."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._open: dict[Recorder, Traffic] = {}
        self._explained: set[str] = set()

    def begin(self, where: str) -> Recorder:
        traffic = Traffic(where, connection="tunnel")
        recorder = Counter(traffic)
        self._open[recorder] = traffic
        self._status.begin(traffic)
        return recorder

    def end(self, recorder: Recorder, failure: str) -> None:
        traffic = self._open.pop(recorder)
        if failure:
            self._status.end(traffic, "failed", failure)
        else:
            self._status.end(traffic, "closed", self._note(traffic.name))

    def _note(self, where: str) -> str:
        """What became of a tunnel, and once for each host, how it becomes something else."""
        note = "passed on unread, no tape"
        host = host_of(where)
        if host in self._explained or len(self._explained) >= MOST_EXPLAINED:
            return note
        self._explained.add(host)
        return f"{note} (--intercept {host} tapes it)"
