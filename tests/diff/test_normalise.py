"""What is left of a session once all that is another in every run is away."""

from typing import Any

import pytest

from rtproxy.diff.compare import compare_records, read_session
from rtproxy.diff.fields import covered, ga_settings, impersonal, settle, without
from rtproxy.diff.normal import NormalSession
from rtproxy.tape.record import Event, Header, Record
from tests.diff.planting import spoken, typed
from tests.realtime.story import Story


@pytest.mark.parametrize(
    ("value", "settled"),
    [
        ({"a": None, "b": 1}, {"b": 1}),
        ({"event_id": "e", "usage": {}, "metadata": {"k": 1}, "obfuscation": "x"}, {}),
        ({"turn_detection": None}, {"turn_detection": None}),
        (
            {"parameters": {"properties": {"usage": None}}},
            {"parameters": {"properties": {"usage": None}}},
        ),
        ("key REDACTED:0123abcd.", "key REDACTED."),
        ([{"expires_at": 4}, [None]], [{}, [None]]),
    ],
)
def test_settled_values(value: Any, settled: Any) -> None:
    assert settle(value) == settled


def test_audio_is_a_digest() -> None:
    one, two = ({"type": "input_audio", "audio": audio} for audio in ("AAAA", "AAAB"))
    assert settle(one)["audio"].startswith("4 characters, ")
    assert settle(one) == settle(dict(one)) != settle(two)


def test_what_is_nested_deep_or_long_is_bounded() -> None:
    value: Any = "x"
    for _ in range(500):
        value = [value]
    assert "nested deeper" in str(settle(value))
    assert len(settle("x" * 100_000)) < 100


@pytest.mark.parametrize(
    ("beta", "ga"),
    [
        ({"voice": "alloy"}, {"audio": {"output": {"voice": "alloy"}}}),
        ({"voice": {"name": "alloy", "type": "openai"}}, {"audio": {"output": {"voice": "alloy"}}}),
        ({"modalities": ["text", "audio"]}, {"output_modalities": ["audio"]}),
        ({"max_response_output_tokens": "inf"}, {"max_output_tokens": "inf"}),
        (
            {"input_audio_format": "pcm16"},
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}},
        ),
        (
            {"input_audio_format": "pcm16", "input_audio_sampling_rate": 16000},
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
        ),
        (
            {"output_audio_format": "g711_alaw"},
            {"audio": {"output": {"format": {"type": "audio/pcma"}}}},
        ),
        (
            {"turn_detection": {"type": "server_vad"}},
            {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}},
        ),
        (
            {"input_audio_transcription": {"model": "whisper-1"}},
            {"audio": {"input": {"transcription": {"model": "whisper-1"}}}},
        ),
        ({"instructions": "Hi.", "id": "sess_1", "object": "x"}, {"instructions": "Hi."}),
        ({"new": {"field": 1}}, {"new": {"field": 1}}),
    ],
)
def test_settings_in_ga_shape(beta: dict[str, Any], ga: dict[str, Any]) -> None:
    assert ga_settings(beta) == ga
    assert ga_settings(ga) == ga


def test_what_is_said_elsewhere_is_left_out() -> None:
    confirmed = {"voice": "a", "speed": 0.8000000119, "tools": [{"name": "f", "strict": True}]}
    wanted = {"voice": "b", "speed": 0.8, "tools": [{"name": "f"}]}
    assert without(wanted, confirmed) == {"voice": "b"}
    assert covered({"a": [1]}, {"a": [1], "b": 2})
    assert not covered({"a": [1]}, {"a": [1, 2]})


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Try again in 4.218s.", "Try again in …s."),
        ("Response resp_Ab3dEfGh1jKl is active.", "Response resp_… is active."),
        ("No field input_audio_format here.", "No field input_audio_format here."),
        ("The limit is 40000 tokens.", "The limit is 40000 tokens."),
    ],
)
def test_messages_without_ids_and_times(message: str, said: str) -> None:
    assert impersonal({"message": message, "code": "x"}) == {"message": said, "code": "x"}


def normal(records: list[Record]) -> NormalSession:
    return read_session(records, None, "audio")


def test_a_spoken_turn() -> None:
    session = normal(spoken().records)
    first = session.turns[0]
    assert (first.kind, first.user, first.assistant) == (
        "speech",
        "Hello, is anybody there?",
        "Yes, I am here for you.",
    )
    assert first.events == {}
    assert [event.name for event in first.items[0].events] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
    ]
    (response,) = first.responses
    assert [event.name for event in response.events] == ["response.created", "response.done"]
    (item,) = response.items
    assert [event.name for event in item.events] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
    ]
    every = [*first.items[0].events, *response.events, *item.events]
    assert all(event.fields == {} for event in every)
    assert item.sound is not None
    assert item.sound.ms == 1600
    assert first.sound is not None
    assert session.turns[1].calls[0].summary() == {
        "name": "get_weather",
        "arguments": {"city": "London", "days": 2},
        "output": {"sky": "fog", "degrees": 12},
    }
    assert session.ending == {"name": "close", "by": "client", "code": 1000}
    assert session.limits == {"tokens": 15_000_000}


