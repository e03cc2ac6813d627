"""Pages in a browser on this machine, and machines elsewhere: who is let in, and to what."""

import re
import socket
from pathlib import Path

import aiohttp
import pytest
from openai import AsyncOpenAI

from rtproxy.errors import ListenError
from rtproxy.net.token import Token
from rtproxy.record.proxy import Proxy, Settings
from tests.attacks.kit import TARGET, Bystander, Served, serving, upstream
from tests.record.wirekit import KEY

PAGE = "https://attacker.example"
HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\n"
)


async def ask(served: Served, target: str, headers: str = "") -> tuple[int, bytes]:
    """Ask for a WebSocket: the status, and what came with it."""
    wire = await served.connect()
    head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{HANDSHAKE}{headers}\r\n"
    await wire.send(head.encode())
    answer = await wire.take_head()
    status = int(answer.split()[1])
    length = re.search(rb"\r\nContent-Length: (\d+)", answer)
    if length is not None:
        answer += await wire.take(int(length[1]))
    wire.close()
    return status, answer


async def test_a_foreign_page_gets_no_tape(call: Path) -> None:
    async with serving("replay", str(call), "--loop", "--listen", "127.0.0.1:0") as served:
        for origin in (PAGE, "null", "http://127.0.0.1.attacker.example", "file://", "//"):
            status, answer = await ask(served, TARGET, f"Origin: {origin}\r\n")
            assert status == 403, origin
            assert b"sess_1" not in answer
        status, _ = await ask(served, "/__rtproxy__/journal", f"Origin: {PAGE}\r\n")
        assert status == 403
        status, _ = await ask(served, TARGET, "Origin: http://localhost:3000\r\n")
        assert status == 101
        await served.stop()


@pytest.mark.parametrize("server", ["replay", "simulate"])
async def test_a_page_that_has_its_name_point_here_gets_nothing(server: str, call: Path) -> None:
    tape = [str(call), "--loop"] if server == "replay" else []
    async with serving(server, *tape, "--listen", "127.0.0.1:0") as served:
        for path in (TARGET, "/v1/models", "/__rtproxy__/journal", "/__rtproxy__/health"):
            for host in ("attacker.example", "127.0.0.1.attacker.example", "192.168.1.5"):
                wire = await served.connect()
                page = f"Host: {host}\r\nOrigin: http://{host}\r\n"
                head = f"GET {path} HTTP/1.1\r\n{page}{HANDSHAKE}\r\n"
                await wire.send(head.encode())
                answer = await wire.rest()
                wire.close()
                assert answer.startswith(b"HTTP/1.1 421"), (path, host)
                assert b"this Host is another machine's" in answer
        await served.stop()


async def test_a_foreign_page_gets_no_key(tmp_path: Path) -> None:
    key = "sk-proj-0123456789abcdef0123456789"
    async with (
        upstream() as behind,
        serving(
            *("record", "--upstream", behind.url, "--out", str(tmp_path / "tapes")),
            *("--listen", "127.0.0.1:0", "--inject-key", "THEIR_KEY"),
            *("--allow-origin", "http://localhost:3000"),
            env={"THEIR_KEY": key},
        ) as served,
    ):
        for origin in (
            PAGE,
            "null",
            "http://localhost:3001",
            "http://localhost:3000.attacker.test",
        ):
            status, answer = await ask(served, TARGET, f"Origin: {origin}\r\n")
            assert status == 403, origin
            assert key.encode() not in answer
        assert behind.heads == []
        status, _ = await ask(served, TARGET, "Origin: http://localhost:3000\r\n")
        assert status == 101
        assert f"Authorization: Bearer {key}".encode() in behind.heads[0]
        await served.stop()


