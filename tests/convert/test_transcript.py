"""Transcripts: who said what and when, read again by those who read such files."""

import io
import itertools
import re
from pathlib import Path

import orjson
import pytest
import srt
import webvtt
from click.testing import CliRunner

from rtproxy.cli.main import rtproxy
from rtproxy.convert import subtitles
from rtproxy.convert.subtitles import CUE, cues
from rtproxy.convert.transcript import clock, markdown, text
from rtproxy.realtime.dialogue import Line, dialogue
from rtproxy.realtime.session import Session
from rtproxy.simulate.library import load
from rtproxy.tape.record import Record
from tests.captures import CAPTURES
from tests.realtime.simulated import call_records
from tests.realtime.story import Story
from tests.tapes import write_tape

HOSTILE = "\x1b[31m</v><script>alert(1)</script> --> 00:00\n\n**b** `x` [l](javascript:1) \u202e"


def simulated(name: str) -> list[Record]:
    return call_records(load(name))


def lines_of(name: str) -> list[Line]:
    return dialogue(Session.fold(simulated(name)))


def test_a_call_is_told_in_order() -> None:
    told = [(line.speaker, line.turn, line.text) for line in lines_of("support-call")]
    assert told[0] == ("caller", 1, "Hi, where is my order?")
    assert told[1] == ("tool", 1, 'lookup_order({"order":"latest"})')
    assert told[2][:2] == ("assistant", 1)
    assert told[3] == ("caller", 2, "Stop, that is fine, thanks.")
    assert told[4] == ("assistant", 2, "Sure. Have a good day!")


def test_times_are_when_it_sounded() -> None:
    """The simulated caller speaks from 465 ms; what it hears begins and is cut as scheduled."""
    session = Session.fold(simulated("support-call"))
    caller, _, reply, second, _ = dialogue(session)
    assert caller.start_ms == pytest.approx(session.turns.all[0].speech[0].onset_ms)
    assert not caller.approximate
    track = next(track for track in session.tracks if track.item_id == reply.item_id)
    assert reply.start_ms is not None
    assert reply.end_ms is not None
    assert reply.start_ms == track.first_ms
    assert reply.end_ms == track.cut_ms
    assert reply.cut
    assert reply.end_ms - reply.start_ms == pytest.approx(reply.heard_ms)
    assert second.start_ms is not None
    assert second.start_ms < reply.end_ms, "they spoke over one another"


def test_what_was_heard_of_a_line_that_was_cut_off() -> None:
    reply = lines_of("support-call")[2]
    assert reply.text is not None
    assert reply.heard is not None
    assert reply.text.startswith(reply.heard)
    assert reply.heard_ms is not None
    assert reply.audio_ms is not None
    share = reply.heard_ms / reply.audio_ms
    assert len(reply.heard) / len(reply.text) == pytest.approx(share, abs=0.1)


@pytest.mark.parametrize(
    ("said", "heard_ms", "heard"),
    [("one two three", 1000.0, "one two three"), ("one two three", 500.0, "one"),
     ("one two three", 0.0, ""), ("one", 500.0, ""), ("one two", 430.0, "one")],
)  # fmt: skip
def test_words_are_heard_whole(said: str, heard_ms: float, heard: str) -> None:
    assert Line("assistant", said, 0, 1, heard_ms=heard_ms, audio_ms=1000.0).heard == heard


def test_what_was_not_transcribed_says_so() -> None:
    line = lines_of("g711")[0]
    assert (line.text, line.note) == (None, "not transcribed")
    story = Story().speak(800).hear("i", 300, 700)
    story.server(
        "conversation.item.input_audio_transcription.failed", item_id="i", error={"message": "no"}
    )
    assert dialogue(story.session)[0].note == "transcription failed"


def test_times_of_arrival_are_marked() -> None:
    """Without voice detection nobody knows when the caller spoke."""
    story = Story(turn_detection=None).speak(400)
    story.client("input_audio_buffer.commit").server("input_audio_buffer.committed", item_id="i")
    (line,) = dialogue(story.session)
    assert line.approximate
    assert next(iter(text([line]))).startswith("~")


def test_a_tape_without_times_has_none() -> None:
    story = Story()
    story.client(
        "conversation.item.create",
        item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
    )
    story.client("response.create").begin("r").say("r", 0, "Hello.").end("r")
    lines = dialogue(story.session)
    assert [(line.speaker, line.text, line.start_ms) for line in lines] == [
        ("caller", "Hi", None),
        ("assistant", "Hello.", None),
    ]
    assert next(iter(text(lines))) == "caller     Hi"
    assert list(cues(lines)) == []


def test_what_was_put_into_the_conversation_is_told() -> None:
    story = Story()
    for role, said in (("system", "Be kind."), ("assistant", "We met before.")):
        kind = "output_text" if role == "assistant" else "input_text"
        item = {"id": f"i_{role}", "type": "message", "role": role,
                "content": [{"type": kind, "text": said}]}  # fmt: skip
        story.wait(5).client("conversation.item.create", item=item)
        story.wait(5).server("conversation.item.added", item=item)
    told = [(line.speaker, line.text) for line in dialogue(story.session)]
    assert told == [("system", "Be kind."), ("assistant", "We met before.")]


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(0, "0:00.0"), (61_440, "1:01.4"), (59_960, "1:00.0"), (3_723_400, "1:02:03.4")],
)
def test_the_clock(ms: float, shown: str) -> None:
    assert clock(ms) == shown


