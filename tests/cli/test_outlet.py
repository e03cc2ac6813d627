"""A stream that may fail without a word, streams that are not there, and disks that are full."""

import io
import os
import ssl
import subprocess
import sys
from contextlib import chdir, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

import pytest

from rtproxy.cli.main import Root, main
from rtproxy.cli.outlet import Outlet, leave_out_odd_names

LEFT_OVER = """
import io
from rtproxy.cli.outlet import Outlet, leave_out_odd_names
stream = io.StringIO()
outlet = Outlet(stream)
outlet.write("words")
stream.close()
outlet.circle = outlet  # so that it lasts until the interpreter ends
"""

WITHOUT_STREAMS = """
import os, sys
from pathlib import Path
from rtproxy.cli.outlet import open_what_is_closed
open_what_is_closed()
print("words", flush=True)
print("words", file=sys.stderr, flush=True)
assert sys.stdin.read() == ""
with open(sys.argv[1], "w") as file:
    print(file.fileno(), *map(os.get_inheritable, range(3)), file=file)
"""


def test_what_cannot_be_written_goes_nowhere(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        outlet = Outlet(stream)
        outlet.write("before\n")
        outlet.flush()
    assert outlet.write("after\n") == len("after\n")
    outlet.flush()
    assert (tmp_path / "log").read_text() == "before\n"


def test_it_closes_nothing_that_is_not_its_own() -> None:
    stream = io.StringIO()
    Outlet(stream).close()
    stream.write("still open")


def test_one_that_is_left_over_at_the_end_says_nothing() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LEFT_OVER], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_place_of_a_stream_that_is_closed(tmp_path: Path, closed: str) -> None:
    where = tmp_path / "file"
    shell = f'exec "$0" -X dev -W error -c "$1" "$2" {closed}'
    ran = subprocess.run(
        ["sh", "-c", shell, sys.executable, WITHOUT_STREAMS, where],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "" if "2>" in closed else "words\n")
    number, *inherited = where.read_text().split()
    assert int(number) > 2
    assert inherited == ["True"] * 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", ["--version", "simulate --list", "record --help"])
def test_a_full_disk_is_one_sentence_and_no_difference(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["rtproxy", *words.split()])
    with Path("/dev/full").open("w") as full, redirect_stdout(full):
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "rtproxy: Standard output cannot be written: No space left on device.\n"
    )


def unread() -> TextIO:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


@pytest.mark.parametrize("words", ["--nonsense", "inspect none.rtape"])
def test_an_error_that_nobody_reads_is_in_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["rtproxy", *words.split()])
    with unread() as pipe:
        monkeypatch.setattr(sys, "stderr", pipe)
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == 2


@pytest.mark.parametrize("code", [0, 1])
def test_what_a_command_came_to_is_its_exit_code_though_nobody_reads(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def ends() -> None:
        sys.stdout.write("words")
        sys.exit(code)

    with unread() as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(SystemExit) as end:
            Root("rtproxy", callback=ends, invoke_without_command=True)([])
    assert end.value.code == code


def test_a_folder_that_is_gone_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rtproxy", "simulate", "--list"])
    gone = tmp_path / "gone"
    gone.mkdir()
    with chdir(gone):
        gone.rmdir()
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == 2
    assert capsys.readouterr().err.endswith(
        "Error: The current folder has been removed; change to another.\n"
    )


def test_a_client_that_names_an_odd_server_gets_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)
    leave_out_odd_names()
    hello, nothing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(nothing, hello, server_hostname="ab.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    sent = ssl.MemoryBIO()
    sent.write(hello.read().replace(b"ab.test", "é.test".encode()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda *_: None
    with pytest.raises(ssl.SSLError):
        context.wrap_bio(sent, nothing, server_side=True).do_handshake()
    assert shown == []
    other = SimpleNamespace(exc_value=ValueError("of another kind"), object=b"x")
    sys.unraisablehook(other)
    assert shown == [other]
