"""What a recording proxy is told of the connections that a forward proxy only passes on."""

from rtproxy.net.tap import Recorder
from rtproxy.record.status import Status, Traffic
from rtproxy.record.websocket import Unrecorded


class CountedTunnels:
    """Shows tunnels among the proxy's connections: where they go, and how much goes by."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._open: dict[Recorder, Traffic] = {}

    def begin(self, where: str) -> Recorder:
        traffic = Traffic(where, connection="tunnel")
        recorder = Unrecorded(traffic)
        self._open[recorder] = traffic
        self._status.begin(traffic)
        return recorder

    def end(self, recorder: Recorder, failure: str) -> None:
        traffic = self._open.pop(recorder)
        if failure:
            self._status.end(traffic, "failed", failure)
        else:
            self._status.end(traffic, "closed", "passed on unread, no tape")
