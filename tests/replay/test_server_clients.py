"""Real clients against tapes that were recorded from them: nothing but the URL differs."""

from pathlib import Path
from typing import Any

import openai
import pytest
import websockets

from tests.record.test_clients import (
    API_KEY,
    BETA_NAMES,
    BETA_SESSION,
    GA_NAMES,
    GA_SESSION,
    MODEL,
    converse,
    converse_in_json,
    listen_in,
    stage,
)
from tests.replay.follow import serving


async def ga(url: str) -> Any:
    client = openai.AsyncOpenAI(api_key=API_KEY, base_url=f"{url}/v1")
    async with client, client.realtime.connect(model=MODEL) as connection:
        log = listen_in(connection._connection)
        await converse(connection, GA_NAMES, GA_SESSION)
    return log


async def beta(url: str) -> Any:
    base = url.replace("http://", "ws://") + "/v1"
    client = openai.AsyncOpenAI(api_key=API_KEY, websocket_base_url=base)
    async with client, client.beta.realtime.connect(model=MODEL) as connection:
        log = listen_in(connection._connection)
        await converse(connection, BETA_NAMES, BETA_SESSION)
    return log


async def compressed(url: str) -> Any:
    target = url.replace("http://", "ws://") + f"/v1/realtime?model={MODEL}"
    async with websockets.connect(target, max_size=None) as socket:
        assert socket.response is not None
        assert "permessage-deflate" in socket.response.headers["Sec-WebSocket-Extensions"]
        return await converse_in_json(socket.send, socket.recv)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("client", [ga, beta, compressed])
async def test_a_client_replays_what_was_recorded_from_it(tmp_path: Path, client: Any) -> None:
    async with stage(tmp_path) as proxy:
        recorded = await client(proxy.url)
    async with serving(tmp_path) as server:
        replayed = await client(server.url)
        await server.settle(30)
        assert list(map(str, server.journal.failures())) == []
        assert [slot.uses for slot in server.shelf.slots] == [1]
    assert replayed.seen[: len(recorded.seen)] == recorded.seen
