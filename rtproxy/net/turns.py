"""Reading in turns: whoever sends without a pause does not keep the others waiting."""

import asyncio

TURN = 64 * 1024
"""Bytes from one connection after which the others are looked at. An event loop would go on
reading as long as there is something, up to 8 MB, while everybody else waits."""


class TurnTaker(asyncio.Protocol):
    """A protocol whose connection is read when it is its turn, and when somebody takes its bytes.

    A subclass calls `has_read` at the end of `data_received`.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._left = TURN
        self._waits_for_turn = False
        self._waits_for_taker = False

    def has_read(self, size: int) -> None:
        """So many bytes were read."""
        self._left -= size
        # asyncio's TLS transport does not stand being asked for anything once it is closed.
        if self._left <= 0 and not self.transport.is_closing():
            self._left = TURN
            self._waits_for_turn = True
            self.transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._take_turn)

    def hold(self) -> None:
        """Read no more: nobody takes what comes."""
        self._waits_for_taker = True
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Read on after `hold`."""
        self._waits_for_taker = False
        self._read()

    def _take_turn(self) -> None:
        self._waits_for_turn = False
        self._read()

    def _read(self) -> None:
        waits = self._waits_for_turn or self._waits_for_taker
        if not (waits or self.transport.is_closing()):
            self.transport.resume_reading()
