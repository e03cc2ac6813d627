"""A user's project: tests that talk to a Realtime server, run by a pytest of their own."""

from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest

from rtproxy.tape.reader import open_tape

# Imported here once, not again in each of the runs inside this process.
for module in (
    "rtproxy.cli.command",
    "rtproxy.cli.replay",
    "rtproxy.pytest_plugin.episodes",
    "rtproxy.pytest_plugin.trial",
    "websockets.asyncio.client",
    "websockets.sync.client",
):
    import_module(module)

INI = """
[pytest]
asyncio_mode = strict
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""

TALK = '''
"""A client: says some texts, one after the other, and returns the types of what it hears."""

import json

from websockets.asyncio.client import connect as connect_async
from websockets.sync.client import connect


def said(text):
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    return [
        json.dumps({"type": "conversation.item.create", "item": item}),
        json.dumps({"type": "response.create", "response": {"output_modalities": ["text"]}}),
    ]


def say(ws, text):
    heard = []
    for event in said(text):
        ws.send(event)
    for message in ws:
        heard.append(json.loads(message)["type"])
        if heard[-1] in ("response.done", "error"):
            return heard


def open_session(rtproxy):
    return connect(rtproxy.ws_url + "?model=gpt-realtime")


def talk(rtproxy, *texts):
    with open_session(rtproxy) as ws:
        return [kind for text in texts for kind in say(ws, text)]


async def talk_async(rtproxy, *texts):
    heard = []
    async with connect_async(rtproxy.ws_url + "?model=gpt-realtime") as ws:
        for text in texts:
            for event in said(text):
                await ws.send(event)
            async for message in ws:
                heard.append(json.loads(message)["type"])
                if heard[-1] == "response.done":
                    break
    return heard
'''

HEAD = """
import json
import pytest
from talk import open_session, say, talk, talk_async
"""


QUICK = [f"-pno:{plugin}" for plugin in ("cacheprovider", "hypothesispytest", "anyio", "timeout")]


class Project:
    """Tests are written with `write` and run with `run`, or `record`."""

    def __init__(self, pytester: pytest.Pytester, upstream: str) -> None:
        self.pytester = pytester
        self.upstream = upstream
        self.root = pytester.path
        self.recordings = self.root / "recordings"
        pytester.makefile(".ini", pytest=INI)
        pytester.makepyfile(talk=TALK)
        pytester.syspathinsert()

    def write(self, source: str, module: str = "test_call") -> None:
        """Write a test module; it has the client's functions at hand."""
        (self.root / f"{module}.py").write_text(HEAD + dedent(source), "utf-8")

    def run(self, *args: str) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess(*QUICK, *args)

    def record(self, mode: str, *args: str) -> pytest.RunResult:
        return self.run(f"--rtproxy-record={mode}", f"--rtproxy-upstream={self.upstream}", *args)

    def tapes(self) -> dict[str, str]:
        """Each tape's id by its path below the folder of recordings."""
        return {
            str(path.relative_to(self.recordings)): tape_id(path)
            for path in sorted(self.recordings.rglob("*.rtape"))
        }

    def leftovers(self) -> list[Path]:
        """What is hidden among the recordings."""
        return list(self.recordings.rglob(".*"))


def tape_id(path: Path) -> str:
    with open_tape(path) as tape:
        assert tape.state == "sealed"
        return tape.header.id


def shown(result: pytest.RunResult) -> str:
    """What a run has printed, with every run of white space as one space."""
    return " ".join(result.stdout.str().split())
