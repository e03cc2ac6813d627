"""Stopped with a command: it and all that it has started are told, by the terminal or by us."""

import asyncio
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from rtproxy.tape.record import INJECTED
from tests.attacks.kit import LIMIT_S, Served, serving, upstream
from tests.attacks.taped import taped
from tests.attacks.terminal import (
    CTRL_C,
    CTRL_D,
    CTRL_Z,
    Terminal,
    is_alive,
    parent_of,
    rtproxy,
    terminal,
)

AGENT = """
import asyncio, os, signal, sys, aiohttp

MODE = sys.argv[1:]
over = asyncio.Event()

def say(words):
    try:
        os.write(2, f"{words}\\n".encode())
    except OSError:
        pass  # the terminal is closed

def told(number):
    say(f"TOLD {number}")
    if number != signal.SIGINT or "repl" not in MODE:
        over.set()

async def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if "stubborn" in MODE:
            signal.signal(number, signal.SIG_IGN)
        else:
            asyncio.get_running_loop().add_signal_handler(number, told, number)
    url = os.environ["OPENAI_BASE_URL"] + "/realtime?model=gpt-realtime"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as session:
        await session.send_str('{"type":"hello"}')
        await session.receive()
        say(f"READY {os.getpid()}.")
        if "repl" in MODE:
            say(f"READ {await asyncio.to_thread(sys.stdin.readline)}")
            return
        await over.wait()
        await asyncio.sleep(0.5)  # longer than a shell takes
        await session.send_str('{"type":"goodbye"}')
        await session.receive()
    sys.exit(3)

asyncio.run(main())
"""


@pytest.fixture
def agent(tmp_path: Path) -> str:
    """A command line for a shell: the agent, and the shell stays there while it runs."""
    file = tmp_path / "agent.py"
    file.write_text(AGENT, "utf-8")
    return f"{sys.executable} {file} $MODE; exit 9"


def record(folder: Path, url: str, *command: str) -> tuple[str, ...]:
    return ("record", "--upstream", url, "--out", str(folder / "tapes"), "--", *command)


async def agent_of(said: Served | Terminal) -> int:
    """The process that a shell of ours has started, once it has a session."""
    if isinstance(said, Served):
        text = await said.has_said("READY")
    else:
        await said.shows("READY")
        text = said.seen
    found = re.search(r"READY (\d+)\.", text)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_what_a_shell_has_started_is_told_and_heard_out(
    tmp_path: Path, agent: str, number: signal.Signals
) -> None:
    async with upstream() as behind:
        command = record(tmp_path, behind.url, "sh", "-c", agent)
        async with serving(*command, env={"MODE": ""}) as served:
            pid = await agent_of(served)
            # A shell dies of it; one that waits for its child says what it was told to.
            assert await served.stop(number) in (128 + number, 9)
            assert not is_alive(pid)
    assert served.said.count("TOLD") == 1
    ((events, controls),) = taped(tmp_path / "tapes")
    assert [event.payload for event in events[::2]] == ['{"type":"hello"}', '{"type":"goodbye"}']
    assert not any(control.flags & INJECTED for control in controls)


async def test_what_does_not_listen_is_killed_with_its_shell(tmp_path: Path, agent: str) -> None:
    async with upstream() as behind:
        command = record(tmp_path, behind.url, "sh", "-c", agent)
        async with serving(*command, env={"MODE": "stubborn"}) as served:
            pid = await agent_of(served)
            shell = parent_of(pid)
            served.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(LIMIT_S):
                while is_alive(shell):  # of two signals at once, Python tells us the lower first
                    await asyncio.sleep(0.01)
            assert await served.stop(signal.SIGINT) == 128 + signal.SIGTERM
            assert not is_alive(pid)
    assert len(taped(tmp_path / "tapes")) == 1


async def test_what_a_command_leaves_behind_is_its_own_business(tmp_path: Path) -> None:
    """Somebody may have meant to: an agent for keys, a server for the next command."""
    async with serving(
        *record(
            tmp_path, "http://127.0.0.1:1", "sh", "-c", "sleep 60 2> /dev/null & echo LEFT $! >&2"
        )
    ) as served:
        async with asyncio.timeout(LIMIT_S):
            await served.process.wait()
        found = re.search(r"LEFT (\d+)", await served.has_said("LEFT"))
        assert found is not None
        assert is_alive(int(found[1]))
        os.kill(int(found[1]), signal.SIGKILL)
        assert await served.end() == 0


