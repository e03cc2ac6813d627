"""Imported tapes play to the client whose session they hold, and to one that speaks to them."""

import base64
import wave
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from rtproxy import __version__
from rtproxy.convert.har import document, entry
from rtproxy.simulate.voice import speech
from rtproxy.tape.reader import open_tape
from tests.convert.tapes import messages, take_in, text_of
from tests.record.test_clients import stage
from tests.replay.follow import serving
from tests.replay.test_server_clients import beta, compressed, ga

RATE = 24_000


def as_jsonl(tape: Path) -> str:
    return text_of(tape)


def as_log(tape: Path) -> str:
    """What somebody logs of a session: direction, time and event."""
    return "".join(
        line for line in text_of(tape).splitlines(keepends=True) if '"kind":"message"' in line
    )


def as_har(tape: Path) -> str:
    with open_tape(tape) as opened:
        made = entry(opened.header, opened, opened.summary().duration_ns)
        return "".join(document(__version__, [made]))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("form", "client"),
    [
        *((form, client) for form in (as_jsonl, as_har) for client in (ga, beta, compressed)),
        (as_log, ga),  # a log knows no handshake, and so of no compression
        (as_log, beta),
    ],
)
async def test_a_client_replays_its_session(tmp_path: Path, client: Any, form: Any) -> None:
    async with stage(tmp_path / "recorded") as proxy:
        recorded = await client(proxy.url)
    (tape,) = (tmp_path / "recorded").glob("*.rtape")
    (tmp_path / "file").write_text(form(tape), "utf-8")
    found = take_in(tmp_path / "file", tmp_path / "imported.rtape")
    assert found.lost == 0
    assert messages(tmp_path / "imported.rtape") == messages(tape)
    async with serving(tmp_path / "imported.rtape") as server:
        replayed = await client(server.url)
        await server.settle(30)
        assert list(map(str, server.journal.failures())) == []
        assert [slot.uses for slot in server.shelf.slots] == [1]
    assert replayed.seen[: len(recorded.seen)] == recorded.seen


TURNS = [
    ("caller", "where is my order please"),
    ("assistant", "It arrives on Thursday."),
    ("caller", "thank you"),
    ("assistant", "Have a good day!"),
]


async def test_the_sdk_speaks_with_a_folder_of_audio(tmp_path: Path) -> None:
    """The client sends the caller's files in chunks of its own and hears the assistant's."""
    folder = tmp_path / "call"
    folder.mkdir()
    said = []
    for number, (role, text) in enumerate(TURNS, start=1):
        data = np.asarray(speech(text), dtype="<i2").tobytes()
        said.append(data)
        with wave.open(str(folder / f"{number:02}-{role}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(data)
    words = "".join(f"{role}: {text}\n" for role, text in TURNS)
    (folder / "transcript.txt").write_text(words, "utf-8")
    take_in(folder, tmp_path / "call.rtape")
    async with serving(tmp_path / "call.rtape") as server:
        client = openai.AsyncOpenAI(api_key="x", base_url=f"{server.url}/v1")
        async with client, client.realtime.connect(model="gpt-realtime") as connection:
            created = await connection.recv()
            assert created.type == "session.created"
            for turn in (0, 2):
                heard, transcript, spoken = await converse(connection, said[turn])
                assert spoken == TURNS[turn][1]
                assert transcript == TURNS[turn + 1][1]
                assert heard == said[turn + 1]
        await server.settle(30)
        assert list(map(str, server.journal.failures())) == []


async def converse(connection: Any, audio: bytes) -> tuple[bytes, str, str]:
    """Say something; returns the audio of the answer, its words, and what was understood."""
    for at in range(0, len(audio), 7000):
        chunk = base64.b64encode(audio[at : at + 7000]).decode()
        await connection.input_audio_buffer.append(audio=chunk)
    heard, transcript, spoken = b"", "", ""
    async for event in connection:
        assert event.type != "error", event
        if event.type == "conversation.item.input_audio_transcription.completed":
            spoken = event.transcript
        elif event.type == "response.output_audio.delta":
            heard += base64.b64decode(event.delta)
        elif event.type == "response.output_audio_transcript.done":
            transcript = event.transcript
        elif event.type == "response.done":
            assert event.response.status == "completed"
            break
    return heard, transcript, spoken
