"""ReplayServer and RecordProxy: servers for programs that have no loop to give."""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import openai
import pytest
import websockets
from websockets.sync.client import connect

import rtproxy
from rtproxy.errors import ListenError, MismatchError, ReplayError, TapeError, UpstreamError
from rtproxy.simulate.library import load
from rtproxy.simulate.server import SimulatedServer
from tests.replay.follow import events, follow, greeting, read, write_tape
from tests.replay.taped import Tape, event

QUERY = "?model=gpt-realtime"


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    """Each test here ends every thread that it began."""
    before = set(threading.enumerate())
    yield
    left = {thread for thread in threading.enumerate() if thread.name == "rtproxy"} - before
    assert not left


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return write_tape(tmp_path / "call.rtape", greeting())


def converse(url: str) -> None:
    """The conversation of `greeting`, by a client that blocks."""
    with connect(url + QUERY) as client:
        client.recv()
        client.send(event("response.create"))
        client.recv()
        client.recv()


def test_with_tls(tape: Path, tmp_path: Path) -> None:
    with rtproxy.ReplayServer(tape, tls=True) as server:
        assert server.url.startswith("https://")
        assert server.ca is not None
        trust = ssl.create_default_context(cafile=server.ca)
        # A replay in the server's place: the proxy trusts it as it would any other.
        taping = rtproxy.RecordProxy(
            upstream=server.url, upstream_ca=server.ca, out=tmp_path / "tapes", tls=True
        )
        with taping as proxy, connect(proxy.ws_url + QUERY, ssl=trust) as client:
            client.recv()
            client.send(event("response.create"))
            client.recv()
            client.recv()
        server.verify()
        assert [events(path) for path in taping.tapes] == [events(tape)]
    with rtproxy.ReplayServer(tape) as server:
        assert server.ca is None


def test_in_a_test_that_blocks(tape: Path) -> None:
    with rtproxy.ReplayServer(tape) as server:
        assert server.base_url == server.url + "/v1"
        assert server.ws_url == server.url.replace("http", "ws") + "/v1/realtime"
        converse(server.ws_url)
        server.verify()
        (outcome,) = server.outcomes
        assert outcome.ok
    server.verify()
    assert server.journal["ok"]


def test_what_each_session_exchanged(tape: Path) -> None:
    with rtproxy.ReplayServer(tape, loop=True) as server:
        assert server.sessions == []
        for _ in range(2):
            converse(server.ws_url)
        server.verify()
        sessions = server.sessions
    assert [session.events for session in sessions] == [4, 4]
    assert [session.events for session in server.sessions] == [4, 4]
    assert all(session.header is not None for session in sessions)


async def test_in_a_test_with_a_loop(tape: Path) -> None:
    async with rtproxy.ReplayServer(str(tape)) as server:
        client = await follow(server.url, read(tape))
        assert client.code == 1000
        # The loop is the server's own: this one may block without blocking it.
        with urlopen(f"{server.url}/__rtproxy__/health") as answer:
            assert json.load(answer)["ok"]
        server.verify()


def test_verify_tells_what_went_wrong(tape: Path) -> None:
    with rtproxy.ReplayServer(tape) as server:
        with pytest.raises(MismatchError, match=r"call\.rtape was not played"):
            server.verify()
        with connect(server.ws_url + QUERY) as client:
            client.recv()
            client.send(event("response.cancel"))
            assert "rtproxy_mismatch" in str(client.recv())
        with pytest.raises(MismatchError, match=r"(?s)unexpected.*response.cancel.*call\.rtape"):
            server.verify()
        assert not server.outcomes[0].ok


def test_verify_waits_for_a_session_that_is_about_to_end(tape: Path) -> None:
    with rtproxy.ReplayServer(tape, speed=1) as server:
        with connect(server.ws_url + QUERY) as client:
            client.send(event("response.create"))
            server.verify()
            client.close()


def test_verify_does_not_wait_for_ever(tape: Path) -> None:
    with rtproxy.ReplayServer(tape) as server, connect(server.ws_url + QUERY):
        with pytest.raises(MismatchError, match="was not played to its end"):
            server.verify(wait=0.05)


def test_options(tmp_path: Path) -> None:
    tape = Tape().client("session.update", session={"instructions": "be kind"}).client("x", n=1)
    path = write_tape(tmp_path / "call.rtape", tape.server("done"))
    seen = []

    def matcher(recorded: Any, received: Any) -> bool | None:
        seen.append(received["type"])
        return True if received["type"] == "x" else None

    with rtproxy.ReplayServer(
        [path], ignore=["session"], matchers=[matcher], faults=["duplicate=done"], speed="10x"
    ) as server:
        with connect(server.ws_url + QUERY) as client:
            client.send(event("session.update", session={"instructions": "be rude"}))
            client.send(event("x", n=2))
            assert [client.recv(), client.recv()] == [event("done")] * 2
        server.verify()
    assert "x" in seen


async def test_a_start_that_is_given_up_leaves_nothing_running(tape: Path) -> None:
    servers = [rtproxy.ReplayServer(tape) for _ in range(5)]

    async def serve(server: rtproxy.ReplayServer) -> None:
        async with server:
            await asyncio.Event().wait()

    for number, server in enumerate(servers):
        task = asyncio.create_task(serve(server))
        await asyncio.sleep(number / 1000)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not any(server._background.running for server in servers)


