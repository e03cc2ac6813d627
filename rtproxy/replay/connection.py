"""One replayed connection: a transport, a timer and a player. A thin shell.

    bytes ─ decoder ─▶ inbox ─▶ player ─ actions ─▶ outbox ─ framer ─▶ bytes

What a client sends waits in the inbox until its turn comes: so many messages, or one that is not
on the tape, and then the other connections have theirs. Meanwhile nothing more is read.
What the player wants sent waits in the outbox, in order, while the client reads slowly: as
references to the script, so that a slow client costs no memory. Nothing is sent that is neither
on the tape nor an answer to the client's own control frames.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from rtproxy.net.reset import reset_after_delivery
from rtproxy.net.takeover import let_go
from rtproxy.replay.action import Action, Close, Eof, Fail, Ping, Reset, Send, Warn
from rtproxy.replay.framing import Framer
from rtproxy.replay.player import Player
from rtproxy.replay.recording import Reply
from rtproxy.replay.report import Report
from rtproxy.wire.deflate import Deflate
from rtproxy.wire.message import Close as PeerClose
from rtproxy.wire.message import Message, MessageDecoder, Oversize, Violation, WireEvent
from rtproxy.wire.message import Ping as PeerPing

MAX_MESSAGE = 64 * 2**20
"""Longest message that is taken from a client, in bytes; a longer one closes with 1009."""
HIGH_WATER = 256 * 1024
BATCH = 64 * 1024
"""Bytes of frames that are written at once."""
TURN = 64
"""Messages that are taken in one turn …"""
TURN_SIZE = 64 * 1024
"""… unless they have this many bytes together before."""
FAREWELL_S = 2.0
"""How long the client may take to end the connection once the server has."""
LONGEST_TIMER_S = 3600.0

PROTOCOL_ERROR, NOT_UTF8, TOO_BIG = 1002, 1007, 1009

Pong = bytes
"""In the outbox: a pong frame, ready to go."""


class Connection(asyncio.Protocol):
    """Carries messages and time into a player, and its actions out again, in order.

    `former` is the protocol that the transport had before (aiohttp's); it is told when the
    connection is gone. `tell` is called with each report and whether it is a failure.
    """

    def __init__(
        self,
        player: Player,
        transport: asyncio.Transport,
        former: asyncio.BaseProtocol,
        *,
        deflate: Deflate | None,
        reply: Reply | None,
        tell: Callable[[Report, bool], None],
    ) -> None:
        self.player = player
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.played: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the tape is at its end, or the connection is gone."""
        self._transport = transport
        self._former = former
        self._decoder = MessageDecoder(from_client=True, deflate=deflate, max_message=MAX_MESSAGE)
        self._framer = Framer(deflate)
        self._reply = reply
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[WireEvent] = deque()
        self._waits_for_turn = False
        self._held = False
        """Whether we do not read for now."""
        self._lost = False
        self._error: Exception | None = None
        self._outbox: deque[Action | Pong] = deque()
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._farewell: asyncio.TimerHandle | None = None
        self._resetting: asyncio.Task[None] | None = None
        self._client_closed = False
        self._hung_up = False
        self._ending = False
        """True once the end of what we send is in the outbox: nothing may follow it."""

    def begin(self, head: bytes, tail: bytes) -> None:
        """Take the transport over, send the 101, start the session; `tail` came in with it."""
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self._transport.set_protocol(self)
        if not self._transport.is_closing():
            self._transport.write(head)
        self._act(self.player.advance(self._loop.time()))
        if tail:
            self.data_received(tail)
        self._go_on()

    def hang_up(self, code: int, reason: str) -> None:
        """Close from our side, though the tape does not; it is not held against the client."""
        self._hung_up = True
        self._end(Close(code, reason))
        self._go_on()

    def abort(self) -> None:
        """Drop the connection now."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        events = self._decoder.feed(data)
        if self._client_closed:
            return
        self._inbox += events
        if not self._waits_for_turn:
            self._take_turn()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._pump()

    def eof_received(self) -> None:
        if not self._inbox:
            self._client_is_gone()
        # The transport closes itself now, after what it has still to send.

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost, self._error = True, exc
        self._outbox.clear()
        if not self._inbox:
            self._end_it()

    def _take_turn(self) -> None:
        """Take some of what has come; the rest when it is our turn again."""
        self._waits_for_turn = False
        inbox, now = self._inbox, self._loop.time()
        size = 0
        for _ in range(TURN):
            if not inbox or size >= TURN_SIZE:
                break
            event = inbox.popleft()
            if isinstance(event, Message):
                size += len(event.data)
            if self._take(event, now):
                break
            if self._client_closed:
                inbox.clear()
        if inbox:
            self._waits_for_turn = True
            self._loop.call_soon(self._take_turn)
        self._hold(self._waits_for_turn)
        if self._lost and not inbox:
            self._end_it()
            return
        if not inbox:
            self._catch_up()
        self._go_on()

    def _hold(self, hold: bool) -> None:
        """Read no more for now, or go on reading."""
        if hold != self._held:
            self._held = hold
            # asyncio's TLS transport does not stand being asked for anything once it is closed.
            if not self._transport.is_closing():
                if hold:
                    self._transport.pause_reading()
                else:
                    self._transport.resume_reading()

    def _take(self, event: WireEvent, now: float) -> bool:
        """Take one thing that came; return whether it was not as on the tape, which takes time."""
        if isinstance(event, Message):
            return self._act(self.player.receive(event.data, now))
        if isinstance(event, PeerPing):
            self._answer(event)
        elif isinstance(event, PeerClose):
            self._client_has_closed(event, now)
        elif isinstance(event, Violation):
            code = NOT_UTF8 if event.reason.endswith("UTF-8") else PROTOCOL_ERROR
            self._break(code, event.reason, now)
        elif isinstance(event, Oversize):
            self._break(TOO_BIG, f"the message has {event.size} bytes or more", now)
        return False

    def _end_it(self) -> None:
        """The connection is lost, and all that came on it has been taken."""
        self._client_is_gone()
        for timer in (self._timer, self._farewell):
            if timer is not None:
                timer.cancel()
        self._former.connection_lost(self._error)
        let_go(self._transport)
        for future in (self.played, self.gone):
            if not future.done():
                future.set_result(None)

    def _go_on(self) -> None:
        self._pump()
        self._set_timer()
        if not self.played.done() and self.player.complete:
            self.played.set_result(None)

    def _client_is_gone(self) -> None:
        if not self._hung_up:
            self._report(self.player.closed(None, "", self._loop.time()))

    def _report(self, actions: list[Action]) -> bool:
        """Tell of what is not as on the tape; return whether there is anything of the kind."""
        told = False
        for action in actions:
            if isinstance(action, Fail | Warn):
                self._tell(action.report, isinstance(action, Fail))
                told = True
        return told

    def _act(self, actions: list[Action]) -> bool:
        """Do it, as far as it is not for the outbox; return whether there was a mismatch."""
        told = self._report(actions)
        for action in actions:
            if isinstance(action, Fail | Warn):
                continue
            if isinstance(action, Close | Eof | Reset):
                self._end(action)
            elif not self._ending:
                self._outbox.append(action)
        return told

    def _end(self, action: Close | Eof | Reset) -> None:
        if not self._ending:
            self._ending = True
            self._outbox.append(action)

    def _answer(self, ping: PeerPing) -> None:
        """Send a pong; while the client does not read, only the latest waits (RFC 6455 §5.5.3)."""
        if self._ending:
            return
        if self._paused and self._outbox and isinstance(self._outbox[-1], Pong):
            self._outbox.pop()
        self._outbox.append(self._framer.pong(ping.payload))

    def _client_has_closed(self, event: PeerClose, now: float) -> None:
        """Answer the client's close frame as the tape's server did, or as the protocol says."""
        self._client_closed = True
        if self._ending:
            if not self._outbox:
                self._transport.close()
            return
        self._report(self.player.closed(event.code, event.reason, now))
        reply = self._reply or Reply(event.code, event.reason)
        self._end(Close(reply.code, reply.reason))

    def _break(self, code: int, why: str, now: float) -> None:
        """The client does not keep to the protocol: the session cannot go on."""
        self._report(self.player.closed(None, why, now))
        self._end(Close(code, why))

    def _pump(self) -> None:
        """Send what is in the outbox, as far as the client reads."""
        outbox = self._outbox
        frames: list[bytes] = []
        size = 0
        while outbox and not self._paused and not self._transport.is_closing():
            action = outbox.popleft()
            if isinstance(action, Eof | Reset):
                self._write(frames)
                self._finish(action)
                return
            frames.append(self._frame(action))
            size += len(frames[-1])
            if isinstance(action, Close):
                self._write(frames)
                self._finish(action)
                return
            if size >= BATCH:
                self._write(frames)
                frames, size = [], 0
        self._write(frames)

    def _write(self, frames: list[bytes]) -> None:
        if frames and not self._transport.is_closing():
            self._transport.write(b"".join(frames))

    def _frame(self, action: Action | Pong) -> bytes:
        if isinstance(action, Send):
            return self._framer.message(action.payload)
        if isinstance(action, Ping):
            return self._framer.ping(action.payload)
        if isinstance(action, Close):
            return self._framer.close(action.code, action.reason)
        assert isinstance(action, Pong)
        return action

    def _finish(self, action: Close | Eof | Reset) -> None:
        """All is sent: let the connection end as the action says."""
        if isinstance(action, Reset):
            reset = reset_after_delivery(self._transport, self.gone)
            self._resetting = self._loop.create_task(reset)
            return
        if isinstance(action, Close) and self._client_closed:
            self._transport.close()
        elif isinstance(action, Eof):
            if self._transport.can_write_eof():
                self._transport.write_eof()
            else:
                self._transport.close()  # TLS ends in both directions at once
        self._farewell = self._loop.call_later(FAREWELL_S, self._transport.abort)

    def _set_timer(self) -> None:
        due = self.player.next_due
        if due is None or self._transport.is_closing():
            return
        due = min(due, self._loop.time() + LONGEST_TIMER_S)
        if self._timer is not None:
            if self._timer.when() <= due:
                return  # it will see then what is due
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._inbox:
            return  # what the player waits for may be in there
        self._catch_up()
        self._go_on()

    def _catch_up(self) -> None:
        """Do what is due."""
        due, now = self.player.next_due, self._loop.time()
        # A timer may be early by the clock's resolution; the player's time must not be.
        if due is not None and due <= now + 0.001:
            self._act(self.player.advance(max(due, now)))
