"""Clients in Node, recorded and then run against their tapes: nothing but the URL differs."""

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.server import SimulatedServer
from tests.replay.call import API_KEY, SENT, TOOL_CALL, recording, spoken
from tests.replay.follow import events, serving

FOREIGN = Path(__file__).parent.parent / "foreign"
DOC = FOREIGN.parent.parent / "docs/clients.md"
RTPROXY = [sys.executable, "-m", "rtproxy"]
AGENT = "agent.mjs"
SOCKET = "socket.mjs"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None
    or not all((FOREIGN / "node_modules" / name).is_dir() for name in ("@openai", "ws")),
    reason="node and tests/foreign/node_modules are needed; make tests/foreign/.ready gets them",
)


@pytest.fixture
def speech(tmp_path: Path) -> list[str]:
    """Files of what the clients say."""
    files = [tmp_path / name for name in ("story.pcm", "enough.pcm")]
    for file, words in zip(files, ("tell me a story", "that is enough"), strict=True):
        file.write_bytes(spoken(words))
    return list(map(str, files))


async def run(*command: str, cwd: Path | None = None, **env: str) -> tuple[int | None, str, str]:
    """Exit code, standard output and standard error of a command."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode(), err.decode()


async def converse(script: str, speech: list[str], url: str) -> Any:
    """What the client in a script of tests/foreign says it has seen at `url`."""
    code, out, err = await run("node", str(FOREIGN / script), *speech, RTPROXY_URL=url)
    assert (code, err) == (0, "")
    return json.loads(out)


async def record(script: str, speech: list[str], folder: Path) -> tuple[Any, Path]:
    """What a client has seen at a simulated server, and the tape of it."""
    async with recording(folder) as url:
        seen = await converse(script, speech, url)
    (tape,) = folder.glob("*.rtape")
    return seen, tape


def sent(tape: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for from_server, text in events(tape) if not from_server]


async def test_an_agent_of_agents_realtime(tmp_path: Path, speech: list[str]) -> None:
    recorded, tape = await record(AGENT, speech, tmp_path / "tapes")
    async with serving(tape) as server:
        replayed = await converse(AGENT, speech, server.url)
        await server.settle(30)
        assert list(map(str, server.journal.failures())) == []
    assert replayed == recorded

    assert recorded["errors"] == []
    assert recorded["tools"] == [TOOL_CALL]
    assert recorded["interrupted"] == 2
    assert len(recorded["audio"]) == 3
    said = [item["content"][0] for item in recorded["history"] if item["type"] == "message"]
    assert said[0]["text"] == "How is the weather in London?"
    assert [part["transcript"] for part in (said[1], said[2], *said[4:])] == [
        "It is 12 degrees.", "tell me a story", "that is enough", "Very well.",
    ]  # fmt: skip
    assert {event["type"] for event in sent(tape)} == SENT


async def test_a_bare_websocket(tmp_path: Path, speech: list[str]) -> None:
    recorded, tape = await record(SOCKET, speech, tmp_path / "tapes")
    async with serving(tape) as server:
        replayed = await converse(SOCKET, speech, server.url)
        await server.settle(30)
        assert list(map(str, server.journal.failures())) == []
    assert replayed == recorded
    assert recorded["extensions"] == "permessage-deflate"
    assert recorded["code"] == 1000
    assert len(recorded["digests"]) > 50


async def test_a_client_that_does_something_else(tmp_path: Path, speech: list[str]) -> None:
    _, tape = await record(AGENT, speech, tmp_path / "tapes")
    client = ["node", str(FOREIGN / SOCKET), *speech]
    code, out, err = await run(*RTPROXY, "replay", str(tape), "--", *client)
    assert json.loads(out)["code"] == 1008
    assert code == 1
    assert "Mismatch" in err


async def test_the_example_in_the_docs(tmp_path: Path) -> None:
    """An npm project, recorded and replayed as docs/clients.md says."""
    (example,) = re.findall(r"^```js\n(.*?node:test.*?)^```$", DOC.read_text(), re.M | re.S)
    (tmp_path / "agent.test.mjs").write_text(example)
    (tmp_path / "package.json").write_text('{"scripts": {"test": "node --test"}}')
    (tmp_path / "node_modules").symlink_to(FOREIGN / "node_modules")
    greeting = Scenario.parse('[[reply]]\ntext = "How can I help?"', "greeting.toml")
    async with SimulatedServer(greeting) as server:
        taping = ["record", "--upstream", server.url, "--out", "tapes", "--", "npm", "test"]
        code, out, err = await run(*RTPROXY, *taping, cwd=tmp_path, OPENAI_API_KEY=API_KEY)
        assert code == 0, out + err
    code, out, err = await run(*RTPROXY, "replay", "tapes", "--", "npm", "test", cwd=tmp_path)
    assert code == 0, out + err
    assert "1 of 1 connections as on their tapes" in err
