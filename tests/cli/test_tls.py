"""`record` and `replay` with --tls and --forward as users run them: programs that do not know."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rtproxy.net.authority import Authority
from rtproxy.net.leaves import Leaves
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.server import SimulatedServer
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Event
from tests.commandline import call_for_text
from tests.net.front import tls_front

RTPROXY = [sys.executable, "-m", "rtproxy"]
FOREIGN = Path(__file__).parent.parent / "foreign"
KEY = "sk-proj-4242abcdef4242abcdef4242abcdef"
HOST, OTHER = "api.openai.com", "other.example"
SCENARIO = """
[delays]
queue = 5
first_text = 5
rate_limits = 5
[[reply]]
text = "I have read your words."
"""

OPENAI = """
import asyncio, openai
async def main():
    async with openai.AsyncOpenAI() as client:
        async with client.realtime.connect(model="gpt-realtime") as call:
            await call.conversation.item.create(item={"type": "message", "role": "user",
                "content": [{"type": "input_text", "text": "hello"}]})
            await call.response.create(response={"output_modalities": ["text"]})
            async for event in call:
                if event.type == "response.output_text.done":
                    print(event.text)
                if event.type == "response.done":
                    break
asyncio.run(main())
"""

JSON_CALL = """
import asyncio, json, os
ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
URL = "wss://api.openai.com/v1/realtime?model=gpt-realtime"
HEADERS = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
async def call(send, receive):
    await send(json.dumps({"type": "conversation.item.create", "item": ITEM}))
    await send(json.dumps({"type": "response.create", "response": {"output_modalities": ["text"]}}))
    while (event := json.loads(await receive()))["type"] != "response.done":
        if event["type"] == "response.output_text.done":
            print(event["text"])
"""

WEBSOCKETS = (
    JSON_CALL
    + """
import websockets
async def main():
    async with websockets.connect(URL, additional_headers=HEADERS) as socket:
        await call(socket.send, socket.recv)
asyncio.run(main())
"""
)

AIOHTTP = (
    JSON_CALL
    + """
import aiohttp
async def main():
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.ws_connect(URL, headers=HEADERS) as socket:
            await call(socket.send_str, socket.receive_str)
