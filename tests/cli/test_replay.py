"""`rtproxy replay` from the outside: the command after `--`, exit codes, Ctrl-C, what is said."""

import asyncio
import json
import os
import re
import signal
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from rtproxy.cli.replay import conclude
from rtproxy.replay.fault import parse_faults
from rtproxy.replay.selection import Shelf
from rtproxy.replay.server import Settings, TapeServer
from tests.cli.test_record import rtproxy
from tests.commandline import call_for_text
from tests.replay.follow import greeting, write_tape
from tests.replay.taped import Tape

CLIENT = """
import json, os, sys
from websockets.sync.client import connect
url = os.environ["OPENAI_BASE_URL"].replace("http://", "ws://") + "/realtime?model=gpt-realtime"
with connect(url) as socket:
    print(json.loads(socket.recv())["type"])
    socket.send(json.dumps({"type": sys.argv[2]}))
    for _ in range(int(sys.argv[3])):
        print(json.loads(socket.recv())["type"])
sys.exit(int(sys.argv[1]))
"""


def client(code: int, says: str = "response.create", hears: int = 2) -> list[str]:
    return ["--", sys.executable, "-c", CLIENT, str(code), says, str(hears)]


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return write_tape(tmp_path / "call.rtape", greeting())


@pytest.mark.parametrize("command", [0, 7])
@pytest.mark.parametrize("follows", [True, False])
async def test_the_exit_code(tape: Path, tmp_path: Path, command: int, follows: bool) -> None:
    run = client(command) if follows else client(command, "response.cancel", 1)
    code, out, err = await rtproxy("replay", "call.rtape", *run, cwd=tmp_path)
    assert code == (command or (0 if follows else 1))
    assert out.split() == (
        ["session.created", "response.created", "response.done"]
        if follows
        else ["session.created", "error"]
    )
    first, *rest = err.splitlines()
    assert re.fullmatch(r"rtproxy: http://127\.0\.0\.1:\d+ replays call\.rtape", first)
    assert f"{int(follows)} of 1 connections as on their tapes" in rest[-1]
    assert err.count("Mismatch (unexpected): response.cancel came") == (0 if follows else 1)


