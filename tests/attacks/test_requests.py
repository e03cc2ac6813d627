"""Requests that want more than they say: other machines' names, other folders, other headers."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.attacks.kit import TARGET, besieged, serving
from tests.record.wirekit import KEY, Wire, request_head

HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\n"
)


def request(target: str = TARGET, *, host: str = "Host: 127.0.0.1\r\n", headers: str = "") -> bytes:
    return f"GET {target} HTTP/1.1\r\n{host}{HANDSHAKE}{headers}\r\n".encode("latin-1")


HOSTS = [
    "Host: attacker.example\r\n",
    "Host: attacker.example:8787\r\n",
    "Host: 127.0.0.1.attacker.example\r\n",
    "Host: localhost.attacker.example\r\n",
    "Host: 127.0.0.1@attacker.example\r\n",
    "Host: [::1].attacker.example\r\n",
    "Host: 192.168.1.5\r\n",
    "Host: \r\n",
    "",
]


async def test_a_page_that_has_its_name_point_here_is_refused(tmp_path: Path) -> None:
    async with besieged(tmp_path) as siege:
        before = len(siege.behind.heads)
        for host in HOSTS:
            status, answer = await siege.ask(request(host=host))
            assert status in (400, 421), host
            if status == 421:
                assert b"this Host is another machine's" in answer
        assert len(siege.behind.heads) == before


AMBIGUOUS = {
    "two-hosts": "Host: 127.0.0.1\r\nHost: attacker.example\r\n",
    "two-hosts-the-other-way": "Host: attacker.example\r\nHost: 127.0.0.1\r\n",
    "folded": "Host: 127.0.0.1\r\nX-A: 1\r\n X-B: 2\r\n",
    "bare-cr": "Host: 127.0.0.1\r\nX-A: 1\rX-B: 2\r\n",
    "bare-lf": "Host: 127.0.0.1\r\nX-A: 1\nX-B: 2\r\n",
    "nul": "Host: 127.0.0.1\r\nX-A: \0\r\n",
    "space-in-a-name": "Host: 127.0.0.1\r\nX A: 1\r\n",
    "space-after-a-name": "Host: 127.0.0.1\r\nX-A : 1\r\n",
    "no-name": "Host: 127.0.0.1\r\n: 1\r\n",
    "lengths": "Host: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
    "length-and-chunked": "Host: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
}


async def test_what_two_servers_could_read_in_two_ways_goes_no_further(tmp_path: Path) -> None:
    async with besieged(tmp_path) as siege:
        before = len(siege.behind.heads)
        for name, bad in AMBIGUOUS.items():
            status, _ = await siege.ask(request(host=bad))
            assert status == 400, name
        assert len(siege.behind.heads) == before


TARGETS = [
    f"{TARGET}&x=%0d%0aX-Evil:%201",
    f"{TARGET}&x=%0D%0A%0D%0AGET%20/other%20HTTP/1.1",
    "/v1/realtime%0d%0aX-Evil:%201?model=m",
    f"{TARGET}&x=%00",
    f"{TARGET}&x=\xff\xfe",
    "/v1/realtime?model=../../../../etc/passwd",
    "/v1/realtime/../../../etc/passwd?model=%2e%2e%2f%2e%2e%2fetc",
    "/v1/realtime?model=m&session_id=..%2f..%2fevil.rtape",
    "//attacker.example/v1/realtime?model=m",
    "/v1/realtime?model=" + "m" * 10_000,
]


async def test_a_target_stays_a_target(tmp_path: Path) -> None:
    """It goes up as it came, in one line, and no name in it becomes a path of ours."""
    outside = sorted(path.name for path in tmp_path.parent.iterdir())
    async with besieged(tmp_path) as siege:
        for target in TARGETS:
            before = len(siege.behind.heads)
            wire = await siege.proxy.connect()
            await wire.send(request(target))
            answer = await wire.take_head()
            wire.close()
            assert answer.split()[1] in (b"101", b"400"), target
            for head in siege.behind.heads[before:]:
                assert head.split(b"\r\n")[0] == f"GET {target} HTTP/1.1".encode("latin-1")
                assert b"\r\nX-Evil" not in head
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.parent == tmp_path / "tapes" for path in made)
    assert all(path.name.startswith("20") and len(path.name) < 60 for path in made)
    assert sorted(path.name for path in tmp_path.parent.iterdir()) == outside


SUBPROTOCOLS = [
    "Sec-WebSocket-Protocol: realtime\rX-Evil: 1\r\n",
    "Sec-WebSocket-Protocol: realtime\n X-Evil: 1\r\n",
    "Sec-WebSocket-Protocol: realtime\0\r\n",
]


async def test_no_header_comes_in_by_a_subprotocol(tmp_path: Path) -> None:
    async with besieged(tmp_path) as siege:
        before = len(siege.behind.heads)
        for headers in SUBPROTOCOLS:
            status, _ = await siege.ask(request(headers=headers))
            assert status == 400, headers
        assert len(siege.behind.heads) == before


async def test_an_odd_subprotocol_passes_as_it_is(tmp_path: Path) -> None:
    odd = "realtime, %0d%0aX-Evil: 1, openai-insecure-api-key.../../x"
    async with besieged(tmp_path) as siege:
        wire = await siege.proxy.connect()
        await wire.send(request(headers=f"Sec-WebSocket-Protocol: {odd}\r\n"))
        assert (await wire.take_head()).startswith(b"HTTP/1.1 101")
        wire.close()
        assert f"\r\nSec-WebSocket-Protocol: {odd}\r\n".encode() in siege.behind.heads[-1]


async def test_a_megabyte_of_headers_is_too_much(tmp_path: Path) -> None:
    async with besieged(tmp_path) as siege:
        before = len(siege.behind.heads)
        for name, attack in {
            "one": request(headers="X-Long: " + "a" * 1_000_000 + "\r\n"),
            "a thousand": request(headers=f"X-Long: {'a' * 1000}\r\n" * 1000),
            "very many": request(headers="X: 1\r\n" * 170_000),
            "no end": b"GET /" + b"a" * 1_000_000,
        }.items():
            status, _ = await siege.ask(attack)
            assert status in (0, 400), name  # 0: what we did not read took the answer with it
        assert len(siege.behind.heads) == before


async def drip(wire: Wire, data: bytes) -> int:
    """Send a byte now and then until the other end hangs up; return how many it took."""
    over = asyncio.create_task(wire.rest())
    sent = 0
    with contextlib.suppress(OSError):
        while not over.done() and sent < len(data):
            await wire.send(data[sent : sent + 1])
            sent += 1
            await asyncio.wait([over], timeout=0.02)
    await asyncio.wait_for(over, 30)
    wire.close()
    return sent


async def test_a_handshake_that_drips_is_cut(tmp_path: Path) -> None:
    """A byte now and then does not prolong it: it has so long to ask, all in all."""
    async with besieged(tmp_path, "--idle", "0.5") as siege:
        wire = await siege.proxy.connect()
        head = request_head() + bytes(100_000)
        assert await drip(wire, head) < len(request_head())


@pytest.mark.parametrize("server", ["replay", "simulate"])
async def test_other_servers_cut_it_too(tmp_path: Path, server: str, call: Path) -> None:
    tape = [str(call)] if server == "replay" else []
    async with serving(server, *tape, "--listen", "127.0.0.1:0", "--idle", "0.5") as served:
        assert await drip(await served.connect(), request_head()) < len(request_head())
        await served.stop()


async def test_a_connection_that_has_asked_once_may_not_stay_for_ever(tmp_path: Path) -> None:
    async with besieged(tmp_path, "--idle", "0.5") as siege:
        wire = await siege.proxy.connect()
        await wire.send(b"GET /v1/realtime HTTP/1.1\r\nHost: attacker.example\r\n\r\n")
        await asyncio.wait_for(wire.rest(), 30)
        assert wire.end == "eof"
        wire.close()
