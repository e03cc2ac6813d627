"""`rtproxy record` from the outside: its command, its exit codes, its one-sentence errors."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.server import SimulatedServer
from rtproxy.tape.reader import open_tape
from tests.commandline import call_for_text


async def rtproxy(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rtproxy", *arguments),
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def simulated() -> AsyncIterator[SimulatedServer]:
    scenario = Scenario.parse("[delays]\nqueue = 0\nfirst_text = 0\nsession_update = 0", "x.toml")
    async with SimulatedServer(scenario) as server:
        yield server


TALK = """
import json, os, sys
from websockets.sync.client import connect
url = os.environ["OPENAI_BASE_URL"].replace("http://", "ws://") + "/realtime?model=m"
with connect(url) as socket:
    print(json.loads(socket.recv())["type"])
print(os.environ["RTPROXY_URL"], os.environ["NO_PROXY"])
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize("code", [0, 7])
async def test_a_command_runs_against_the_proxy_and_its_exit_code_is_ours(
    tmp_path: Path, code: int
) -> None:
    async with simulated() as server:
        ended, out, err = await rtproxy(
            *("record", "--upstream", server.url, "--out", "tapes", "--"),
            *(sys.executable, "-c", TALK, str(code)),
            cwd=tmp_path,
        )
    assert ended == code
    assert out.splitlines()[0] == "session.created"
    assert out.splitlines()[1].startswith("http://127.0.0.1:")
    assert "127.0.0.1,localhost" in out
    assert err.startswith(f"rtproxy: {out.splitlines()[1].split()[0]} → {server.url}")
    (path,) = (tmp_path / "tapes").glob("*.rtape")
    with open_tape(path) as tape:
        assert tape.state == "sealed"


async def test_a_command_that_dies_of_a_signal(tmp_path: Path) -> None:
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    code, _, _ = await rtproxy("record", "--", sys.executable, "-c", kill, cwd=tmp_path)
    assert code == 128 + 9


async def test_the_command_does_not_outlive_us(tmp_path: Path) -> None:
    """SIGTERM to rtproxy ends the command too."""
    wait = "import sys; print('up', flush=True); sys.stdin.read()"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rtproxy", "record", "--", sys.executable, "-c", wait),
        cwd=tmp_path,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"up\n"
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 30) == 128 + 15
    assert await process.stdout.read() == b""  # nobody holds the pipe any more
    assert process.stdin is not None
    process.stdin.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["record", "--upstream", "api.openai.com"], "--upstream"),
        (["record", "--upstream", "ftp://x"], "--upstream"),
        (["record", "--upstream", "http://u:p@h/"], "credentials"),
        (["record", "--listen", "nowhere"], "HOST:PORT"),
        (["record", "--listen", "127.0.0.1:PORT"], "in use"),
        (["record", "--listen", "192.0.2.1:0"], "add --allow-remote"),
        (
            ["record", "--allow-remote", "--listen", "192.0.2.1:0"],
            "no address of this machine",
        ),
        (["record", "--idle", "0"], "0 is not in the range"),
        (["record", "--grace", "-1"], "-1.0 is not in the range"),
        (["record", "--out", "a-file"], "a-file"),
        (["record", "--out", "a-file/under"], "a-file"),
        (["record", "--out", "/sys/tapes"], "--out"),  # nobody may write there, not even root
        (["record", "--redact", "("], "regular expression"),
        (["record", "--http", "some"], "some"),
        (["record", "--nonsense"], "--nonsense"),
        (["record", "--", "no-such-command-here"], "no-such-command-here"),
        (["nonsense"], "nonsense"),
        (["inspect", "missing.rtape"], "missing.rtape"),
        (["inspect", "a-file"], "a-file"),
        (["inspect", "."], "."),
        (["inspect", "a-file", "--nonsense"], "--nonsense"),
        (["tape", "verify", "missing.rtape"], "missing.rtape"),
        (["tape", "dump", "a-file"], "a-file"),
        (["tape", "ls", "no-folder"], "no-folder"),
        (["simulate", "--listen", "127.0.0.1:PORT"], "in use"),
        (["simulate", "--scenario", "no-such-scenario"], "no-such-scenario"),
        (["demo", "--out", "a-file"], "a-file"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "a-file").write_text("this is no tape, whatever its name", "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = [argument.replace("PORT", port) for argument in arguments]
        done = call_for_text(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith((".", "'?", ")")), last
    assert len(done.stderr.strip().splitlines()) <= 4  # click adds its usage lines