async def test_a_tape_that_is_not_played_to_its_end(tape: Path, tmp_path: Path) -> None:
    leaves = CLIENT.partition("    socket.send")[0]
    command = ["--", sys.executable, "-c", leaves]
    code, _, err = await rtproxy("replay", "call.rtape", *command, cwd=tmp_path)
    assert code == 1
    assert "Mismatch (early disconnect)" in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["call.rtape"], 1, "call.rtape was not played: no client asked for it."),
        (["call.rtape", "--loop"], 0, "1 of 1 tapes not used"),
        (["."], 0, "1 of 1 tapes not used"),
    ],
)
async def test_a_tape_that_nobody_asks_for(
    tape: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    ended, _, err = await rtproxy("replay", *arguments, "--", "true", cwd=tmp_path)
    assert ended == code
    assert said in err


async def test_the_commands_environment(tape: Path, tmp_path: Path) -> None:
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    code, out, _ = await rtproxy(
        *("replay", "call.rtape", "--loop", "--", sys.executable, "-c", show), cwd=tmp_path
    )
    assert code == 0
    env = json.loads(out)
    assert env["OPENAI_BASE_URL"] == env["RTPROXY_URL"] + "/v1"
    assert env["NO_PROXY"].endswith("127.0.0.1,localhost,::1")
    assert env["OPENAI_API_KEY"] == os.environ.get("OPENAI_API_KEY", "sk-rtproxy-replay")


async def test_a_shell_command_with_options_of_its_own(tape: Path, tmp_path: Path) -> None:
    code, out, _ = await rtproxy(
        *("replay", "--loop", "call.rtape", "--speed", "2x", "--", "sh", "-c", "echo $0 $1"),
        *("--speed", "--"),
        cwd=tmp_path,
    )
    assert (code, out) == (0, "--speed --\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "TAPE|DIR"),
        (["missing.rtape"], 2, "missing.rtape"),
        (["a-file"], 2, "is not a tape"),
        (["empty.rtape"], 2, "is empty"),
        (["no-tapes"], 2, "no tape to play"),
        (["broken.rtape"], 1, "--salvage"),
        (["call.rtape", "--speed", "0"], 2, "no speed"),
        (["call.rtape", "--speed", "fast"], 2, "no speed"),
        (["call.rtape", "--match", "some"], 2, "some"),
        (["call.rtape", "--stall", "0"], 2, "stall"),
        (["call.rtape", "--ignore", "]["], 2, "no JSON path"),
        (["call.rtape", "--fault", "nonsense"], 2, "no fault"),
        (["call.rtape", "--listen", "192.0.2.1:0"], 2, "add --allow-remote"),
        (
            ["call.rtape", "--allow-remote", "--listen", "192.0.2.1:0"],
            2,
            "no address of this machine",
        ),
        (["call.rtape", "--", "no-such-command-here"], 2, "no-such-command-here"),
    ],
)
def test_a_mistake_is_one_sentence(
    tape: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "a-file").write_text("this is no tape", "utf-8")
    (tmp_path / "empty.rtape").touch()
    (tmp_path / "no-tapes").mkdir()
    broken = bytearray(tape.read_bytes())
    broken[len(broken) // 3] ^= 1
    (tmp_path / "broken.rtape").write_bytes(broken)
    done = call_for_text("replay", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_broken_off_recording_plays_with_a_word(tmp_path: Path) -> None:
    write_tape(tmp_path / "crashed.rtape", greeting(), seal=False)
    code, _, err = await rtproxy("replay", "crashed.rtape", *client(0), cwd=tmp_path)
    assert code == 0
    assert "crashed.rtape was not sealed" in err.replace("\n", " ")


async def test_what_a_client_asks_for_does_nothing_to_the_terminal(
    tape: Path, tmp_path: Path
) -> None:
    ask = "import os; from websockets.sync.client import connect as c\n" \
        "c(os.environ['RTPROXY_URL'].replace('http', 'ws') + '/x?model=%1b[31mred')"  # fmt: skip
    code, _, err = await rtproxy("replay", ".", "--", sys.executable, "-c", ask, cwd=tmp_path)
    assert code == 1
    assert "\x1b" not in err.replace("\x1b[1;31m", "").replace("\x1b[0m", "")
    assert "No tape fits GET /x?model=" in err


async def test_options_reach_the_replay(tmp_path: Path) -> None:
    tape = Tape().server("a").client("session.update", session={"instructions": "be kind"})
    write_tape(tmp_path / "call.rtape", tape.server("b").server("c"))
    options = ["--ignore", "session", "--fault", "drop=b", "--seed", "3", "--stall", "5"]
    options += ["--fault", "close=1011@d"]
    code, out, err = await rtproxy(
        "replay", "call.rtape", *options, *client(0, "session.update", 1), cwd=tmp_path
    )
    assert (code, out.split()) == (0, ["a", "c"])
    assert err.count("has not happened") == 1
    assert "The fault close=1011@d has not happened: there was no such event or connection." in err


@pytest.mark.parametrize("with_command", [True, False])
def test_a_command_that_never_met_a_refusal_is_told_so(with_command: bool) -> None:
    server = TapeServer(Shelf([]), Settings(faults=parse_faults(["refuse=503"])))
    told = StringIO()
    assert conclude(server, Console(file=told, width=200), with_command=with_command) == 0
    assert ("refuse=503 has not happened" in told.getvalue()) == with_command


WAITS = """
import os, signal, subprocess, sys
from websockets.sync.client import connect
url = os.environ["RTPROXY_URL"].replace("http://", "ws://") + "/v1/realtime?model=gpt-realtime"
child = subprocess.Popen(["sleep", "600"])
with connect(url) as socket:
    socket.recv()
    print("up", child.pid, os.getpid(), flush=True)
    child.wait()
"""


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_ctrl_c_leaves_no_process_behind(tape: Path, tmp_path: Path) -> None:
    """Ctrl-C in a terminal goes to the whole foreground process group."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rtproxy", "replay", "call.rtape", "--"),
        *(sys.executable, "-c", WAITS),
        cwd=tmp_path,
        start_new_session=True,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    word, *pids = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().split()
    assert word == "up"
    os.killpg(process.pid, signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode not in (0, None)
    assert b"rtproxy: Mismatch (early disconnect)" in err
    assert not [pid for pid in pids if is_alive(int(pid))]


async def test_without_a_command_it_serves_until_it_is_stopped(tape: Path, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rtproxy", "replay", "call.rtape", "--listen", ":0"),
        cwd=tmp_path,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
    assert line.startswith("rtproxy: http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    _, rest = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert "0 of 0 connections" in rest.decode()
