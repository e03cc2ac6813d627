"""Pieces of audio: what is wrong with them is told, and all the rest is there."""

import base64
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.realtime.audio import G711_ALAW, G711_ULAW, PCM16
from rtproxy.realtime.event import RealtimeEvent
from rtproxy.realtime.mixdown import render
from rtproxy.realtime.piece import MAX_FAULTS, Fault, Faults, Piece, Pieces
from rtproxy.realtime.session import Session
from rtproxy.tape.record import FROM_SERVER, NOT_FORWARDED, Control, Event, Header, Record
from tests.realtime.story import Story

SOUND = np.arange(1, 1201, dtype=np.int16)
TEXT = base64.b64encode(PCM16.encode(SOUND)).decode()
EMPTY = np.zeros((0, 2), np.int16)


def taken(story: Story) -> tuple[list[Piece], list[Fault]]:
    pieces = Pieces(story.session, story.records)
    return list(pieces), list(pieces.faults)


def delta(story: Story, delta: Any = TEXT, **fields: Any) -> Story:
    ids = {"response_id": "r", "item_id": "i", **fields}
    return story.server("response.output_audio.delta", delta=delta, **ids)


def samples(pieces: list[Piece]) -> list[int]:
    return [sample for piece in pieces for sample in piece.audio.decode(piece.data).tolist()]


def test_sound_audio_has_no_faults() -> None:
    story = delta(delta(Story().begin("r"))).server(
        "response.output_audio.done", response_id="r", item_id="i"
    )
    pieces, faults = taken(story)
    assert samples(pieces) == [*SOUND.tolist(), *SOUND.tolist()]
    assert faults == []
    assert [(piece.side, piece.item_id, piece.response_id) for piece in pieces] == [
        ("assistant", "i", "r"),
        ("assistant", "i", "r"),
    ]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (TEXT[:400] + "*" + TEXT[401:], 150),
        (TEXT[:400] + "…[3 KB left out]", 150),
        (TEXT[:401], 150),  # no base64 has this length
        ("é" + TEXT[1:], 0),
        (TEXT[:800] + "=" + TEXT[801:], 300),
    ],
)
def test_bad_base64_is_kept_as_far_as_it_is_sound(text: str, kept: int) -> None:
    """What is lost is silence as long as the text makes it, so that what follows has its place."""
    story = delta(delta(Story().begin("r"), text))
    pieces, faults = taken(story)
    found = samples(pieces)
    assert found[:kept] == SOUND[:kept].tolist()
    assert not any(found[kept:-1200])
    assert found[-1200:] == SOUND.tolist()
    (track,) = story.session.tracks
    assert len(found) / 24 == pytest.approx(track.received_ms, abs=0.1)
    (fault,) = [fault for fault in faults if fault.lost]
    assert (fault.seq, fault.item_id) == (2, "i")
    assert "base64" in fault.what


def test_what_base64_forgives_is_no_fault() -> None:
    pieces, faults = taken(delta(Story().begin("r"), f"{TEXT[:100]}\n{TEXT[100:]}".rstrip("=")))
    assert samples(pieces) == SOUND.tolist()
    assert faults == []


@pytest.mark.parametrize("value", [None, 5, {}, [TEXT], False])
def test_a_delta_that_is_no_text_is_told(value: Any) -> None:
    pieces, faults = taken(delta(Story().begin("r"), value))
    assert pieces == []
    assert [(fault.seq, fault.what) for fault in faults] == [(2, "the delta has no audio")]


def test_an_empty_delta_is_none() -> None:
    assert taken(delta(Story().begin("r"), "")) == ([], [])


def test_half_a_sample_at_the_end_is_told() -> None:
    data = PCM16.encode(SOUND) + b"\x01"
    pieces, faults = taken(delta(Story().begin("r"), base64.b64encode(data).decode()))
    assert samples(pieces) == SOUND.tolist()
    assert [(fault.lost, "half" in fault.what or "middle" in fault.what) for fault in faults] == [
        (False, True),
        (True, True),
    ]


def test_g711_has_no_halves() -> None:
    story = Story(input_audio_format="g711_ulaw", output_audio_format="g711_alaw").begin("r")
    one = base64.b64encode(bytes(range(161))).decode()
    story.client("input_audio_buffer.append", audio=one)
    pieces, faults = taken(delta(story, one))
    assert [piece.audio for piece in pieces] == [G711_ALAW, G711_ULAW]
    assert all(piece.data == bytes(range(161)) for piece in pieces)
    assert faults == []


def test_audio_after_its_end_and_parts_out_of_order_are_told_and_kept() -> None:
    story = Story().begin("r")
    delta(story, content_index=0)
    delta(story, content_index=1)
    delta(story, content_index=0)
    story.server("response.output_audio.done", response_id="r", item_id="i")
    delta(story, content_index=0)
    pieces, faults = taken(story)
    assert samples(pieces) == SOUND.tolist() * 4
    assert [(fault.seq, fault.lost) for fault in faults] == [(4, False), (6, False)]


