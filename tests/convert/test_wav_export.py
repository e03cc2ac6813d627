"""`rtproxy export wav`: the files, what they are called, what is said, and what is refused."""

import base64
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rtproxy.cli.main import rtproxy
from rtproxy.convert import wav, wav_file
from rtproxy.errors import RtproxyError
from rtproxy.realtime.audio import PCM16, level_db
from rtproxy.realtime.mixdown import render
from rtproxy.realtime.session import Session
from rtproxy.tape.record import Control, Event, Header, Record
from tests.convert.tapes import (
    SCENARIOS,
    captures,
    damages,
    odd,
    of_scenario,
    simulated,
    take_in,
    turned_away,
    with_unknown,
    write,
)
from tests.convert.test_wav import probe, read
from tests.realtime.story import Story
from tests.tapes import write_tape

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg")
SECOND = base64.b64encode(PCM16.encode(np.full(24_000, 1000, np.int16))).decode()


class Ran:
    """What a command came to; an error raised on purpose is a line, as it is for users."""

    def __init__(self, *arguments: str | Path) -> None:
        done = CliRunner().invoke(rtproxy, ["export", "wav", *map(str, arguments)])
        self.stderr, self.code, self.stdout = done.stderr, done.exit_code, done.stdout_bytes
        if isinstance(done.exception, RtproxyError):
            self.stderr, self.code = f"rtproxy: {done.exception}\n", done.exception.exit_code
        elif done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(here: Path) -> Path:
    """The tape of a call with a barge-in, a tool, and two turns."""
    return write(here / "call.rtape", simulated("support-call"))


def sound_of(name: str, *, heard: bool) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    records = simulated(name)
    return np.concatenate(list(render(Session.fold(records), records, heard=heard)))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# What is written.


def test_the_whole_call_by_default(call: Path, here: Path) -> None:
    ran = Ran(call)
    assert (ran.code, ran.stderr) == (0, "call.wav: 0:07.7, stereo, 24,000 Hz, as heard\n")
    assert np.array_equal(read(here / "call.wav"), sound_of("support-call", heard=True))


def test_as_delivered(call: Path, here: Path) -> None:
    assert Ran(call, "--as", "delivered").code == 0
    assert np.array_equal(read(here / "call.wav"), sound_of("support-call", heard=False))


