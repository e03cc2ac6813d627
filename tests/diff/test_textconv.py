"""A tape as text: what stays the same, what one change changes, and that git shows it."""

import difflib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from rtproxy.diff.textconv import lines
from rtproxy.tape.record import FROM_SERVER, Control, Event, Header, Record
from rtproxy.tape.scanner import Damage
from tests.captures import CAPTURES
from tests.commandline import call_for_text
from tests.diff.calls import reworded, simulated, write
from tests.inspect.sample import HEADER, Script
from tests.realtime.test_any_session import tapes
from tests.realtime.test_captured_sessions import records as captured

GREETING = "Hello, my name is Marcelo."


def text_of(records: list[Record]) -> list[str]:
    header = next((record for record in records if isinstance(record, Header)), HEADER)
    return list(lines(header, records))


def changes(a: list[Record], b: list[Record]) -> list[str]:
    """The lines that `diff` would show."""
    found = difflib.ndiff(text_of(a), text_of(b))
    return [f"{line[0]} {line[2:].strip()}" for line in found if line[0] in "+-"]


@pytest.mark.parametrize("name", ["support-call", "tool", "barge-in", "text", "beta", "g711"])
def test_two_runs_of_one_call_have_the_same_text(name: str) -> None:
    a, b = simulated(name, seed=1), simulated(name, seed=2)
    assert a != b
    assert changes(a, b) == []


def test_a_word_of_an_answer_changes_the_line_on_which_it_was_said() -> None:
    a = simulated("tool")
    assert changes(a, reworded(a, "It is foggy", "It is clear")) == [
        f"{sign} ← response.output_audio_transcript.done resp_2 item_4 "
        f'transcript="It is {how} and 12 degrees in London."'
        for sign, how in (("-", "foggy"), ("+", "clear"))
    ]


def test_a_setting_changes_its_own_line() -> None:
    a = simulated("support-call")
    b = reworded(a, '"marin"', '"cedar"')
    assert changes(a, b) == [
        "- session.audio.output.voice: marin",
        "+ session.audio.output.voice: cedar",
    ]


def test_a_turn_that_is_new_changes_no_other() -> None:
    a, b = Script(), Script()
    typed(a, "one")
    typed(b, "zero")
    typed(b, "one")
    found = changes([HEADER, *a.records], [HEADER, *b.records])
    assert found
    assert all(line.startswith("+ ") for line in found), found
    assert not any('"one"' in line or "=one" in line for line in found)


def typed(script: Script, word: str) -> None:
    """A turn: what was typed, and an answer that repeats it."""
    n, t = script.seq, float(script.seq)
    content = [{"type": "input_text", "text": word}]
    script.client(
        t, "conversation.item.create", item={"type": "message", "role": "user", "content": content}
    )
    script.client(t, "response.create")
    script.server(t, "response.created", response={"id": f"resp_{n}", "status": "in_progress"})
    ids = {"response_id": f"resp_{n}", "item_id": f"item_{n}"}
    script.server(t, "response.output_text.delta", delta=word, **ids)
    script.server(t, "response.output_text.done", text=word, **ids)
    script.server(t, "response.done", response={"id": f"resp_{n}", "status": "completed"})


def test_the_caller_s_words_stand_where_they_were_said() -> None:
    a = simulated("support-call")
    at = next(n for n, record in enumerate(a) if "transcription.completed" in payload(record))
    late = [*a[:at], *a[at + 1 : at + 12], a[at], *a[at + 12 :]]
    assert changes(a, late) == []


def payload(record: Record) -> str:
    return str(record.payload) if isinstance(record, Event) else ""


def test_what_is_said_twice_stands_once() -> None:
    text = text_of(simulated("support-call"))
    assert sum("It has shipped" in line for line in text) == 1
    assert sum("Hi, where is my order?" in line for line in text) == 2  # a heading too
    assert any(line.startswith("  → close") for line in text)


def test_ids_are_numbered_and_those_of_another_turn_say_so() -> None:
    text = "\n".join(text_of(simulated("support-call")))
    assert "  ← response.created resp_1 status=in_progress" in text
    assert "conversation.item.truncate item_4 (turn -1)" in text
    assert "  ← response.done resp_2 (turn -1) status=cancelled" in text


def test_ids_within_texts_are_numbers_too() -> None:
    script = Script()
    typed(script, "hello")
    script.server(9, "response.done", response={"id": "resp_abcdef1", "status": "failed"})
    message = "resp_abcdef1 failed because of item_0123456789"
    script.server(9, "error", error={"type": "server_error", "message": message})
    text = "\n".join(text_of([HEADER, *script.records]))
    assert 'message="resp_2 failed because of item_…"' in text


def test_deltas_without_an_end_are_told_all_the_same() -> None:
    script = Script()
    ids = {"response_id": "r", "item_id": "i"}
    for piece in ("It was ", "cut"):
        script.server(1, "response.output_audio_transcript.delta", delta=piece, **ids)
        script.server(1, "response.output_audio.delta", delta="AAAA" * 3200, **ids)
    text = text_of([HEADER, *script.records])
    assert '  ← response.output_audio_transcript.delta resp_1 item_1 text="It was cut"' in text
    assert "  ← response.output_audio.delta resp_1 item_1 0.4 s" in text
    assert text[-1] == "not sealed: the recording broke off here"


