"""`rtproxy diff`: what it prints and writes, where, and its exit codes."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from rtproxy.tape.record import Control, Event, Header, Record
from tests.commandline import call_for_text
from tests.diff.calls import reworded, simulated, write
from tests.diff.test_report_ci import cases, check, parse, validator


def run(
    *args: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return call_for_text("diff", *args, cwd=cwd, env=os.environ | (env or {}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a.rtape, b.rtape (the same call again), other.rtape (other words and another argument)."""
    folder = tmp_path_factory.mktemp("diff")
    write(folder / "a.rtape", simulated("support-call", seed=1))
    write(folder / "b.rtape", simulated("support-call", seed=2))
    other = reworded(simulated("support-call", seed=3), "latest", "oldest")
    write(folder / "other.rtape", reworded(other, "on Thursday", "on Friday"))
    return folder


def test_the_same_call_twice_is_equal(folder: Path) -> None:
    done = run("a.rtape", "b.rtape", "--level", "text", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("---        a.rtape\n+++        b.rtape\n")
    assert "result     equal\n" in done.stdout


def test_what_differs_is_told_and_exits_with_1(folder: Path) -> None:
    done = run("a.rtape", "other.rtape", "--level", "text", cwd=folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert "result     2 differences (tools 1, text 1) · in 1 of 2 turns\n" in done.stdout
    head = "@@ turn 1 · tools[0].arguments.order · tools · a #143 · b #143"
    assert f'{head}\n- "latest"\n+ "oldest"\n' in done.stdout
    assert "\n- It has shipped and arrives on Thursday. " in done.stdout
    assert "\n+ It has shipped and arrives on Friday. " in done.stdout
    assert "\x1b" not in done.stdout


def test_the_hint_works(folder: Path) -> None:
    done = run("a.rtape", "other.rtape", "--level", "text", cwd=folder)
    (hint,) = [line for line in done.stdout.splitlines() if line.startswith("rtproxy inspect")]
    assert hint == "rtproxy inspect other.rtape --filter '#143'   shows an event"
    shown = call_for_text("inspect", "other.rtape", "--filter", "#143", cwd=folder)
    assert 'lookup_order({"order":"oldest"})' in shown.stdout


@pytest.mark.parametrize(
    ("options", "code", "result"),
    [
        (["--level", "structure"], 0, "equal"),
        (["--level", "tools"], 1, "1 difference (tools 1) · in 1 of 2 turns"),
        (["--level", "text", "--turn", "2"], 0, "equal"),
        (["--level", "text", "--turn", "1"], 1, "2 differences (tools 1, text 1) · in 1 of 1 turn"),
        (
            ["--level", "text", "--ignore", "turns[*].tools[*].arguments"],
            1,
            "1 difference (text 1) · in 1 of 2 turns",
        ),
        (["--level", "tools", "--ignore", "tools[0].arguments.order"], 0, "equal"),
        (["--level", "structure", "--budget", "v2v.p50=+200ms"], 0, "equal · budget kept"),
        (
            ["--level", "structure", "--budget", "v2v.p50=1ms", "--budget", "errors=0"],
            1,
            "equal · 1 of 2 budgets broken",
        ),
    ],
)
def test_options_say_what_counts(folder: Path, options: list[str], code: int, result: str) -> None:
    done = run("a.rtape", "other.rtape", *options, cwd=folder)
    assert f"result     {result}\n" in done.stdout
    assert (done.returncode, done.stderr) == (code, "")


def test_json_is_all_that_is_printed(folder: Path) -> None:
    done = run("a.rtape", "other.rtape", "--level", "text", "--json", cwd=folder)
    document = json.loads(done.stdout)
    validator("diff-1.schema.json").validate(document)
    assert done.returncode == 1
    assert (document["a"], document["b"], document["equal"]) == ("a.rtape", "other.rtape", False)
    assert [found["path"] for found in document["differences"]] == [
        "turns[0].tools[0].arguments.order",
        "turns[0].responses[1].items[0].text",
    ]


def test_github_and_junit_and_a_page_at_once(folder: Path, tmp_path: Path) -> None:
    xml, html = tmp_path / "diff.xml", tmp_path / "diff.html"
    done = run(
        "a.rtape", "other.rtape", "--level", "text", "--format", "github",
        "--junit", xml, "--html", html, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    command, properties, _ = parse(line)
    assert command == "error"
    assert properties == {"file": "other.rtape", "title": "rtproxy diff: turn 1"}
    failed = [name for _, name, why in cases(check(xml.read_bytes())) if why is not None]
    assert failed == ["turn 1 “Hi, where is my order?”"]
    assert html.read_bytes().startswith(b"<!doctype html>")
    assert b'id="d2"' in html.read_bytes()
    assert done.stderr == f"rtproxy: {html} has the page.\n"


# What goes wrong.


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["a.rtape", "none.rtape"], "There is no file none.rtape."),
        (["text.txt", "a.rtape"], "text.txt is not a tape."),
        (["a.rtape", "."],
         ". is a folder and a.rtape is not; name two tapes or two folders of tapes."),
        (["empty", "empty"], "There is no tape in empty, nor in empty."),
        (["a.rtape", "b.rtape", "--turn", "7"],
         "There is no turn 7 to compare: the first session has turns 1 to 2."),
        (["a.rtape", "b.rtape", "--html", "text.txt"],
         "text.txt exists and is no HTML page; name another file."),
        (["a.rtape", "b.rtape", "--junit", "none/x.xml"],
         "none/x.xml cannot be written: No such file or directory."),
    ],
)  # fmt: skip
def test_errors_are_one_sentence(folder: Path, args: list[str], why: str) -> None:
    (folder / "text.txt").write_text("just text")
    (folder / "empty").mkdir(exist_ok=True)
    done = run(*args, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"rtproxy: {why}\n"
    assert (folder / "text.txt").read_text() == "just text"


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--budget", "fast"], "'fast' is no budget"),
        (["--budget", "speed.p50=+3ms"], "there is no metric speed.p50"),
        (["--ignore", "a["], "a["),
        (["--level", "words"], "'words' is not one of"),
        (["--open"], "--open opens the page that --html FILE writes."),
        (["--json", "--format", "github"], "Choose one of --json and --format."),
        (["--turn", "0"], "0 is not in the range"),
    ],
)
def test_wrong_options_are_told(folder: Path, options: list[str], part: str) -> None:
    done = run("a.rtape", "b.rtape", *options, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_a_crashed_tape_is_compared_with_a_word(folder: Path, tmp_path: Path) -> None:
    tape = write(tmp_path / "crashed.rtape", simulated("support-call", seed=1), seal=False)
    done = run(folder / "a.rtape", tape, "--level", "text")
    assert done.returncode == 0
    assert done.stderr == f"rtproxy: {tape} is not sealed: what is on it is compared.\n"


def test_a_damaged_tape_is_compared_as_far_as_it_is_sound(folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / "a.rtape").read_bytes())
    data[data.index(b'"rate_limits.updated"')] ^= 1
    tape = tmp_path / "damaged.rtape"
    tape.write_bytes(data)
    done = run(folder / "a.rtape", tape, "--level", "text")
    assert done.returncode == 1
    assert done.stderr == (
        f"rtproxy: {tape} is damaged in one place: what is missing there is not compared.\n"
    )


