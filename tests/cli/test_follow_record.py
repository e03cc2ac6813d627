"""`rtproxy inspect --follow` beside a real `rtproxy record`."""

import asyncio
import socket
from pathlib import Path

from rtproxy.wire.frame import Opcode, encode_frame
from tests.cli.following import LIMIT_S, following
from tests.record.process import recording
from tests.record.wirekit import Wire, accept_head, listening, request_head


async def test_a_session_through_the_proxy_is_followed_until_the_proxy_is_killed(
    tmp_path: Path,
) -> None:
    """The folder is followed before there is a session in it."""

    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(accept_head())
        await wire.send(encode_frame(Opcode.TEXT, b'{"type":"session.created"}'))
        await wire.rest()

    async with (
        listening(server) as (port, done),
        recording(f"http://127.0.0.1:{port}", tmp_path) as proxy,
        following(tmp_path, "--events") as follower,
    ):
        assert await follower.said() == (f"Waiting for a session to be recorded into {tmp_path}.\n")
        client = Wire(socket.create_connection(("127.0.0.1", proxy.port)))
        await client.send(request_head())
        await client.take_head()
        await follower.line(having="session.created")
        await client.send(
            encode_frame(Opcode.TEXT, b'{"type":"response.create"}', mask=b"\x01\x02\x03\x04")
        )
        await follower.line(having="response.create")
        proxy.process.kill()
        code, shown, said = await follower.end()
        await client.rest()
        client.close()
        await asyncio.wait_for(done, LIMIT_S)
    assert code == 1
    assert "· live ·" in shown
    assert "broke off" in said