def test_a_typed_turn() -> None:
    session = normal(typed().records)
    assert [item.text for item in session.items] == ["The shop is closed on Mondays."]
    assert [turn.user for turn in session.turns] == [
        "How many shops are there?",
        "Which colour is the sign?",
        "Has it been red before?",
        "That was all.",
    ]
    assert all(turn.events.keys() == {"response.create"} for turn in session.turns)
    assert {name: len(events) for name, events in session.events.items()} == {
        "session.created": 1,
        "session.update": 1,
    }


def test_no_id_is_left() -> None:
    """Neither of the server's making nor of the client's."""
    call = spoken()
    ids = {value for moment in call.moments for value in _ids(moment.event)}
    text = str(normal(call.records).turns)
    assert ids
    assert not [id_ for id_ in ids if id_ in text]


def test_ids_are_left_nowhere() -> None:
    """In fields that nobody knows, too: they are places in the turn."""

    def told(mark: str) -> list[Record]:
        item = {"id": f"i{mark}", "type": "mcp_approval_request", "twin_id": f"t{mark}"}
        story = Story().begin(f"r{mark}", parent_id=f"p{mark}")
        story.server("response.output_item.done", response_id=f"r{mark}", item=item)
        story.server("thing.happened", item_id=f"i{mark}", other={"id": f"o{mark}"})
        story.client(
            "conversation.item.create", item={"type": "x", "approval_request_id": f"i{mark}"}
        )
        return story.end(f"r{mark}").records

    assert compare_records(told("1"), told("2")).equal
    (turn,) = normal(told("1")).turns
    assert turn.events["thing.happened"][0].fields == {
        "item_id": "item 1",
        "other": {"id": "another"},
    }


def test_a_copy_that_says_otherwise() -> None:
    """Each event that repeats what an item says is compared with it."""
    for type_ in ("conversation.item.done", "response.output_item.done", "response.done"):
        other = spoken()
        other.replace("sunny and warm", "sunny and cold", type_)
        (difference,) = compare_records(spoken().records, other.records).differences
        assert difference.turn == 3
        assert difference.level == "text"


def _ids(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {v for k, v in value.items() if (k == "id" or k.endswith("_id")) and v != "root"}
        return {v for v in own if isinstance(v, str)}.union(*map(_ids, value.values()))
    return set().union(*map(_ids, value)) if isinstance(value, list) else set()


def test_deltas_that_nobody_puts_together_are_one_text() -> None:
    """In whatever pieces; the third vocabulary has no items."""

    def told(*pieces: str) -> list[Record]:
        story = Story()
        for piece in pieces:
            story.server("session.output_transcript.delta", delta=piece)
        return story.records

    one, two = told("Good day", " to you"), told("Go", "od day to", " you")
    assert compare_records(one, two).equal
    diff = compare_records(one, told("Good night to you"))
    assert [(d.path, d.a, d.b) for d in diff.differences] == [
        (
            "events['session.output_transcript.delta'][0].delta",
            "Good day to you",
            "Good night to you",
        )
    ]


def test_text_without_any_item() -> None:
    """As gateways write that know deltas only."""

    def told(*pieces: str) -> list[Record]:
        story = Story().begin("r")
        for piece in pieces:
            story.server("response.text.delta", response_id="r", item_id="i", delta=piece)
        return story.end("r").records

    assert normal(told("It ", "is")).turns[0].assistant == "It is"
    assert compare_records(told("It ", "is"), told("It is")).equal
    (difference,) = compare_records(told("It is"), told("It was")).differences
    assert difference.path == "turns[0].responses[0].items[0].text"


def test_messages_that_are_no_events() -> None:
    """A tape of another protocol, or of plain HTTP."""

    def tape(*payloads: str | bytes) -> list[Record]:
        header = Header({"id": "1", "connection": "http"})
        return [header, *(Event(n, n * 10**6, 1, p) for n, p in enumerate(payloads))]

    same = tape('{"id": "sess_1", "value": "x"}', "hello", b"\x00\x01")
    assert compare_records(same, tape('{"value": "x", "id": "sess_2"}', "hello", b"\x00\x01")).equal
    diff = compare_records(same, tape('{"id": "sess_1", "value": "y"}', "hallo", b"\x00\x02"))
    assert [(d.path, d.kind) for d in diff.differences] == [
        ("events.object[0].value", "changed"),
        ("events.text[0].text", "changed"),
        ("events.binary[0].binary", "changed"),
    ]


def test_a_response_outside_of_the_conversation() -> None:
    def told(words: str) -> list[Record]:
        story = Story().client("response.create", response={"conversation": "none"})
        story.begin("r", conversation_id=None)
        return story.say("r", 500, words).end("r", conversation_id=None).records

    assert normal(told("One.")).turns == []
    diff = compare_records(told("One."), told("Two."))
    assert [(d.level, d.n, d.path) for d in diff.differences] == [
        ("text", None, "responses[0].items[0].text")
    ]
