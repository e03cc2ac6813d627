"""The tap: joins two transports, forwards bytes as they come, and shows each read to a recorder.

    client ──▶ Side ─ record ─▶ Side ──▶ server
    client ◀── Side ◀─ record ─ Side ◀── server

A read is recorded before it is forwarded. EOF and reset travel one direction at a time, after
the bytes that came before them. When one side cannot take more, the other is not read.
"""

import asyncio
import ssl
from typing import Protocol

from rtproxy.net.reset import reset_after_delivery
from rtproxy.net.takeover import let_go
from rtproxy.net.turns import TurnTaker

WRITE_HIGH_WATER = 256 * 1024
"""Bytes that may wait for a slow reader before the other side is no longer read."""

LINGER_S = 2.0
"""How long a TLS server may go on speaking once its client, without TLS, has ended its stream."""


class Recorder(Protocol):
    """What the tap reports to. None of these may raise: recording never hurts the session."""

    def received(self, data: bytes, *, from_server: bool, forwarded: bool) -> None: ...

    def ended(self, *, from_server: bool) -> None: ...

    def lost(self, error: Exception, *, from_server: bool) -> None: ...


class Side(TurnTaker):
    """One of the two joined connections.

    `former` is the protocol that the transport had before (aiohttp's); it is told when the
    connection is gone, so that its own book-keeping ends too.
    """

    peer: "Side"

    def __init__(
        self,
        transport: asyncio.Transport,
        former: asyncio.BaseProtocol,
        recorder: Recorder,
        *,
        from_server: bool,
    ) -> None:
        super().__init__(transport)
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._former = former
        self._recorder = recorder
        self._from_server = from_server
        self._is_tls = transport.get_extra_info("ssl_object") is not None
        self._ended = False
        self._sent_eof = False
        self._closed_by_us = False
        self._resetting: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        peer = self.peer.transport
        forwarded = not peer.is_closing()
        self._recorder.received(data, from_server=self._from_server, forwarded=forwarded)
        if forwarded:
            peer.write(data)
        self.has_read(len(data))

    @property
    def is_over(self) -> bool:
        """Whether the end of stream has passed in both directions."""
        return self._ended and self._sent_eof

    @property
    def can_be_told(self) -> bool:
        """Whether this side still takes bytes."""
        is_open = not (self._sent_eof or self.transport.is_closing())
        return is_open and self._resetting is None

    def pause_writing(self) -> None:
        self.peer.hold()

    def resume_writing(self) -> None:
        self.peer.go_on()

    def eof_received(self) -> bool:
        self._end()
        # TLS has no half-close: there the transport closes itself, whatever we say.
        return not self._is_tls

    def connection_lost(self, exc: Exception | None) -> None:
        unanswered = self._is_tls and self._closed_by_us  # a peer need not answer the end of TLS
        if exc is None or isinstance(exc, ssl.SSLError) or unanswered:
            if not self._closed_by_us:
                self._end()
            self.peer.close()
        elif not self.is_over:
            self._recorder.lost(exc, from_server=self._from_server)
            self.peer.reset()
        self.let_go(exc)

    def let_go(self, exc: Exception | None) -> None:
        """The connection is gone, for whatever reason."""
        self._former.connection_lost(exc)
        let_go(self.transport)
        if not self.gone.done():
            self.gone.set_result(None)

    def close(self) -> None:
        """Close this connection after what is buffered for it."""
        if not self.transport.is_closing():
            self._closed_by_us = True
            self.transport.close()

    def reset(self) -> None:
        """Send a TCP reset once the bytes before it have reached the peer."""
        if self._resetting is None and not self.gone.done():
            reset = reset_after_delivery(self.transport, self.gone)
            self._resetting = asyncio.get_running_loop().create_task(reset)

    def _end(self) -> None:
        """Pass this side's end of stream on; when both have ended, let both go."""
        if self._ended:
            return
        self._ended = True
        self._recorder.ended(from_server=self._from_server)
        self.peer.finish()
        if self._sent_eof:
            self.close()

    def finish(self) -> None:
        """Tell this side that no more bytes will come, after those that are buffered."""
        if self._sent_eof:
            return
        self._sent_eof = True
        if self._ended:
            self.close()
        elif self.transport.can_write_eof():
            if not self.transport.is_closing():
                self.transport.write_eof()
        elif self._from_server and not self.peer._is_tls:
            # The client half-closed, which TLS cannot: the server's last words must not be lost.
            asyncio.get_running_loop().call_later(LINGER_S, self.close)
        else:
            self.close()


def join(client: Side, server: Side) -> None:
    """Make each side the other's peer; from here on data flows between them."""
    client.peer, server.peer = server, client
    for side in (client, server):
        side.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        side.transport.set_protocol(side)
