"""The catalogue of a tape, the rows made from it, records read again, the filter, the reading."""

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtproxy.errors import FilterError
from rtproxy.inspect.entry import Entry, entry_of
from rtproxy.inspect.filter import parse_filter
from rtproxy.inspect.listing import Listing, Missing, Row
from rtproxy.inspect.overview import records as listed
from rtproxy.inspect.tui.catalogue import Catalogue
from rtproxy.inspect.tui.folding import Folding
from rtproxy.inspect.tui.glance import keep_for
from rtproxy.inspect.tui.loading import Listening, Loading
from rtproxy.inspect.tui.shelf import Shelf, row_at
from rtproxy.inspect.turn_index import TurnIndex
from rtproxy.realtime.session import Session
from rtproxy.tape.codec import encode_control, encode_event
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import FROM_SERVER, Control, Event, Record
from tests.inspect.sample import sample
from tests.inspect.tui_desk import call, write
from tests.realtime.test_any_session import tapes

Known = tuple[Catalogue, Shelf]


def catalogued(records: Sequence[Record | Missing]) -> Known:
    """A catalogue of these records, and a shelf to read them from."""
    catalogue, data = Catalogue(), bytearray()
    for record in records:
        if isinstance(record, Missing):
            catalogue.miss(record)
            continue
        if isinstance(record, Event):
            encoded = encode_event(record.seq, record.t_ns, record.flags, record.payload)
        elif isinstance(record, Control):
            encoded = encode_control(
                record.seq, record.t_ns, record.flags, record.name, record.data
            )
        else:
            continue
        catalogue.add(entry_of(record), len(data), len(encoded))
        data += encoded
    return catalogue, Shelf(catalogue, lambda offset, size: bytes(data[offset : offset + size]))


def rows_of(known: Known, rows: Folding) -> list[Row]:
    return [row_at(rows, row, *known) for row in range(len(rows))]


def folding(catalogue: Catalogue, **options: object) -> Folding:
    rows = Folding(catalogue, **options)  # type: ignore[arg-type]
    rows.extend(10**9)
    return rows


CALLS = ["clean", "barge-in, truncated wrong", "two tools", "beta", "two turns, transcribed"]
SAMPLES = {name: call(name) for name in CALLS} | {"sample": list(sample())}


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("name", SAMPLES)
def test_rows_are_those_of_the_listing(name: str, fold: bool) -> None:
    records = SAMPLES[name]
    known = catalogued(records)
    expected = list(Listing(fold=fold).rows(records))
    found = rows_of(known, folding(known[0], fold=fold))
    assert [row.to_map() for row in found] == [row.to_map() for row in expected]


FILTERS = [
    "!*.delta,*.append",
    "server",
    "t>1s t<3s",
    "#20..90",
    "delta",
    "text:event_id",
    "turn:1",
]


@pytest.mark.parametrize("expression", FILTERS)
@pytest.mark.parametrize("name", SAMPLES)
def test_filtered_rows_are_those_of_the_listing(name: str, expression: str) -> None:
    records, session = SAMPLES[name], Session.fold(SAMPLES[name])
    known = catalogued(records)
    expected = list(Listing(parse_filter(expression, TurnIndex(session))).rows(records))
    keep = keep_for(expression, *known, session)
    found = rows_of(known, folding(known[0], keep=keep))
    assert [row.to_map() for row in found] == [row.to_map() for row in expected]


@settings(max_examples=30, deadline=None)
@given(tapes(), st.booleans())
def test_rows_of_any_records_are_those_of_the_listing(records: list[Record], fold: bool) -> None:
    records = [
        replace(record, seq=n, t_ns=max(0, record.t_ns), payload=_plain(record.payload))
        for n, record in enumerate(records)
        if isinstance(record, Event)
    ]
    known = catalogued(records)
    expected = list(Listing(fold=fold).rows(records))
    assert rows_of(known, folding(known[0], fold=fold)) == expected


