"""The language of --filter."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.errors import FilterError
from rtproxy.inspect.entry import Entry, entry_of
from rtproxy.inspect.filter import MAX_TOKENS, Subject, names_turns, parse_filter
from rtproxy.tape.record import FROM_SERVER, Control, Event
from tests.inspect.sample import sample

ENTRIES = [entry_of(record) for record in sample()]


SESSION = {"session.created", "session.update", "session.updated"}


def kept(expression: str) -> list[Entry]:
    keep = parse_filter(expression)
    return [entry for entry in ENTRIES if keep(entry)]


def types(expression: str) -> set[str]:
    return {entry.type for entry in kept(expression)}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("error", {"error"}),
        ("speech_started", {"input_audio_buffer.speech_started"}),
        ("session", SESSION | {"session.something_new"}),
        ("session.update", {"session.update"}),
        ("session.u*", {"session.update", "session.updated"}),
        ("*.append", {"input_audio_buffer.append"}),
        ("session.update?", {"session.updated"}),
        ("response.[cd]*", {"response.created", "response.done"}),
        ("error,response.done", {"error", "response.done"}),
        ("error | response.done", {"error", "response.done"}),
        ("client session", {"session.update"}),
        ("> session", {"session.update"}),
        ("server session.update,session.updated", {"session.updated"}),
        ("< session.u*", {"session.updated"}),
        ("session !session.created,session.updated", {"session.update", "session.something_new"}),
        ("session not session.created,updated", {"session.update", "session.something_new"}),
        ("(client session),(server error)", {"session.update", "error"}),
        ("!!error", {"error"}),
        ("rtproxy.p[io]ng", {"rtproxy.ping", "rtproxy.pong"}),
        ("rtproxy.text,rtproxy.b*", {"rtproxy.text", "rtproxy.binary"}),
        ('"marcelo" completed', {"conversation.item.input_audio_transcription.completed"}),
        ("text:get_weather", {"response.function_call_arguments.done"}),
        ('text:"no ACTIVE response"', {"error"}),
        ("text:bye", {"rtproxy.close"}),
    ],
)  # fmt: skip
def test_it_keeps_what_is_asked_for(expression: str, expected: set[str]) -> None:
    assert types(expression) == expected


@pytest.mark.parametrize(
    ("expression", "low_ms", "high_ms"),
    [
        ("t>1.5", 1500.001, 1e9),
        ("t>=1.4s t<2", 1400, 1999.999),
        ("t > 1400ms", 1400.001, 1e9),
        ("1s..2s", 1000, 2000),
        ("1..2s", 1000, 2000),
        ("500ms..", 500, 1e9),
        ("..1.401s", 0, 1401),
        ("t=4.1", 4100, 4100),
        ("0h0m4s..1h", 4000, 3_600_000),
    ],
)
def test_times_are_from_the_start_of_the_tape(
    expression: str, low_ms: float, high_ms: float
) -> None:
    expected = [entry for entry in ENTRIES if low_ms * 1e6 <= entry.t_ns <= high_ms * 1e6]
    assert kept(expression) == expected
    assert expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("#3", {3}),
        ("#3..5", {3, 4, 5}),
        ("#..2", {0, 1, 2}),
        ("seq<2", {0, 1}),
        ("seq >= 3 seq<=4", {3, 4}),
        ("#0,#2", {0, 2}),
        ("#99999..", set()),
    ],
)
def test_records_have_numbers(expression: str, expected: set[int]) -> None:
    assert {entry.seq for entry in kept(expression)} == expected


def test_both_dialects_are_understood() -> None:
    beta = entry_of(Event(0, 0, FROM_SERVER, '{"type": "response.audio.delta"}'))
    assert parse_filter("response.audio.delta")(beta)
    assert parse_filter("response.output_audio.*")(beta)


def test_text_is_searched_without_escapes_and_without_audio() -> None:
    escaped = entry_of(Event(0, 0, 0, '{"type": "x", "text": "Cze\\u015b\\u0107"}'))
    assert parse_filter("text:cześć")(escaped)
    audio = entry_of(Event(0, 0, 0, '{"type": "input_audio_buffer.append", "audio": "AbCd"}'))
    assert not parse_filter("text:abcd")(audio)
    assert parse_filter("text:append")(audio)
    quoted = entry_of(Event(0, 0, 0, 'she said "yes"'))
    assert parse_filter(r'"said \"YES\""')(quoted)
    assert not parse_filter("text:x")(entry_of(Event(0, 0, 0, b"xxx")))
    deep = '{"type": "x", "a": ' + "[" * 900 + "]" * 900 + ', "b": "\\u0041"}'
    assert not parse_filter("text:zzz")(entry_of(Event(0, 0, 0, deep)))


@pytest.mark.parametrize(
    ("expression", "word", "why"),
    [
        ("", "", "empty"),
        ("   ", "", "empty"),
        ("t>abc", "t>abc", "a time looks like"),
        ("t>1.5.2s", "t>1.5.2s", "a time looks like"),
        ("2..5", "2..5", "2s..5s"),
        ("foo:bar", "foo:bar", "no type"),
        ("foo>2", "foo>2", "only t (time), seq"),
        ("turn>2", "turn>2", "turns are not known here"),
        ("error turn:2", "turn:2", "turns are not known here"),
        ('error "abc', '"abc', "closing quote"),
        ("error,", ",", "nothing follows"),
        (",error", ",", "in front"),
        ("(error", "(", "no ) that closes"),
        ("error)", ")", "no ( that it closes"),
        ("()", "(", "nothing follows"),
        ("#x", "#x", "whole number"),
        ("#²", "#²", "whole number"),
        ("#..", "#..", "whole number"),
        ("seq>1.5", "seq>1.5", "whole number"),
        ("error,!session", "!", "in front of a whole group"),
        ("error !", "!", "nothing follows"),
        ("text:", "", "no text"),
        ("error and session", "and", "a blank"),
        ("error or session", "or", "a comma"),
        ("zażółć/", "zażółć/", "no type"),
        ("(" * 5000, "(", "at most"),
        ("turn:x", "turn:x", "turns look like"),
        ("turn:", "turn:", "turns look like"),
        ("turn:..", "turn:..", "turns look like"),
        ("turn:1...2", "turn:1...2", "turns look like"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_sentence(expression: str, word: str, why: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(expression)
    message = str(caught.value)
    assert why in message
    assert word in message
    assert message.endswith(".")
    assert "\n" not in message


@given(st.text(alphabet='abct#>=<.,|!()"\\ 0123msh*?[]:', max_size=30) | st.text(max_size=30))
def test_any_text_is_a_filter_or_a_filter_error(expression: str) -> None:
    try:
        keep = parse_filter(expression, decade)
    except FilterError:
        return
    for entry in ENTRIES:
        assert keep(entry) in (True, False)


def decade(subject: Subject) -> set[int]:
    """Turns as the numbers of the records give them; every tenth record is in two."""
    n = subject.seq // 10
    return {n, n - 1} - {0, -1} if subject.seq % 10 == 0 else {n} - {0}


@pytest.mark.parametrize(
    ("expression", "seqs"),
    [
        ("turn:2", {*range(20, 31)}),
        ("turn=2", {*range(20, 31)}),
        ("turn:2..3", {*range(20, 41)}),
        ("turn:..1", {*range(10, 21)}),
        ("turn:7..", {*range(70, len(ENTRIES))}),
        ("turn>7", {*range(80, len(ENTRIES))}),
        ("turn<2", {*range(10, 21)}),
        ("!turn:1..", {*range(10)}),
        ("turn:1 turn:2", {20}),
        ("turn:1,turn:2 #25..", {*range(25, 31)}),
    ],
)
def test_turns_are_those_of_whom_it_is_told(expression: str, seqs: set[int]) -> None:
    keep = parse_filter(expression, decade)
    assert {entry.seq for entry in ENTRIES if keep(entry)} == seqs
    assert names_turns(expression)


@pytest.mark.parametrize("expression", ["error", "session.turn", '"turn:2"', "text:turn:2", "t>2"])
def test_what_does_not_ask_for_turns_needs_none(expression: str) -> None:
    assert not names_turns(expression)
    parse_filter(expression)


def test_a_filter_of_many_words_is_still_read() -> None:
    assert len(kept(" ".join(["server"] * MAX_TOKENS))) == sum(e.from_server for e in ENTRIES)
    assert kept("(" * 60 + "error" + ")" * 60) == kept("error")


def test_types_without_end_take_no_memory_without_end() -> None:
    keep = parse_filter("a.*")
    for n in range(10_000):
        assert not keep(entry_of(Event(0, 0, 0, json.dumps({"type": f"b.{n}"}))))
    assert keep(entry_of(Control(0, 0, 0, "a"))) is False