def test_standard_output_gets_the_same_bytes(call: Path, here: Path) -> None:
    Ran(call)
    command = [sys.executable, "-m", "rtproxy", "export", "wav", str(call), "-o", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout == (here / "call.wav").read_bytes()
    assert done.stderr == b"stdout: 0:07.7, stereo, 24,000 Hz, as heard\n"
    with Path("/dev/full").open("wb") as nowhere:
        full = subprocess.run(command, stdout=nowhere, stderr=subprocess.PIPE, check=False)
    assert (full.returncode, full.stderr.count(b"\n")) == (2, 1)
    assert b"standard output cannot be written: No space" in full.stderr


def test_each_side_alone_and_both_in_one(call: Path, here: Path) -> None:
    sound = sound_of("support-call", heard=True)
    for n, side in enumerate(("caller", "assistant")):
        assert Ran(call, "--side", side, "-o", f"{side}.wav").code == 0
        assert np.array_equal(read(here / f"{side}.wav")[:, 0], sound[:, n])
    assert Ran(call, "--mix", "mono", "-o", "both.wav").code == 0
    assert np.array_equal(read(here / "both.wav")[:, 0], sound.sum(axis=1).clip(-32768, 32767))
    assert Ran(call, "--per", "side", "-o", "sides").code == 0
    assert files(here / "sides") == ["call.assistant.wav", "call.caller.wav"]
    assert np.array_equal(read(here / "sides/call.caller.wav")[:, 0], sound[:, 0])


def test_turns_are_stretches_of_the_call(call: Path, here: Path) -> None:
    assert Ran(call, "--per", "turn").code == 0
    assert files(here / "call") == ["call.turn-01.wav", "call.turn-02.wav"]
    one, two = (read(here / "call" / name) for name in files(here / "call"))
    whole = sound_of("support-call", heard=True)
    assert np.array_equal(np.concatenate((one, two)), whole[len(whole) - len(one) - len(two) :])
    assert Ran(call, "--turn", "2", "-o", "two.wav").code == 0
    assert np.array_equal(read(here / "two.wav"), two)
    assert Ran(call, "--per", "turn", "--turn", "2", "--side", "caller").code == 0
    assert np.array_equal(read(here / "call/call.turn-02.caller.wav")[:, 0], two[:, 0])
    # The caller's words are in it from the first one on.
    said = simulated("support-call")
    speech = Session.fold(said).turns[1].speech[0]
    assert speech.onset_ms is not None
    start_ms = (len(whole) - len(two)) / 24
    assert start_ms == pytest.approx(speech.onset_ms - (speech.padding_ms or 0), abs=1)


def test_a_turn_that_the_client_committed_begins_when_the_reply_before_was_over(here: Path) -> None:
    story = Story(turn_detection=None)
    for n in (1, 2):
        story.speak(600).client("input_audio_buffer.commit")
        story.server("input_audio_buffer.committed", item_id=f"c{n}")
        story.client("response.create").reply(f"r{n}", 500)
    write_tape(here / "push.rtape", story.control("close").records)
    assert Ran("push.rtape", "--per", "turn").code == 0
    lengths = [len(read(here / "push" / name)) / 24 for name in files(here / "push")]
    assert lengths == pytest.approx([600 + 430 + 500, 10 + 600 + 430 + 510], abs=1)
    assert Ran("push.rtape", "--per", "item").code == 0
    for n in (1, 2):
        assert len(read(here / f"push/push.turn-0{n}.caller.c{n}.wav")) == 600 * 24


def test_items_and_responses_by_name(call: Path, here: Path) -> None:
    assert Ran(call, "--per", "item").code == 0
    names = [name.split(".") for name in files(here / "call")]
    assert [name[1:3] for name in names] == [
        ["turn-01", "assistant"], ["turn-01", "caller"],
        ["turn-02", "assistant"], ["turn-02", "caller"],
    ]  # fmt: skip
    assert Ran(call, "--per", "response", "-o", "r", "--turn", "1").code == 0
    (name,) = files(here / "r")
    assert name.startswith("call.turn-01.assistant.resp_")


def test_an_item_as_heard_is_what_was_played_of_it_with_its_gaps(here: Path) -> None:
    one, two = np.full(12_000, 500, np.int16), np.full(24_000, 700, np.int16)
    story = Story().begin("r")
    for samples in (one, two):
        delta = base64.b64encode(PCM16.encode(samples)).decode()
        story.server("response.output_audio.delta", response_id="r", item_id="i", delta=delta)
        story.wait(900)
    story.wait(-500).client("response.cancel").wait(3000).control("close")
    write_tape(here / "c.rtape", story.records)
    for per in ("item", "response"):
        ran = Ran("c.rtape", "--per", per, "--as", "heard", "-o", per)
        assert (ran.code, ran.stderr) == (
            0,
            f"1 file in {per}: 0:01.3, mono, 24,000 Hz, as heard\n",
        )
        (name,) = files(here / per)
        expected = np.concatenate((one, np.zeros(9600, np.int16), two[:9600]))
        assert np.array_equal(read(here / per / name)[:, 0], expected)


def test_another_rate(call: Path, here: Path) -> None:
    assert Ran(call, "--rate", "16000").code == 0
    found, sound = probe(here / "call.wav"), sound_of("support-call", heard=True)
    assert found["sample_rate"] == "16000"
    assert found["duration_ts"] == round(len(sound) * 2 / 3)
    assert level_db(read(here / "call.wav")) == pytest.approx(level_db(sound), abs=0.5)
    assert Ran(call, "--per", "item", "--rate", "8000").code == 0
    for name in files(here / "call"):
        assert probe(here / "call" / name)["sample_rate"] == "8000"


def test_g711_as_it_is(here: Path) -> None:
    tape = of_scenario(here, "g711")
    assert Ran(tape, "--raw").code == 0
    assert Ran(tape, "-o", "decoded.wav").code == 0
    found = probe(here / "g711.wav")
    assert (found["codec_name"], found["channels"]) == ("pcm_mulaw", 2)
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", "g711.wav", "-f", "s16le", "-"],
        capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout == read(here / "decoded.wav").tobytes()
    assert Ran(tape, "--per", "turn", "--raw").code == 0
    assert probe(here / "g711/g711.turn-01.wav")["codec_name"] == "pcm_mulaw"
    both = Story(input_audio_format="g711_ulaw").client("input_audio_buffer.append", audio=SECOND)
    both.begin("r").wait(10).say("r", 100)
    write_tape(here / "both.rtape", both.records)
    assert "is of 2 formats" in Ran("both.rtape", "--raw").stderr
    assert Ran("both.rtape", "--raw", "--side", "caller").code == 0
    assert probe(here / "both.wav")["codec_name"] == "pcm_mulaw"


@needs_ffmpeg
@pytest.mark.parametrize(
    ("form", "codec"), [("mp3", "mp3"), ("ogg", "vorbis"), ("flac", "flac"), ("opus", "opus")]
)
def test_other_formats(form: str, codec: str, call: Path, here: Path) -> None:
    ran = Ran(call, "-o", f"call.{form}")
    assert (ran.code, ran.stderr) == (0, f"call.{form}: 0:07.7, stereo, 24,000 Hz, as heard\n")
    found = probe(here / f"call.{form}")
    assert (found["codec_name"], found["channels"]) == (codec, 2)
    back = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", f"call.{form}", "-ar", "24000", "-f", "s16le", "-"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    heard = np.frombuffer(back, "<i2").reshape(-1, 2)
    sound = sound_of("support-call", heard=True)
    assert len(heard) == pytest.approx(len(sound), abs=24 * 80)
    for side in (0, 1):
        assert level_db(heard[:, side]) == pytest.approx(level_db(sound[:, side]), abs=0.5)
    if form == "flac":
        assert np.array_equal(heard, sound)
    assert Ran(call, "--format", form, "--per", "item", "-o", "items").code == 0
    assert {name.rsplit(".", 1)[1] for name in files(here / "items")} == {form}
    ran = Ran(call, "--format", form, "-o", "-")
    assert probe_bytes(ran.stdout, here)["codec_name"] == codec


def probe_bytes(data: bytes, folder: Path) -> dict[str, object]:
    (folder / "piped").write_bytes(data)
    return probe(folder / "piped")


@needs_ffmpeg
def test_pydub_reads_it(call: Path, here: Path) -> None:
    from pydub import AudioSegment

    Ran(call)
    Ran(call, "-o", "call.mp3")
    for name in ("call.wav", "call.mp3"):
        with (here / name).open("rb") as file:
            segment = AudioSegment.from_file(file, format=name.split(".")[1])
        assert len(segment) == pytest.approx(7733, abs=80)
        assert (segment.channels, segment.frame_rate) == (2, 24_000)


# What is refused.


def test_without_ffmpeg(call: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(here))
    ran = Ran(call, "-o", "call.mp3")
    assert ran.code == 2
    assert ran.stderr == (
        "rtproxy: mp3, ogg, flac, opus are made by ffmpeg, which is not installed; install it, or "
        "export WAV.\n"
    )
    assert Ran(call, "--per", "item", "--format", "ogg").code == 2
    assert not (here / "call").exists()
    assert Ran(call).code == 0


def test_when_ffmpeg_fails(call: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "ffmpeg").write_text("#!/bin/sh\necho 'Unknown encoder libmp3lame' >&2\nexit 1\n")
    (here / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{here}:/bin:/usr/bin")
    ran = Ran(call, "-o", "call.mp3")
    assert (ran.code, ran.stderr) == (
        2,
        "rtproxy: ffmpeg could not encode the audio: Unknown encoder libmp3lame.\n",
    )
    assert not (here / "call.mp3").exists()


def test_nothing_is_overwritten_unasked(call: Path, here: Path) -> None:
    (here / "call.wav").write_text("precious")
    ran = Ran(call)
    assert (ran.code, ran.stderr) == (
        2, "rtproxy: call.wav exists already; --force overwrites it.\n",
    )  # fmt: skip
    assert (here / "call.wav").read_text() == "precious"
    assert Ran(call, "--force").code == 0
    assert Ran(call, "--per", "item").code == 0
    before = {name: (here / "call" / name).read_bytes() for name in files(here / "call")}
    (here / "call" / sorted(before)[-1]).write_text("precious")
    (here / "call" / sorted(before)[0]).unlink()
    assert Ran(call, "--per", "item").code == 2
    assert files(here / "call") == sorted(before)[1:], "nothing is begun that cannot be ended"
    assert Ran(call, "--per", "item", "--force").code == 0
    assert {name: (here / "call" / name).read_bytes() for name in files(here / "call")} == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--per", "turn", "-o", "-"), "name a folder"),
        (("--raw", "--rate", "8000"), "leave out --rate"),
        (("--raw", "--format", "mp3"), "leave out --rate and --format"),
        (("--raw", "--mix", "mono"), "cannot be mixed"),
        (("--mix", "mono", "--side", "caller"), "leave it out"),
        (("--mix", "mono", "--per", "item"), "leave it out"),
        (("--per", "response", "--side", "caller"), "Responses are the assistant's"),
        (("--turn", "9"), "has 2 turns; there is no 9"),
        (("--turn", "0"), "x>=1"),
        (("--rate", "12345"), "is not one of"),
    ],
)
def test_options_that_make_no_sense(
    options: tuple[str, ...], said: str, call: Path, here: Path
) -> None:
    ran = Ran(call, *options)
    assert ran.code == 2
    assert said in ran.stderr
    assert files(here) == ["call.rtape"]


