"""A call as sound, against what the simulated ends sent, and what the simulated caller heard."""

import base64
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from rtproxy.errors import ConvertError
from rtproxy.realtime import canvas
from rtproxy.realtime.audio import PCM16, AudioFormat, parse_format
from rtproxy.realtime.canvas import Canvas
from rtproxy.realtime.dialect import session_field
from rtproxy.realtime.mixdown import (
    Placement,
    item_audio,
    rate_of,
    render,
    response_audio,
)
from rtproxy.realtime.piece import Faults
from rtproxy.realtime.session import Session
from rtproxy.tape.record import Event, Record
from tests.realtime.scenarios import CASES, Case
from tests.realtime.simulated import SimulatedCall
from tests.realtime.story import Story

Samples = NDArray[np.int16]
RATE = 24_000
RNG = np.random.default_rng(5)


@cache
def call_of(toml: str) -> SimulatedCall:
    return SimulatedCall(toml).play()


def sent(records: Iterable[Record]) -> dict[int, tuple[str, Samples]]:
    """Audio by event, read from the wire by hand: (item, "" for the caller's; samples)."""
    formats = {"input_audio_format": PCM16, "output_audio_format": PCM16}
    found = {}
    for record in records:
        if not isinstance(record, Event):
            continue
        event = orjson.loads(record.payload)
        if event["type"] in ("session.created", "session.updated"):
            for name in formats:
                formats[name] = parse_format(session_field(event["session"], name)) or PCM16
        elif event["type"] == "input_audio_buffer.append":
            data = base64.b64decode(event["audio"])
            found[record.seq] = ("", formats["input_audio_format"].decode(data))
        elif event["type"] in ("response.audio.delta", "response.output_audio.delta"):
            data = base64.b64decode(event["delta"])
            found[record.seq] = (event["item_id"], formats["output_audio_format"].decode(data))
    return found


def whole(
    session: Session, records: Iterable[Record], *, heard: bool, **options: float | None
) -> Samples:
    blocks = list(render(session, records, heard=heard, **options))  # type: ignore[arg-type]
    return np.concatenate([np.zeros((0, 2), np.int16), *blocks])


def mixed(story: Story, *, heard: bool = False, faults: Faults | None = None) -> Samples:
    story.control("close")
    blocks = list(render(story.session, story.records, heard=heard, faults=faults))
    return np.concatenate([np.zeros((0, 2), np.int16), *blocks])


def noise(ms: float, rate: int = RATE) -> Samples:
    return RNG.integers(1, 9000, round(ms * rate / 1000), dtype=np.int16)


def text(samples: Samples, audio: AudioFormat = PCM16) -> str:
    return base64.b64encode(audio.encode(samples)).decode()


def says(story: Story, samples: Samples, response: str = "r", item: str = "i") -> Story:
    return story.server(
        "response.output_audio.delta", response_id=response, item_id=item, delta=text(samples)
    )


def speaks(story: Story, samples: Samples, chunk_ms: int = 20) -> Story:
    """In real time: each chunk arrives when it has been said."""
    for chunk in np.split(samples, range(0, samples.size, round(chunk_ms * RATE / 1000))[1:]):
        story.wait(chunk.size * 1000 / RATE)
        story.client("input_audio_buffer.append", audio=text(chunk))
    return story


def at(ms: float) -> int:
    return round(ms * RATE / 1000)


