"""Records become rows; runs of deltas become one row."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.inspect.filter import parse_filter
from rtproxy.inspect.listing import (
    DAMAGE,
    MAX_OPEN,
    MAX_RUN,
    Listing,
    Lull,
    Missing,
    Row,
    glob_of,
)
from rtproxy.tape.record import (
    FROM_SERVER,
    NOT_FORWARDED,
    Control,
    Event,
    Record,
    Seal,
    Trailer,
    Unknown,
)
from tests.inspect.sample import HEADER, Piece, Script, base64_of, sample


def rows(records: list[Piece], fold: bool = True, keep: str | None = None) -> list[Row]:
    listing = Listing(None if keep is None else parse_filter(keep), fold)
    return list(listing.rows(records))


def audio(script: Script, t_ms: float, **fields: Any) -> None:
    ids = {"response_id": "r1", "item_id": "i1"} | fields
    script.server(t_ms, "response.output_audio.delta", delta=base64_of(4800), **ids)


def transcript(script: Script, t_ms: float, text: str, **fields: Any) -> None:
    ids = {"response_id": "r1", "item_id": "i1"} | fields
    script.server(t_ms, "response.output_audio_transcript.delta", delta=text, **ids)


def test_appends_fold_into_one_row() -> None:
    script = Script()
    for n in range(50):
        script.client(20 * n, "input_audio_buffer.append", audio=base64_of(960))
    [row] = rows(script.records)
    assert (row.seq, row.last_seq, row.count) == (0, 49, 50)
    assert (row.t_ns, row.last_t_ns) == (0, 980_000_000)
    assert row.audio_ms == 1000
    assert row.bytes == 50 * len('{"type": "input_audio_buffer.append", "audio": ""}' + 1280 * "A")
    assert row.detail == "1.00 s audio in 980 ms"
    assert row.type == "input_audio_buffer.append"


def test_audio_and_transcript_of_an_answer_are_one_run() -> None:
    script = Script()
    transcript(script, 0, "Hello ")
    for n in range(3):
        audio(script, n)
    transcript(script, 4, "there")
    [row] = rows(script.records)
    assert row.type == "response.output_audio*.delta"
    assert row.count == 5
    assert row.detail == "300 ms audio in 4 ms · “Hello there”"


def test_the_joint_name_fits_both_types_in_either_dialect() -> None:
    for types in (
        ["response.output_audio_transcript.delta", "response.output_audio.delta"],
        ["response.audio.delta", "response.audio_transcript.delta"],
    ):
        keep = parse_filter(glob_of(types))
        entries = [Event(0, 0, FROM_SERVER, json.dumps({"type": type_})) for type_ in types]
        assert len(list(Listing(keep, fold=False).rows(entries))) == 2
    assert glob_of(["aa", "a"]) == "a*"
    assert glob_of(["same"]) == "same"


def test_the_microphone_does_not_split_an_answer() -> None:
    script = Script()
    for n in range(10):
        audio(script, 10 * n)
        script.client(10 * n + 1, "input_audio_buffer.append", audio=base64_of(480))
    found = rows(script.records)
    assert [(row.type, row.count) for row in found] == [
        ("response.output_audio.delta", 10),
        ("input_audio_buffer.append", 10),
    ]
    assert [row.seq for row in found] == [0, 1]


def test_nothing_moves_across_an_event_that_means_something() -> None:
    script = Script()
    audio(script, 0)
    audio(script, 1)
    script.server(2, "input_audio_buffer.speech_started", audio_start_ms=5)
    audio(script, 3)
    assert [(row.type, row.count) for row in rows(script.records)] == [
        ("response.output_audio.delta", 2),
        ("input_audio_buffer.speech_started", 1),
        ("response.output_audio.delta", 1),
    ]


def test_different_answers_are_different_runs() -> None:
    script = Script()
    audio(script, 0)
    audio(script, 1, response_id="r2")
    audio(script, 2)
    audio(script, 3, item_id="i2")
    assert [(row.seq, row.count) for row in rows(script.records)] == [(0, 2), (1, 1), (3, 1)]


def test_a_pause_splits_a_run_and_shows_as_a_gap() -> None:
    script = Script()
    audio(script, 0)
    audio(script, 900)
    audio(script, 2000)
    first, second = rows(script.records)
    assert first.count == 2
    assert second.gap_ns == 1_100_000_000


def test_a_gap_is_from_the_record_before_whatever_its_row() -> None:
    script = Script()
    audio(script, 0)
    script.client(5, "input_audio_buffer.append", audio=base64_of(480))
    audio(script, 7)
    script.server(10, "response.done")
    gaps = [row.gap_ns for row in rows(script.records)]
    assert gaps == [None, 5_000_000, 3_000_000]


def test_with_a_filter_a_gap_is_from_the_last_record_that_is_listed() -> None:
    script = Script()
    script.server(0, "input_audio_buffer.speech_stopped")
    script.client(100, "input_audio_buffer.append", audio=base64_of(480))
    script.server(250, "response.created")
    found = rows(script.records, keep="speech_stopped,response.created")
    assert [row.gap_ns for row in found] == [None, 250_000_000]


def test_rows_keep_coming_in_an_endless_run() -> None:
    def endless() -> Iterator[Event]:
        n = 0
        while True:
            yield Event(n, n * 20_000_000, 0, '{"type":"input_audio_buffer.append","audio":"AAAA"}')
            n += 1

    found = Listing().rows(endless())
    first = next(found)
    assert first.last_t_ns - first.t_ns == 60_000_000_000
    assert next(found).seq == first.last_seq + 1


def test_runs_end_where_time_stands_still_too() -> None:
    append = '{"type":"input_audio_buffer.append","audio":"AAAA"}'
    records: list[Piece] = [Event(n, 0, 0, append) for n in range(2 * MAX_RUN)]
    assert [row.count for row in rows(records)] == [MAX_RUN, MAX_RUN]


def test_runs_under_way_are_bounded() -> None:
    script = Script()
    for n in range(5 * MAX_OPEN):
        audio(script, 0, item_id=f"i{n}")
    listing = Listing()
    for _ in listing.rows(script.records):
        assert len(listing._runs) <= MAX_OPEN


def test_a_delta_of_unknown_kind_folds_with_its_like() -> None:
    script = Script()
    for n in range(3):
        script.server(n, "response.hologram.delta", delta="x", item_id="i")
    script.server(4, "response.other.delta", item_id="i")
    assert [(row.type, row.count) for row in rows(script.records)] == [
        ("response.hologram.delta", 3),
        ("response.other.delta", 1),
    ]


def test_what_was_not_forwarded_stays_apart_and_is_marked() -> None:
    append = '{"type":"input_audio_buffer.append","audio":"AAAA"}'
    found = rows([Event(0, 0, 0, append), Event(1, 0, NOT_FORWARDED, append)])
    assert [row.marks for row in found] == [(), ("not forwarded",)]


def test_unfolded_each_record_has_its_row() -> None:
    records = sample()
    found = rows(records, fold=False)
    assert [row.seq for row in found] == [record.seq for record in records]
    assert all(row.count == 1 for row in found)


def test_folding_loses_nothing() -> None:
    folded, single = rows(sample()), rows(sample(), fold=False)
    assert sum(row.count for row in folded) == len(single)
    assert sum(row.bytes for row in folded) == sum(row.bytes for row in single)
    audio_ms = [sum(row.audio_ms or 0 for row in found) for found in (folded, single)]
    assert audio_ms[0] == pytest.approx(audio_ms[1])


def test_what_is_on_the_connection_has_rows_too() -> None:
    records: list[Piece] = [
        Control(0, 0, 0, "ping", {"payload": b"hi"}),
        Control(1, 0, 1, "pong", {"payload": b"\x00\x01"}),
        Control(2, 0, 1, "refused", {"status": 401, "body": b'{"error":\n "no"}'}),
        Control(3, 0, 1, "refused", {"status": 502, "omitted": "body of 9 bytes"}),
        Control(4, 0, 0, "protocol_error", {"reason": "mask missing", "fatal": True}),
        Control(5, 0, 1, "reset", {"error": "broken pipe"}),
        Control(6, 0, 1, "gap", {"reason": "message too large", "kind": "text", "bytes": 9}),
        Control(7, 0, 1, "eof", {}),
        Control(8, 0, 0, "marker", {"label": "here"}),
        Control(9, 0, 1, "close", {"code": 1008, "reason": "go"}),
        Control(10, 0, 1, "close", {"code": 4000, "reason": ""}),
        Control(11, 0, 1, "close", {}),
        Control(12, 0, 1, "something_new", {"x": 1}),
    ]
    assert [(row.type, row.detail) for row in rows(records)] == [
        ("rtproxy.ping", "“hi”"),
        ("rtproxy.pong", "2 bytes: 00 01"),
        ("rtproxy.refused", '401 · “{"error": "no"}”'),
        ("rtproxy.refused", "502 · “body of 9 bytes”"),
        ("rtproxy.protocol_error", "mask missing · fatal=true"),
        ("rtproxy.reset", "broken pipe"),
        ("rtproxy.gap", "message too large · kind=text bytes=9"),
        ("rtproxy.eof", ""),
        ("rtproxy.marker", "label=here"),
        ("rtproxy.close", "1008 policy violation “go”"),
        ("rtproxy.close", "4000"),
        ("rtproxy.close", "no code"),
        ("rtproxy.something_new", "x=1"),
    ]


def test_damage_stands_where_it_is_and_nothing_folds_across_it() -> None:
    append = '{"type":"input_audio_buffer.append","audio":"AAAA"}'
    pieces: list[Record | Missing] = [
        Event(0, 0, 0, append),
        Missing(1, 0, "record 1 missing"),
        Event(2, 1, 0, append),
    ]
    found = list(Listing().rows(pieces))
    assert [(row.seq, row.type) for row in found] == [
        (0, "input_audio_buffer.append"),
        (1, DAMAGE),
        (2, "input_audio_buffer.append"),
    ]


def test_what_is_no_event_of_the_session_has_no_row() -> None:
    others: list[Record] = [HEADER, Seal(1, 0, {}), Trailer(9), Unknown(99, 2, ())]
    assert list(Listing().rows(others)) == []


payloads = st.sampled_from([
    '{"type":"input_audio_buffer.append","audio":"AAAA"}',
    '{"type":"response.audio.delta","response_id":"r1","delta":"AAAA"}',
    '{"type":"response.audio_transcript.delta","response_id":"r1","delta":"hi"}',
    '{"type":"response.output_text.delta","response_id":"r2","delta":"hi"}',
    '{"type":"response.done"}', "text", b"binary",
])  # fmt: skip


@given(
    st.lists(st.tuples(payloads, st.integers(0, 3_000_000_000), st.integers(0, 15)), max_size=60)
)
def test_any_order_of_events_is_listed_once_each_and_in_order(
    script: list[tuple[str | bytes, int, int]],
) -> None:
    records: list[Piece] = []
    t_ns = 0
    for seq, (payload, step, flags) in enumerate(script):
        t_ns += step
        records.append(Event(seq, t_ns, flags, payload))
    found = rows(records)
    assert sum(row.count for row in found) == len(records)
    assert [row.seq for row in found] == sorted(row.seq for row in found)
    assert all(row.gap_ns is None or row.gap_ns >= 0 for row in found)
    landmarks = [row.seq for row in found if not row.type.endswith(("delta", "append"))]
    for row in found:
        assert not any(row.seq < seq < row.last_seq for seq in landmarks)


def test_a_run_of_a_live_tape_is_shown_when_it_is_a_second_old() -> None:
    script = Script()
    for n in range(3):
        script.client(100 + 20 * n, "input_audio_buffer.append", audio=base64_of(960))
    listing = Listing()
    assert list(listing.rows([])) == []
    came: list[Row] = []
    for record in script.records:
        came += listing.take(record)
    came += listing.settle(1_099_000_000)
    assert came == []
    [row] = listing.settle(1_100_000_000)
    assert (row.seq, row.last_seq, row.count) == (0, 2, 3)
    assert list(listing.settle(9_000_000_000)) == []


def test_lulls_change_nothing_but_where_runs_are_cut() -> None:
    script = Script()
    for n in range(100):
        script.client(20 * n, "input_audio_buffer.append", audio=base64_of(960))
    stream: list[Record | Lull] = []
    for record in script.records:
        stream += [record, Lull(record.t_ns + 10_000_000)]
    found = list(Listing().rows(stream))
    assert [row.count for row in found] == [51, 49]
    assert [row.seq for row in found] == [0, 51]
    assert list(Listing(fold=False).rows(stream)) == rows(list(script.records), fold=False)
