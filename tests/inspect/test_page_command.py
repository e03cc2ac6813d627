"""`rtproxy inspect --html` and `--open`, as they are typed."""

import webbrowser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rtproxy.cli.inspect import inspect
from rtproxy.errors import PageError
from tests.inspect.sample import HEADER, sample
from tests.realtime.scenarios import CASES
from tests.realtime.simulated import call_records
from tests.tapes import write_tape


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(inspect, [str(argument) for argument in arguments])


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return write_tape(tmp_path / "call.rtape", [HEADER, *sample()])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser was asked to open."""
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: asked.append(url) or True)  # type: ignore[func-returns-value]
    return asked


def test_writes_a_page_and_says_where(tape: Path, tmp_path: Path, opened: list[str]) -> None:
    page = tmp_path / "call.html"
    result = run(tape, "--html", page)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(f"{page}: ")
    assert page.read_bytes().startswith(b"<!doctype html>")
    assert opened == []


def test_opens_it(tape: Path, tmp_path: Path, opened: list[str]) -> None:
    page = tmp_path / "a page.html"
    assert run(tape, "--html", page, "--open").exit_code == 0
    assert opened == [page.as_uri()]


def test_without_a_name_it_is_written_to_a_folder_of_its_own(
    tape: Path, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert run(tape, "--open").exit_code == 0
    (page,) = tmp_path.glob("rtproxy-*/call.html")
    assert opened == [page.as_uri()]
    assert page.parent.stat().st_mode & 0o077 == 0


def test_without_a_browser_it_says_so(
    tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    result = run(tape, "--html", tmp_path / "call.html", "--open")
    assert result.exit_code == 0
    assert "There is no browser to open it with" in result.stderr


def test_fails_on_findings(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "barge-in, truncated wrong")
    tape = write_tape(tmp_path / "call.rtape", call_records(case.toml))
    result = run(tape, "--html", tmp_path / "call.html", "--fail-on", "warning")
    assert result.exit_code == 1
    assert "barge-in-desync" in result.stderr
    assert (tmp_path / "call.html").exists()


def test_a_damaged_tape_has_a_page_and_fails(tape: Path, tmp_path: Path) -> None:
    data = bytearray(tape.read_bytes())
    data[data.index(b"resp_1")] ^= 1
    tape.write_bytes(data)
    result = run(tape, "--html", tmp_path / "call.html")
    assert result.exit_code == 1
    assert "is damaged" in result.stderr
    assert "The tape is damaged in 1 place." in (tmp_path / "call.html").read_text("utf-8")


def test_says_what_is_wrong(tape: Path, tmp_path: Path) -> None:
    assert isinstance(run(tape, "--html", tape).exception, PageError)
    assert isinstance(run(tape, "--html", tmp_path / "none" / "x.html").exception, PageError)
    for other in (["--json"], ["--ndjson"], ["--events"], ["--turn", "1"], ["--follow"]):
        result = run(tape, "--html", tmp_path / "call.html", *other)
        assert result.exit_code == 2, other
        assert "--html" in result.stderr
    assert not (tmp_path / "call.html").exists()
