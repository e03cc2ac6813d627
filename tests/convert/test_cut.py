"""A part of a tape: what is in it stays as it was, and what is not in it is no damage."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rtproxy.cli.main import rtproxy
from rtproxy.convert.cut import Part, choose, turns_part
from rtproxy.realtime.event import parse
from rtproxy.realtime.session import Session
from rtproxy.simulate.library import load
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Control, Event, Record
from rtproxy.tape.repair import verify
from tests.realtime.simulated import call_records
from tests.tapes import write_tape


def simulated(name: str) -> list[Record]:
    return call_records(load(name))


@pytest.fixture
def call(tmp_path: Path) -> Path:
    return write_tape(tmp_path / "call.rtape", simulated("support-call"))


def cut(path: Path, *arguments: str) -> tuple[Result, Path]:
    out = path.with_name("part.rtape")
    done = CliRunner().invoke(rtproxy, ["tape", "cut", str(path), "-o", str(out), *arguments])
    return done, out


def on_tape(path: Path) -> dict[int, Record]:
    with open_tape(path) as tape:
        return {one.seq: one for one in tape if isinstance(one, Event | Control)}


@pytest.mark.parametrize(
    ("arguments", "inside"),
    [
        (["--from", "2s", "--to", "3s"], lambda one: 2e9 <= one.t_ns < 3e9),
        (["--from", "5"], lambda one: one.t_ns >= 5e9),
        (["--to", "900ms"], lambda one: one.t_ns < 9e8),
        (["--events", "100..120"], lambda one: 100 <= one.seq <= 120),
        (["--events", "7"], lambda one: one.seq == 7),
    ],
)
def test_a_part_is_what_it_was(
    call: Path, arguments: list[str], inside: Callable[[Event | Control], bool]
) -> None:
    """Same numbers, times and bytes; sealed, and sound though records are not there."""
    whole = on_tape(call)
    done, out = cut(call, *arguments, "--bare")
    assert (done.exit_code, done.stdout) == (0, f"{out}\n"), done.output
    assert on_tape(out) == {
        seq: one for seq, one in whole.items() if isinstance(one, Event | Control) and inside(one)
    }
    assert verify(out).ok
    with open_tape(out) as part, open_tape(call) as tape:
        assert part.header.id != tape.header.id
        assert part.header.fields["made_from"] == tape.header.id
        list(part)
        assert part.damage == []


def test_the_session_is_set_up_before_the_part(call: Path) -> None:
    done, out = cut(call, "--from", "5s")
    assert done.exit_code == 0
    names = [parse(one).name for one in on_tape(out).values() if isinstance(one, Event)]
    assert names[:3] == ["session.created", "session.update", "session.updated"]
    with open_tape(out) as tape:
        session = Session.from_tape(tape)
    assert session.model == "gpt-realtime"
    assert verify(out).ok
    assert isinstance(list(on_tape(out).values())[-1], Control), "the close is there"


@pytest.mark.parametrize("n", [1, 2])
def test_a_turn_is_whole(call: Path, n: int) -> None:
    with open_tape(call) as tape:
        before = Session.from_tape(tape)
    done, out = cut(call, "--turn", str(n))
    assert done.exit_code == 0
    with open_tape(out) as tape:
        after = Session.from_tape(tape)
    turn = before.turns.all[n - 1]
    (found,) = [one for one in after.turns if one.user == turn.user]
    assert (found.assistant, found.end) == (turn.assistant, turn.end)
    assert [r.status for r in found.responses] == [r.status for r in turn.responses]
    assert [call.output for call in found.calls] == [call.output for call in turn.calls]
    assert verify(out).ok


def test_a_turn_has_its_audio() -> None:
    """What was appended from the beginning of its speech is in the part."""
    records = simulated("support-call")
    session = Session.fold(records)
    speech = session.turns.all[1].speech[0]
    assert speech.start_ms is not None
    first_ms = session.clock.wall(speech.start_ms)
    assert first_ms is not None
    chosen = choose(turns_part(session, 2, 2), records)
    appended = [
        one.t_ns / 1e6
        for one in records
        if isinstance(one, Event) and one.seq in chosen and parse(one).name.endswith(".append")
    ]
    assert appended[0] == pytest.approx(first_ms)


def test_a_part_of_a_part(call: Path) -> None:
    _, part = cut(call, "--from", "2s", "--to", "5s", "--bare")
    out = part.with_name("again.rtape")
    done = CliRunner().invoke(
        rtproxy, ["tape", "cut", str(part), "-o", str(out), "--from", "3s", "--bare"]
    )
    assert done.exit_code == 0, done.output
    assert verify(out).ok
    assert all(3e9 <= one.t_ns < 5e9 for one in on_tape(out).values())  # type: ignore[union-attr]


def test_damage_is_still_damage(call: Path) -> None:
    """A record that is lost in the middle of the part is not passed over as left out."""
    data = bytearray(call.read_bytes())
    with open_tape(call) as tape:
        lost = next(one for one in tape.scan() if getattr(one.record, "seq", None) == 300)
    data[lost.offset + 20] ^= 0xFF
    call.write_bytes(data)
    done, out = cut(call, "--events", "200..400", "--bare")
    assert done.exit_code == 1
    assert "record 300 is missing" in done.stderr
    report = verify(out)
    assert report.missing == 1
    assert not report.ok


def test_what_was_left_out_says_so() -> None:
    records = simulated("text")
    part = Part(seqs=range(3, 6), frame=False)
    assert choose(part, records) == {3, 4, 5}
    last = records[-1]
    assert isinstance(last, Event | Control)
    assert part.left_out == [[0, 2], [6, last.seq]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Say which part"),
        (["--turn", "1", "--from", "2"], "Say which part"),
        (["--turn", "9"], "has 2 turns"),
        (["--turn", "2..1"], "is no range"),
        (["--from", "soon"], "is no time"),
        (["--from", "1h"], "has nothing there"),
    ],
)
def test_mistakes_are_one_sentence(call: Path, arguments: list[str], says: str) -> None:
    done, out = cut(call, *arguments)
    assert done.exit_code == 2
    assert says in done.stderr
    assert not out.exists()
