"""Which turns a record belongs to: those during which it came, and those that it is about."""

from collections.abc import Collection

from rtproxy.inspect.entry import Entry, entry_of
from rtproxy.inspect.filter import parse_filter
from rtproxy.inspect.listing import Listing
from rtproxy.inspect.turn_index import TurnIndex
from rtproxy.realtime.session import Session
from rtproxy.simulate.library import load
from rtproxy.tape.record import Control, Event, Record
from tests.inspect.sample import SESSION, Piece, Script, base64_of
from tests.realtime.simulated import call_records


def turns_of(records: list[Piece]) -> list[tuple[str, set[int]]]:
    index = TurnIndex(Session.fold(records))
    return [(entry.name, set(index(entry))) for entry in map(entry_of, records)]


def barge_in() -> Script:
    """Two spoken turns; the second cuts the first one's answer off."""
    call = Script()
    call.server(0, "session.created", session=SESSION)
    call.client(10, "input_audio_buffer.append", audio=base64_of(960))
    call.server(20, "input_audio_buffer.speech_started", audio_start_ms=0, item_id="item_1")
    call.server(500, "input_audio_buffer.speech_stopped", audio_end_ms=400, item_id="item_1")
    call.server(501, "input_audio_buffer.committed", item_id="item_1")
    call.server(510, "response.created", response={"id": "resp_1"})
    call.server(
        600, "response.output_audio.delta", response_id="resp_1", item_id="item_2",
        delta=base64_of(48_000),
    )  # fmt: skip
    call.server(
        601, "response.output_audio_transcript.delta", response_id="resp_1", item_id="item_2",
        delta="Well",
    )  # fmt: skip
    call.server(900, "input_audio_buffer.speech_started", audio_start_ms=800, item_id="item_3")
    return call


def test_what_comes_late_is_also_of_the_turn_that_it_is_about() -> None:
    call = barge_in()
    call.client(910, "conversation.item.truncate", item_id="item_2", audio_end_ms=300)
    call.server(920, "response.done", response={"id": "resp_1", "status": "cancelled"})
    call.server(
        930, "conversation.item.input_audio_transcription.completed", item_id="item_1",
        transcript="Hi",
    )  # fmt: skip
    call.client(940, "input_audio_buffer.append", audio=base64_of(960))
    call.control(950, 0, "close", code=1000)
    assert turns_of(call.records) == [
        ("session.created", set()),
        ("input_audio_buffer.append", set()),
        ("input_audio_buffer.speech_started", {1}),
        ("input_audio_buffer.speech_stopped", {1}),
        ("input_audio_buffer.committed", {1}),
        ("response.created", {1}),
        ("response.output_audio.delta", {1}),
        ("response.output_audio_transcript.delta", {1}),
        ("input_audio_buffer.speech_started", {2}),
        ("conversation.item.truncate", {1, 2}),
        ("response.done", {1, 2}),
        ("conversation.item.input_audio_transcription.completed", {1, 2}),
        ("input_audio_buffer.append", {2}),
        ("rtproxy.close", {2}),
    ]


def test_a_tool_that_answers_late_is_of_the_turn_that_called_it() -> None:
    call = barge_in()
    arguments = {"name": "f", "arguments": "{}", "call_id": "call_1", "item_id": "item_9"}
    call.records.pop()
    call.server(
        700, "response.function_call_arguments.done", response_id="resp_1", **arguments
    )  # fmt: skip
    call.server(900, "input_audio_buffer.speech_started", audio_start_ms=800, item_id="item_3")
    output = {"type": "function_call_output", "call_id": "call_1", "output": "12"}
    call.client(950, "conversation.item.create", item=output)
    assert turns_of(call.records)[-1] == ("conversation.item.create", {1, 2})


def test_history_is_no_turn_once_the_session_is_known() -> None:
    call = Script()
    for role, text in (("user", "Hi"), ("assistant", "Hello"), ("user", "How are you?")):
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": role, "content": content}
        call.client(10, "conversation.item.create", item=item)
    call.client(20, "response.create")
    assert [turns for _, turns in turns_of(call.records)] == [set(), set(), {1}, {1}]


def test_a_session_that_goes_on_answers_as_one_that_is_over() -> None:
    """In every simulated call; only what turns out to be no turn may differ."""
    for name in ("support-call", "barge-in", "tool", "text"):
        records = call_records(load(name))
        index, live = TurnIndex(Session.fold(records)), Session()
        as_it_comes = TurnIndex(live)
        for record in records:
            live.take(record)
            if isinstance(record, Event | Control):
                entry = entry_of(record)
                assert set(as_it_comes(entry)) == set(index(entry)), (name, entry)


class Bare:
    """A subject that is no entry: its number alone is known."""

    def __init__(self, entry: Entry) -> None:
        self.seq, self.t_ns, self.from_server = entry.seq, entry.t_ns, entry.from_server
        self.type = self.name = entry.type

    def text(self) -> str:
        return ""


def test_what_is_no_entry_is_placed_by_its_number() -> None:
    call = barge_in()
    index = TurnIndex(Session.fold(call.records))
    found: list[Collection[int]] = [index(Bare(entry_of(record))) for record in call.records]
    assert [set(turns) for turns in found] == [set()] * 2 + [{1}] * 6 + [{2}]


def listed(expression: str, index: TurnIndex, records: list[Record]) -> list[str]:
    return [row.type for row in Listing(parse_filter(expression, index)).rows(records)]


def test_the_listing_of_a_turn() -> None:
    records: list[Record] = call_records(load("support-call"))
    index = TurnIndex(Session.fold(records))
    first, second = (listed(f"turn:{n} !*.delta,*.append", index, records) for n in (1, 2))
    assert first[0] == second[0] == "input_audio_buffer.speech_started"
    assert "conversation.item.truncate" in first
    assert first.count("response.done") == 2
    assert "rtproxy.close" in second
    assert "rtproxy.close" not in first
