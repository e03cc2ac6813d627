"""HTTP tapes: the recorded answer to the same request, with secrets that can be used."""

import json
import re
import time
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from rtproxy.record.proxy import Proxy
from rtproxy.record.proxy import Settings as ProxySettings
from rtproxy.replay.expiry import refresh
from rtproxy.simulate.library import load
from rtproxy.simulate.server import SimulatedServer
from tests.replay.follow import serving, write_tape
from tests.replay.taped import Tape

JSON = [["Content-Type", "application/json"]]


def test_what_is_refreshed() -> None:
    body = (
        '{"value": "REDACTED:0a1b2c3d", "again": "REDACTED:0a1b2c3d", "expires_at": 1060,\n'
        ' "session": {"expires_at": 0, "note": "\\"expires_at\\": 5",'
        ' "other": "REDACTED:ffffffff"}}'
    )
    fresh = json.loads(refresh(body, 1000.0, 9000.0))
    assert fresh["expires_at"] == 9060
    assert fresh["session"]["expires_at"] == 0
    assert fresh["session"]["note"] == '"expires_at": 5'
    assert re.fullmatch("ek_[0-9a-f]{32}", fresh["value"])
    assert fresh["again"] == fresh["value"] != fresh["session"]["other"]
    assert refresh('{"expires_at": 1600}', 1000.0, 9000.0) == '{"expires_at": 9600}'
    assert refresh('{"expires_at": 1600}', None, 9000.0) == '{"expires_at": 9060}'


def secret_tape(path: Path, body: dict[str, Any], **answer: Any) -> Path:
    tape = Tape().client(json.dumps(body))
    tape.server(json.dumps({"value": "REDACTED:0a1b2c3d", "expires_at": 1000, **answer}))
    return write_tape(
        path,
        tape,
        connection="http",
        started_ns=900_000_000_000,
        request={"method": "POST", "target": "/v1/realtime/client_secrets", "headers": []},
        response={
            "status": 200,
            "headers": [*JSON, ["Content-Length", "7"], ["x-request-id", "r"]],
        },
    )


async def post(url: str, body: Any, path: str = "/v1/realtime/client_secrets") -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session:
        async with session.post(url + path, json=body) as answer:
            return answer.status, await answer.json()


async def test_a_body_is_compared_by_meaning(tmp_path: Path) -> None:
    body = {"session": {"type": "realtime", "model": "m"}, "key": "REDACTED:01234567"}
    path = secret_tape(tmp_path / "secret.rtape", body)
    async with serving(path, loop=True) as server:
        status, answer = await post(
            server.url, {"key": "x", "session": {"model": "m", "type": "realtime"}}
        )
        assert status == 200
        assert answer["expires_at"] >= time.time() + 60
        assert server.journal.to_json()["ok"]
        status, answer = await post(
            server.url, {"key": "x", "session": {"model": "n", "type": "realtime"}}
        )
        assert status == 422
        assert answer["error"]["code"] == "rtproxy_mismatch"
        assert answer["rtproxy"]["differences"] == [
            {"path": "session.model", "expected": "m", "received": "n"}
        ]
        assert not server.journal.ok
    async with serving(path, ignore=["session.model"]) as server:
        assert (await post(server.url, {"key": 1, "session": {"type": "realtime"}}))[0] == 200
    async with serving(path, match="lenient") as server:
        assert (await post(server.url, {}))[0] == 200
        assert server.journal.ok
        assert server.journal.to_json()["connections"][0]["warnings"]


@pytest.mark.parametrize("match", ["strict", "lenient"])
async def test_a_matcher_that_raises_fails_the_request(tmp_path: Path, match: Any) -> None:
    def same_price(recorded: Any, received: Any) -> bool:
        return bool(recorded["price"] == received["price"])

    path = secret_tape(tmp_path / "secret.rtape", {"n": 1})
    async with serving(path, match=match, matchers=[same_price]) as server:
        status, answer = await post(server.url, {"n": 1})
        assert status == 422
        assert answer["error"]["code"] == "rtproxy_mismatch"
        assert "the matcher same_price raised KeyError: 'price'" in answer["error"]["message"]
        (entry,) = server.journal.entries
        assert [report.kind for report in entry.outcome.reports] == ["broken matcher"]


