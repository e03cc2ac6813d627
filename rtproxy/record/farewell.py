"""Closing a session from our side: both ends see a close frame, never in the middle of another.

    the frame under way passes ─▶ CLOSE, ours ─▶ the end's answer ─▶ its connection is closed

The two connections part here: what an end still says after our close frame concerns nobody but the
tape, as the other end has been told that nothing more comes.
"""

import secrets

from rtproxy.net.tap import Side
from rtproxy.net.turns import TurnTaker
from rtproxy.record.session import Follower
from rtproxy.wire.frame import Opcode, encode_close, encode_frame

GOING_AWAY = 1001


class Parting(TurnTaker):
    """One of two joined connections while both are being closed; `begin` parts them."""

    peer: "Parting"

    def __init__(self, side: Side, follower: Follower, reason: str, *, from_server: bool) -> None:
        super().__init__(side.transport)
        self._side = side
        self._follower = follower
        self._reason = reason
        self._from_server = from_server
        self._told = False

    def tell(self) -> None:
        """Send our close frame, unless this end is in the middle of a frame or takes no more."""
        if self._told or self._follower.mid_frame(from_server=not self._from_server):
            return
        self._told = True
        self.peer.go_on()  # it no longer waits for this end to read
        if not self._side.can_be_told:
            return
        # To a server we speak as a client, whose frames are masked (RFC 6455 §5.3).
        mask = secrets.token_bytes(4) if self._from_server else None
        payload = encode_close(GOING_AWAY, self._reason)
        self._follower.injected(GOING_AWAY, self._reason, from_server=not self._from_server)
        self.transport.write(encode_frame(Opcode.CLOSE, payload, mask=mask))

    def data_received(self, data: bytes) -> None:
        self._take(data)
        self.has_read(len(data))

    def _take(self, data: bytes) -> None:
        if not self.peer._told:
            size = self._follower.rest_of_frame(data, from_server=self._from_server)
            self._pass_on(data[:size])
            self.peer.tell()
            data = data[size:]
        if data:
            self._follower.received(data, from_server=self._from_server, forwarded=False)
        if self._follower.has_closed(from_server=self._from_server):
            self._end()

    def eof_received(self) -> None:
        self._follower.ended(from_server=self._from_server)
        self._end()

    def pause_writing(self) -> None:
        if not self._told:
            self.peer.hold()

    def resume_writing(self) -> None:
        self.peer.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self._side.let_go(exc)

    def _pass_on(self, data: bytes) -> None:
        target = self.peer._side
        forwarded = target.can_be_told
        self._follower.received(data, from_server=self._from_server, forwarded=forwarded)
        if forwarded:
            target.transport.write(data)

    def _end(self) -> None:
        """This end has said all. If the other was in the middle of its frame, that ends there."""
        self._side.close()
        if not self.peer._told:
            self.peer._told = True
            self.peer._side.close()


def part(client: Side, server: Side, follower: Follower, reason: str) -> bool:
    """Begin to close a session; False if it is ending anyway, and is to be left to it."""
    if client.is_over or any(follower.has_closed(from_server=way) for way in (False, True)):
        return False
    follower.mark(reason)
    below = Parting(client, follower, reason, from_server=False)
    above = Parting(server, follower, reason, from_server=True)
    below.peer, above.peer = above, below
    for parting, side in ((below, client), (above, server)):
        if not side.gone.done():
            side.transport.set_protocol(parting)
    for parting in (below, above):
        parting.tell()
    return True
