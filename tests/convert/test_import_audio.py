"""A folder of WAV files and a transcript as a session."""

import base64
import json
import shutil
import struct
import subprocess
import wave
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.convert.riff import Wave
from rtproxy.convert.spoken_text import ROLES, Said, read, role_in
from rtproxy.errors import ConvertError
from rtproxy.realtime.audio import G711_ALAW, G711_ULAW
from rtproxy.realtime.session import Session
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Control, Event
from rtproxy.tape.repair import verify
from tests.commandline import call_for_text
from tests.convert.tapes import header, of_scenario, take_in
from tests.convert.tapes import read as records

RATE = 24_000
RAMP = np.arange(-16_000, 16_000, 10, dtype="<i2")


def riff(encoding: int, bits: int, data: bytes, *, channels: int = 1, rate: int = RATE,
         size: int | None = None, extra: bytes = b"") -> bytes:  # fmt: skip
    frame = channels * bits // 8
    layout = struct.pack("<HHIIHH", encoding, channels, rate, rate * frame, frame, bits) + extra
    body = b"fmt " + struct.pack("<I", len(layout)) + layout
    body += b"LIST" + struct.pack("<I", 3) + b"abc\0"  # an odd chunk and its padding
    body += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def tone(ms: float, rate: int = RATE) -> bytes:
    n = np.arange(round(rate * ms / 1000))
    return (8000 * np.sin(2 * np.pi * 440 * n / rate)).astype("<i2").tobytes()


def put(folder: Path, *names: str, ms: float = 250, rate: int = RATE) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(riff(1, 16, tone(ms, rate), rate=rate))
    return folder


def imported(folder: Path) -> Path:
    tape = folder.parent / "made.rtape"
    tape.unlink(missing_ok=True)
    found = take_in(folder, tape)
    assert (found.tapes, found.lost, found.notes) == ([tape], 0, [])
    return tape


def session_of(tape: Path) -> Session:
    with open_tape(tape) as opened:
        return Session.from_tape(opened)


def audio_of(tape: Path) -> list[tuple[bool, bytes]]:
    """Audio by stretches: (from the server?, bytes)."""
    found: list[tuple[bool, bytes]] = []
    for record in records(tape):
        if isinstance(record, Event):
            event = json.loads(record.payload)
            if event["type"] in ("input_audio_buffer.append", "response.output_audio.delta"):
                piece = base64.b64decode(event.get("audio") or event["delta"])
                if not found or found[-1][0] != record.from_server:
                    found.append((record.from_server, b""))
                found[-1] = (record.from_server, found[-1][1] + piece)
    return found


# --- WAV -----------------------------------------------------------------------------------------