async def test_an_sdk_does_not_try_again_what_differs(tmp_path: Path) -> None:
    body = {"session": {"type": "realtime", "model": "m"}}
    async with serving(secret_tape(tmp_path / "secret.rtape", body)) as server:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="test") as client:
            with pytest.raises(openai.APIStatusError, match="differs from the tape at session"):
                await client.realtime.client_secrets.create(session={"type": "realtime"})
        (entry,) = server.journal.entries
        (report,) = entry.outcome.reports
        assert "expected  the body (#0 at" in report.to_text()


async def test_of_several_tapes_the_one_with_this_body_answers(tmp_path: Path) -> None:
    paths = [secret_tape(tmp_path / f"{n}.rtape", {"n": n}, n=n) for n in range(3)]
    async with serving(*paths) as server:
        for n in (2, 0, 1):
            assert (await post(server.url, {"n": n}))[1]["n"] == n
        assert (await post(server.url, {"n": 1}))[0] == 404


async def test_an_unknown_request_is_refused_and_counts(tmp_path: Path) -> None:
    async with serving(secret_tape(tmp_path / "secret.rtape", {})) as server:
        status, answer = await post(server.url, {}, "/v1/realtime/calls")
        assert status == 404
        assert "/v1/realtime/client_secrets" in answer["error"]["message"]
        assert not server.journal.ok


async def test_a_stream_of_events(tmp_path: Path) -> None:
    tape = Tape().server("=data: 1\n\n").server("=data: 2\n\n")
    headers = [["Content-Type", "text/event-stream"]]
    path = write_tape(
        tmp_path / "stream.rtape",
        tape,
        connection="http",
        request={"method": "GET", "target": "/v1/realtime/stream", "headers": []},
        response={"status": 200, "headers": headers},
    )
    async with serving(path) as server, aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/v1/realtime/stream") as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert await answer.text() == "data: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize("broken", [False, True])
async def test_an_answer_has_the_recorded_status_and_no_other_headers(
    tmp_path: Path, broken: bool
) -> None:
    tape = Tape().server("=slow down")
    if broken:
        tape.control("reset", from_server=True)
    path = write_tape(
        tmp_path / "limit.rtape",
        tape,
        connection="http",
        request={"method": "GET", "target": "/v1/models", "headers": []},
        response={"status": 429, "headers": [["retry-after", "1"]]},
    )
    async with serving(path) as server, aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/v1/models") as answer:
            assert answer.status == 429
            names = {name.lower() for name in answer.headers}
            assert names == {"retry-after", "rtproxy-origin"} | (
                {"transfer-encoding"} if broken else {"content-length"}
            )
            if broken:
                with pytest.raises(aiohttp.ClientError):
                    await answer.read()
            else:
                assert await answer.text() == "slow down"


async def mint_and_connect(url: str) -> list[str]:
    """What a browser's backend and the browser do: mint a secret, connect with it."""
    client = openai.AsyncOpenAI(api_key="sk-of-the-backend", base_url=f"{url}/v1")
    async with client:
        secret = await client.realtime.client_secrets.create(session={"type": "realtime"})
    assert secret.value.startswith("ek_")
    assert secret.expires_at >= time.time() + 30
    page = openai.AsyncOpenAI(api_key=secret.value, base_url=f"{url}/v1")
    kinds: list[str] = []
    async with page, page.realtime.connect(model="gpt-realtime") as connection:
        kinds.append((await connection.recv()).type)
        await connection.session.update(session={"type": "realtime", "instructions": "be kind"})
        kinds.append((await connection.recv()).type)
    return kinds


async def test_minting_a_secret_and_connecting_with_it(tmp_path: Path) -> None:
    async with SimulatedServer(load("text")) as simulated:
        settings = ProxySettings(upstream=simulated.url, port=0, out=tmp_path)
        async with Proxy(settings) as proxy:
            recorded = await mint_and_connect(proxy.url)
    assert len(list(tmp_path.glob("*.rtape"))) == 2
    async with serving(tmp_path) as server:
        assert await mint_and_connect(server.url) == recorded
        await server.settle(30)
        assert list(server.journal.failures()) == []
        assert all(slot.uses for slot in server.shelf.slots)