def _plain(payload: str | bytes) -> str | bytes:
    """As it stands on a tape, where there are no lone surrogates."""
    return payload.encode("utf-8", "replace").decode() if isinstance(payload, str) else payload


def test_rows_come_in_pieces_as_they_do_at_once() -> None:
    known = catalogued(SAMPLES["two tools"])
    rows = Folding(known[0])
    while not rows.complete:
        rows.extend(7)
    assert rows_of(known, rows) == rows_of(known, folding(known[0]))


def test_the_row_of_every_record_is_known() -> None:
    catalogue, _ = catalogued(SAMPLES["barge-in, truncated wrong"])
    rows = folding(catalogue)
    for row in range(len(rows)):
        assert all(rows.row_of(at) == row for at in rows.members(row))


def test_a_record_that_is_not_listed_has_the_row_before_it() -> None:
    catalogue, _ = catalogued(SAMPLES["clean"])
    rows = folding(catalogue, keep=lambda at: at in (5, 9), fold=False)
    assert [rows.row_of(at) for at in (0, 5, 7, 9, 50)] == [0, 0, 0, 1, 1]
    assert folding(catalogue, keep=lambda _: False).row_of(3) is None


def test_records_are_found_by_seq_and_by_time() -> None:
    payload = '{"type":"x"}'
    catalogue, _ = catalogued([
        Event(3, 1_000_000_000, 0, payload),
        Missing(4, 1_000_000_000, "gone"),
        Event(6, 900_000_000, FROM_SERVER, payload),  # clocks run backwards in bad tapes
        Event(7, 2_000_000_000, 0, payload),
    ])  # fmt: skip
    assert [catalogue.find(seq) for seq in (3, 4, 6, 7, 8)] == [0, None, 2, 3, None]
    assert [catalogue.at_time(ms) for ms in (0, 999, 1000, 1999, 2000, 9999)] == [0, 0, 2, 2, 3, 3]
    assert catalogue.since(1000) == 0
    assert catalogue.since(1001) == 3
    assert catalogue.ms(6) == 900
    assert catalogue.ms(4) is None


def test_a_tape_of_many_types_is_no_trouble() -> None:
    """Types that an author makes up by the thousand are counted together."""
    records = [Event(n, n, 0, f'{{"type":"made.up.{n}"}}') for n in range(70_000)]
    catalogue = Catalogue()
    for record in records:
        catalogue.add(entry_of(record), 0, 1)
    assert len(catalogue.names) <= 1 << 16
    assert catalogue.name(0).type == "made.up.0"
    assert catalogue.name(69_999).type == "…"


def test_a_catalogue_is_small() -> None:
    payload = '{"type":"input_audio_buffer.append","audio":"' + "A" * 1280 + '"}'
    entry = entry_of(Event(0, 0, 0, payload))
    tracemalloc.start()
    catalogue = Catalogue()
    for n in range(20_000):
        catalogue.add(Entry(Event(n, n, 0, payload), entry.type, entry.event), n, 1)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept / 20_000 < 100


def test_what_is_read_again_is_kept_for_a_while() -> None:
    catalogue, shelf = catalogued(SAMPLES["clean"])
    for _ in range(3):
        for at in range(20):
            assert shelf.entry(at) is not None
    assert shelf.reads == 20
    for at in range(len(catalogue)):
        shelf.entry(at)
    shelf.entry(0)
    assert shelf.reads > len(catalogue)


def test_a_tape_that_has_changed_since_gives_nothing_wrong() -> None:
    catalogue = Catalogue()
    catalogue.add(entry_of(Event(0, 0, 0, '{"type":"x"}')), 0, 40)
    shelf = Shelf(catalogue, lambda offset, size: b"\0" * size)
    assert shelf.entry(0) is None
    (row,) = rows_of((catalogue, shelf), folding(catalogue))
    assert (row.type, row.detail) == ("x", "")


