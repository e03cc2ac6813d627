"""Exported samples against what was sent, byte for byte, read by readers that are not ours."""

import base64
import json
import shutil
import struct
import subprocess
import warnings
import wave
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rtproxy.convert import wav_writer
from rtproxy.convert.wav import MAX_SIZE, Layout, header, mono
from rtproxy.convert.wav_writer import Wanted, Written, export
from rtproxy.realtime.audio import G711_ALAW, G711_ULAW, PCM16, AudioFormat
from rtproxy.realtime.session import Session
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Record
from tests.convert.tapes import SCENARIOS, simulated
from tests.realtime.story import Story
from tests.realtime.test_mixdown import sent
from tests.tapes import write_tape

LAWS = {"g711_ulaw": G711_ULAW, "g711_alaw": G711_ALAW}
needs_sox = pytest.mark.skipif(shutil.which("sox") is None, reason="sox is not installed")
needs_ffprobe = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="no ffprobe")

Samples = NDArray[np.int16]


def exported(folder: Path, records: Iterable[Record], **wanted: object) -> Written:
    tape = folder / "call.rtape"
    if not tape.exists():
        write_tape(tape, records)
    options: dict[str, object] = {"out": folder / "out"} | wanted
    with open_tape(tape) as opened:
        return export(opened, Wanted(**options))  # type: ignore[arg-type]


def read(path: Path | None) -> Samples:
    """Samples of a WAV file by the standard library, one column for each channel."""
    assert path is not None
    with wave.open(str(path)) as file:
        assert file.getsampwidth() == 2
        data = file.readframes(file.getnframes())
        assert len(data) == file.getnframes() * 2 * file.getnchannels()
        return np.frombuffer(data, "<i2").reshape(-1, file.getnchannels())


def probe(path: Path) -> dict[str, Any]:
    """What ffprobe says of the only stream of a file."""
    command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, check=True)
    (stream,) = json.loads(done.stdout)["streams"]
    return dict(stream)


def soxi(path: Path, option: str) -> str:
    return subprocess.run(
        ["soxi", option, str(path)], capture_output=True, check=True, text=True
    ).stdout.strip()


ULAW_DECISIONS = [0, 1]
"""G.711 table 2a: eight segments of 16 intervals, twice as wide each time, up to 8159."""
for _segment in range(8):
    for _ in range(15 if _segment == 0 else 16):
        ULAW_DECISIONS.append(ULAW_DECISIONS[-1] + (2 << _segment))
ALAW_DECISIONS = [2 * n for n in range(33)]
"""G.711 table 1a: 32 intervals of 2, and six segments of 16, twice as wide each time, to 4096."""
for _segment in range(1, 7):
    ALAW_DECISIONS += [ALAW_DECISIONS[-1] + (2 << _segment) * n for n in range(1, 17)]


def ulaw_of_the_standard() -> list[int]:
    """The value for each code on 16 bits: an interval's middle, but 0 for the first.

    Value 0 is written as all ones, and counts down from there; the first bit is the sign.
    """
    values = [0] * 256
    for n in range(128):
        value = 0 if n == 0 else (ULAW_DECISIONS[n] + ULAW_DECISIONS[n + 1]) // 2
        values[0xFF - n], values[0x7F - n] = 4 * value, -4 * value
    return values


def alaw_of_the_standard() -> list[int]:
    """The value for each code on 16 bits: an interval's middle.

    The first bit is set for positive values, and every second bit is inverted, the last one first.
    """
    values = [0] * 256
    for n in range(128):
        value = (ALAW_DECISIONS[n] + ALAW_DECISIONS[n + 1]) // 2
        values[(0x80 | n) ^ 0x55], values[n ^ 0x55] = 8 * value, -8 * value
    return values


STANDARD = {"g711_ulaw": ulaw_of_the_standard(), "g711_alaw": alaw_of_the_standard()}


def test_the_standards_segments() -> None:
    assert ULAW_DECISIONS[16::16] == [31, 95, 223, 479, 991, 2015, 4063, 8159]
    assert ALAW_DECISIONS[32::16] == [64, 128, 256, 512, 1024, 2048, 4096]