def test_one_text_stands_for_a_list_of_one(tmp_path: Path) -> None:
    done = Tape().client("session.update", voice="ash").server("session.updated", account="acct_7")
    path = write_tape(tmp_path / "update.rtape", done.client("input_audio_buffer.clear"))
    options: dict[str, Any] = {"stall": np.float32(2.5), "speed": np.int64(9)}
    options |= {"ignore": "voice", "trailing": "input_audio_buffer.clear"}
    with rtproxy.ReplayServer(path, **options) as server:
        proxy = rtproxy.RecordProxy(upstream=server.url, out=tmp_path / "new", redact="acct_[0-9]+")
        with proxy, connect(proxy.ws_url + QUERY) as client:
            client.send(event("session.update", voice="oak"))
            assert "acct_7" in str(client.recv())
        server.verify()
    taped = proxy.tapes[0].read_bytes()
    assert b"acct_7" not in taped
    assert b"session.updated" in taped


def test_what_is_wrong_is_said_at_once(tmp_path: Path, tape: Path) -> None:
    with pytest.raises(TapeError, match="There is no file"):
        rtproxy.ReplayServer(tmp_path / "none.rtape")
    with pytest.raises(ReplayError, match="no speed"):
        rtproxy.ReplayServer(tape, speed="warp")
    with pytest.raises(ReplayError, match="speed is 0; it takes a factor above 0"):
        rtproxy.ReplayServer(tape, speed=0)
    with pytest.raises(ReplayError, match="no way to match"):
        rtproxy.ReplayServer(tape, match="loose")  # type: ignore[arg-type]
    with pytest.raises(ReplayError, match="no fault"):
        rtproxy.ReplayServer(tape, faults=["nonsense"])
    wrong: dict[str, Any]
    for wrong, why in (
        ({"stall": "long"}, "stall is 'long'; it takes a number of seconds above 0"),
        ({"stall": -1}, "stall is -1"),
        ({"ignore": [3]}, "ignore takes texts, and 3 is none"),
        ({"speed": None}, "speed is None; it takes a factor above 0"),
        ({"ignore": 3}, "ignore is 3; it takes a list of texts"),
        ({"ignore": (path for path in ["item"])}, "it takes a list of texts"),
        ({"matchers": ["same"]}, "matchers takes functions, and 'same' is none"),
        ({"faults": "hiccup"}, "'hiccup' is no fault"),
    ):
        with pytest.raises(ReplayError, match=why):
            rtproxy.ReplayServer(tape, **wrong)
    with pytest.raises(ReplayError, match=r"redact: 'acct_\(' is no regular expression"):
        rtproxy.RecordProxy(upstream="http://127.0.0.1:1", out=tmp_path, redact=["acct_("])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = rtproxy.ReplayServer(tape, port=taken.getsockname()[1])
        with pytest.raises(ListenError, match="in use"):
            server.start()
    with pytest.raises(RuntimeError, match="with"):
        _ = server.url
    server.close()


async def test_the_journal_for_other_languages(tape: Path) -> None:
    async with rtproxy.ReplayServer(tape) as server:
        await follow(server.url, read(tape))
        with pytest.raises(websockets.exceptions.InvalidStatus):
            await websockets.connect(server.ws_url + QUERY)

        def fetch() -> Any:
            with urlopen(f"{server.url}/__rtproxy__/journal") as answer:
                return json.load(answer)

        journal = await asyncio.to_thread(fetch)
    assert journal["schema"] == "rtproxy.journal/1"
    assert journal["ok"] is False
    played, refused = journal["connections"]
    assert played == {
        "number": 0,
        "request": "GET /v1/realtime?model=gpt-realtime",
        "connection": "websocket",
        "tape": "call.rtape",
        "state": "over",
        "ok": True,
        "complete": True,
        "reports": [],
        "warnings": [],
        "unsent": [],
        "undelivered": [],
        "reordered": [],
    }
    assert refused["state"] == "refused"
    assert "has played already" in refused["refusal"]
    assert journal["tapes"] == [
        {
            "name": "call.rtape",
            "connection": "websocket",
            "request": "GET /v1/realtime?model=gpt-realtime",
            "uses": 1,
        }
    ]


async def test_recording_and_replaying(tmp_path: Path) -> None:
    async def talk(base_url: str) -> list[Any]:
        client = openai.AsyncOpenAI(api_key="sk-test", base_url=base_url)
        events: list[Any] = []
        async with client, client.realtime.connect(model="gpt-realtime") as connection:
            await connection.session.update(
                session={"type": "realtime", "output_modalities": ["text"]}
            )
            await connection.response.create()
            while not events or events[-1].type != "response.done":
                events.append(await connection.recv())
        return events

    async with SimulatedServer(load("text")) as simulated:
        async with rtproxy.RecordProxy(upstream=simulated.url, out=tmp_path) as proxy:
            recorded = await talk(proxy.base_url)
        (tape,) = proxy.tapes
        (session,) = proxy.sessions
        assert [response.status for response in session.responses] == ["completed"]
        assert not proxy.failures
    async with rtproxy.ReplayServer(proxy.tapes) as server:
        assert await talk(server.base_url) == recorded
        server.verify()
    assert len(events(tape)) >= len(recorded)


def test_a_proxy_that_cannot_begin(tmp_path: Path) -> None:
    with pytest.raises(UpstreamError):
        rtproxy.RecordProxy(upstream="ftp://x", out=tmp_path).start()
