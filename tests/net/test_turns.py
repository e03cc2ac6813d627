"""Whoever sends without a pause does not keep the others waiting."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from rtproxy.net.turns import TURN, TurnTaker

ONE_READ = 256 * 1024
"""The most that an event loop hands over at once."""
SIZE = 8 * 2**20


class Reader(TurnTaker):
    """Reads all that comes, and remembers the most that came between two rounds of the loop."""

    def __init__(self) -> None:
        self.size = 0
        self.most = 0
        self.done = asyncio.Event()
        self.news = asyncio.Event()
        self._this_round = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().__init__(cast(asyncio.Transport, transport))
        self.tick()

    def tick(self) -> None:
        self.most = max(self.most, self._this_round)
        self._this_round = 0
        if not self.done.is_set():
            asyncio.get_running_loop().call_soon(self.tick)

    def data_received(self, data: bytes) -> None:
        self.size += len(data)
        self._this_round += len(data)
        self.news.set()
        if self.size == SIZE:
            self.done.set()
        self.has_read(len(data))


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Reader, asyncio.StreamWriter]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = socket.create_connection(listener.getsockname())
        near, _ = listener.accept()
    transport, reader = await asyncio.get_running_loop().create_connection(Reader, sock=near)
    _, writer = await asyncio.open_connection(sock=far)
    try:
        yield reader, writer
    finally:
        reader.done.set()
        writer.close()
        transport.close()


async def test_a_flood_is_read_in_turns() -> None:
    async with pair() as (reader, writer):
        writer.write(bytes(SIZE))
        await asyncio.wait_for(reader.done.wait(), 30)
        assert 0 < reader.most <= TURN + ONE_READ


async def test_nothing_is_read_while_nobody_takes_it() -> None:
    async with pair() as (reader, writer):
        reader.hold()
        writer.write(bytes(SIZE))
        for _ in range(100):
            await asyncio.sleep(0)
        assert reader.size == 0
        reader.go_on()
        await asyncio.wait_for(reader.news.wait(), 30)
        reader.hold()  # in the middle of a turn: its end does not read on
        before = reader.size
        for _ in range(100):
            await asyncio.sleep(0)
        assert reader.size <= before + ONE_READ
        reader.go_on()
        await asyncio.wait_for(reader.done.wait(), 30)


async def test_the_end_of_a_turn_after_the_end_of_the_connection() -> None:
    async with pair() as (reader, writer):
        writer.write(bytes(4 * TURN))
        await asyncio.wait_for(reader.news.wait(), 30)
        reader.transport.abort()
        reader.hold()
        reader.go_on()
        await asyncio.sleep(0)