def test_text_stays_within_a_hundred_columns() -> None:
    shown = list(text(lines_of("support-call")))
    assert max(map(len, shown)) <= 100
    assert "[cut off: 1.3 s of" in " ".join(part.strip() for part in shown)


@pytest.mark.parametrize("name", ["support-call", "barge-in", "choppy", "beta", "g711", "tool"])
def test_others_read_the_subtitles(name: str) -> None:
    lines = lines_of(name)
    expected = list(cues(lines))
    read = list(srt.parse("\n".join(subtitles.srt(lines))))
    assert [round(one.start.total_seconds() * 1000) for one in read] == [
        round(cue.start_ms) for cue in expected
    ]
    assert [one.content.replace("\n", " ") for one in read] == [
        f"{cue.speaker.capitalize()}: {cue.text}" for cue in expected
    ]
    captions = webvtt.from_buffer(io.StringIO("\n".join(subtitles.vtt(lines, name)))).captions
    assert [one.voice for one in captions] == [cue.speaker.capitalize() for cue in expected]
    assert [one.text.replace("\n", " ") for one in captions] == [cue.text for cue in expected]
    assert all(cue.end_ms > cue.start_ms for cue in expected)


def test_long_lines_become_several_cues() -> None:
    long = Line("assistant", "word " * 100, 0, 1, start_ms=1000.0, end_ms=21_000.0, spoken=True)
    made = list(cues([long]))
    assert len(made) > 4
    assert all(len(cue.text) <= CUE for cue in made)
    assert " ".join(cue.text for cue in made).split() == ["word"] * 100
    assert made[0].start_ms == 1000.0
    assert made[-1].end_ms == pytest.approx(21_000.0)
    assert all(a.end_ms == b.start_ms for a, b in itertools.pairwise(made))


def test_hostile_words_stay_words() -> None:
    lines = [Line("caller", HOSTILE, 0, 1, start_ms=0.0, end_ms=900.0, spoken=True)]
    for shown in (list(text(lines)), list(markdown(lines, HOSTILE)), list(subtitles.srt(lines))):
        assert not re.search("[\x00-\x1f\x7f-\x9f\u202e]", "".join(shown))
    (one,) = srt.parse("\n".join(subtitles.srt(lines)))
    assert "script" in one.content
    made = "\n".join(subtitles.vtt(lines, HOSTILE))
    (caption,) = webvtt.from_buffer(io.StringIO(made)).captions
    assert "<script>" not in caption.raw_text
    body = "\n".join(markdown(lines, "call"))
    assert "<script>" not in body
    assert "**b**" not in body
    assert "[l](" not in body


@pytest.mark.parametrize("name", ["txt", "srt", "vtt", "json", "md"])
def test_the_command_writes_a_file_by_its_name(name: str, tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "call.rtape", simulated("support-call"))
    out = tmp_path / f"call.{name}"
    done = CliRunner().invoke(rtproxy, ["export", "transcript", str(tape), "-o", str(out)])
    assert (done.exit_code, done.output) == (0, "")
    assert "Have a good day" in out.read_text("utf-8")
    if name == "json":
        made = orjson.loads(out.read_bytes())
        assert made["schema"] == "rtproxy.transcript/1"
        assert [line["speaker"] for line in made["lines"]][:2] == ["caller", "tool"]
        assert made["lines"][1]["tool"]["name"] == "lookup_order"
    again = CliRunner().invoke(rtproxy, ["export", "transcript", str(tape), "-o", str(out)])
    assert again.exit_code != 0
    assert "--force" in str(again.exception)
    assert list(tmp_path.glob(".*")) == []


def test_one_turn_alone(tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "call.rtape", simulated("support-call"))
    done = CliRunner().invoke(rtproxy, ["export", "transcript", str(tape), "--turn", "2"])
    assert "Stop, that is fine" in done.stdout
    assert "order" not in done.stdout
    done = CliRunner().invoke(rtproxy, ["export", "transcript", str(tape), "--turn", "9"])
    assert done.exit_code == 2
    assert "there is no 9" in done.stderr


def test_subtitles_need_times(tmp_path: Path) -> None:
    story = Story().client("response.create").begin("r").say("r", 0, "Hello.").end("r")
    tape = write_tape(tmp_path / "call.rtape", story.records)
    done = CliRunner().invoke(rtproxy, ["export", "transcript", str(tape), "--format", "srt"])
    assert done.exit_code == 2
    assert "has no times" in done.stderr


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="there are no captures beside it")
def test_captures_are_told() -> None:
    from tests.realtime.test_captured_sessions import TURNS, session

    for name, turns in TURNS.items():
        lines = dialogue(session(name))
        assert [line.text for line in lines if line.speaker == "caller"] == [t[1] for t in turns]
        assert [line.text for line in lines if line.speaker == "assistant"] == [t[2] for t in turns]
