"""What must not be shared is gone, wherever it stood, and the rest is as it was."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rtproxy.cli.main import rtproxy
from rtproxy.convert.redact import Censor, Plan
from rtproxy.realtime.audio import G711_ULAW, PCM16, level_db
from rtproxy.realtime.event import parse
from rtproxy.realtime.jsonpath import PathPattern
from rtproxy.realtime.session import Session
from rtproxy.simulate.library import load
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import REDACTED, Control, Event, Header, Record
from rtproxy.tape.repair import verify
from tests.realtime.simulated import call_records
from tests.realtime.story import Story
from tests.tapes import write_tape

KEY = bytes(16)


def simulated(name: str) -> list[Record]:
    return call_records(load(name))


def censored(records: list[Record], plan: Plan) -> list[Record]:
    censor = Censor(plan, KEY)
    censor.study(records)
    return [one if isinstance(one, Header) else censor.edit(one) for one in records]


def payloads(records: list[Record]) -> list[str]:
    return [str(one.payload) for one in records if isinstance(one, Event)]


def events(records: list[Record], type_: str) -> list[dict[str, Any]]:
    found = [json.loads(text) for text in payloads(records)]
    return [one for one in found if one["type"] == type_]


def test_a_pattern_is_found_across_deltas() -> None:
    story = Story().begin("r")
    for piece in ("Your number is 42", "42 42", "42 4242 4", "242, thank you."):
        story.server(
            "response.output_audio_transcript.delta", response_id="r", item_id="i", delta=piece
        )
    story.server(
        "response.output_audio_transcript.done",
        response_id="r",
        item_id="i",
        transcript="Your number is 4242 4242 4242 4242, thank you.",
    )
    made = censored(story.records, Plan([re.compile(r"(?:\d{4} ?){4}")]))
    deltas = events(made, "response.output_audio_transcript.delta")
    told = "".join(one["delta"] for one in deltas)
    (whole,) = events(made, "response.output_audio_transcript.done")
    assert told == whole["transcript"]
    assert re.fullmatch(r"Your number is REDACTED:[0-9a-f]{8}, thank you\.", told)
    assert not re.search(r"42", "".join(payloads(made)))
    changed = [one for one in made if isinstance(one, Event) and one.flags & REDACTED]
    assert len(changed) == 5


@pytest.mark.parametrize(
    "pieces",
    [["Jane Doe"], ["Jane", " Doe"], ["xJa", "ne D", "oex"], list("aJane Doeb"),
     ["Jane DoeJane Doe"], ["Jane Doe and Jan", "e Doe"]],
)  # fmt: skip
def test_wherever_the_pieces_break(pieces: list[str]) -> None:
    story = Story()
    for piece in pieces:
        story.server("response.output_text.delta", response_id="r", item_id="i", delta=piece)
    made = censored(story.records, Plan([re.compile("Jane Doe")]))
    told = "".join(one["delta"] for one in events(made, "response.output_text.delta"))
    expected = "".join(pieces).replace("Jane Doe", "*")
    assert re.sub(r"REDACTED:[0-9a-f]{8}", "*", told) == expected


def test_other_items_are_other_texts() -> None:
    story = Story()
    for item, piece in (("a", "Jane"), ("b", " Doe")):
        story.server("response.output_text.delta", response_id="r", item_id=item, delta=piece)
    assert censored(story.records, Plan([re.compile("Jane Doe")])) == story.records


def test_what_is_not_touched_stays_byte_for_byte() -> None:
    records = simulated("support-call")
    made = censored(records, Plan([re.compile("Thursday")]))
    differ = [
        one.seq
        for one, other in zip(records, made, strict=True)
        if isinstance(one, Event) and one is not other
    ]
    said = [one.seq for one in records if isinstance(one, Event) and "Thursday" in str(one.payload)]
    assert set(said) <= set(differ)
    assert len(differ) < 20
    assert not re.search("Thursday", "".join(payloads(made)))


def test_members_by_path() -> None:
    records = simulated("support-call")
    made = censored(records, Plan(paths=[PathPattern("$..arguments"), PathPattern("$..output")]))
    text = "".join(payloads(made))
    assert "latest" not in text
    assert "shipped" not in [c.output for c in Session.fold(made).tool_calls]
    (call,) = Session.fold(made).tool_calls
    assert re.fullmatch(r"REDACTED:[0-9a-f]{8}", call.arguments or "")
    assert call.name == "lookup_order"


@pytest.mark.parametrize("name", ["support-call", "text", "beta", "tool"])
def test_words_are_hidden_and_the_shape_stays(name: str) -> None:
    records = simulated(name)
    before, made = Session.fold(records), censored(records, Plan(words=True))
    after = Session.fold(made)
    for old, new in zip(before.turns, after.turns, strict=True):
        assert (old.user is None) == (new.user is None)
        assert new.user in (None, "[redacted]")
        assert (old.end, len(old.responses)) == (new.end, len(new.responses))
        for said in (old.user, old.assistant):
            assert not said or said not in "".join(payloads(made))
    for kind in ("text", "audio_transcript", "output_text", "output_audio_transcript"):
        told = "".join(one["delta"] for one in events(made, f"response.{kind}.delta"))
        assert told.replace("[redacted]", "") == ""


@pytest.mark.parametrize("sound", ["silence", "noise"])
@pytest.mark.parametrize("name", ["support-call", "g711", "beta"])
def test_audio_keeps_its_length_and_loses_its_voice(name: str, sound: Any) -> None:
    records = simulated(name)
    made = censored(records, Plan(sound=sound))
    before, after = Session.fold(records, levels=True), Session.fold(made, levels=True)
    assert [track.received_ms for track in after.tracks] == [
        track.received_ms for track in before.tracks
    ]
    assert [after.measure(turn) for turn in after.turns] == [
        before.measure(turn) for turn in before.turns
    ]
    assert after.input_levels is not None
    assert max(after.input_levels.values()) < -40
    assert after.answers.levels is not None
    for levels in after.answers.levels.values():
        assert max(levels.values()) < -40


def test_one_side_alone() -> None:
    records = simulated("default")
    made = censored(records, Plan(sound="silence", side="caller"))
    after = Session.fold(made, levels=True)
    assert after.input_levels is not None
    assert after.answers.levels is not None
    assert max(after.input_levels.values()) == -96
    assert max(max(levels.values()) for levels in after.answers.levels.values()) > -40


def test_audio_inside_items_goes_too() -> None:
    audio = base64.b64encode(PCM16.encode([8000, -8000] * 400)).decode()
    story = Story()
    part = {"type": "input_audio", "audio": audio, "transcript": "hello there"}
    item = {"id": "i", "type": "message", "role": "user", "content": [part]}
    story.client("conversation.item.create", item=item)
    story.server("conversation.item.retrieved", item=item)
    made = censored(story.records, Plan(sound="silence"))
    assert audio not in "".join(payloads(made))
    (kept,) = events(made, "conversation.item.create")
    data = base64.b64decode(kept["item"]["content"][0]["audio"])
    assert data == bytes(1600)


def test_silence_of_a_law_is_its_silence() -> None:
    records = simulated("g711")
    made = censored(records, Plan(sound="silence"))
    for one in made:
        if isinstance(one, Event) and (audio := parse(one).audio):
            assert level_db(G711_ULAW.decode(base64.b64decode(audio))) < -70


@pytest.mark.parametrize("payload", ['{"type":"\\ud800","delta":"Jane"}', '{"a":1e999,"b":"Jane"}',
                                     "Jane", b"Jane", b"\xffJane", '["Jane"]'])  # fmt: skip
def test_odd_messages(payload: str | bytes) -> None:
    records: list[Record] = [Header({}), Event(0, 0, 1, payload)]
    (_, made) = censored(records, Plan([re.compile("Jane")], [PathPattern("x")], True, "silence"))
    assert isinstance(made, Event)
    assert "Jane" not in str(made.payload)


def run(*arguments: Path | str) -> Result:
    return CliRunner().invoke(rtproxy, ["tape", "redact", *map(str, arguments)])


def test_the_command(tmp_path: Path) -> None:
    records = simulated("support-call")
    header = Header({
        "id": "1", "request": {"method": "GET", "target": "/v1/realtime?user=Jane", "headers": []},
    })  # fmt: skip
    path = write_tape(tmp_path / "call.rtape", [header, *records[1:]])
    done = run(path, "--text", "Jane|Thursday", "--audio", "silence")
    assert done.exit_code == 0, done.output
    out = tmp_path / "call.redacted.rtape"
    assert done.stdout == f"{out}\n"
    assert verify(out).ok
    data = out.read_bytes()
    assert b"Jane" not in data
    assert b"Thursday" not in data
    with open_tape(out) as tape, open_tape(path) as before:
        pairs = list(zip(tape, before, strict=True))
        kept = [(a.seq, a.t_ns) for a, _ in pairs if isinstance(a, Event | Control)]
        assert kept == [(b.seq, b.t_ns) for _, b in pairs if isinstance(b, Event | Control)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [([], "Say what to take out"), (["--text", "("], "no regular expression"),
     (["--text", "x*"], "fits everywhere"), (["--path", "["], "no JSON path")],
)  # fmt: skip
def test_mistakes_are_one_sentence(tmp_path: Path, arguments: list[str], says: str) -> None:
    path = write_tape(tmp_path / "call.rtape", simulated("text"))
    done = run(path, *arguments)
    assert done.exit_code != 0
    assert says in done.stderr + str(done.exception)
    assert list(tmp_path.iterdir()) == [path]
