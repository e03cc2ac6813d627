"""The guide to the plugin: its test modules are written, its commands run, in the guide's order."""

import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from rtproxy.pytest_plugin.marker import OPTIONS
from rtproxy.pytest_plugin.mode import MODES
from tests.plugin.project import Project, shown

pytest_plugins = ["pytester"]

GUIDE = Path(__file__).parent.parent.parent / "docs" / "pytest.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# (\S+\.py)\n")
TEXT = GUIDE.read_text("utf-8")

import_module("openai.resources.realtime.realtime")


def parts(shown_lines: str) -> list[str]:
    """What a block shows, between the … that stand for anything."""
    return [" ".join(part.split()) for part in shown_lines.split("…") if part.strip()]


def test_the_guide(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTPROXY_UPSTREAM", project.upstream)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    commands = 0
    for language, text in BLOCK.findall(TEXT):
        if language == "python" and (found := FILE.match(text)):
            path = project.root / found[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
        elif language == "console":
            for session in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, lines = session.partition("\n")
                commands += 1
                printed = run(project, command)
                for part in parts(lines):
                    before, found_it, printed = printed.partition(part)
                    assert found_it, f"{part!r} is not in {before}"
    assert commands == 5
    result = project.record("once", "tests/test_agent.py")
    result.assert_outcomes(passed=1)
    project.run("tests/test_agent.py").assert_outcomes(passed=1)
    tape = project.root / "tests/recordings/test_greeting/greeting.rtape"
    assert b"sk-real" not in tape.read_bytes()


def run(project: Project, command: str) -> str:
    """Run a command of the guide and return what it has printed, white space made even."""
    words = shlex.split(command)
    if words[0] == "pytest":
        return shown(project.run(*words[1:]))
    subprocess.run(words, cwd=project.root, check=True)
    return ""


def test_every_option_and_mode_is_in_the_guide() -> None:
    for option in OPTIONS:
        assert option == "name" or f"`{option}=" in TEXT, option
    for mode in MODES:
        assert f"| `{mode}`" in TEXT, mode
