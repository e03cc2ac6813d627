"""Connections without end: opened and left, half asked, and more sessions than there is room."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from rtproxy.net.crowd import Limits
from tests.attacks.kit import LIMIT_S, TARGET, Served, besieged, serving
from tests.record.wirekit import request_head


@pytest.fixture(autouse=True)
def room() -> Iterator[int]:
    """As many descriptors for ourselves as we can have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))


def few_at_first() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))


async def open_many(served: Served, count: int, first: bytes = b"") -> list[socket.socket]:
    """Connections that say `first` and no more; those that are refused are left out."""
    loop = asyncio.get_running_loop()
    made = []
    for _ in range(count):
        one = socket.socket()
        one.setblocking(False)
        try:
            await asyncio.wait_for(loop.sock_connect(one, ("127.0.0.1", served.port)), LIMIT_S)
            if first:
                await loop.sock_sendall(one, first)
        except OSError:
            one.close()
        else:
            made.append(one)
    return made


async def are_gone(connections: list[socket.socket]) -> None:
    """Wait until the other end has closed all of these, and close them."""
    loop = asyncio.get_running_loop()
    for one in connections:
        with contextlib.suppress(OSError):
            while await asyncio.wait_for(loop.sock_recv(one, 65536), LIMIT_S):
                pass
        one.close()


@pytest.mark.parametrize(
    ("first", "count"),
    [(b"", 10_000), (request_head()[:-10], 3_000)],
    ids=["silent", "half-asked"],
)
async def test_10000_connections_that_are_opened_and_left(
    tmp_path: Path, first: bytes, count: int, room: int
) -> None:
    async with besieged(tmp_path, prepare=few_descriptors) as siege:
        limits = Limits.of(1024)
        made = await open_many(siege.proxy, min(count, room - 500), first)
        assert siege.proxy.descriptors() < 1024
        # The eldest have given way, and the youngest are still there.
        await are_gone(made[: len(made) - limits.waiting - limits.backlog])
        for one in made:
            one.close()


@pytest.mark.parametrize("server", ["replay", "simulate"])
async def test_the_other_servers_are_not_starved(tmp_path: Path, server: str, call: Path) -> None:
    tape = [str(call), "--loop", "--match", "lenient"] if server == "replay" else []
    arguments = (server, *tape, "--listen", "127.0.0.1:0")
    async with serving(*arguments, prepare=few_descriptors) as served:
        made = await open_many(served, 1500)
        async with aiohttp.ClientSession() as http, http.ws_connect(served.url + TARGET) as session:
            first = await session.receive_json(timeout=LIMIT_S)
            assert first["type"] == "session.created"
        await served.stop()
        for one in made:
            one.close()


async def test_the_soft_limit_is_raised(tmp_path: Path) -> None:
    async with besieged(tmp_path, prepare=few_at_first) as siege:
        text = Path(f"/proc/{siege.proxy.process.pid}/limits").read_text("ascii")
        (line,) = (line for line in text.splitlines() if line.startswith("Max open files"))
        assert int(line.split()[3]) >= min(int(line.split()[4]), 65_536)


async def test_more_sessions_than_there_is_room_for_are_told_so(tmp_path: Path) -> None:
    """Each that is served goes on; one more is answered with 503, and let in when one has left."""
    limits = Limits.of(1024)
    async with besieged(tmp_path, prepare=few_descriptors) as siege:
        joined = [await siege.join() for _ in range(limits.served - 1)]  # one is the bystander
        status, answer = await siege.ask(request_head())
        assert status == 503
        assert b"too_many_connections" in answer
        assert b"rtproxy serves 234 connections at once" in answer
        joined.pop().close()
        async with asyncio.timeout(LIMIT_S):
            while True:  # it takes a moment until the proxy has seen it leave
                wire = await siege.proxy.connect()
                await wire.send(request_head())
                if b" 101 " in await wire.take_head():
                    break
                wire.close()
        wire.close()
        for one in joined:
            one.close()


def test_limits_leave_room_for_what_a_session_needs() -> None:
    for descriptors in (256, 1024, 4096, 20_000, 65_536):
        limits = Limits.of(descriptors)
        assert limits.served >= 30
        assert limits.waiting >= 32
        used = 3 * limits.served + limits.waiting + limits.backlog
        assert used < descriptors - 32