# Samples.


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_item_is_what_was_sent(name: str, tmp_path: Path) -> None:
    records = simulated(name)
    audio = [(item, samples) for item, samples in sent(records).values() if item]
    items = dict.fromkeys(item for item, _ in audio)
    if not items:
        return
    written = exported(tmp_path, records, per="item", side="assistant")
    assert len(written.files) == len(items)
    assert not written.lost
    for made, item in zip(written.files, items, strict=True):
        assert made.path is not None
        assert made.path.stem.endswith(f"assistant.{item}")
        expected = np.concatenate([samples for of, samples in audio if of == item])
        assert np.array_equal(read(made.path)[:, 0], expected)
        if shutil.which("soxi"):
            assert soxi(made.path, "-s") == str(expected.size)
        if shutil.which("ffprobe"):
            assert probe(made.path)["duration_ts"] == expected.size
    responses = exported(tmp_path, records, per="response", out=tmp_path / "r")
    everything = np.concatenate([samples for _, samples in audio])
    assert np.array_equal(
        np.concatenate([read(made.path)[:, 0] for made in responses.files]), everything
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_callers_items_are_what_the_server_heard(name: str, tmp_path: Path) -> None:
    """Of what was appended, the part between the positions that the server named."""
    records = simulated(name)
    session = Session.fold(records)
    turns = [turn for turn in session.turns if turn.speech and turn.committed_seq is not None]
    if not turns:
        return
    said = np.concatenate([samples for item, samples in sent(records).values() if not item])
    (rate,) = session.clock.rates
    written = exported(tmp_path, records, per="item", side="caller")
    assert len(written.files) == len(turns)
    for made, turn in zip(written.files, turns, strict=True):
        start, end = turn.speech[0].start_ms, turn.speech[-1].end_ms
        assert start is not None
        assert end is not None
        expected = said[round(start * rate / 1000) : round(end * rate / 1000)]
        assert np.array_equal(read(made.path)[:, 0], expected)
        assert made.path is not None
        assert f".turn-{turn.n:02}.caller." in made.path.name


@needs_sox
@needs_ffprobe
@pytest.mark.parametrize("name", ["default", "g711", "support-call"])
def test_the_call_is_read_alike_by_all(name: str, tmp_path: Path) -> None:
    written = exported(tmp_path, simulated(name), out=tmp_path / "call.wav")
    (made,) = written.files
    assert made.path is not None
    found, samples = probe(made.path), read(made.path)
    rate = 8000 if name == "g711" else 24_000
    assert (found["codec_name"], found["sample_rate"], found["channels"]) == (
        "pcm_s16le",
        str(rate),
        2,
    )
    assert len(samples) == round(written.session.now_ms * rate / 1000)
    assert soxi(made.path, "-s") == str(len(samples))
    raw = subprocess.run(
        ["sox", made.path, "-t", "raw", "-"], capture_output=True, check=True
    ).stdout
    assert raw == samples.tobytes()


def test_how_far_it_is_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wav_writer, "STEP", 50)
    tape = write_tape(tmp_path / "call.rtape", simulated("support-call"))
    told: list[float] = []
    with open_tape(tape) as opened:
        export(opened, Wanted(tmp_path / "x.wav"), told.append)
    assert told == sorted(told)
    assert len(told) > 5
    assert 0.8 < told[-1] <= 1


# G.711.


@pytest.mark.parametrize("law", LAWS)
def test_every_code_has_the_value_of_the_standard(law: str) -> None:
    codes = bytes(range(256))
    decoded = LAWS[law].decode(codes).tolist()
    assert decoded == STANDARD[law]
    again = LAWS[law].encode(np.array(decoded, np.int16))
    # µ-law has two zeros, of which the negative one is never made.
    assert again == codes.replace(b"\x7f", b"\xff") if law == "g711_ulaw" else codes


@pytest.mark.parametrize("law", LAWS)
def test_every_sample_is_encoded_by_the_interval_that_it_is_in(law: str) -> None:
    """At the bounds of an interval, where 16 bits are cut to 14 or 13, either side will do."""
    values = np.array(sorted(value for value in STANDARD[law] if value >= 0))
    scale, decisions = (4, ULAW_DECISIONS) if law == "g711_ulaw" else (8, ALAW_DECISIONS)
    bounds = np.array(decisions) * scale
    samples = np.arange(-32768, 32768).astype(np.int64)
    magnitudes = np.minimum(np.abs(samples), bounds[-1] - 1)
    intervals = np.searchsorted(bounds, magnitudes, side="right") - 1
    clear = np.abs(magnitudes[:, None] - bounds[None, :]).min(axis=1) > scale
    expected = np.sign(samples) * np.unique(values)[intervals]
    found = LAWS[law].decode(LAWS[law].encode(samples.astype(np.int16))).astype(int)
    assert clear.mean() > 0.9
    assert np.array_equal(found[clear], expected[clear])