def test_a_filter_that_looks_at_no_text_reads_nothing() -> None:
    known = catalogued(SAMPLES["clean"])
    session = Session.fold(SAMPLES["clean"])
    folding(known[0], keep=keep_for("server !*.delta t>1s", *known, session))
    assert known[1].reads == 0
    with pytest.raises(FilterError, match="cannot be read at"):
        keep_for("t>>", *known, session)


# Reading a tape.


def loaded(path: Path, step: int = 50) -> Loading:
    with open_tape(path) as tape:
        loading = Loading(tape)
        while not loading.complete:
            loading.step(step)
        return loading


@pytest.mark.parametrize("step", [1, 50, 10_000])
def test_a_tape_read_in_steps_is_the_tape_read_at_once(tmp_path: Path, step: int) -> None:
    path = write(tmp_path / "call.rtape", call("two tools"))
    loading = loaded(path, step)
    with open_tape(path) as tape:
        whole = Session.from_tape(tape)
        entries = [r for r in tape if isinstance(r, Event | Control)]
    assert loading.session.to_json() == whole.to_json()
    assert len(loading.catalogue) == len(entries)
    assert loading.state == "sealed"


def test_damage_stands_where_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "call.rtape", call("clean"))
    data = bytearray(path.read_bytes())
    for what in (b"speech_stopped", b"response.done"):
        data[data.index(what)] ^= 1
    path.write_bytes(data)
    with open_tape(path) as tape:
        expected = [row for row in Listing().rows(listed(tape)) if row.type == "rtproxy.damage"]
        loading = Loading(tape)
        while not loading.complete:
            loading.step(50)
        rows = rows_of((loading.catalogue, loading.shelf), folding(loading.catalogue))
    found = [row for row in rows if row.type == "rtproxy.damage"]
    assert len(found) == 2
    assert found == expected
    assert len(loading.damage) == 2


def test_a_live_tape_grows_until_it_is_sealed(tmp_path: Path) -> None:
    from rtproxy.tape.writer import TapeWriter

    path = tmp_path / "live.rtape"
    writer = TapeWriter.create(path, {}, durability="none")
    writer.event(0, 1, '{"type":"session.created"}')
    writer.flush()
    with open_tape(path) as tape:
        loading = Loading(tape)
        loading.step(99)
        assert (loading.complete, loading.state, len(loading.catalogue)) == (True, "live", 1)
        assert not loading.look()
        writer.event(10_000_000, 0, '{"type":"response.create"}')
        writer.flush()
        assert loading.look()
        loading.step(99)
        assert (loading.complete, loading.state, len(loading.catalogue)) == (True, "live", 2)
        writer.seal(20_000_000)
        writer.close()
        assert loading.look()
        loading.step(99)
        assert (loading.state, len(loading.damage)) == ("sealed", 0)
        assert not loading.look()


def test_a_live_tape_that_breaks_off_is_crashed(tmp_path: Path) -> None:
    from rtproxy.tape.writer import TapeWriter

    path = tmp_path / "live.rtape"
    writer = TapeWriter.create(path, {}, durability="none")
    writer.event(0, 1, '{"type":"session.created"}')
    writer.flush()
    with open_tape(path) as tape:
        loading = Loading(tape)
        loading.step(99)
        writer.close()
        assert loading.look()
        loading.step(99)
        assert (loading.state, loading.complete) == ("crashed", True)
        assert not loading.look()


def test_the_caller_is_listened_to_afterwards(tmp_path: Path) -> None:
    records = call("two tools")
    path = write(tmp_path / "call.rtape", records)
    with open_tape(path) as tape:
        loading = Loading(tape)
        while not loading.complete:
            loading.step(1000)
        listening = Listening(loading)
        while not listening.complete:
            listening.step(10)
        found = listening.loudness().peaks(0, loading.session.now_ms, 60).tolist()
    expected = Session.fold(records, levels=True).loudness
    assert expected is not None
    assert str(found) == str(expected.peaks(0, loading.session.now_ms, 60).tolist())