async def test_a_tape_is_picked_by_its_name_and_not_by_a_path(call: Path, tmp_path: Path) -> None:
    secret = tmp_path / "elsewhere" / "secret.rtape"
    secret.parent.mkdir()
    secret.write_bytes(call.read_bytes())
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "call.rtape").write_bytes(call.read_bytes())
    async with serving("replay", str(shown), "--listen", "127.0.0.1:0") as served:
        for name in (
            "../elsewhere/secret.rtape",
            "..%2felsewhere%2fsecret.rtape",
            str(secret),
            "shown/../../elsewhere/secret",
            "%2e%2e/secret",
            "secret.rtape%00",
            "*",
            "../../../../etc/passwd",
            "x%1b%5d0;owned%07",
        ):
            for target, headers in (
                (f"{TARGET}&rtproxy_tape={name}", ""),
                (TARGET, f"rtproxy-tape: {name}\r\n"),
            ):
                status, answer = await ask(served, target, headers)
                assert status == 404, name
                assert b"There is no tape" in answer
        status, _ = await ask(served, f"{TARGET}&rtproxy_tape=call")
        assert status == 101
        await served.stop()
    assert "\x1b]" not in served.said
    assert "\x07" not in served.said


@pytest.mark.parametrize("command", ["record", "replay", "simulate"])
async def test_other_machines_are_not_let_in_by_accident(command: str, call: Path) -> None:
    arguments = [str(call)] if command == "replay" else []
    with pytest.raises(AssertionError) as failure:  # it ends before it says where it listens
        async with serving(command, *arguments, "--listen", "0.0.0.0:0"):
            pass
    assert "rtproxy: 0.0.0.0 can be reached from other machines" in str(failure.value)
    assert "--allow-remote" in str(failure.value)
    with pytest.raises(ListenError, match="--allow-remote"):
        Proxy(Settings(host="", port=0))


async def test_whoever_knows_the_token_may_come_in(tmp_path: Path) -> None:
    async with (
        upstream() as behind,
        serving(
            *("record", "--upstream", behind.url, "--out", str(tmp_path / "tapes")),
            *("--listen", "0.0.0.0:0", "--allow-remote"),
        ) as served,
    ):
        found = re.fullmatch(r"http://0\.0\.0\.0:\d+/t/([\w-]{32})", served.url)
        assert found is not None
        token = found[1]
        await served.has_said("whoever knows this address")

        for target in (
            TARGET,
            f"/t/{token[:-1]}{TARGET}",
            f"/t/{token}x{TARGET}",
            f"/t/{TARGET}",
            f"{TARGET}&rtproxy_token=",
            f"{TARGET}&rtproxy_token={token[:-1]}",
            f"/t/{token}{TARGET}&rtproxy_token=guess",
            f"/T/{token}{TARGET}",
        ):
            status, answer = await ask(served, target)
            assert status == 401, target
            assert token.encode() not in answer
        status, _ = await ask(served, TARGET, "X-Rtproxy-Token: guess\r\n")
        assert status == 401
        assert behind.heads == []

        status, _ = await ask(served, f"/t/{token}{TARGET}", "Host: box.lan:8787\r\n")
        assert status == 400  # two Hosts
        for target, headers in (
            (f"/t/{token}{TARGET}&x=1", ""),
            (f"{TARGET}&x=1", f"X-Rtproxy-Token: {token}\r\n"),
            (f"{TARGET}&rtproxy_token={token}&x=1", ""),
            (f"/v1/realtime?rtproxy_token={token}&model=gpt-realtime&x=1", ""),
        ):
            status, _ = await ask(served, target, headers)
            assert status == 101, target
            assert behind.heads[-1].startswith(f"GET {TARGET}&x=1 HTTP/1.1\r\n".encode())
        async with Bystander(served.url):
            pass
        await served.stop()
    assert not any(token.encode() in head for head in behind.heads)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 5
    assert not any(token.encode() in path.read_bytes() for path in files)


