"""The captured sessions, by clients that are the same and yet never do the same twice."""

import hashlib
import json
from math import inf
from pathlib import Path
from random import Random
from typing import Any

from rtproxy.realtime.audio import decode_base64
from rtproxy.replay.action import Send
from rtproxy.replay.player import Player
from rtproxy.replay.script import read_script
from rtproxy.tape.record import Event, Record
from tests.replay.taped import appended, captured, messages, read_capture


def another_run(records: list[Record], random: Random) -> list[str]:
    """The client's messages with other chunks of audio, event ids, key order and spacing."""
    sent: list[str] = []
    audio = b""
    for record in records:
        if not isinstance(record, Event) or record.from_server:
            continue
        value = json.loads(record.payload)
        if value["type"] == "input_audio_buffer.append":
            audio += decode_base64(value["audio"])
            continue
        sent += [*chunks(audio, random), restyled(value, random)]
        audio = b""
    return [*sent, *chunks(audio, random)]


def chunks(audio: bytes, random: Random) -> list[str]:
    found = []
    while audio:
        size = random.randrange(1, 400)
        found.append(appended(audio[:size]))
        audio = audio[size:]
    return found


def restyled(value: dict[str, Any], random: Random) -> str:
    def shuffled(inner: Any) -> Any:
        if isinstance(inner, dict):
            keys = random.sample(list(inner), len(inner))
            return {key: shuffled(inner[key]) for key in keys}
        return inner

    value = shuffled(value | {"event_id": f"evt_{random.random()}"})
    return json.dumps(value, indent=random.choice([None, 1]), ensure_ascii=random.random() < 0.5)


@captured
def test_a_hundred_runs_give_one_stream(capture: Path) -> None:
    records = read_capture(capture)
    script = read_script(records)
    streams = set()
    for seed in range(100):
        random = Random(seed)
        player = Player(script, speed=random.choice([inf, 1000.0, 20.0]))
        now = 0.0
        actions = player.advance(now)
        for message in another_run(records, random):
            now += random.random() * random.choice([0, 0.001, 0.3])
            actions += player.advance(now) + player.receive(message, now)
        while player.next_due is not None:
            actions += player.advance(player.next_due)
        assert player.finish().ok, player.finish()
        digest = hashlib.sha256()
        for action in actions:
            assert isinstance(action, Send)
            digest.update(str(action.payload).encode())
        streams.add(digest.hexdigest())
    recorded = "".join(map(str, messages(records, from_server=True)))
    assert streams == {hashlib.sha256(recorded.encode()).hexdigest()}


@captured
def test_every_message_that_is_left_out_is_missed(capture: Path) -> None:
    records = read_capture(capture)
    script = read_script(records)
    sent = [str(text) for text in messages(records, from_server=False)]
    for left_out, text in enumerate(sent):
        if "input_audio_buffer.append" in text:
            continue
        player = Player(script, speed=inf, stall_s=1.0)
        player.advance(0.0)
        for message in sent[:left_out] + sent[left_out + 1 :]:
            player.receive(message, 0.0)
        player.advance(1.0)
        (report,) = player.finish().reports
        # A second request for an answer could be one too many as well as one too early.
        assert report.kind == "missing" or "response.create came where" in report.message
        expected = report.expected
        assert expected is not None
        assert expected.value == json.loads(text)