def test_audio_that_never_came_is_told() -> None:
    story = Story().begin("r")
    story.server("response.output_audio.done", response_id="r", item_id="i")
    pieces, faults = taken(story)
    assert pieces == []
    assert [(fault.seq, fault.item_id, fault.lost) for fault in faults] == [(2, "i", True)]


def test_missing_records_are_told() -> None:
    story = delta(delta(Story().begin("r")).lose(3)).lose(1).control("gap")
    _, faults = taken(story)
    assert [(fault.seq, fault.what) for fault in faults] == [
        (3, "3 records are missing, and any audio in them"),
        (8, "records are missing here, and any audio in them"),
    ]


def test_records_that_were_left_out_on_purpose_are_not_missing() -> None:
    story = delta(delta(Story().begin("r")).lose(3))
    story.records[0] = Header({"id": "1", "connection": "websocket", "left_out": [[3, 5]]})
    assert taken(story)[1] == []


def test_what_was_not_passed_on_was_not_heard() -> None:
    story = delta(Story().begin("r"))
    event = story.records[-1]
    assert isinstance(event, Event)
    story.records[-1] = Event(event.seq, event.t_ns, FROM_SERVER | NOT_FORWARDED, event.payload)
    assert taken(story) == ([], [])


def test_appends_are_gathered_and_none_is_lost() -> None:
    """Written in any of the ways that JSON can be."""
    story = Story()
    for n in range(250):
        story.wait(7)
        if n % 3:
            story.client("input_audio_buffer.append", audio=TEXT)
        else:
            payload = (
                f'{{ "audio": "{TEXT}", "event_id": null, "type": "input_audio_buffer.append" }}'
            )
            story.client("x")
            event = story.records[-1]
            assert isinstance(event, Event)
            story.records[-1] = Event(event.seq, event.t_ns, 0, payload)
        if n == 100:
            delta(story.begin("r"))
    pieces, faults = taken(story)
    assert faults == []
    mine = [piece for piece in pieces if piece.side == "caller"]
    assert samples(mine) == SOUND.tolist() * 250
    parts = [part for piece in mine for part in piece.parts]
    assert [t_ms for _, t_ms, _ in parts] == pytest.approx([7 * (n + 1) for n in range(250)])
    assert {count for _, _, count in parts} == {1200}
    assert all(piece.parts[-1][1] - piece.t_ms <= 1010 for piece in mine)


def test_events_are_met_between_the_audio_before_and_after_them() -> None:
    order: list[str] = []

    def meet(event: RealtimeEvent) -> None:
        order.append(event.name)

    story = Story()
    for _ in range(2):
        story.client("input_audio_buffer.append", audio=TEXT)
        story.client("input_audio_buffer.commit").server("input_audio_buffer.committed")
    for piece in Pieces(story.session, story.records, meet=meet):
        order += [piece.side] * len(piece.parts)
    turn = ["caller", "input_audio_buffer.commit", "input_audio_buffer.committed"]
    assert order == ["session.created", *turn, *turn]


def test_only_so_many_faults_are_kept() -> None:
    faults = Faults()
    for n in range(MAX_FAULTS + 50):
        faults.add(Fault(n, None, "x", n % 2 == 0))
    assert (len(faults), faults.lost, len(list(faults))) == (1050, 525, 1000)


FIELD = st.one_of(
    st.none(), st.integers(-(1 << 60), 1 << 60), st.booleans(), st.text(max_size=30),
    st.just(TEXT), st.just({"a": 1}),
    st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode()), st.lists(st.none()),
)  # fmt: skip
TYPES = [
    "input_audio_buffer.append", "response.output_audio.delta", "response.audio.delta",
    "response.output_audio.done", "session.updated", "response.created", "response.done",
    "input_audio_buffer.speech_started", "conversation.item.truncate", "response.cancel", "x",
]  # fmt: skip
NAMES = (
    "audio", "delta", "item_id", "response_id", "content_index", "session", "response",
    "audio_end_ms",
)  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.sampled_from(TYPES),
            st.integers(0, 3),
            st.floats(-1e4, 1e5, allow_nan=False),
            st.fixed_dictionaries(
                {},
                optional=dict.fromkeys(NAMES, FIELD),
            ),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_any_tape_has_a_sound(told: list[tuple[str, int, float, dict[str, Any]]]) -> None:
    story = Story()
    for type_, flags, wait, fields in told:
        story.wait(wait)
        (story.server if flags & 1 else story.client)(type_, **fields)
    records: list[Record] = [
        Event(r.seq, max(0, r.t_ns), r.flags, r.payload) if isinstance(r, Event) else r
        for r in story.records
    ]
    records.append(Control(len(records), 10**9, 0, "close", {}))
    session = Session.fold(records)
    for heard in (True, False):
        sounds = [
            np.concatenate([EMPTY, *render(one, records, heard=heard, fold=new, rate=8000)])
            for one, new in ((session, False), (Session(), True))
        ]
        assert np.array_equal(sounds[0], sounds[1])
