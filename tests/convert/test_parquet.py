"""The events of tapes as a table, queried by DuckDB and read by pyarrow."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from rtproxy.cli.main import rtproxy
from rtproxy.convert.table import COLUMNS, rows
from rtproxy.realtime.session import Session
from rtproxy.simulate.library import built_in, load
from rtproxy.tape.record import Control, Event, Header, Record
from tests.realtime.simulated import call_records
from tests.realtime.story import Story
from tests.tapes import write_tape

STARTED = 1_790_000_000_000_000_000  # 2026-09-21
HEADER = Header({
    "id": "5f1c", "connection": "websocket", "origin": "simulated", "started_ns": STARTED,
})  # fmt: skip


def simulated(name: str) -> list[Record]:
    return [HEADER, *call_records(load(name))[1:]]


def export(*arguments: Path | str) -> Result:
    return CliRunner().invoke(rtproxy, ["export", "parquet", *map(str, arguments)])


def ask(folder: Path, query: str) -> list[Any]:
    source = f"read_parquet('{folder}/**/*.parquet', hive_partitioning = true)"
    found = duckdb.sql(query.replace("EVENTS", source))
    assert found is not None
    return found.fetchall()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three calls as one dataset."""
    folder = tmp_path_factory.mktemp("dataset")
    for name in ("support-call", "rate-limit", "barge-in"):
        write_tape(folder / "tapes" / f"{name}.rtape", simulated(name))
    done = export(folder / "tapes", "-o", folder / "events")
    assert done.exit_code == 0, done.output
    assert "of 3 tapes written" in done.stderr
    return folder / "events"


def test_a_row_is_an_event(dataset: Path) -> None:
    for name in ("support-call", "rate-limit", "barge-in"):
        expected = [
            (r.seq, r.t_ns / 1e6) for r in simulated(name) if isinstance(r, Event | Control)
        ]
        found = ask(
            dataset, f"select seq, t_ms from EVENTS where tape = '{name}.rtape' order by seq"
        )
        assert found == expected


def test_questions_to_a_fleet(dataset: Path) -> None:
    assert ask(dataset, "select distinct date::varchar from EVENTS") == [("2026-09-21",)]
    assert ask(dataset, "select tape, status from EVENTS where status = 'failed' group by all") == [
        ("rate-limit.rtape", "failed")
    ]
    ((code,),) = ask(dataset, "select error_code from EVENTS where status = 'failed'")
    assert code == "rate_limit_exceeded"
    session = Session.fold(simulated("support-call"))
    told = ask(
        dataset,
        "select turn, string_agg(text, '' order by seq) from EVENTS where tape = "
        "'support-call.rtape' and name = 'response.output_audio_transcript.delta' "
        "group by turn order by turn",
    )
    assert told == [(turn.n, turn.assistant) for turn in session.turns]
    ((audio,),) = ask(
        dataset,
        "select sum(audio_ms) from EVENTS where tape = 'support-call.rtape' "
        "and name = 'response.output_audio.delta'",
    )
    assert audio == pytest.approx(sum(track.received_ms for track in session.tracks))


def test_audio_is_left_out_and_the_rest_is_there(dataset: Path) -> None:
    assert ask(dataset, "select max(length(payload)) < 5000 from EVENTS where audio_ms > 0") == [
        (True,)
    ]
    ((kept,),) = ask(
        dataset,
        "select payload->>'$.session.voice' is not null or payload->>'$.session.audio' is not null "
        "from EVENTS where type = 'session.created' limit 1",
    )
    assert kept


def test_the_clock_is_on_the_wall(dataset: Path) -> None:
    ((first,),) = ask(
        dataset, "select min(epoch_us(wall)) from EVENTS where tape = 'barge-in.rtape'"
    )
    assert first * 1000 == pytest.approx(STARTED, abs=50_000_000)


@pytest.mark.parametrize("name", sorted(set(built_in()) - {"bad-key", "refused-401"}))
def test_rows_hold_to_the_columns(name: str) -> None:
    records = simulated(name)
    for row in rows(Session.fold(records), records, "x"):
        assert set(row) <= set(COLUMNS)


def test_columns_are_documented() -> None:
    guide = (Path(__file__).parent.parent.parent / "docs" / "traces.md").read_text("utf-8")
    for name in COLUMNS:
        assert f"`{name}`" in guide


def test_anything_on_a_tape_is_a_row(tmp_path: Path) -> None:
    story = Story()
    for payload in ('{"type":"\\ud800","delta":[1]}', "no json", b"\x00\xff", "[1]", '{"a":1e999}',
                    '{"item":{"content":[null,{"text":5}]}}'):  # fmt: skip
        story.records.append(Event(len(story.records) - 1, 5, 1, payload))
    story.control("close", code=1000, reason="bye\ud800", deep=[[b"x"]])
    tape = write_tape(tmp_path / "call.rtape", story.records)
    assert export(tape, "-o", tmp_path / "out").exit_code == 0
    table = pq.read_table(tmp_path / "out")
    assert table.num_rows == len(story.records) - 1


def test_a_tape_without_times_has_none(tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "call.rtape", Story().begin("r").end("r").records)
    assert export(tape, "-o", tmp_path / "out").exit_code == 0
    assert ask(
        tmp_path / "out", "select count(t_ms), count(wall), any_value(date) from EVENTS"
    ) == [(0, 0, "unknown")]


def test_what_is_there_stays(tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "call.rtape", simulated("text"))
    assert export(tape, "-o", tmp_path / "out").exit_code == 0
    again = export(tape, "-o", tmp_path / "out")
    assert "--force overwrites it" in str(again.exception)
    assert export(tape, "-o", tmp_path / "out", "--force").exit_code == 0


def test_one_bad_tape_of_many(tmp_path: Path) -> None:
    write_tape(tmp_path / "tapes" / "a.rtape", simulated("text"))
    (tmp_path / "tapes" / "b.rtape").write_bytes(b"no tape")
    done = export(tmp_path / "tapes", "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "b.rtape" in done.stderr
    assert "1 tapes written" in done.stderr
    assert len(list((tmp_path / "out").rglob("*.parquet"))) == 1


def test_an_empty_folder_is_one_sentence(tmp_path: Path) -> None:
    done = export(tmp_path, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "no tapes in" in done.stderr