def test_who_reads_no_further_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m rtproxy diff a.rtape other.rtape; echo $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"({command}) | head -n 1"],
        cwd=folder, env=dict(os.environ), capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "---        a.rtape\n"
    assert done.stderr == "1\n"


def test_http_exchanges_are_compared_too(tmp_path: Path) -> None:
    request = {"method": "POST", "target": "/v1/realtime/client_secrets"}
    for name, model in (("a", "gpt-realtime"), ("b", "gpt-realtime-2")):
        header = Header({"connection": "http", "origin": "recorded", "request": request})
        asked = Event(0, 1, 0, json.dumps({"session": {"model": model}}))
        write(tmp_path / f"{name}.rtape", [header, asked, Event(1, 9, 1, '{"expires_at":1}')])
    done = run("a.rtape", "b.rtape", cwd=tmp_path)
    assert done.returncode == 1
    assert "session.model · text · a #0 · b #0\n- gpt-realtime\n+ gpt-realtime-2\n" in done.stdout
    assert run("a.rtape", "a.rtape", cwd=tmp_path).returncode == 0


# Folders.


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """old/ and new/: three of the same name, one of them packed, one in a folder, one other."""
    root = tmp_path_factory.mktemp("sets")
    for n, side in enumerate(("old", "new")):
        write(root / side / "same.rtape", simulated("text", seed=n))
        tool = simulated("tool", seed=n)
        write(root / side / "en" / "tool.rtape",
              reworded(tool, "It is foggy", "It is clear") if n else tool)  # fmt: skip
        packed = write(root / side / "packed.rtape", simulated("text", seed=10 + n))
        if n:
            data = zstandard.compress(packed.read_bytes())
            packed.with_suffix(".rtape.zst").write_bytes(data)
            packed.unlink()
    write(root / "old" / "gone.rtape", simulated("text"))
    write(root / "new" / "fresh.rtape", simulated("text"))
    (root / "new" / ".hidden.rtape").write_bytes(b"x")
    (root / "new" / "notes.txt").write_bytes(b"x")
    return root


def test_tapes_of_folders_are_matched_by_name(folders: Path) -> None:
    done = run("old", "new", "--level", "text", cwd=folders)
    assert (done.returncode, done.stderr) == (1, "")
    assert "result     1 of 3 pairs differ · 1 only in a · 1 only in b\n" in done.stdout
    rows = [" ".join(line.split()[:4]) for line in done.stdout.splitlines()]
    for row in (
        "en/tool ✗ 1 difference",
        "fresh ✗ only in",
        "gone ✗ only in",
        "packed ✓ equal",
        "same ✓ equal",
    ):
        assert any(found.startswith(row) for found in rows), row
    assert "turn 1 responses[1].items[0].text" in done.stdout
    assert "rtproxy diff old/en/tool.rtape new/en/tool.rtape   shows a pair" in done.stdout


