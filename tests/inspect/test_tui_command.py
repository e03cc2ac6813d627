"""`rtproxy inspect --tui` as it is called: in a terminal, and where there is none."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from rtproxy.cli import browsing
from rtproxy.cli.inspect import inspect
from rtproxy.errors import RtproxyError
from tests.inspect.tui_desk import call, write


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tui") / "call.rtape"
    return write(path, call("barge-in, truncated wrong"))


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "rtproxy", "inspect", "--tui", *map(str, arguments)]


class Terminal:
    """A process in a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int) -> None:
        self.process = process
        self.seen = b""
        self._fd = fd

    def until(self, sign: str, seconds: float = 60) -> None:
        """Read what it writes, until it has written this."""
        end = time.monotonic() + seconds
        while sign.encode() not in self.seen:
            assert time.monotonic() < end, self.seen[-3000:]
            ready, _, _ = select.select([self._fd], [], [], 0.1)
            try:
                self.seen += os.read(self._fd, 1 << 16) if ready else b""
            except OSError:  # it has ended
                assert sign.encode() in self.seen, self.seen[-3000:]

    def press(self, key: bytes) -> None:
        os.write(self._fd, key)

    def ended(self) -> int:
        """Its exit code."""
        while self.process.poll() is None:
            ready, _, _ = select.select([self._fd], [], [], 0.1)
            try:
                self.seen += os.read(self._fd, 1 << 16) if ready else b""
            except OSError:
                break
        return self.process.wait(timeout=60)


@contextmanager
def terminal(*arguments: str | Path) -> Iterator[Terminal]:
    controller, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    try:
        yield Terminal(process, controller)
    finally:
        process.kill()
        process.wait()
        os.close(controller)


def test_a_terminal_shows_it_and_q_ends_it(tape: Path) -> None:
    with terminal(tape) as opened:
        opened.until("1 finding (1 warning)")
        opened.press(b"f")
        opened.until("barge-in-desync")
        opened.press(b"q")
        assert opened.ended() == 0
        assert opened.seen.rstrip().endswith(b"\x1b[?25h") or b"\x1b[?1049l" in opened.seen


@pytest.mark.parametrize("key", [b"\x03", b"\x11"], ids=["ctrl+c", "ctrl+q"])
def test_it_can_be_interrupted(tape: Path, key: bytes) -> None:
    with terminal(tape) as opened:
        opened.until("1 finding (1 warning)")
        opened.press(key)
        assert opened.ended() == 0


def test_it_exits_as_the_text_does(tape: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "call.rtape"
    data = bytearray(tape.read_bytes())
    data[data.index(b"speech_stopped")] ^= 1
    damaged.write_bytes(data)
    with terminal(damaged) as opened:
        opened.until("The tape is damaged")
        opened.press(b"q")
        assert opened.ended() == 1
        assert b"is damaged: record" in opened.seen
    with terminal(tape, "--fail-on", "warning") as opened:
        opened.until("1 finding")
        opened.press(b"q")
        assert opened.ended() == 1
        assert b"Findings of severity warning or higher: 1 (barge-in-desync)." in opened.seen


def test_a_filter_and_a_turn_are_passed_on(tape: Path) -> None:
    with terminal(tape, "--filter", "error", "--turn", "2") as opened:
        opened.until("turn 2 of 2")
        opened.until("/ ")
        opened.press(b"q")
        assert opened.ended() == 0


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_without_a_terminal_it_says_so(tape: Path, stream: str) -> None:
    controller, theirs = pty.openpty()
    stdin, stdout, stderr = (
        subprocess.PIPE if name == stream else theirs for name in ("stdin", "stdout", "stderr")
    )
    try:
        with subprocess.Popen(command(tape), stdin=stdin, stdout=stdout, stderr=stderr) as process:
            process.communicate(timeout=60)
        assert process.returncode == 2
    finally:
        os.close(theirs)
        os.close(controller)


def test_what_it_says_without_a_terminal_is_one_sentence(tape: Path) -> None:
    process = subprocess.run(command(tape), capture_output=True, text=True, check=False, timeout=60)
    assert process.returncode == 2
    assert process.stdout == ""
    assert process.stderr == f"rtproxy: {browsing.NO_TERMINAL}\n"


def test_without_textual_it_says_what_to_install(
    tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "is_terminal", lambda: True)
    monkeypatch.setitem(sys.modules, "textual", None)
    result = CliRunner().invoke(inspect, [str(tape), "--tui"])
    assert isinstance(result.exception, RtproxyError)
    assert str(result.exception) == "--tui needs textual: pip install 'rtproxy[tui]'."
    assert result.exception.exit_code == 2


@pytest.mark.parametrize("other", [["--json"], ["--ndjson"], ["--html", "x.html"], ["--open"]])
def test_it_is_a_view_of_its_own(tape: Path, other: list[str]) -> None:
    result = CliRunner().invoke(inspect, [str(tape), "--tui", *other])
    assert result.exit_code == 2
    assert "Choose one of --json, --ndjson, --html and --tui." in result.output


def test_it_is_not_drawn_with_ascii(tape: Path) -> None:
    result = CliRunner().invoke(inspect, [str(tape), "--tui", "--ascii"])
    assert result.exit_code == 2
    assert "--ascii is for text; --tui draws with more." in result.output


def test_a_wrong_filter_is_told_before_anything_is_drawn(tape: Path) -> None:
    process = subprocess.run(
        command(tape, "--filter", "t>>"), capture_output=True, text=True, check=False, timeout=60
    )
    assert process.returncode == 2
    assert "The filter cannot be read" in process.stderr


def test_the_command_line_does_not_pay_for_it() -> None:
    """Nobody who does not ask for it imports textual."""
    code = (
        "import sys; from rtproxy.cli.main import rtproxy; "
        "rtproxy.main(['inspect', '--help'], standalone_mode=False); "
        "assert 'textual' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