@pytest.mark.parametrize("law", LAWS)
def test_audioop_agrees(law: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        audioop = pytest.importorskip("audioop")
    decode = audioop.ulaw2lin if law == "g711_ulaw" else audioop.alaw2lin
    assert decode(bytes(range(256)), 2) == struct.pack("<256h", *STANDARD[law])


@pytest.mark.parametrize("law", LAWS)
def test_all_codes_are_exported_decoded_and_as_they_are(law: str, tmp_path: Path) -> None:
    codes = bytes(range(256))
    story = Story(output_audio_format=law, input_audio_format=law).begin("r")
    for part in (codes[:85], codes[85:]):
        story.server(
            "response.output_audio.delta",
            response_id="r",
            item_id="i",
            delta=base64.b64encode(part).decode(),
        )
    (made,) = exported(tmp_path, story.records, per="item").files
    assert read(made.path)[:, 0].tolist() == STANDARD[law]
    (raw,) = exported(tmp_path, story.records, per="item", raw=True, out=tmp_path / "raw").files
    assert raw.path is not None
    data = raw.path.read_bytes()
    tag, channels, rate, speed, frame, bits, extra = struct.unpack_from("<HHIIHHH", data, 20)
    assert (tag, channels, rate, speed, frame, bits, extra) == (
        7 if law == "g711_ulaw" else 6, 1, 8000, 8000, 1, 8, 0,
    )  # fmt: skip
    assert data[38:50] == b"fact" + struct.pack("<II", 4, 256)
    assert data[58:] == codes
    if shutil.which("sox"):
        command = ["sox", str(raw.path), "-t", "raw", "-e", "signed", "-b", "16", "-"]
        assert subprocess.run(command, capture_output=True, check=True).stdout == struct.pack(
            "<256h", *STANDARD[law]
        )
    if shutil.which("ffprobe"):
        name = "pcm_mulaw" if law == "g711_ulaw" else "pcm_alaw"
        assert probe(raw.path)["codec_name"] == name


# pcm16.


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("size", [1, 2, 3, 479, 4800, 4801])
def test_pcm16_of_any_rate_and_length_is_kept(rate: int, size: int, tmp_path: Path) -> None:
    """In pieces of `size` bytes, which need not be whole samples."""
    samples = np.random.default_rng(rate).integers(-32768, 32768, 2401).astype(np.int16)
    data = samples.astype("<i2").tobytes()
    story = Story(audio={"output": {"format": {"type": "audio/pcm", "rate": rate}}}).begin("r")
    for start in range(0, len(data) if size > 3 else 90, size):
        piece = data[start : start + size]
        story.server(
            "response.output_audio.delta",
            response_id="r",
            item_id="i",
            delta=base64.b64encode(piece).decode(),
        )
    written = exported(tmp_path, story.records, per="item")
    (made,) = written.files
    assert made.layout.audio == AudioFormat("pcm16", rate)
    assert np.array_equal(read(made.path)[:, 0], samples if size > 3 else samples[:45])
    assert len(written.faults) == (size % 2 if size < len(data) else 0)
    assert not written.faults.lost


# The file.


@pytest.mark.parametrize(
    "layout",
    [Layout(AudioFormat("pcm16", rate), n) for rate in (8000, 24_000, 48_000) for n in (1, 2)],
)
@needs_ffprobe
def test_headers(layout: Layout, tmp_path: Path) -> None:
    samples = np.arange(-300, 300, dtype=np.int16).reshape(-1, layout.channels)
    data = layout.pack(samples)
    path = tmp_path / "x.wav"
    path.write_bytes(header(layout, len(data)) + data)
    assert np.array_equal(read(path), samples)
    found = probe(path)
    assert (found["sample_rate"], found["channels"]) == (str(layout.audio.rate), layout.channels)
    assert struct.unpack_from("<I", path.read_bytes(), 4) == (path.stat().st_size - 8,)


def test_a_file_holds_4_gib() -> None:
    layout = Layout(PCM16, 2)
    data = header(layout, MAX_SIZE)
    assert struct.unpack_from("<I", data, 40) == (MAX_SIZE,)
    assert struct.unpack_from("<I", data, 4)[0] < 1 << 32
    with pytest.raises(ValueError, match="4 GiB"):
        header(layout, MAX_SIZE + 1)


def test_both_sides_in_one_are_their_sum_clipped() -> None:
    stereo = np.array([[1, 2], [30_000, 10_000], [-30_000, -3000], [-5, 5]], np.int16)
    assert mono(stereo).tolist() == [3, 32767, -32768, 0]