STEREO = np.stack([RAMP, RAMP // 2], axis=1)


@pytest.mark.parametrize(
    ("made", "expected", "tolerance"),
    [
        (riff(1, 16, RAMP.tobytes()), RAMP, 0),
        (riff(1, 8, (RAMP // 256 + 128).astype(np.uint8).tobytes()), RAMP, 256),
        (riff(1, 24, b"".join(b"\x7f" + n.tobytes() for n in RAMP)), RAMP, 0),
        (riff(1, 32, (RAMP.astype("<i4") << 16).tobytes()), RAMP, 0),
        (riff(3, 32, (RAMP / 32768).astype("<f4").tobytes()), RAMP, 1),
        (riff(3, 64, (RAMP / 32768).astype("<f8").tobytes()), RAMP, 1),
        (riff(3, 32, np.array([np.nan, np.inf, -9], "<f4").tobytes()), [0, 32767, -32767], 0),
        (riff(6, 8, G711_ALAW.encode(RAMP)), RAMP, 1100),
        (riff(7, 8, G711_ULAW.encode(RAMP)), RAMP, 1100),
        (riff(1, 16, STEREO.astype("<i2").tobytes(), channels=2), STEREO.mean(axis=1), 1),
        (
            riff(0xFFFE, 16, RAMP.tobytes(), extra=b"\x16\0\x10\0\x04\0\0\0\x01\0" + bytes(14)),
            RAMP,
            0,
        ),
        (riff(1, 16, RAMP.tobytes(), size=0xFFFFFFFF), RAMP, 0),  # streamed
        (riff(1, 16, RAMP.tobytes() + b"\x01"), RAMP, 0),
        (riff(1, 16, b""), [], 0),
    ],
)
def test_samples(made: bytes, expected: Any, tolerance: int) -> None:
    parsed = Wave.parse(made)
    samples = parsed.samples(made)
    assert samples.dtype == np.int16
    assert samples.shape == np.asarray(expected).shape
    np.testing.assert_allclose(samples, expected, atol=tolerance)
    assert parsed.seconds == pytest.approx(len(samples) / RATE, abs=1 / RATE)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is not a WAV file"),
        (b"RIFF\x04\0\0\0AVI ", "is not a WAV file"),
        (b"RIFF\x04\0\0\0WAVE", "without samples"),
        (riff(1, 16, b"")[:30], "cut off|without samples"),
        (riff(85, 16, b""), "encoding 85 with 16 bits, which is not read here"),
        (riff(1, 12, b""), "encoding 1 with 12 bits"),
        (riff(1, 16, b"", channels=0), "0 channels"),
        (riff(1, 16, b"", rate=10), "at 10 Hz"),
        (b"RIFF....WAVEdata\x04\0\0\0abcd", "without samples"),
    ],
)
def test_files_that_are_not_read(data: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Wave.parse(data)


@given(st.binary(max_size=120))
def test_any_bytes_as_wav(data: bytes) -> None:
    for start in (b"", riff(1, 16, b"")[:20], b"RIFF....WAVEfmt \x10\0\0\0"):
        try:
            parsed = Wave.parse(start + data)
        except ValueError:
            continue
        parsed.samples(start + data)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg here")
@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s24le", "pcm_f32le", "pcm_mulaw", "pcm_alaw"])
def test_files_of_ffmpeg(codec: str, tmp_path: Path) -> None:
    made = tmp_path / "made.wav"
    given_ = ("-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", "-")
    twice = ("-af", "pan=stereo|c0=c0|c1=c0")
    command = ("ffmpeg", "-loglevel", "error", *given_, *twice, "-c:a", codec, str(made))
    subprocess.run(command, input=tone(100), check=True)
    data = made.read_bytes()
    samples = Wave.parse(data).samples(data)
    np.testing.assert_allclose(samples, np.frombuffer(tone(100), "<i2"), atol=400)


# --- transcripts ---------------------------------------------------------------------------------

LINES = [Said("caller", "Where is my order?"), Said("assistant", "On its way.")]


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".txt", "caller: Where is my order?\nassistant: On its way.\n"),
        (".txt", "\n User:  Where is\n my order?\n\nBOT: On its way."),
        (".srt", "1\n00:00:00,500 --> 00:00:02,000\nCaller: Where is\nmy order?\n\n"
                 "2\n00:00:03,000 --> 00:00:04,000\nAssistant: <i>On its way.</i>\n"),
        (".srt", "1\r\n00:00:00,500 --> 00:00:02,000\r\nCaller: Where is\r\n\r\n2\r\n"
                 "00:00:02,000 --> 00:00:02,500\r\nmy order?\r\n\r\n3\r\n"
                 "00:00:03,000 --> 00:00:04,000\r\nagent: On its way.\r\n"),
        (".vtt", "WEBVTT\n\nNOTE caller: not this\n\n00:00.500 --> 00:02.000 align:start\n"
                 "<v Caller>Where is my order?</v>\n\n"
                 "00:03.000 --> 00:04.000\n<v.loud AI>On its way."),
        (".json", '[{"role":"user","text":"Where is my order?"},'
                  '{"speaker":"Agent","content":"On its way."}]'),
        (".json", '{"lines":[{"speaker":"caller","text":"Where is my order?"},'
                  '{"speaker":"tool","text":"f()"},{"speaker":"assistant","text":"On its way."}]}'),
    ],
)  # fmt: skip
def test_transcripts(suffix: str, text: str) -> None:
    assert read(text, suffix) == LINES


@pytest.mark.parametrize(
    ("suffix", "text", "says"),
    [
        (".txt", "Where is it?", "does not say who speaks in 'Where is it"),
        (".txt", "Bob: hello", "does not say who speaks"),
        (".json", "{", "cannot be read"),
        (".json", "{}", "is neither an array"),
        (".json", "[7]", "has a line 1 that is no object"),
        (".json", '[{"text":"x"}]', "does not say who speaks in line 1"),
        (".json", "[" * 5000, "cannot be read"),
    ],
)
def test_transcripts_that_are_not_read(suffix: str, text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read(text, suffix)


@given(st.text(max_size=200), st.sampled_from([".txt", ".srt", ".vtt", ".json"]))
def test_any_transcript(text: str, suffix: str) -> None:
    for given_ in (text, f"caller: {text}", f"[{text}]", f"00:00.1 --> 00:00.2\n{text}"):
        with suppress(ValueError):
            read(given_, suffix)


def test_roles_in_names() -> None:
    assert role_in("01-caller") == ("caller", "01-")
    assert role_in("call_3.user") == ("caller", "call_3.")
    assert role_in("CUSTOMER 7") == ("caller", "")
    assert role_in("user-to-agent") == ("assistant", "user-to-")
    assert role_in("c.turn-02.caller.item_x-bot-ai") == ("caller", "c.turn-02.")
    assert role_in("recall") is role_in("07") is None
    assert set(ROLES.values()) == {"caller", "assistant"}


@pytest.mark.parametrize(
    "names",
    [
        ["1-caller", "2-assistant", "9-caller", "10-assistant"],
        ["caller-1", "assistant-1", "caller-2", "assistant-2"],
        ["user", "bot"],
        ["2 agent", "3 customer", "11 agent"],
        ["c.turn-01.caller.item_Z", "c.turn-01.assistant.item_A", "c.turn-02.caller.item_B"],
    ],
)
def test_the_order_of_files(names: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "call"
    folder.mkdir()
    for number, name in enumerate(names, start=1):
        (folder / f"{name}.wav").write_bytes(riff(1, 16, tone(100 * number)))
    assert [len(audio) for _, audio in audio_of(imported(folder))] == [
        len(tone(100 * number)) for number in range(1, len(names) + 1)
    ]


# --- folders -------------------------------------------------------------------------------------


def test_a_folder(tmp_path: Path) -> None:
    folder = put(tmp_path / "call", "1-caller.wav", "2-assistant.wav", "10-assistant.wav",
                 "9-caller.wav")  # fmt: skip
    (folder / "9-caller.wav").write_bytes(riff(1, 16, tone(400)))
    (folder / "transcript.txt").write_text(
        "caller: One?\nassistant: Two.\ncaller: Nine?\nassistant: Ten."
    )
    tape = imported(folder)
    assert verify(tape).ok
    fields = header(tape)
    assert fields["origin"] == "imported"
    assert fields["times"] is False
    assert "request" not in fields
    assert "started_ns" not in fields
    assert fields["imported"]["format"] == "audio"
    assert fields["imported"]["unknown"] == ["handshake", "times", "pings", "close"]
    assert "ids" in fields["imported"]["made_up"]
    marker = records(tape)[1]
    assert isinstance(marker, Control)
    assert marker.data["text"].startswith("Made from audio files:")
    # Sample for sample what the files hold.
    lengths = [250, 250, 400, 250]
    assert audio_of(tape) == [(n % 2 == 1, tone(ms)) for n, ms in enumerate(lengths)]
    session = session_of(tape)
    assert [(turn.user, turn.assistant) for turn in session.turns.all] == [
        ("One?", "Two."), ("Nine?", "Ten."),
    ]  # fmt: skip
    assert session.findings == []
    assert not session.times_known
    assert session.from_start
    assert session.audio_complete
    assert [speech.spoken_ms for turn in session.turns.all for speech in turn.speech] == [250, 400]


def test_the_same_files_make_the_same_session(tmp_path: Path) -> None:
    folder = put(tmp_path / "call", "1-caller.wav", "2-assistant.wav")
    first = [r for r in records(imported(folder)) if isinstance(r, Event)]
    assert [r for r in records(imported(folder)) if isinstance(r, Event)] == first


def test_other_rates_are_resampled(tmp_path: Path) -> None:
    for rate in (8000, 16_000, 44_100, 48_000):
        folder = put(tmp_path / str(rate), "1-user.wav", "2-bot.wav", ms=500, rate=rate)
        for _, audio in audio_of(imported(folder)):
            samples = np.frombuffer(audio, "<i2").astype(float)
            assert len(samples) == RATE // 2
            middle = slice(1000, -1000)
            wanted = np.frombuffer(tone(500), "<i2")[middle]
            assert np.abs(samples[middle] - wanted).max() < 200


def test_files_of_one_side_make_one_turn(tmp_path: Path) -> None:
    folder = put(tmp_path / "c", "1-caller.wav", "2-caller.wav", "3-assistant.wav", "4-ai.wav")
    (folder / "t.srt").write_text(
        "1\n00:00:00,0 --> 00:00:01,0\ncaller: one\n\n2\n00:00:01,0 --> 00:00:02,0\nuser: two\n\n"
        "3\n00:00:02,0 --> 00:00:03,0\nassistant: three and four\n"
    )
    tape = imported(folder)
    (turn,) = session_of(tape).turns.all
    assert (turn.user, turn.assistant) == ("one two", "three and four")
    assert audio_of(tape) == [(False, tone(250) * 2), (True, tone(250) * 2)]


def test_words_beside_each_file_or_by_its_name(tmp_path: Path) -> None:
    folder = put(tmp_path / "beside", "1-caller.wav", "2-assistant.wav")
    (folder / "1-caller.txt").write_text("Hello\n there?\n")
    tape = imported(folder)
    (turn,) = session_of(tape).turns.all
    assert (turn.user, turn.assistant) == ("Hello there?", None)
    assert "transcripts" in header(tape)["imported"]["unknown"]
    folder = put(tmp_path / "named", "1-caller.wav", "2-assistant.wav")
    (folder / "words.json").write_text(json.dumps([
        {"role": "assistant", "text": "Yes.", "file": "2-assistant.wav"},
        {"role": "user", "text": "Hello?", "file": "1-caller.wav"},
    ]))  # fmt: skip
    (turn,) = session_of(imported(folder)).turns.all
    assert (turn.user, turn.assistant) == ("Hello?", "Yes.")


def test_without_words(tmp_path: Path) -> None:
    tape = imported(put(tmp_path / "c", "1-assistant.wav", "2-caller.wav"))
    session = session_of(tape)
    assert session.findings == []
    events = [json.loads(r.payload) for r in records(tape) if isinstance(r, Event)]
    assert not any("transcription" in event["type"] for event in events)
    assert events[0]["session"]["audio"]["input"]["transcription"] is None


def test_what_we_export_makes_a_session_again(tmp_path: Path) -> None:
    """The files of `export wav --per item` and a transcript; a tool's line is nobody's speech."""
    tape = of_scenario(tmp_path, "support-call")
    parts = tmp_path / "parts"
    for command in (
        ("wav", tape, "--per", "item", "-o", parts),
        ("transcript", tape, "-o", parts / "transcript.json"),
    ):
        made = call_for_text("export", *command)
        assert made.returncode == 0, made.stderr
    session, again = session_of(tape), session_of(imported(parts))
    assert [(turn.user, turn.assistant) for turn in again.turns.all] == [
        (turn.user, turn.assistant) for turn in session.turns.all
    ]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "There are no WAV files in"),
        ({"a.mp3": b"x"}, "There are no WAV files in"),
        ({"01.wav": riff(1, 16, b"")}, "01.wav does not say who speaks; name it like 01-caller."),
        ({"1-caller.wav": b"x"}, "1-caller.wav is not a WAV file."),
        ({"1-caller.wav": riff(85, 16, b"")}, "make it 16-bit PCM"),
        ({"1-caller.wav": riff(1, 8, bytes(8000 * 1201), rate=8000)}, "is 20 minutes long; cut it"),
        ({"1-caller.wav": riff(1, 16, b""), "a.txt": b"caller: x\nassistant: y"},
         "has 2 turns, the WAV files beside it make 1 turn"),
        ({"1-caller.wav": riff(1, 16, b""), "a.txt": b"x", "b.srt": b"y"}, "several transcripts"),
        ({"1-caller.wav": riff(1, 16, b""), "a.txt": b"\xff\xfe"}, "a.txt is not UTF-8."),
        ({"1-caller.wav": riff(1, 16, b""), "a.txt": b"hello"}, "does not say who speaks"),
        ({"1-caller.wav": riff(1, 16, b""),
          "a.json": b'[{"role":"user","text":"x","file":"../y"}]'},
         "speaks of '../y', which is not in the folder."),
    ],
)  # fmt: skip
def test_folders_that_make_none(files: dict[str, bytes], says: str, tmp_path: Path) -> None:
    folder = tmp_path / "call"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    with pytest.raises(ConvertError) as raised:
        take_in(folder, tmp_path / "made.rtape")
    assert says in str(raised.value)
    assert not (tmp_path / "made.rtape").exists()


def test_a_folder_in_place_of_a_file_and_a_pipe_in_place_of_a_wav(tmp_path: Path) -> None:
    folder = tmp_path / "call"
    (folder / "1-caller.wav").mkdir(parents=True)
    with pytest.raises(ConvertError, match="is not a file"):
        take_in(folder, tmp_path / "made.rtape")


def test_the_standard_library_reads_what_it_was_made_of(tmp_path: Path) -> None:
    """The WAV files written here are those that everybody writes."""
    folder = put(tmp_path / "c", "1-caller.wav")
    with wave.open(str(folder / "1-caller.wav")) as file:
        assert (file.getnframes(), file.getframerate()) == (6000, RATE)
