"""One recorded session on values: bytes in, records on a tape."""

import time
from pathlib import Path

import pytest

from rtproxy.record.session import SessionRecorder
from rtproxy.record.status import Traffic
from rtproxy.record.tapes import Tape
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import NOT_FORWARDED, Control, Event
from rtproxy.tape.redaction import Redactor
from rtproxy.tape.writer import TapeWriter
from rtproxy.wire.frame import Opcode, encode_frame


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    writer = TapeWriter.create(tmp_path / "session.rtape", {"connection": "websocket"})
    return Tape(writer, Redactor(bytes(16)), time.monotonic_ns(), lost=lambda error: None)


def record(tape: Tape, failures: list[Exception], max_message: int = 1000) -> SessionRecorder:
    return SessionRecorder(
        tape, None, traffic=Traffic("x"), on_failure=failures.append, max_message=max_message
    )


def frame(text: str) -> bytes:
    return encode_frame(Opcode.TEXT, text.encode())


def records(tape: Tape) -> list[Event | Control]:
    with open_tape(tape.writer.path) as opened:
        found = [record for record in opened if isinstance(record, Event | Control)]
        assert opened.state == "sealed"
        assert opened.damage == []
    return found


def test_what_comes_while_the_tape_is_sealed_is_not_on_it(tape: Tape) -> None:
    """A handler that is torn down seals its tape while its connections may still say something."""
    failures: list[Exception] = []
    recorder = record(tape, failures)
    recorder.received(frame("before"), from_server=True, forwarded=True)
    recorder.finish()
    recorder.received(frame("after"), from_server=True, forwarded=True)
    recorder.ended(from_server=True)
    recorder.lost(ConnectionResetError("gone"), from_server=False)
    recorder.mark("stopped")
    recorder.seal()
    recorder.ended(from_server=False)
    assert [event.payload for event in records(tape) if isinstance(event, Event)] == ["before"]
    assert len(records(tape)) == 1
    assert failures == []


def test_what_could_not_be_passed_on_says_so(tape: Tape) -> None:
    recorder = record(tape, [])
    recorder.received(frame("late"), from_server=True, forwarded=False)
    recorder.finish()
    recorder.seal()
    (event,) = records(tape)
    assert event.flags & NOT_FORWARDED


def test_a_message_over_the_limit_leaves_a_gap(tape: Tape) -> None:
    recorder = record(tape, [])
    recorder.received(frame("x" * 5000) + frame("next"), from_server=True, forwarded=True)
    recorder.finish()
    recorder.seal()
    gap, event = records(tape)
    assert isinstance(gap, Control)
    assert gap.name == "gap"
    assert gap.data["bytes"] == 5000
    assert isinstance(event, Event)
    assert event.payload == "next"


def test_an_error_that_nobody_expected_ends_the_recording_only(
    tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[Exception] = []
    recorder = record(tape, failures)

    def broken(payload: str) -> tuple[str, bool]:
        raise RuntimeError("a bug")

    monkeypatch.setattr(tape.redactor, "text", broken)
    for _ in range(3):
        recorder.received(frame("x"), from_server=True, forwarded=True)
    assert [str(failure) for failure in failures] == ["a bug"]
    recorder.finish()
    recorder.seal()
    with open_tape(tape.writer.path) as opened:
        assert opened.state == "crashed"  # a seal would say that this is all
