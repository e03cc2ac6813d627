"""The documentation's examples, run.

`console` blocks: every `$ rtproxy …` is run where a recorded call lies, and each line that the
block shows must be in what it prints, figures and ids aside (… stands for anything).
`sh` blocks: every `rtproxy …` must be a command line that is accepted.
Servers are stopped once they have printed what the block shows.
`python` blocks that import rtproxy are run.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import pytest

from rtproxy.cli.main import rtproxy
from rtproxy.simulate.library import load
from rtproxy.tape.record import Header
from tests.realtime.simulated import call_records
from tests.tapes import write_tape

ROOT = Path(__file__).parent.parent
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[tuple[str, str]]:
    """(where, text) of every fenced block in a language."""
    found = []
    for doc in DOCS:
        for match in BLOCK.finditer(doc.read_text("utf-8")):
            if match[1] == language:
                line = doc.read_text("utf-8")[: match.start()].count("\n") + 1
                found.append((f"{doc.name}:{line}", match[2]))
    return found


def sessions(block: str) -> Iterator[tuple[str, list[str]]]:
    """(command, lines that it is shown to print) of a console block."""
    command: str | None = None
    shown: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            if command is not None:
                yield command, shown
            command, shown = line[2:], []
        else:
            shown.append(line)
    if command is not None:
        yield command, shown


def normal(text: str) -> str:
    """Text without what differs between two runs: figures, ids, widths of columns and bars."""
    text = re.sub(r"\b(sess|item|resp|event|call)_\w+", r"\1_ID", text)
    text = re.sub(r"\b[0-9a-f]{6,}\b", "HEX", text)
    text = re.sub(r"\d+", "0", text)
    text = re.sub(r"([░━╌─])\1+|[▁-█]+", lambda bar: bar[1] or "█", text)
    return re.sub(r"\s+", " ", text).strip()


HEADER = Header({
    "id": "6a7b8c9d",
    "connection": "websocket",
    "origin": "simulated",
    "started_ns": 1_768_000_000_000_000_000,
    "upstream": "http://127.0.0.1:8788",
    "request": {
        "method": "GET",
        "target": "/v1/realtime?model=gpt-realtime",
        "headers": [["Host", "127.0.0.1:8787"], ["Authorization", "Bearer REDACTED:01234567"]],
    },
    "response": {"status": 101, "headers": [["rtproxy-origin", "simulated"]]},
})  # fmt: skip


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tape that the examples are about: `call.rtape`, also in recordings/.

    It is the call of `rtproxy demo`, in virtual time: what a loaded machine delays is not on it.
    """
    folder = tmp_path_factory.mktemp("called")
    tape = write_tape(folder / "call.rtape", [HEADER, *call_records(load("support-call"))[1:]])
    (folder / "recordings").mkdir()
    shutil.copy(tape, folder / "recordings" / "20260109-230640-6a7b8c.rtape")
    return folder


@pytest.fixture
def folder(called: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return Path(shutil.copytree(called, tmp_path / "docs"))


def examples(doc: str) -> list[tuple[str, str, list[str]]]:
    """(where, command, lines that it is shown to print) of a page, in its order."""
    return [
        (where, command, shown)
        for where, block in blocks("console")
        if where.partition(":")[0] == doc
        for command, shown in sessions(block)
        if command.startswith("rtproxy ")
    ]


PAGES = [doc.name for doc in DOCS if examples(doc.name)]


def serves(command: str) -> bool:
    """Whether a command runs until it is stopped."""
    verb = shlex.split(command)[1]
    ends = {"simulate": "--list", "record": "--", "replay": "--"}
    return verb in ends and ends[verb] not in shlex.split(command)


@pytest.mark.parametrize("page", PAGES)
def test_console_examples(folder: Path, page: str) -> None:
    """One after the other, as a reader runs them."""
    for where, command, shown in examples(page):
        run_example(folder, f"{where} {command}", command, shown)


def run_example(folder: Path, where: str, command: str, shown: list[str]) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if serves(command):
        command = f"exec {command} --listen 127.0.0.1:0"
    running = subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed = ""
    with running:
        assert running.stdout is not None
        if command.startswith("exec "):
            while not all(map(partial(appears, printed), shown)):
                line = running.stdout.readline()
                assert line, f"{shown} is not in\n{printed}"
                printed += line
            running.send_signal(signal.SIGINT)
        printed += running.stdout.read()
    assert running.returncode == 0, f"{where}\n{printed}"
    assert "Traceback" not in printed, where
    for line in shown:
        assert appears(printed, line), f"{where}: {line!r} is not in\n{printed}"


def appears(printed: str, line: str) -> bool:
    """Whether a line is in what was printed; … in it stands for anything."""
    return all(normal(part) in normal(printed) for part in line.split("…"))


SHELL = [
    pytest.param(line, id=f"{where} {line}")
    for where, block in blocks("sh")
    for line in block.splitlines()
    if line.startswith("rtproxy ")
]


@pytest.mark.parametrize("line", SHELL)
def test_shell_examples_are_command_lines(line: str) -> None:
    arguments = shlex.split(line, comments=True)[1:]
    context = click.Context(rtproxy, info_name="rtproxy", **rtproxy.context_settings)
    group: click.Command = rtproxy
    while isinstance(group, click.Group):
        name, group_or_none, arguments = group.resolve_command(context, arguments)
        assert group_or_none is not None
        assert name is not None
        group = group_or_none
    group.make_context(name, arguments, parent=context)


PYTHON = [
    pytest.param(block, id=where)
    for where, block in blocks("python")
    if "import rtproxy" in block or "from rtproxy" in block
]


RUN = """\
import ast, asyncio, inspect
code = compile({code!r}, "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
result = eval(code, {{"__name__": "__main__"}})
if inspect.iscoroutine(result):
    asyncio.run(result)
"""
"""Runs an example, in which `await` may stand outside a function."""


@pytest.mark.parametrize("code", PYTHON)
def test_python_examples(folder: Path, code: str) -> None:
    (folder / "example.py").write_text(RUN.format(code=code), "utf-8")
    ran = subprocess.run(
        [sys.executable, "example.py"], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr


def test_there_are_examples() -> None:
    assert PAGES
    assert SHELL
    assert PYTHON


def test_links_lead_somewhere() -> None:
    for doc in DOCS:
        text = doc.read_text("utf-8")
        targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
        for target in (*targets, *re.findall(r'\bsrc(?:set)?="([^":]+)"', text)):
            assert (doc.parent / target).exists(), f"{doc.name} links to {target}"


def test_pictures_ask_nothing_of_the_network() -> None:
    drawn = (ROOT / "docs" / "pictures" / "tui.svg").read_text("utf-8")
    assert "lookup_order" in drawn
    assert re.findall(r"url\((?!#)|href=|@import|<script", drawn) == []