# Against the simulated calls, each of which says by itself what was sent and heard.


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("heard", [True, False], ids=["heard", "delivered"])
def test_each_event_is_where_the_schedule_says(case: Case, heard: bool) -> None:
    records = call_of(case.toml).records
    session = Session.fold(records)
    placed: list[Placement] = []
    blocks = list(render(session, records, heard=heard, place=placed.append))
    sound, rate = np.concatenate(blocks), rate_of(session)
    times = {record.seq: record.t_ns / 1e6 for record in records if isinstance(record, Event)}
    audio = sent(records)
    taken: dict[int, int] = {}
    first: dict[str, float] = {}
    for placement in sorted(placed, key=lambda one: (one.seq, one.start_ms)):
        item, samples = audio[placement.seq]
        assert placement.item_id == item
        start = round(placement.start_ms * rate / 1000)
        before = taken.get(placement.seq, 0)
        taken[placement.seq] = before + placement.samples
        if placement.side == "caller":
            # What an append carries was said just before it arrived.
            end_ms = placement.start_ms + placement.samples * 1000 / rate
            assert end_ms == pytest.approx(times[placement.seq], abs=20)
            assert placement.samples == samples.size
        elif item not in first:
            first[item] = placement.start_ms
            assert placement.start_ms == pytest.approx(times[placement.seq], abs=1)
        column = sound[start : start + placement.samples, int(placement.side == "assistant")]
        expected = samples[before : before + placement.samples]
        if heard or placement.side == "caller":  # as delivered, replies may be over one another
            assert np.array_equal(column, expected[: column.size])
            assert column.size >= expected.size - at(21)  # the call may end within the last chunk
    if not heard:
        assert {seq: audio[seq][1].size for seq in taken} == taken
        assert taken.keys() == audio.keys()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_heard_is_what_the_caller_heard(case: Case) -> None:
    """Millisecond by millisecond: the caller's own player says what sounded, the sound has it."""
    call = call_of(case.toml)
    session = Session.fold(call.records)
    rate = rate_of(session)
    right = whole(session, call.records, heard=True)[:, 1]
    player = call.caller.conversation.playback
    items: dict[str, list[Samples]] = {}
    for item, samples in sent(call.records).values():
        if item:
            items.setdefault(item, []).append(samples)
    audio = {item: np.concatenate(parts) for item, parts in items.items()}
    expected, unsure = np.zeros_like(right), np.zeros(right.size, bool)
    step = rate // 1000
    for ms in range(right.size // step):
        for item, samples in audio.items():
            before, after = player.heard_ms(item, ms), player.heard_ms(item, ms + 1)
            place = slice(ms * step, (ms + 1) * step)
            if after - before == 1 and before * step == round(before * step):
                expected[place] = samples[round(before * step) :][:step]
            elif after > before:
                unsure[place] = True
    assert np.array_equal(right[~unsure], expected[~unsure])
    assert unsure.mean() < 0.02


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_pass_and_two_give_the_same(case: Case) -> None:
    records = call_of(case.toml).records
    folded = Session.fold(records)
    for heard in (True, False):
        live = whole(Session(), records, heard=heard, fold=True, rate=rate_of(folded))
        assert np.array_equal(live, whole(folded, records, heard=heard))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_item_and_a_response_are_what_was_sent(case: Case) -> None:
    records = call_of(case.toml).records
    session = Session.fold(records)
    audio = [(item, samples) for item, samples in sent(records).values() if item]
    for track in session.tracks:
        expected = np.concatenate([part for item, part in audio if item == track.item_id])
        assert np.array_equal(
            np.concatenate(list(item_audio(session, records, track.item_id))), expected
        )
        assert track.response_id is not None
        response = np.concatenate(list(response_audio(session, records, track.response_id)))
        assert np.array_equal(response[: expected.size], expected)


def test_a_stretch_of_the_call_is_cut_out_of_it() -> None:
    records = call_of(CASES[0].toml).records
    session = Session.fold(records)
    sound = whole(session, records, heard=True)
    part = whole(session, records, heard=True, start_ms=1234.5, end_ms=2345.0)
    assert np.array_equal(part, sound[at(1234.5) : at(2345.0)])
    beyond = whole(session, records, heard=True, start_ms=0.0, end_ms=session.now_ms + 2000)
    assert beyond.shape[0] == at(session.now_ms + 2000)
    assert not beyond[sound.shape[0] :, 1].any()
    assert whole(session, records, heard=True, start_ms=9e6).shape == (0, 2)


# The assistant.


def test_gaps_are_as_heard_and_not_as_delivered() -> None:
    one, two = noise(500), noise(700)
    story = Story().begin("r")
    says(says(story, one).wait(900), two).end("r").wait(2000)
    heard, delivered = mixed(story, heard=True)[:, 1], mixed(story)[:, 1]
    assert np.array_equal(heard[: at(500)], one)
    assert not heard[at(500) : at(900)].any()
    assert np.array_equal(heard[at(900) : at(1600)], two)
    assert np.array_equal(delivered[: at(1200)], np.concatenate((one, two)))
    assert not delivered[at(1200) :].any()


def test_what_comes_half_a_minute_late_is_put_when_it_came() -> None:
    one, two = noise(500), noise(700)
    story = Story().begin("r")
    says(says(story, one).wait(31_000), two).end("r").wait(1000)
    delivered = mixed(story)[:, 1]
    assert np.array_equal(delivered[at(31_000) : at(31_700)], two)


def test_items_of_a_response_follow_one_another_and_responses_overlap() -> None:
    one, two, three = noise(800), noise(400), noise(1000)
    story = Story().begin("a")
    says(story, one, "a", "1").wait(100)
    says(story, two, "a", "2").end("a").wait(200).begin("b")
    says(story, three, "b", "3").end("b").wait(3000)
    delivered = mixed(story)[:, 1].astype(int)
    assert np.array_equal(delivered[: at(300)], one[: at(300)])
    both = one[at(300) :].astype(int) + three[: at(500)]
    assert np.array_equal(delivered[at(300) : at(800)], both)
    assert np.array_equal(delivered[at(1200) : at(1300)], three[at(900) :])
    assert np.array_equal(delivered[at(800) : at(1200)] - three[at(500) : at(900)], two)


def test_what_is_too_loud_together_is_clipped() -> None:
    loud = np.full(at(100), 30_000, np.int16)
    story = Story().begin("a")
    says(story, loud, "a", "1").end("a").begin("b")
    says(story, loud, "b", "2").end("b").wait(200)
    assert mixed(story)[:, 1].max() == 32_767


def test_a_reply_that_is_cut_off_is_silent_at_once() -> None:
    reply = noise(5000)
    story = Story().begin("r")
    says(story, reply).end("r").wait(1700).client("response.cancel").wait(4000)
    heard = mixed(story, heard=True)[:, 1]
    assert np.array_equal(heard[: at(1700)], reply[: at(1700)])
    assert not heard[at(1700) :].any()
    assert np.array_equal(mixed(story)[: at(5000), 1], reply)


def test_the_sound_of_a_call_that_ends_early_ends_with_it() -> None:
    story = Story().begin("r")
    says(story, noise(5000)).end("r").wait(1000).client("response.create")
    assert mixed(story, heard=True).shape[0] == at(1000)
    assert mixed(story).shape[0] == at(5000)


def test_an_item_that_is_cut_before_it_sounds_is_never_heard() -> None:
    story = Story().begin("a")
    says(story, noise(2000), "a", "1")
    says(story, noise(2000), "a", "2").end("a").wait(500).client("response.cancel").wait(4000)
    assert not mixed(story, heard=True)[at(500) :, 1].any()


def test_deltas_without_ids_are_of_the_response_under_way() -> None:
    one, two = noise(300), noise(300)
    story = Story().begin("r")
    for samples in (one, two):
        story.server("response.output_audio.delta", delta=text(samples))
    story.end("r").wait(1000)
    for heard in (True, False):
        assert np.array_equal(mixed(story, heard=heard)[: at(600), 1], np.concatenate((one, two)))


# The caller.


@pytest.mark.parametrize("chunk_ms", [10, 20, 100, 250])
def test_what_was_said_ends_when_it_arrived(chunk_ms: int) -> None:
    said = noise(3000)
    story = speaks(Story().wait(1000), said, chunk_ms)
    left = mixed(story)[:, 0]
    assert np.array_equal(left[at(1000) : at(4000)], said)
    assert not left[: at(1000)].any()


@pytest.mark.parametrize("jitter_ms", [15, 60, 150])
def test_jitter_leaves_no_mark(jitter_ms: float) -> None:
    """Chunks of 20 ms, each late by some random time, never before the one that went before it."""
    said, rng = noise(6000), np.random.default_rng(7)
    story, arrived = Story(), 0.0
    for n, chunk in enumerate(np.split(said, 300)):
        arrived = max(arrived, 1020 + 20 * n + rng.uniform(0, jitter_ms))
        story.wait(arrived - story.now_ms).client("input_audio_buffer.append", audio=text(chunk))
    left = mixed(story.wait(3000))[:, 0]
    start = int(np.flatnonzero(left)[0])
    assert np.array_equal(left[start : start + said.size], said), "there is a gap in it"
    # It was late by no less than that, for all that anybody can know.
    assert at(1000) <= start <= at(1000 + max(20.0, jitter_ms))


def test_a_stall_that_is_made_up_for_leaves_no_mark() -> None:
    said = noise(6000)
    story, arrived = Story(), 0.0
    for n, chunk in enumerate(np.split(said, 300)):
        due = 1020.0 + 20 * n
        arrived = max(arrived, 4500.0 if 3000 < due < 4500 else due)
        story.wait(arrived - story.now_ms).client("input_audio_buffer.append", audio=text(chunk))
    assert np.array_equal(mixed(story)[at(1000) : at(7000), 0], said)


def test_when_the_microphone_is_off_there_is_silence() -> None:
    one, two = noise(1000), noise(1000)
    story = speaks(speaks(Story().wait(500), one).wait(3000), two)
    left = mixed(story)[:, 0]
    assert np.array_equal(left[at(500) : at(1500)], one)
    assert not left[at(1500) : at(4500)].any()
    assert np.array_equal(left[at(4500) : at(5500)], two)


@pytest.mark.parametrize("chunks", [1, 10, 250])
def test_what_is_sent_at_once_was_said_before(chunks: int) -> None:
    """As by a client that sends when the button is let go, in whatever pieces."""
    said = noise(5000)
    story = Story().wait(8000)
    for chunk in np.split(said, chunks):
        story.client("input_audio_buffer.append", audio=text(chunk))
    left = mixed(story.wait(3000))[:, 0]
    assert np.array_equal(left[at(3000) : at(8000)], said)


def test_what_cannot_have_been_said_before_goes_on_after() -> None:
    """No sound is before the tape, over another one, or more than half a minute early."""
    one, two = noise(1000), noise(2000)
    story = Story().wait(400).client("input_audio_buffer.append", audio=text(one))
    story.wait(1500).client("input_audio_buffer.append", audio=text(two)).wait(5000)
    left = mixed(story)[:, 0]
    assert np.array_equal(left[: at(3000)], np.concatenate((one, two)))
    long = noise(40_000)
    story = Story().wait(50_000).client("input_audio_buffer.append", audio=text(long)).wait(20_000)
    left = mixed(story)[:, 0]
    assert np.array_equal(left[at(20_000) : at(60_000)], long)


# Rates and formats.


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_both_sides_are_brought_to_one_rate(rate: int) -> None:
    """A tone stays a tone of the same pitch and level, at any rate."""
    story = Story(audio={"input": {"format": {"type": "audio/pcm", "rate": rate}}}).wait(20)
    tone = (8000 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)).astype(np.int16)
    for chunk in np.split(tone, 50):
        story.client("input_audio_buffer.append", audio=text(chunk)).wait(20)
    story.begin("r")
    says(story, noise(100)).end("r").wait(500)
    session = story.session
    assert rate_of(session) == max(rate, 24_000)
    sound = whole(session, story.records, heard=False, rate=24_000)[:, 0].astype(float)
    middle = sound[6000:18_000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.size)))
    assert np.argmax(spectrum) * 24_000 / middle.size == pytest.approx(1000, abs=3)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(8000 / np.sqrt(2), rel=0.01)
    others = np.delete(spectrum, range(480, 521))
    assert 20 * np.log10(others.max() / spectrum.max()) < -55
    assert np.abs(np.diff(middle)).max() < 1.05 * 8000 * 2 * np.pi * 1000 / 24_000, "a click"


