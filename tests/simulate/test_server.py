"""The simulated server over real sockets, with aiohttp's client and the openai SDK."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI

from rtproxy.errors import ListenError
from rtproxy.simulate.library import load
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.server import SimulatedServer
from tests.simulate.dialogue import Dialogue

QUICK = """
[delays]
queue = 1
first_text = 1
first_audio = 2
rate_limits = 1
[audio]
rate = 0
"""
BETA = {"OpenAI-Beta": "realtime=v1"}
HELLO = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "Say hi."}],
}


def scenario(text: str = "") -> Scenario:
    return Scenario.parse(QUICK + text, "quick.toml")


@asynccontextmanager
async def connected(
    server: SimulatedServer, query: str = "?model=gpt-realtime", **options: Any
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(server.ws_url + query, max_msg_size=0, **options) as websocket,
    ):
        yield websocket


async def until(websocket: aiohttp.ClientWebSocketResponse, type_: str) -> list[dict[str, Any]]:
    """Every event up to the first of a type."""
    events = []
    async for message in websocket:
        events.append(json.loads(message.data))
        if events[-1]["type"] == type_:
            return events
    raise AssertionError(f"no {type_}: {events}")


async def rest(websocket: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    """Every event until the server closes."""
    return [json.loads(message.data) async for message in websocket]


async def test_a_text_turn_is_the_same_as_on_values() -> None:
    told = Dialogue(scenario())
    told.send("conversation.item.create", item=HELLO).send("response.create").wait()
    async with SimulatedServer(scenario()) as server, connected(server) as websocket:
        await websocket.send_json({"type": "conversation.item.create", "item": HELLO})
        await websocket.send_json({"type": "response.create"})
        events = await until(websocket, "rate_limits.updated")
    events[0]["session"]["expires_at"] = told.events[0]["session"]["expires_at"]
    assert events == told.events


async def test_answers_say_that_they_are_simulated() -> None:
    async with (
        SimulatedServer(scenario(), seed=5) as server,
        aiohttp.ClientSession() as http,
        http.ws_connect(server.ws_url) as websocket,
        http.get(server.url + "/v1/models") as models,
    ):
        origin = "simulated; scenario=quick; seed=5"
        assert websocket._response.headers["rtproxy-origin"] == origin
        assert models.headers["rtproxy-origin"] == origin
        assert (await models.json())["data"][0]["id"] == "gpt-realtime"


async def test_events_leave_when_they_are_due() -> None:
    text = "[delays]\nqueue = 60\nfirst_text = 100\nfirst_audio = 150\n[audio]\nrate = 20\n"
    slow = Scenario.parse(text, "slow.toml")
    clock = asyncio.get_running_loop().time
    arrived: dict[str, float] = {}
    async with SimulatedServer(slow) as server, connected(server) as websocket:
        await until(websocket, "session.created")
        start = clock()
        await websocket.send_json({"type": "response.create"})
        async for message in websocket:
            arrived.setdefault(json.loads(message.data)["type"], (clock() - start) * 1000)
            if "response.done" in arrived:
                break
    # How exactly is seen in virtual time; here a loaded machine may be late, but never early.
    assert 59 < arrived["response.created"] < 10_000
    assert 209 < arrived["response.output_audio.delta"] < 10_000


@pytest.mark.parametrize("compress", [0, 15])
async def test_compression_is_used_if_offered(compress: int) -> None:
    async with (
        SimulatedServer(scenario()) as server,
        connected(server, compress=compress) as websocket,
    ):
        assert bool(websocket.compress) is bool(compress)
        await websocket.send_json({"type": "response.create"})
        await until(websocket, "response.done")


async def test_twenty_mebibytes_in_one_message() -> None:
    async with SimulatedServer(scenario()) as server, connected(server) as websocket:
        audio = "A" * (20 * 1024 * 1024)
        await websocket.send_json({"type": "input_audio_buffer.append", "audio": audio})
        await websocket.send_json({"type": "input_audio_buffer.clear"})
        assert (await until(websocket, "input_audio_buffer.cleared"))[-1]


async def test_binary_and_broken_messages_do_not_end_the_session() -> None:
    async with SimulatedServer(scenario()) as server, connected(server) as websocket:
        await websocket.send_bytes(b"\x00")
        assert (await until(websocket, "error"))[-1]["error"]["code"] == "invalid_event"
        await websocket.send_str("{")
        assert (await until(websocket, "error"))[-1]["error"]["code"] == "invalid_json"
        await websocket.send_json({"type": "response.create"})
        await until(websocket, "response.done")


class TestDialects:
    @pytest.mark.parametrize(
        "options", [{"headers": BETA}, {"protocols": ("realtime", "openai-beta.realtime-v1")}]
    )
    async def test_beta_is_spoken_to_who_asks_for_it(self, options: dict[str, Any]) -> None:
        async with (
            SimulatedServer(scenario()) as server,
            connected(server, **options) as websocket,
        ):
            await websocket.send_json({"type": "response.create"})
            types = [event["type"] for event in await until(websocket, "response.done")]
        assert "response.audio.delta" in types
        assert websocket.protocol == ("realtime" if "protocols" in options else None)

    async def test_a_ga_server_turns_beta_away_after_the_handshake(self) -> None:
        async with (
            SimulatedServer(Scenario(dialect="ga")) as server,
            connected(server, headers=BETA) as websocket,
        ):
            (event,) = await rest(websocket)
            assert event["error"]["code"] == "beta_api_shape_disabled"
            assert websocket.close_code == 4000

    async def test_a_beta_server_speaks_nothing_else(self) -> None:
        async with SimulatedServer(load("beta")) as server, connected(server, "") as websocket:
            assert (await until(websocket, "session.created"))[0]["session"]["modalities"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (401, "invalid_api_key"),
            (403, "access_denied"),
            (404, "model_not_found"),
            (429, "rate_limit_exceeded"),
            (503, "server_error"),
        ],
    )
    async def test_each_status_has_its_code(self, status: int, code: str) -> None:
        async with (
            SimulatedServer(scenario(f"[refuse]\nstatus = {status}")) as server,
            aiohttp.ClientSession() as http,
            http.get(server.url + "/v1/realtime") as answer,
        ):
            assert answer.status == status
            assert (await answer.json())["error"]["code"] == code
            assert answer.headers["rtproxy-origin"].startswith("simulated")

    async def test_before_the_101(self) -> None:
        text = '[refuse]\nstatus = 429\ncode = "slow_down"\nheaders = { Retry-After = "2" }\n'
        async with (
            SimulatedServer(scenario(text)) as server,
            aiohttp.ClientSession() as http,
            http.get(server.url + "/v1/realtime", headers={"Upgrade": "websocket"}) as answer,
        ):
            assert answer.status == 429
            assert answer.headers["Retry-After"] == "2"
            assert (await answer.json())["error"]["code"] == "slow_down"

    async def test_after_the_101(self) -> None:
        headers = {"Authorization": "Bearer sk-proj-0123456789abcdef"}
        async with (
            SimulatedServer(load("bad-key")) as server,
            connected(server, headers=headers) as websocket,
        ):
            (event,) = await rest(websocket)
            assert event["error"]["code"] == "invalid_api_key"
            assert "sk-proj-********cdef" in event["error"]["message"]
            assert websocket.close_code == 3000

    async def test_only_so_many(self) -> None:
        text = "[refuse]\nstatus = 503\ntimes = 1\n"
        async with SimulatedServer(scenario(text)) as server:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                async with connected(server):
                    pass
            async with connected(server) as websocket:
                assert await until(websocket, "session.created")


class TestEndings:
    async def test_expiry(self) -> None:
        text = "[expiry]\nafter_ms = 50"
        async with SimulatedServer(scenario(text)) as server, connected(server) as websocket:
            events = await rest(websocket)
        assert [event["type"] for event in events] == ["session.created", "error"]
        assert websocket.close_code == 1001

    async def test_a_reset_is_a_reset(self) -> None:
        text = "[faults]\nreset_at_event = 2"
        async with SimulatedServer(scenario(text)) as server, connected(server) as websocket:
            await until(websocket, "session.created")
            await websocket.send_json({"type": "response.create"})
            message = await websocket.receive()
            assert message.type in (aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSED)
            assert websocket.close_code == 1006

    async def test_closing_the_server_ends_its_sessions(self) -> None:
        server = SimulatedServer(scenario())
        await server.start()
        async with connected(server) as websocket:
            await until(websocket, "session.created")
            await asyncio.gather(server.close(), rest(websocket))
            assert websocket.close_code == 1001

    async def test_pings_have_four_bytes(self) -> None:
        text = "[connection]\nping_every_ms = 10"
        async with (
            SimulatedServer(scenario(text)) as server,
            connected(server, autoping=False) as websocket,
        ):
            await websocket.receive()
            ping = await websocket.receive()
            assert (ping.type, len(ping.data)) == (aiohttp.WSMsgType.PING, 4)


class TestSecrets:
    async def test_ga_secret_carries_its_session(self) -> None:
        async with SimulatedServer(scenario()) as server, aiohttp.ClientSession() as http:
            body = {"session": {"type": "realtime", "instructions": "Be brief."}}
            async with http.post(server.url + "/v1/realtime/client_secrets", json=body) as answer:
                secret = await answer.json()
            assert secret["value"].startswith("ek_")
            assert secret["session"]["instructions"] == "Be brief."
            protocols = ("realtime", f"openai-insecure-api-key.{secret['value']}")
            async with connected(server, protocols=protocols) as websocket:
                (created,) = await until(websocket, "session.created")
                assert created["session"]["instructions"] == "Be brief."

    async def test_beta_sessions_and_what_is_wrong_with_them(self) -> None:
        async with SimulatedServer(scenario()) as server, aiohttp.ClientSession() as http:
            url = server.url + "/v1/realtime/sessions"
            async with http.post(url, json={"voice": "sage"}) as answer:
                session = await answer.json()
                assert session["client_secret"]["value"].startswith("ek_")
                assert session["voice"] == "sage"
            headers = BETA | {"Authorization": f"Bearer {session['client_secret']['value']}"}
            async with connected(server, "", headers=headers) as websocket:
                (created,) = await until(websocket, "session.created")
                assert created["session"]["voice"] == "sage"
            async with http.post(url, json={"voice": "hoarse"}) as answer:
                assert answer.status == 400
                assert (await answer.json())["error"]["param"] == "session.voice"
            async with http.post(url, data="{") as answer:
                assert answer.status == 400


async def test_a_plain_request_is_told_to_upgrade() -> None:
    async with (
        SimulatedServer(scenario()) as server,
        aiohttp.ClientSession() as http,
        http.get(server.url + "/v1/realtime") as answer,
    ):
        assert answer.status == 426


async def test_a_port_in_use_is_a_sentence() -> None:
    async with SimulatedServer(scenario()) as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(ListenError, match="in use by another program"):
            await SimulatedServer(scenario(), port=port).start()


async def test_the_sdk_has_a_turn_in_both_dialects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with SimulatedServer(scenario()) as server:
        base = f"{server.url}/v1"
        websocket_base = base.replace("http", "ws")
        async with AsyncOpenAI(
            api_key="sk-test", base_url=base, websocket_base_url=websocket_base
        ) as client:
            async with client.realtime.connect(model="gpt-realtime") as connection:
                await connection.conversation.item.create(item=HELLO)  # type: ignore[arg-type]
                await connection.response.create(response={"output_modalities": ["text"]})
                async for event in connection:
                    if event.type == "response.output_text.done":
                        assert event.text == "You said: Say hi."
                    if event.type == "response.done":
                        assert event.response.status == "completed"
                        break
            async with client.beta.realtime.connect(model="gpt-4o-realtime-preview") as beta:
                await beta.conversation.item.create(item=HELLO)  # type: ignore[arg-type]
                await beta.response.create(response={"modalities": ["text"]})
                async for beta_event in beta:
                    if beta_event.type == "response.text.done":
                        assert beta_event.text == "You said: Say hi."
                        break
            made = await client.realtime.client_secrets.create(session={"type": "realtime"})
            assert made.value.startswith("ek_")


async def test_the_command_says_where_it_listens_and_ends_quietly() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rtproxy", "simulate", "--listen", "127.0.0.1:0", "--seed", "9",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stderr
    line = (await process.stderr.readline()).decode()
    assert line.startswith("rtproxy: http://127.0.0.1:")
    assert "simulates default, seed 9" in line
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scenario", "nope"], "there is no scenario 'nope'"),
        (["--listen", "nowhere"], "is no HOST:PORT"),
        (["--seed", "x"], "'x' is not a valid integer"),
    ],
)
async def test_a_wrong_command_line_is_a_sentence(arguments: list[str], said: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rtproxy", "simulate", *arguments,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await process.communicate()
    assert process.returncode == 2
    assert said in err.decode()
    assert "Traceback" not in err.decode()
