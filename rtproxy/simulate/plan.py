"""When a response delivers what: a scripted reply laid out on the clock of its response.

Times are ms since response.created and follow from the reply alone, so that a measured time can
be compared with the scheduled one.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from rtproxy.realtime.audio import AudioFormat
from rtproxy.simulate.scenario import Audio, FunctionCall, Reply
from rtproxy.simulate.voice import speech

TOKEN = re.compile(r"\s*\w+|\s*[^\w\s]+|\s+")
TOKEN_MS = 15.0
TRANSCRIPT_LEAD = 0.8
"""The transcript arrives ahead of the audio: its last word when this share of it has come."""


@dataclass(frozen=True, slots=True)
class Output:
    """One output item: a message in text or audio, or a function call."""

    kind: Literal["text", "audio", "function_call"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens to output item number `output` at `at_ms`.

    open: the item is added · text, transcript, arguments: a piece of it · audio: encoded bytes ·
    close: the item is complete.
    """

    at_ms: float
    kind: Literal["open", "text", "transcript", "arguments", "audio", "close"]
    output: int
    piece: str = ""
    audio: bytes = b""


@dataclass(frozen=True, slots=True)
class Plan:
    outputs: tuple[Output, ...]
    steps: tuple[Step, ...]
    end_ms: float


@dataclass(frozen=True, slots=True)
class Pace:
    """First deltas in ms after response.created, and how audio is delivered."""

    first_text_ms: float
    first_audio_ms: float
    audio: Audio


def tokens(text: str) -> list[str]:
    """Text in the pieces in which a model says it; together they are the text."""
    return TOKEN.findall(text)


def plan(reply: Reply, *, speaks: bool, audio: AudioFormat, pace: Pace, seed: int) -> Plan:
    """The steps of a reply, in order. `seed` chooses the voice."""
    outputs: list[Output] = []
    steps: list[Step] = []
    start = pace.first_text_ms
    if (
        reply.text
        or (reply.audio_ms and speaks)
        or not (reply.function_call or reply.status == "failed")
    ):
        if speaks:
            outputs.append(Output("audio"))
            steps += spoken(reply, audio, pace, seed)
        else:
            outputs.append(Output("text"))
            steps += pieces("text", 0, tokens(reply.text), start, TOKEN_MS)
        start = steps[-1].at_ms
    for call in reply.function_call:
        outputs.append(Output("function_call", call.name))
        written = tokens(arguments_of(call))
        steps += pieces("arguments", len(outputs) - 1, written, start, TOKEN_MS)
        start = steps[-1].at_ms
    return Plan(tuple(outputs), tuple(steps), steps[-1].at_ms if steps else start)


def pieces(
    kind: Literal["text", "arguments"], output: int, words: list[str], start: float, every: float
) -> Iterator[Step]:
    yield Step(start, "open", output)
    for n, word in enumerate(words):
        yield Step(start + n * every, kind, output, word)
    yield Step(start + max(len(words) - 1, 0) * every, "close", output)


def spoken(reply: Reply, audio: AudioFormat, pace: Pace, seed: int) -> Iterator[Step]:
    """The steps of a spoken message: transcript and audio interleaved by their times."""
    encoded = voiced(reply.text, reply.audio_ms, audio, seed)
    size = audio.size(pace.audio.chunk_ms)
    chunks = [encoded[at : at + size] for at in range(0, len(encoded), size)]
    due = [
        pace.first_audio_ms + arrival(n * pace.audio.chunk_ms, pace.audio)
        for n in range(len(chunks))
    ]
    end = due[-1] if due else pace.first_audio_ms
    words = tokens(reply.text)
    first = min(pace.first_text_ms, pace.first_audio_ms)
    spread = (end - first) * TRANSCRIPT_LEAD / max(len(words), 1)
    steps = [Step(first + n * spread, "transcript", 0, word) for n, word in enumerate(words)]
    steps += [Step(at, "audio", 0, audio=chunk) for at, chunk in zip(due, chunks, strict=True)]
    yield Step(first, "open", 0)
    yield from sorted(steps, key=lambda step: step.at_ms)  # stable: words before audio
    yield Step(end, "close", 0)


def arrival(before_ms: float, audio: Audio) -> float:
    """How long after the first delta one comes that has `before_ms` of audio before it."""
    pauses = sum(gap.pause_ms for gap in audio.gaps if 0 < before_ms >= gap.after_ms)
    return (before_ms / audio.rate if audio.rate else 0.0) + pauses


def rehearse(replies: Iterable[Reply], audio: AudioFormat, seed: int) -> None:
    """Say everything once, so that nobody waits for it when it is wanted."""
    for reply in replies:
        voiced(reply.text, reply.audio_ms, audio, seed)


@lru_cache(maxsize=256)
def voiced(text: str, audio_ms: float | None, audio: AudioFormat, seed: int) -> bytes:
    """The voice saying `text`, encoded; cut or padded with silence to `audio_ms`."""
    samples = speech(text, rate=audio.rate, seed=seed)
    if audio_ms is not None:
        length = round(audio_ms * audio.rate / 1000)
        samples = np.pad(samples[:length], (0, max(0, length - samples.size)))
    return audio.encode(samples)


def arguments_of(call: FunctionCall) -> str:
    if isinstance(call.arguments, str):
        return call.arguments
    return json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":"))


def default_reply(prompt: str, spoken_ms: float, tool: Mapping[str, Any] | None) -> Reply:
    """What is said when nothing is scripted: an echo, or a call of the tool that must be used."""
    if tool is not None:
        arguments = example(tool.get("parameters") or {}, prompt)
        return Reply(function_call=(FunctionCall(str(tool["name"]), arguments or {}),))
    if prompt:
        return Reply(f"You said: {prompt}")
    if spoken_ms:
        return Reply(f"I heard you speak for {spoken_ms / 1000:.1f} seconds.")
    return Reply("Hello! How can I help you?")


def example(schema: Any, text: str) -> Any:
    """The simplest value that a JSON schema allows; strings are `text`."""
    if not isinstance(schema, Mapping):
        return None
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties") or {}
        needed = schema.get("required", list(properties))
        return {key: example(properties.get(key), text) for key in needed}
    values: dict[Any, Any] = {"string": text, "integer": 1, "number": 1.0, "boolean": True}
    return [] if kind == "array" else values.get(kind)