def test_pieces_of_any_size_are_resampled_as_one() -> None:
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(24_000) / 24_000)).astype(np.int16)
    outs = []
    for cuts in ([], sorted(RNG.integers(0, 24_000, 300))):
        story = Story().begin("r")
        for part in np.split(tone, cuts):
            says(story, part)
        story.end("r").wait(2000)
        outs.append(whole(story.session, story.records, heard=True, rate=16_000)[:, 1])
    assert np.array_equal(outs[0], outs[1])


def test_a_format_that_changes_midway() -> None:
    """The server confirms G.711 after half a second of pcm16; the stream goes on."""
    law = AudioFormat("g711_ulaw", 8000)
    story = Story(input_audio_format="pcm16").wait(500)
    tone = (8000 * np.sin(2 * np.pi * 300 * np.arange(48_000) / 24_000)).astype(np.int16)
    story.client("input_audio_buffer.append", audio=text(tone[:12_000])).wait(500)
    story.server("session.updated", session={"input_audio_format": "g711_ulaw"})
    story.client("input_audio_buffer.append", audio=text(tone[12_000:24_000:3], law)).wait(100)
    left = mixed(story)[:, 0].astype(int)
    assert np.abs(left[: at(1000)] - tone[: at(1000)]).max() < 1300
    assert np.abs(left[100 : at(1000) - 100] - tone[100 : at(1000) - 100]).mean() < 100