asyncio.run(main())
"""
)

PROGRAMS = {"openai": OPENAI, "websockets": WEBSOCKETS, "aiohttp": AIOHTTP}
ANSWER = "I have read your words.\n"

CURL = ["curl", "-sS", "--fail", "-H", f"Authorization: Bearer {KEY}", "-d", "{}"]

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (FOREIGN / "node_modules/openai").is_dir(),
    reason="node and tests/foreign/node_modules are needed; make tests/foreign/.ready gets them",
)


async def run(*command: str, **env: str) -> tuple[int | None, str, str]:
    """Exit code, standard output and standard error."""
    base = {
        name: value
        for name, value in os.environ.items()
        if "PROXY" not in name.upper() and "CA_" not in name and "CERT" not in name
    }
    process = await asyncio.create_subprocess_exec(
        *command,
        env=base | env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    return {"RTPROXY_CA_DIR": str(tmp_path / "ca"), "OPENAI_API_KEY": KEY}


@asynccontextmanager
async def internet(folder: Path) -> AsyncIterator[list[str]]:
    """A simulated server that is api.openai.com, and another host; options that lead there."""
    theirs = Authority.open(folder / "theirs")
    async with (
        SimulatedServer(Scenario.parse(SCENARIO, "tls.toml"), seed=7) as server,
        tls_front(server.url, Leaves(theirs).context(HOST)) as front,
    ):
        yield [
            *("--connect-to", f"{HOST}:443:127.0.0.1:{front.port}"),
            *("--connect-to", f"{OTHER}:443:127.0.0.1:{front.port}"),
            *("--upstream-ca", str(theirs.path)),
        ]


def the_tape(folder: Path) -> Path:
    (path,) = folder.glob("*.rtape")
    with open_tape(path) as tape:
        assert tape.state == "sealed"
        assert tape.header.fields["upstream"] == f"https://{HOST}"
        assert KEY not in repr(tape.header)
    return path


def types(path: Path) -> list[str]:
    with open_tape(path) as tape:
        return [json.loads(one.payload)["type"] for one in tape if isinstance(one, Event)]


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_program_that_cannot_be_pointed_elsewhere(
    tmp_path: Path, surroundings: dict[str, str], name: str
) -> None:
    """Recorded as it is, and run against its tape with neither network nor server."""
    program = [sys.executable, "-c", PROGRAMS[name]]
    tapes = tmp_path / "tapes"
    async with internet(tmp_path) as options:
        taping = [*RTPROXY, "record", "--forward", *options, "--out", str(tapes)]
        code, out, err = await run(*taping, "--", *program, **surroundings)
        assert (code, out) == (0, ANSWER), err
    path = the_tape(tapes)
    assert "response.output_text.done" in types(path)
    code, out, err = await run(
        *RTPROXY, "replay", str(path), "--forward", "--", *program, **surroundings
    )
    assert (code, out) == (0, ANSWER), err
    assert "1 of 1 connections as on their tapes" in err


async def test_curl_does_not_know_either(tmp_path: Path, surroundings: dict[str, str]) -> None:
    command = [*CURL, f"https://{HOST}/v1/realtime/client_secrets"]
    tapes = tmp_path / "tapes"
    async with internet(tmp_path) as options:
        taping = [*RTPROXY, "record", "--forward", *options, "--out", str(tapes)]
        code, out, err = await run(*taping, "--", *command, **surroundings)
        assert code == 0, err
        assert json.loads(out)["value"].startswith("ek_")
    path = the_tape(tapes)
    code, out, err = await run(
        *RTPROXY, "replay", str(path), "--forward", "--", *command, **surroundings
    )
    assert code == 0, err
    assert json.loads(out)["value"].startswith("ek_")


async def test_other_hosts_show_their_own_certificate(
    tmp_path: Path, surroundings: dict[str, str]
) -> None:
    """The program is told who is there by the host itself, and may refuse it."""
    async with internet(tmp_path) as options:
        taping = [*RTPROXY, "record", "--forward", *options, "--out", str(tmp_path / "tapes")]
        url = f"https://{OTHER}/v1/models"
        code, _, err = await run(*taping, "--", "curl", "-sS", url, **surroundings)
        assert code == 60  # curl: not trusted, as it is signed by nobody that curl knows
        theirs = ["--cacert", options[-1]]
        code, out, err = await run(*taping, "--", "curl", "-sS", *theirs, url, **surroundings)
        assert code == 0, err
        assert json.loads(out)["object"] == "list"
    assert f"{OTHER}:443  passed on unread, no tape" in err
    assert list((tmp_path / "tapes").iterdir()) == []


async def test_other_hosts_are_not_reached_during_a_replay(
    tmp_path: Path, surroundings: dict[str, str]
) -> None:
    tapes = tmp_path / "tapes"
    async with internet(tmp_path) as options:
        taping = [*RTPROXY, "record", "--forward", *options, "--out", str(tapes)]
        code, _, err = await run(*taping, "--", sys.executable, "-c", WEBSOCKETS, **surroundings)
        assert code == 0, err
        port = options[1].rsplit(":", 1)[1]
        replaying = [*RTPROXY, "replay", str(tapes), "--forward"]
        curl = ["curl", "-sS", "-k", "--http1.1", "--noproxy", "none"]
        here = [*curl, f"https://127.0.0.1:{port}/v1/models"]
        code, _, err = await run(*replaying, "--", *here, **surroundings)
        assert code == 56  # curl: CONNECT was answered with 403
        assert f"127.0.0.1:{port}: Hosts that are on no tape are not reached" in err
        code, out, err = await run(*replaying, "--tunnel", "--", *here, **surroundings)
        assert code == 0, err
        assert json.loads(out)["object"] == "list"


@needs_node
async def test_the_node_sdk_always_speaks_tls(tmp_path: Path, surroundings: dict[str, str]) -> None:
    program = ["node", str(FOREIGN / "realtime.mjs")]
    tapes = tmp_path / "tapes"
    async with SimulatedServer(Scenario.parse(SCENARIO, "tls.toml"), seed=7) as server:
        taping = [*RTPROXY, "record", "--tls", "--upstream", server.url, "--out", str(tapes)]
        code, out, err = await run(*taping, "--", *program, **surroundings)
    assert code == 0, err
    recorded = json.loads(out)
    assert recorded["errors"] == []
    assert recorded["url"] == "wss:"
    assert recorded["text"] == ANSWER.strip()
    replaying = [*RTPROXY, "replay", str(tapes), "--tls"]
    code, out, err = await run(*replaying, "--", *program, **surroundings)
    assert code == 0, err
    assert json.loads(out) == recorded
    assert "1 of 1 connections as on their tapes" in err


@needs_node
async def test_the_node_sdk_by_hand(tmp_path: Path, surroundings: dict[str, str]) -> None:
    """Only NODE_EXTRA_CA_CERTS and the base URL are set, as `rtproxy ca` says; without the first
    it refuses, and rtproxy is not harmed."""
    async with SimulatedServer(Scenario.parse(SCENARIO, "tls.toml"), seed=7) as server:
        process = await asyncio.create_subprocess_exec(
            *(*RTPROXY, "record", "--tls", "--listen", "127.0.0.1:0", "--upstream", server.url),
            *("--out", str(tmp_path / "tapes")),
            env=os.environ | surroundings,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        url = (await process.stderr.readline()).decode().split()[1]
        assert url.startswith("https://127.0.0.1:")
        trusted = (await process.stderr.readline()).decode()
        ca = str(tmp_path / "ca/rtproxy-ca.pem")
        assert f"clients must trust {ca}, made just now; rtproxy ca tells how" in trusted
        program = ["node", str(FOREIGN / "realtime.mjs")]
        known = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": KEY}
        code, out, err = await run(*program, **known)
        assert "self-signed certificate in certificate chain" in json.loads(out)["errors"][0], err
        code, out, err = await run(*program, **known, NODE_EXTRA_CA_CERTS=ca)
        assert (code, json.loads(out)["text"]) == (0, ANSWER.strip()), err
        process.terminate()
        await process.communicate()
        assert process.returncode == 0


async def test_insecure_is_said_aloud_each_time(
    tmp_path: Path, surroundings: dict[str, str]
) -> None:
    async with internet(tmp_path) as options:
        taping = [*RTPROXY, "record", "--forward", *options[:2], "--insecure"]
        command = ["curl", "-sS", f"https://{HOST}/v1/models"]
        for _ in range(2):
            code, out, err = await run(
                *taping, "--out", str(tmp_path / "tapes"), "--", *command, **surroundings
            )
            assert code == 0, err
            assert json.loads(out)["object"] == "list"
            assert "--insecure: no server's certificate is checked" in err


async def test_a_key_that_the_command_never_sees(
    tmp_path: Path, surroundings: dict[str, str]
) -> None:
    """The command has a stand-in, and the server the key."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    taping = [*RTPROXY, "record", "--inject-key", "MY_KEY", "--upstream", upstream]
    out_dir = tmp_path / "tapes"
    command = 'curl -sS -H "Authorization: Bearer $OPENAI_API_KEY" $OPENAI_BASE_URL/realtime/x; env'
    async with server:
        code, out, err = await run(
            *(*taping, "--http", "all", "--out", str(out_dir), "--", "sh", "-c", command),
            **(surroundings | {"MY_KEY": KEY}),
        )
    assert code == 0, err
    assert KEY not in out + err
    assert "MY_KEY=sk-rtproxy-record" in out
    assert f"Authorization: Bearer {KEY}\r\n" in asked[0]
    assert KEY.encode() not in b"".join(path.read_bytes() for path in out_dir.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--inject-key", "sk-proj-not-a-name"], "takes the name of an environment variable"),
        (["--inject-key", "NOT_SET"], "is not set"),
        (["--allow-origin", "http://localhost:3000"], "goes with --inject-key"),
        (["--allow-origin", "localhost"], "is no origin"),
        (["--intercept", "a b"], "is no host"),
        (["--connect-to", "here"], "is no HOST:PORT:OTHER_HOST:OTHER_PORT"),
        (["--forward", "--tls"], "choose one"),
        (["--forward", "--listen", "0.0.0.0:0"], "loopback only"),
        (["--inject-key", "HOME", "--listen", "0.0.0.0:0"], "this machine only"),
        (["--upstream-ca", "/nowhere.pem"], "does not exist"),
        (["--upstream-ca", __file__], "holds no certificate"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(
    tmp_path: Path, options: list[str], words: str
) -> None:
    place = ("--listen", "127.0.0.1:0", "--out", tmp_path)
    done = call_for_text("record", *place, *options)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert "sk-proj-not-a-name" not in done.stderr