def test_without_times_there_is_no_clock(here: Path) -> None:
    story = Story().client("input_audio_buffer.append", audio=SECOND).begin("r").say("r", 500)
    tape = write_tape(here / "c.rtape", story.begin("s").say("s", 250).records)
    for options in ((), ("--side", "caller"), ("--per", "turn"), ("--mix", "mono")):
        ran = Ran(tape, *options)
        assert ran.code == 2
        assert "has no times" in ran.stderr
    assert "What was heard of" in Ran(tape, "--per", "item", "--as", "heard").stderr
    assert Ran(tape, "--per", "side").code == 0
    assert len(read(here / "c/c.caller.wav")) == 24_000
    assert len(read(here / "c/c.assistant.wav")) == 18_000


def test_more_than_a_file_holds(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tape may claim that centuries passed; nothing is written of them."""
    story = Story().client("input_audio_buffer.append", audio=SECOND).begin("r").say("r", 500)
    story.wait(1e13).client("x")
    tape = write_tape(here / "c.rtape", story.records)
    for options in ((), ("--turn", "1"), ("--per", "turn"), ("--per", "side"), ("-o", "c.flac")):
        ran = Ran(tape, *options)
        assert ran.code == 2
        assert "longer than the " in ran.stderr
        assert ran.stderr.count("\n") == 1
    assert Ran(tape, "--per", "item").code == 0
    monkeypatch.setattr(wav_file, "MAX_SIZE", 10_000)
    monkeypatch.setattr(wav, "MAX_SIZE", 10_000)
    assert "longer than the " in Ran(tape, "--per", "response", "-o", "r").stderr
    assert files(here / "r") == []


def test_names_are_no_paths(here: Path) -> None:
    names = ["../../x", "/etc/passwd", "a\x00b", "con:", "é" * 90, "A", "a", "a", ".", "x" * 300]
    story = Story()
    for n, name in enumerate(names):
        story.wait(10).begin(f"r{n}").say(f"r{n}", 20, item_id=name).end(f"r{n}").wait(50)
    write_tape(here / "c.rtape", story.records)
    ran = Ran("c.rtape", "--per", "item", "-o", "out")
    assert ran.code == 0
    assert files(here) == ["c.rtape", "out"]
    found = files(here / "out")
    assert len(found) == len(set(names))
    assert all(name.isascii() and "/" not in name and len(name) < 100 for name in found)
    assert len({name.lower() for name in found}) == len(found)


# What is wrong with the audio.


def test_faults_are_told_and_the_rest_is_exported(here: Path) -> None:
    story = Story().begin("r").say("r", 100)
    for _ in range(15):
        story.server("response.output_audio.delta", response_id="r", item_id="\x1b[31m", delta="*")
    tape = write_tape(here / "c.rtape", story.wait(500).control("close").records)
    ran = Ran(tape)
    assert ran.code == 1
    lines = ran.stderr.splitlines()
    assert lines[0] == "c.wav: 0:00.5, stereo, 24,000 Hz, as heard"
    assert lines[1].endswith("no base64 from character 0 on: silence in its place")
    assert len(lines) == 12
    assert lines[-1] == "rtproxy: and 5 more."
    assert "\x1b" not in ran.stderr
    assert len(read(here / "c.wav")) == 12_000


def test_audio_that_was_cut_is_said_to_be_so(here: Path) -> None:
    story = Story()
    for _ in range(50):
        story.wait(100).client("input_audio_buffer.append", audio="AAAAAAAA")
    write_tape(here / "c.rtape", story.records)
    ran = Ran("c.rtape")
    assert ran.code == 1
    assert "was cut by who recorded it" in ran.stderr


def test_a_call_without_audio(here: Path) -> None:
    tape = of_scenario(here, "text")
    for options in ((), ("--per", "item"), ("--per", "turn"), ("--as", "heard"), ("--raw",)):
        ran = Ran(tape, *options)
        assert (ran.code, ran.stderr) == (2, f"rtproxy: There is no audio on {tape}.\n")
    assert files(here) == ["text.rtape"]


# Every tape there is.

OPTIONS: list[tuple[str, ...]] = [
    (), ("--as", "delivered"), ("--per", "item"), ("--per", "response", "--as", "heard"),
    ("--per", "turn"), ("--per", "side"), ("--raw",), ("--per", "item", "--raw"),
    ("--side", "caller"), ("--turn", "1", "--mix", "mono", "--rate", "16000"),
]  # fmt: skip


def check(tape: Path, out: Path) -> Iterator[int]:
    """Every export is files that can be read, or one clear sentence."""
    for n, options in enumerate(OPTIONS):
        target = out / f"{tape.stem}-{n}"
        ran = Ran(tape, *options, "-o", target)
        made = [target] if target.is_file() else sorted(target.glob("*")) if target.exists() else []
        if ran.code == 2:
            assert made == []
            assert ran.stderr.count("\n") == 1
            assert ran.stderr.startswith("rtproxy: ")
            assert ran.stderr.endswith(".\n")
        else:
            assert made
        for path in made:
            data = path.read_bytes()
            assert data[:4] + data[8:12] == b"RIFFWAVE"
            assert struct.unpack_from("<I", data, 4) == (len(data) - 8,)
            assert len(data) > 44
        yield ran.code


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario(name: str, tmp_path: Path) -> None:
    codes = set(check(of_scenario(tmp_path, name), tmp_path))
    silent = not any(Session.fold(simulated(name)).tracks)
    assert codes == {2} if silent else codes == {0}


@pytest.mark.parametrize("capture", captures(), ids=lambda path: path.stem)
def test_every_capture(capture: Path, tmp_path: Path) -> None:
    (tape,) = take_in(capture, tmp_path / "c.rtape").tapes
    codes = set(check(tape, tmp_path))
    assert codes <= {1, 2}, "their audio was cut, which is told"


@pytest.mark.parametrize("how", ["flipped", "cut", "hole", "headless"])
@pytest.mark.parametrize("name", ["support-call", "g711"])
def test_damaged_tapes(how: str, name: str, tmp_path: Path) -> None:
    tape = of_scenario(tmp_path, name)
    tape.write_bytes(dict(damages(tape))[how])
    assert set(check(tape, tmp_path)) <= {0, 1, 2}
    assert Ran(tape, "-o", tmp_path / "x.wav").code == 1


def test_half_tapes(tmp_path: Path) -> None:
    records = simulated("support-call")
    for n in range(0, len(records), 90):
        for part, half in enumerate((records[:n], (records[0], *records[n:]))):
            if half:
                tape = write(tmp_path / f"{n}-{part}.rtape", half, seal=n % 180 == 0)
                assert set(check(tape, tmp_path)) <= {0, 1, 2}


async def test_odd_tapes(tmp_path: Path) -> None:
    tapes = [write(tmp_path / "odd.rtape", odd()), with_unknown(tmp_path / "later.rtape")]
    (tmp_path / "refused").mkdir()
    tapes.append(await turned_away(tmp_path / "refused", "bad-key"))
    empty: list[Record] = [Header({"id": "1", "connection": "websocket"})]
    tapes.append(write_tape(tmp_path / "empty.rtape", empty))
    http: list[Record] = [Header({"id": "1", "connection": "http"}), Event(0, 0, 0, "{}")]
    tapes.append(write_tape(tmp_path / "http.rtape", [*http, Control(1, 9, 0, "close", {})]))
    for tape in tapes:
        assert set(check(tape, tmp_path)) == {2}