async def test_a_token_of_ones_own(tmp_path: Path, call: Path) -> None:
    token = "a-token-of-my-own-0123"
    arguments = ("--listen", "0.0.0.0:0", "--allow-remote")
    env = {"RTPROXY_TOKEN": token}
    async with serving("replay", str(call), *arguments, env=env) as served:
        assert served.url.endswith(f"/t/{token}")
        for path in ("/__rtproxy__/journal", "/__rtproxy__/health", TARGET):
            assert (await ask(served, path))[0] == 401
            assert (await ask(served, f"/t/{token}{path}"))[0] != 401
        assert await served.stop() in (0, 1)
    async with serving("simulate", *arguments, env=env) as served:
        assert (await ask(served, TARGET))[0] == 401
        assert (await ask(served, f"/t/{token}{TARGET}"))[0] == 101
        assert await served.stop() == 0


async def test_a_token_is_in_nothing_that_is_said_later(tmp_path: Path) -> None:
    """Not even where nothing goes well: it is in the printed address, once."""
    token = "a-token-of-my-own-0123"
    async with serving(
        *("record", "--upstream", "http://127.0.0.1:1", "--out", str(tmp_path / "tapes")),
        *("--listen", "0.0.0.0:0", "--allow-remote", "--http", "all"),
        env={"RTPROXY_TOKEN": token},
    ) as served:
        for target, headers in (
            (f"/t/{token}{TARGET}", ""),
            (f"{TARGET}&rtproxy_token={token}", ""),
            (TARGET, f"X-Rtproxy-Token: {token}\r\n"),
            (f"/t/{token}/v1/{token}", f"X-Other: {token}\r\n"),
        ):
            status, answer = await ask(served, target, headers)
            assert status == 502
            assert token.encode() not in answer
        await served.stop()
    assert served.said.count(token) == 1
    tapes = list((tmp_path / "tapes").iterdir())
    assert len(tapes) == 4
    assert not any(token.encode() in tape.read_bytes() for tape in tapes)


async def test_a_short_token_is_refused(call: Path) -> None:
    with pytest.raises(AssertionError) as failure:
        async with serving(
            *("replay", str(call), "--listen", "0.0.0.0:0", "--allow-remote"),
            env={"RTPROXY_TOKEN": "hunter2"},
        ):
            pass
    assert "RTPROXY_TOKEN must be 16 to 256 letters" in str(failure.value)
    assert "hunter2" not in str(failure.value)


async def test_an_sdk_carries_the_token_in_its_base_url() -> None:
    async with serving("simulate", "--listen", "0.0.0.0:0", "--allow-remote") as served:
        base = served.url.replace("0.0.0.0", socket.gethostname() or "127.0.0.1")
        if not await can_be_reached(base):
            base = served.url.replace("0.0.0.0", "127.0.0.1")
        client = AsyncOpenAI(base_url=f"{base}/v1", api_key="sk-test")
        async with client.realtime.connect(model="gpt-realtime") as connection:
            assert (await connection.recv()).type == "session.created"
        assert [model.id async for model in await client.models.list()]
        await client.close()
        await served.stop()


async def can_be_reached(base: str) -> bool:
    try:
        async with aiohttp.ClientSession() as http, http.get(f"{base}/v1/models"):
            return True
    except OSError:
        return False


def test_a_token_is_taken_from_wherever_it_is() -> None:
    token = Token("secret")
    headers = [("Accept", "*/*")]
    assert token.take("/t/secret/v1?a=1", headers) == ("/v1?a=1", headers)
    assert token.take("/t/secret", headers) == ("/", headers)
    assert token.take("/v1?rtproxy_token=secret", headers) == ("/v1", headers)
    assert token.take("/v1?", [("x-RTPROXY-token", "secret")]) == ("/v1?", [])
    assert token.take("/v1?&a", [("X-Rtproxy-Token", "secret"), *headers]) == ("/v1?&a", headers)
    referer = [("Referer", "http://h:1/t/secret/page?rtproxy_token=secret&a=1")]
    assert token.take("/t/secret/t/secret/v1?back=/t/secret/page", referer) == (
        "/v1?back=/page",
        [("Referer", "http://h:1/page?rtproxy_token=&a=1")],
    )
    assert token.take("/t/secrets/v1", headers) is None
    assert token.take("/v1?Rtproxy_token=secret", headers) is None
    assert token.take("/t/secret/v1", [("X-Rtproxy-Token", "\udcff")]) is None