def test_data_is_told_by_size_and_checksum_and_lines_stand_below_one_another() -> None:
    script = Script()
    script.raw(1, 0, b"\x00\xff")
    script.raw(1, FROM_SERVER, "first\nsecond")
    script.client(1, "session.update", session={"instructions": "Be\n  brief.", "x": "A" * 5000})
    text = text_of([HEADER, *script.records])
    assert "      <2 bytes, CRC-32 fc0fd1d3>" not in text  # the checksum is that of the bytes
    assert any(line.startswith("      <2 bytes, CRC-32 ") for line in text)
    assert text[text.index("        first") + 1] == "        second"
    assert text[text.index("      session.instructions:") + 2] == "          brief."
    assert any(line.startswith("      session.x: <5,000 characters, CRC-32 ") for line in text)


def test_damage_stands_where_records_are_missing() -> None:
    damage = Damage(offset=9, length=40, missing=range(2, 5), what="the checksum is wrong")
    close = Control(5, 9, 0, "close", {"code": 1000})
    text = list(lines(HEADER, [Event(1, 1, 0, "{}"), damage, close]))
    assert text[-5:-2] == [
        "  → message",
        "  ! damage 3 records missing: the checksum is wrong",
        "  → close code=1000",
    ]


EVIL = "\x1b]0;gotcha\x07\x1b[31m\u202e\r\x00 end"


def test_nothing_from_a_tape_reaches_the_terminal_as_it_is() -> None:
    script = Script()
    script.client(1, f"x{EVIL}", **{f"key{EVIL}": EVIL, "item": {"id": EVIL, "name": EVIL}})
    script.client(1, "session.update", session={f"a{EVIL}": f"{EVIL}\n{EVIL}"})
    script.raw(1, 1, EVIL)
    script.control(1, 0, f"close{EVIL}", reason=EVIL)
    header = Header({"upstream": EVIL, "request": {"target": EVIL}, "origin": EVIL})
    text = "\n".join(lines(header, script.records))
    assert not set(text) & set("\x1b\x07\u202e\r\x00")
    assert text.count("\\x1b") >= 14


@settings(max_examples=30, deadline=None)
@given(tapes())
def test_any_records_have_a_text(records: list[Record]) -> None:
    text = text_of(records)
    assert all("\n" not in line for line in text)
    assert text == text_of(records)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="there are no captures beside it")
def test_real_sessions_read_well() -> None:
    for path in sorted(CAPTURES.glob("*.jsonl")):
        text = text_of(captured(path))
        assert any(line.startswith("turn ") for line in text), path
    text = text_of(captured(CAPTURES / "openai-server-vad-turn.jsonl"))
    assert f'turn "{GREETING}"' in text


# The command, and git.


def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return call_for_text("tape", "textconv", *args)


def test_the_same_call_packed_and_not(tmp_path: Path) -> None:
    import zstandard

    tape = write(tmp_path / "call.rtape", simulated("tool"))
    packed = tmp_path / "call.rtape.zst"
    packed.write_bytes(zstandard.compress(tape.read_bytes()))
    assert run(tape).stdout == run(packed).stdout != ""


def test_a_crashed_tape_and_a_damaged_one_are_shown_as_far_as_they_are_sound(
    tmp_path: Path,
) -> None:
    whole = run(write(tmp_path / "whole.rtape", simulated("tool"))).stdout
    crashed = run(write(tmp_path / "crashed.rtape", simulated("tool"), seal=False))
    assert crashed.returncode == 0
    assert crashed.stdout == whole + "\nnot sealed: the recording broke off here\n"
    data = bytearray((tmp_path / "whole.rtape").read_bytes())
    at = data.index(b'"response.output_audio_transcript.done"')
    data[at] ^= 1
    (tmp_path / "damaged.rtape").write_bytes(data)
    damaged = run(tmp_path / "damaged.rtape")
    assert damaged.returncode == 0
    assert "  ! damage 1 record missing: " in damaged.stdout


@pytest.mark.parametrize("content", [b"", b"{}", b"version https://git-lfs.github.com/spec/v1\n"])
def test_what_is_no_tape_does_not_stop_git(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.rtape"
    file.write_bytes(content)
    done = run(file)
    assert done.returncode == 0
    assert done.stdout.startswith(f"no readable tape: {len(content)} bytes, is ")
    assert str(tmp_path) not in done.stdout


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = run(tmp_path / "none.rtape")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"rtproxy: There is no file {tmp_path / 'none.rtape'}.\n"


def test_git_shows_what_was_said_otherwise(tmp_path: Path) -> None:
    """The two lines of the documentation, in a real repository."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", "GIT_PAGER": "cat"}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"

    def git(*args: str) -> str:
        who = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
        done = subprocess.run(
            ["git", *who, *args], cwd=tmp_path, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    git("init", "-q")
    (tmp_path / ".gitattributes").write_text("*.rtape diff=rtproxy\n")
    git("config", "diff.rtproxy.textconv", "rtproxy tape textconv")
    tape = write(tmp_path / "call.rtape", simulated("support-call", seed=1))
    git("add", "-A")
    git("commit", "-qm", "a call")
    write(tape, simulated("support-call", seed=2))
    assert "+  " not in git("diff")  # the bytes differ, the text does not
    write(tape, reworded(simulated("support-call", seed=2), "Have a good day", "Have a nice day"))
    shown = git("diff").splitlines()
    assert "@@ -" in shown[4]
    assert shown[4].endswith('turn "Stop, that is fine, thanks."')
    changed = [line for line in shown if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert [line[0] for line in changed] == ["-", "+"]
    assert 'transcript="Sure. Have a nice day!"' in changed[1]
    git("commit", "-qam", "reworded")
    assert "Have a nice day" in git("log", "-p", "-1")
