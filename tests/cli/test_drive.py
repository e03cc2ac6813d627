"""`rtproxy drive` from the outside: what it prints, its exit codes, its one-sentence errors."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rtproxy.net.authority import Authority
from rtproxy.net.leaves import Leaves
from rtproxy.record.proxy import Proxy, Settings
from rtproxy.replay.report import Place
from rtproxy.simulate.caller import Caller
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.script import Script
from rtproxy.simulate.server import SimulatedServer
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Event
from rtproxy.tape.writer import TapeWriter
from tests.commandline import call_for_text
from tests.net.front import tls_front

QUICK = """
[delays]
queue = 0
first_text = 5
session_update = 0
rate_limits = 0
"""
CALLER = """
[caller]
session = { output = "text" }
[[caller.step]]
text = "Hello?"
[[caller.step]]
wait = "reply"
"""
STALLED = QUICK + '[[reply]]\nstatus = "stalled"'


async def start(*arguments: str, cwd: Path, **env: str) -> asyncio.subprocess.Process:
    inherited = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rtproxy", "drive", *arguments),
        cwd=cwd,
        env={**inherited, **env},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def drive(*arguments: str, cwd: Path, **env: str) -> tuple[int | None, str, str]:
    process = await start(*arguments, cwd=cwd, **env)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def simulated(scenario: str = QUICK) -> AsyncIterator[SimulatedServer]:
    async with SimulatedServer(Scenario.parse(scenario, "x.toml"), seed=7) as server:
        yield server


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded text session."""
    folder = tmp_path_factory.mktemp("call")
    scenario = Scenario.parse(QUICK + CALLER, "call.toml")

    async def record() -> None:
        async with SimulatedServer(scenario) as server:
            async with Proxy(Settings(upstream=server.url, port=0, out=folder)) as proxy:
                await Caller(proxy.url, Script.parse(scenario.caller, "call.toml")).run()

    asyncio.run(record())
    return next(folder.glob("*.rtape"))


async def test_a_drive_to_its_end(call: Path, tmp_path: Path) -> None:
    async with simulated() as server:
        arguments = (str(call), "--upstream", server.url, "--speed", "max", "--out", "new")
        code, out, err = await drive(*arguments, cwd=tmp_path, OPENAI_API_KEY="sk-the-live-key-1")
    assert code == 0, err
    path = tmp_path / out.strip()
    assert path.parent == tmp_path / "new"
    assert err.splitlines() == [
        "rtproxy: driven to its end: 3 of 3 client events sent",
        f"rtproxy: look at it with rtproxy inspect {out.strip()}",
        f"rtproxy: see what changed with rtproxy diff {call} {out.strip()}",
    ]
    with open_tape(path) as tape:
        assert tape.state == "sealed"
        asked = dict(tape.header.fields["request"]["headers"])
        assert asked["Authorization"].startswith("Bearer REDACTED:")
    assert b"sk-the-live-key-1" not in path.read_bytes()


async def test_a_server_that_never_answers(call: Path, tmp_path: Path) -> None:
    async with simulated(STALLED) as server:
        arguments = (str(call), "--upstream", server.url, "--stall", "0.2")
        code, out, err = await drive(*arguments, cwd=tmp_path)
    assert code == 1
    assert (tmp_path / out.strip()).is_file()
    assert "Authorization is redacted on the tape and left out for want of a key" in err
    assert "sent nothing for 0.2 s" in " ".join(err.split())
    assert "not driven to its end: 3 of 3 client events sent" in err


async def test_what_was_not_sent_is_listed(call: Path, tmp_path: Path) -> None:
    refuses = QUICK + '[faults]\nclose = { ms = 300, code = 1011, reason = "internal error" }'
    slow = refuses.replace("session_update = 0", "session_update = 5000")
    async with simulated(slow) as server:
        code, _, err = await drive(str(call), "--upstream", server.url, cwd=tmp_path)
    assert code == 1
    assert "the server closed with 1011 (internal error)" in " ".join(err.split())
    (unsent,) = re.findall(r"rtproxy: not sent: (.*)", err)
    assert "conversation.item.create (#" in unsent


async def test_lenient_goes_on(call: Path, tmp_path: Path) -> None:
    async with simulated(STALLED) as server:
        arguments = (str(call), "--upstream", server.url, "--stall", "0.2", "--match", "lenient")
        code, _, err = await drive(*arguments, cwd=tmp_path)
    assert code == 0
    assert "Mismatch (missing)" in err


async def test_a_server_with_a_certificate_of_its_own(call: Path, tmp_path: Path) -> None:
    made = Authority.open(tmp_path / "ca")
    async with (
        simulated() as server,
        tls_front(server.url, Leaves(made).context("127.0.0.1")) as front,
    ):
        arguments = (str(call), "--upstream", f"https://127.0.0.1:{front.port}", "--speed", "max")
        code, out, err = await drive(*arguments, cwd=tmp_path)
        assert (code, out) == (2, "")
        assert "certificate" in err
        assert "Traceback" not in err
        code, _, err = await drive(*arguments, "--upstream-ca", str(made.path), cwd=tmp_path)
        assert code == 0, err
        assert "--insecure" not in err
        code, _, err = await drive(*arguments, "--insecure", cwd=tmp_path)
        assert code == 0, err
        assert "--insecure: no server's certificate is checked" in err