def test_folders_that_hold_the_same_are_equal(folders: Path) -> None:
    done = run("old", "old", cwd=folders)
    assert done.returncode == 0
    assert "result     4 pairs equal\n" in done.stdout


def test_a_name_without_another_counts_as_a_difference(folders: Path, tmp_path: Path) -> None:
    for side in ("a", "b"):
        write(tmp_path / side / "x.rtape", simulated("text"))
    assert run("a", "b", cwd=tmp_path).returncode == 0
    write(tmp_path / "b" / "y.rtape", simulated("text"))
    assert run("a", "b", cwd=tmp_path).returncode == 1


def test_a_set_as_json_junit_annotations_and_page(folders: Path, tmp_path: Path) -> None:
    xml, html = tmp_path / "set.xml", tmp_path / "set.html"
    options = ("--level", "text", "--junit", xml, "--html", html)
    document = json.loads(run("old", "new", *options, "--json", cwd=folders).stdout)
    validator("diff-set-1.schema.json").validate(document)
    assert (document["only_a"], document["only_b"]) == (["gone"], ["fresh"])
    assert [one["name"] for one in document["sessions"]] == ["en/tool", "packed", "same"]
    suites = [suite.attrib["name"] for suite in check(xml.read_bytes())]
    assert suites == ["en/tool", "packed", "same", "gone", "fresh"]
    text = html.read_text("utf-8")
    assert text.count('<section class="pair"') == 1
    github = run("old", "new", "--level", "text", "--format", "github", cwd=folders)
    found = [parse(line) for line in github.stdout.splitlines()]
    assert [properties.get("file") for _, properties, _ in found] == [
        None, None, "new/en/tool.rtape",
    ]  # fmt: skip


def slower(records: list[Record], ms: float) -> list[Record]:
    """The records with everything that the server says later by so many ms from the first audio."""
    at = next(n for n, r in enumerate(records) if '"response.output_audio.delta"' in str(r))
    late = round(ms * 1e6)
    return [
        replace(record, t_ns=record.t_ns + late) if isinstance(record, Event | Control) else record
        for record in records[at:]
    ]


def test_five_tapes_are_enough_to_tell_chance_from_change(tmp_path: Path) -> None:
    for n in range(5):
        call = simulated("default", seed=n)
        write(tmp_path / "a" / f"{n}.rtape", call)
        rest = slower(call, 300 + 10 * n)
        write(tmp_path / "b" / f"{n}.rtape", [*call[: len(call) - len(rest)], *rest])
    done = run("a", "b", "--level", "text", "--budget", "model.p50=+200ms", cwd=tmp_path)
    assert done.returncode == 1
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert any(
        line.startswith("model_ms ") and line.endswith("more than chance") for line in lines
    ), done.stdout
    assert any(line.startswith("queue_ms ") and line.endswith("no change") for line in lines)
    assert "result 5 pairs equal · 1 budget broken" in lines


def test_a_tape_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    for side in ("a", "b"):
        write(tmp_path / side / "good.rtape", simulated("text"))
        (tmp_path / side / "bad.rtape").write_text("{}")
    done = run("a", "b", cwd=tmp_path)
    assert done.returncode == 2
    assert "result     1 pair equal\n" in done.stdout
    assert done.stderr == "rtproxy: bad: a/bad.rtape is not a tape: it looks like JSON.\n"


# On a terminal.


def on_a_terminal(cwd: Path, columns: int, *args: str, **env: str) -> str:
    """What a terminal of this width is sent."""
    leader, follower = pty.openpty()
    names = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "50", **env}
    with subprocess.Popen(
        [sys.executable, "-m", "rtproxy", "diff", *args, "--no-pager"],
        cwd=cwd, env=names, stdout=follower, stderr=follower,
    ):  # fmt: skip
        os.close(follower)
        text = b"".join(read_all(leader)).decode()
    os.close(leader)
    return text.replace("\r\n", "\n")


def read_all(fd: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(fd, 65536)
        except OSError:  # as Linux says that nobody has it open any more
            return
        if not data:
            return
        yield data


def test_a_terminal_shows_both_sides_in_colour(folder: Path) -> None:
    text = on_a_terminal(folder, 120, "a.rtape", "other.rtape", "--level", "text")
    assert "\x1b[1;31mThursday." in text
    assert "\x1b[1;32mFriday." in text
    assert "│" in text
    assert "\n- " not in text


def test_no_color_is_obeyed_and_words_are_marked_by_signs(folder: Path) -> None:
    text = on_a_terminal(folder, 120, "a.rtape", "other.rtape", "--level", "text", NO_COLOR="1")
    assert "\x1b" not in text
    assert "[-Thursday.-]" in text
    assert "{+Friday.+}" in text


def test_ascii_alone(folder: Path) -> None:
    text = on_a_terminal(folder, 100, "a.rtape", "other.rtape", "--ascii", "--level", "text")
    assert text.isascii()
    assert " | " in text