async def test_ctrl_c_is_for_the_command(tmp_path: Path, agent: str) -> None:
    """It hears of it once, and may go on; the terminal is its own to read."""
    async with upstream() as behind:
        command = record(
            tmp_path, behind.url, "env", "MODE=repl", "sh", "-c", f"trap : INT; {agent}"
        )
        async with terminal(*rtproxy(*command)) as window:
            await agent_of(window)
            window.type(CTRL_C)
            await window.shows("TOLD")
            window.type(b"a line\n")
            await window.shows("READ a line")
            assert await window.end() == 9
    assert window.seen.count("TOLD") == 1
    assert "Traceback" not in window.seen
    assert len(taped(tmp_path / "tapes")) == 1


async def test_ctrl_c_ends_a_command_that_takes_it_so(tmp_path: Path, agent: str) -> None:
    async with upstream() as behind:
        command = record(tmp_path, behind.url, "sh", "-c", f"exec {agent}")
        async with terminal(*rtproxy(*command)) as window:
            await agent_of(window)
            window.type(CTRL_C)
            assert await window.end() == 3
    ((events, _),) = taped(tmp_path / "tapes")
    assert [event.payload for event in events[::2]] == ['{"type":"hello"}', '{"type":"goodbye"}']


async def test_ctrl_c_again_and_again_ends_any_command(tmp_path: Path, agent: str) -> None:
    async with upstream() as behind:
        command = record(tmp_path, behind.url, "env", "MODE=stubborn", "sh", "-c", agent)
        async with terminal(*rtproxy(*command)) as window:
            pid = await agent_of(window)
            pressing = asyncio.create_task(window.press(CTRL_C, every_s=0.01))
            assert await window.end() in (128 + signal.SIGINT, 128 + signal.SIGKILL)
            await pressing
            assert not is_alive(pid)
    assert len(taped(tmp_path / "tapes")) == 1


@pytest.mark.parametrize("mode", ["", "stubborn"])
async def test_a_terminal_that_is_closed_ends_all(tmp_path: Path, agent: str, mode: str) -> None:
    async with upstream() as behind:
        command = record(tmp_path, behind.url, "env", f"MODE={mode}", "sh", "-c", agent)
        async with terminal(*rtproxy(*command)) as window:
            pid = await agent_of(window)
            window.close()
            if mode == "stubborn":
                window.process.send_signal(signal.SIGTERM)
            assert await window.end() in (128 + signal.SIGHUP, 128 + signal.SIGKILL)
            assert not is_alive(pid)
    assert len(taped(tmp_path / "tapes")) == 1


@pytest.mark.skipif(shutil.which("bash") is None, reason="a shell with job control")
async def test_ctrl_z_and_back(tmp_path: Path) -> None:
    """The job is stopped and goes on, and reads from the terminal again."""
    async with upstream() as behind, terminal("bash", "--norc", "-i") as window:
        await window.shows("bash-")
        words = " ".join(rtproxy(*record(tmp_path, behind.url, "cat")))
        window.type(f"{words}; echo CODE $?\n".encode())
        await window.shows("tapes in")
        window.type(b"one\n")
        await window.shows("one\r\n", 2)
        window.type(CTRL_Z)
        await window.shows("CODE 148")
        await window.job_is_stopped()
        named = window.seen.count("-- cat")
        window.type(b"fg\n")
        await window.shows("-- cat", named + 1)
        window.type(b"two\n")
        await window.shows("two\r\n", 2)
        window.type(CTRL_D)
        await window.shows("0 connections")
        window.type(b"exit\n")
        await window.end()


def ignore_hangups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


async def test_with_nohup_the_terminal_may_be_closed(tmp_path: Path) -> None:
    options = ("--listen", "127.0.0.1:0", "--out", str(tmp_path))
    async with serving("record", *options, prepare=ignore_hangups) as served:
        served.process.send_signal(signal.SIGHUP)
        wire = await served.connect()
        await wire.send(b"GARBAGE\r\n\r\n")
        assert b" 400 " in await wire.take_head()
        wire.close()
        assert await served.stop(signal.SIGTERM) == 0