async def test_nobody_reads_what_it_says(call: Path, tmp_path: Path) -> None:
    """As with `| head -0`: the exit code is that of the drive, and the tape is sealed."""
    async with simulated(STALLED) as server:
        read, write = os.pipe()
        os.close(read)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rtproxy", "drive", str(call), "--upstream", server.url),
            *("--stall", "0.2"),
            cwd=tmp_path,
            stdout=write,
            stderr=asyncio.subprocess.PIPE,
        )
        os.close(write)
        _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert b"not driven to its end" in err
    assert b"Traceback" not in err
    assert b"Exception" not in err
    (path,) = (tmp_path / "recordings").glob("*.rtape")
    with open_tape(path) as tape:
        assert tape.state == "sealed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_drive_that_is_stopped_leaves_a_sealed_tape(
    call: Path, tmp_path: Path, number: int
) -> None:
    asked = asyncio.Event()

    class Waiting(SimulatedServer):
        async def _serve_session(self, request):  # type: ignore[no-untyped-def]
            asked.set()
            return await super()._serve_session(request)

    async with Waiting(Scenario.parse(STALLED, "x.toml")) as server:
        process = await start(str(call), "--upstream", server.url, cwd=tmp_path)
        await asyncio.wait_for(asked.wait(), 30)
        process.send_signal(number)
        out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert b"stopped" in err
    assert b"Traceback" not in err
    with open_tape(tmp_path / out.decode().strip()) as tape:
        assert tape.state == "sealed"


async def test_the_key_and_headers_that_are_asked_for(call: Path, tmp_path: Path) -> None:
    refused = "[refuse]\nstatus = 401\nmessage = 'Not {key}.'"
    async with simulated(QUICK + refused) as server:
        arguments = [str(call), "--upstream", server.url, "--api-key-env", "OTHER"]
        code, out, err = await drive(*arguments, cwd=tmp_path, OTHER="sk-abcdefgh12345678wxyz")
        assert (code, out) == (2, "")
        assert "refused the connection with 401 Unauthorized: Not sk-" in err
        assert "wxyz" in err
        arguments += ["--header", "Authorization: Bearer sk-zyxwvuts87654321abcd"]
        _, _, err = await drive(*arguments, cwd=tmp_path)
        assert "abcd." in err


def http_tape(path: Path) -> None:
    request = {"method": "POST", "target": "/v1/realtime/client_secrets", "headers": []}
    fields = {"id": "h", "connection": "http", "request": request}
    TapeWriter.create(path, fields).seal(0)


def refused_tape(path: Path) -> None:
    request = {"method": "GET", "target": "/v1/realtime", "headers": []}
    writer = TapeWriter.create(path, {"id": "r", "connection": "websocket", "request": request})
    writer.control(0, 1, "refused", {"status": 401, "body": "no"})
    writer.seal(1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument 'TAPE'"),
        (["CALL"], "--upstream"),
        (["missing.rtape", "--upstream", "http://127.0.0.1:1"], "missing.rtape"),
        ([".", "--upstream", "http://127.0.0.1:1"], "a folder"),
        (["a-file", "--upstream", "http://127.0.0.1:1"], "not a tape"),
        (["damaged.rtape", "--upstream", "http://127.0.0.1:1"], "rtproxy tape repair"),
        (["http.rtape", "--upstream", "http://127.0.0.1:1"], "HTTP request"),
        (["refused.rtape", "--upstream", "http://127.0.0.1:1"], "was refused"),
        (["CALL", "--upstream", "http://127.0.0.1:1"], "127.0.0.1:1: Connection refused"),
        (["CALL", "--upstream", "127.0.0.1:1"], "--upstream"),
        (["CALL", "--upstream", "http://127.0.0.1:1", "--speed", "0"], "speed"),
        (["CALL", "--upstream", "http://127.0.0.1:1", "--stall", "0"], "--stall"),
        (["CALL", "--upstream", "http://127.0.0.1:1", "--match", "exact"], "--match"),
        (["CALL", "--upstream", "http://127.0.0.1:1", "--header", "x"], "'Name: value'"),
        (["CALL", "--upstream", "http://127.0.0.1:1", "--out", "a-file"], "a-file"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(
    call: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "a-file").write_text("this is no tape, whatever its name", "utf-8")
    data = bytearray(call.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "damaged.rtape").write_bytes(data)
    http_tape(tmp_path / "http.rtape")
    refused_tape(tmp_path / "refused.rtape")
    arguments = [str(call) if one == "CALL" else one for one in arguments]
    env = {**os.environ, "OPENAI_API_KEY": "sk-key"}
    done = call_for_text("drive", *arguments, cwd=tmp_path, env=env)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 4  # click adds its usage lines


async def test_another_model_is_asked_for(call: Path, tmp_path: Path) -> None:
    async with simulated() as server:
        arguments = (str(call), "--upstream", server.url, "--speed", "max", "--model", "gpt-next")
        code, out, err = await drive(*arguments, cwd=tmp_path)
    assert code == 0, err
    with open_tape(tmp_path / out.strip()) as tape:
        assert tape.header.fields["request"]["target"] == "/v1/realtime?model=gpt-next"
        created = next(one for one in tape if isinstance(one, Event) and one.from_server)
    assert json.loads(created.payload)["session"]["model"] == "gpt-next"


def test_what_was_not_sent_in_few_words() -> None:
    from rtproxy.cli.drive import summarise

    places = [Place(1, 0, "a"), Place(2, 0, "b"), Place(4, 0, "b"), Place(5, 0, "\x1b[2J")]
    assert list(summarise(places)) == ["a (#1)", "2 × b (#2 to #4)", "\\x1b[2J (#5)"]
    many = [Place(n, 0, "ab"[n % 2]) for n in range(30)]
    assert list(summarise(many))[-1] == "and 22 more"
