"""A protocol that keeps what comes on a connection until somebody takes it.

The event loop hands over what came with the end of a TLS handshake before anybody can be told of
the transport, and a server may speak before the tap is in place: neither is lost here.
"""

import asyncio


class Lobby(asyncio.Protocol):
    """Keeps data and the end of a connection; `hand_over` gives all of it to a protocol."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._has_ended = False
        self._is_lost = False
        self._error: Exception | None = None
        self._news: asyncio.Future[None] | None = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._ring()

    def eof_received(self) -> bool:
        self._has_ended = True
        self._ring()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost, self._error = True, exc
        self._ring()

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come."""
        return self._has_ended or self._is_lost

    async def first(self) -> bytes:
        """The first byte that comes, which stays here; empty if there is none before the end."""
        while not self._received and await self._wait():
            pass
        return bytes(self._received[:1])

    def take(self) -> bytes:
        """What has come."""
        taken = bytes(self._received)
        self._received.clear()
        return taken

    async def take_until(self, end: bytes, limit: int) -> bytes:
        """What comes up to `end`, and with it. Raises ValueError for more than `limit` bytes, and
        if the connection ends before."""
        while (at := self._received.find(end)) < 0:
            if len(self._received) > limit or not await self._wait():
                raise ValueError("it closed the connection without an answer")
        taken = bytes(self._received[: at + len(end)])
        del self._received[: len(taken)]
        return taken

    def hand_over(self, transport: asyncio.Transport, protocol: asyncio.Protocol) -> None:
        """Make the connection `protocol`'s, tell it of its transport, and have it catch up."""
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        self.repeat_to(protocol)

    def repeat_to(self, protocol: asyncio.Protocol) -> None:
        """Tell a protocol what has happened so far."""
        if self._received:
            protocol.data_received(bytes(self._received))
        if self._has_ended:
            protocol.eof_received()
        if self._is_lost:
            protocol.connection_lost(self._error)

    async def _wait(self) -> bool:
        """Wait for something to happen; False if nothing more can come."""
        if self.is_over:
            return False
        self._news = asyncio.get_running_loop().create_future()
        await self._news
        return True

    def _ring(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