@pytest.mark.parametrize("odd", [1, 3, 961])
def test_odd_numbers_of_bytes_lose_nothing(odd: int) -> None:
    samples = noise(1000)
    data = PCM16.encode(samples)
    story, faults = Story().begin("r"), Faults()
    for start in range(0, len(data), odd if odd > 3 else 4801):
        piece = base64.b64encode(data[start : start + (odd if odd > 3 else 4801)]).decode()
        story.server("response.output_audio.delta", response_id="r", item_id="i", delta=piece)
    story.end("r").wait(2000)
    assert np.array_equal(mixed(story, faults=faults)[: at(1000), 1], samples)
    assert [fault.lost for fault in faults] == [False]
    heard = mixed(story, heard=True)[:, 1]
    assert np.array_equal(heard[: at(1000)], samples)


# What is kept, and what is refused.


def test_memory_is_bounded_by_what_is_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes of both sides never hold more than the last minute."""
    most = 0
    hold = Canvas.hold

    def watched(self: Canvas, samples: int) -> None:
        nonlocal most
        hold(self, samples)
        most = max(most, self._held)

    monkeypatch.setattr(Canvas, "hold", watched)
    story, chunk = Story(), noise(1000)
    for n in range(600):
        story.client("input_audio_buffer.append", audio=text(chunk))
        if n % 10 == 0:
            story.begin(f"r{n}")
            says(story, chunk, f"r{n}", f"i{n}").end(f"r{n}")
        story.wait(1000)
    sound = mixed(story, heard=True)
    assert sound.shape[0] == at(600_000)
    assert most < at(60_000)


def test_hours_of_audio_at_one_time_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canvas, "MAX_HELD", at(10_000))
    story = Story().begin("r")
    for _ in range(20):
        says(story, noise(1000))
    typed = Story()
    for _ in range(20):
        typed.client("input_audio_buffer.append", audio=text(noise(1000)))
    for told in (story, typed):
        for heard in (True, False):
            with pytest.raises(ConvertError, match="at one time"):
                mixed(told, heard=heard)


def test_joins_are_seamless() -> None:
    """A slow tone over all the call: no sample jumps more than the tone does."""
    tone = (12_000 * np.sin(2 * np.pi * 200 * np.arange(96_000) / RATE)).astype(np.int16)
    story = speaks(Story().wait(100).begin("r"), tone)
    for part in np.split(tone, 16):
        says(story.wait(40), part)
    story.end("r").wait(5000)
    sound = mixed(story, heard=True)
    steepest = 12_000 * 2 * np.pi * 200 / RATE
    for side, start in (0, 100), (1, 4140):
        inside = sound[at(start) + 1 : at(start + 4000) - 1, side].astype(int)
        assert np.abs(np.diff(inside)).max() <= steepest + 1
    edges = np.flatnonzero(np.diff((sound != 0).any(axis=1)))
    assert all(b - a > 0 for a, b in pairwise(edges))
