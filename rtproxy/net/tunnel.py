"""Connections that a forward proxy passes on unread, and who is told of them."""

from typing import Protocol

from rtproxy.net.tap import Recorder


class Tunnels(Protocol):
    """Who is told of a forward proxy's connections that are not looked into."""

    def begin(self, where: str) -> Recorder: ...

    def end(self, recorder: Recorder, failure: str) -> None:
        """A tunnel is gone, or was never made: then `failure` says why."""


class UnwatchedTunnels:
    """Tunnels that nobody needs to know of."""

    def begin(self, where: str) -> Recorder:  # noqa: ARG002
        return _Silence()

    def end(self, recorder: Recorder, failure: str) -> None: ...


class _Silence:
    def received(self, data: bytes, *, from_server: bool, forwarded: bool) -> None: ...

    def ended(self, *, from_server: bool) -> None: ...

    def lost(self, error: Exception, *, from_server: bool) -> None: ...
