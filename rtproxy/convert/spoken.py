"""A conversation out of audio and words: the events of a GA session with voice activity detection.

    caller     append ×n │ speech_started … speech_stopped, committed, item, transcription
    assistant            │ response.created, item, part, transcript and audio deltas, …, done

The audio, the words and their order are given; all else is made up, and said to be so on the tape:
the caller's audio runs in real time, the assistant's comes in bursts, each follows the other.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from rtproxy.convert.source import Part, Unknowable, imported
from rtproxy.realtime.audio import PCM16, Samples
from rtproxy.tape.record import FROM_SERVER, Control, Event

Role = Literal["caller", "assistant"]

APPEND_MS = 100
DELTA_MS = 200
PAUSE_MS = 300
"""Before the caller speaks."""
CREATED_MS = 30
FIRST_AUDIO_MS = 400
BETWEEN_DELTAS_MS = 20
TRANSCRIBED_MS = 200
"""What a live service typically takes; see docs/import.md."""

MADE_UP = (
    "times",
    "ids",
    "session settings",
    "voice activity detection",
    "boundaries of events",
)
STATEMENT = (
    "Made from audio files: what is said, in which order and how long it sounds are theirs; times, "
    "ids, settings and all other events are made up."
)
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says: audio at 24 kHz, when it is asked for, and words, if they are known."""

    role: Role
    audio: Callable[[], Samples]
    text: str | None


def header_fields(*, transcribed: bool) -> dict[str, Any]:
    """The header of a tape that is made of audio."""
    unknown: list[Unknowable] = ["handshake", "times", "pings", "close"]
    if not transcribed:
        unknown.append("transcripts")
    return {"connection": "websocket", **imported("audio", unknown=unknown, made_up=MADE_UP)}


def parts(turns: Iterable[Turn], *, transcribes: bool) -> Iterator[Part]:
    """The records of a conversation. `transcribes`: there are words for what the caller says."""
    yield Control(0, 0, 0, "marker", {"text": STATEMENT})
    stage = _Stage()
    yield stage.server("session.created", session=_session(transcribes))
    for turn in turns:
        speak = stage.caller if turn.role == "caller" else stage.assistant
        yield from speak(turn)


@dataclass(slots=True)
class _Stage:
    """The session so far: its clock, its audio clock, and what was said last."""

    now_ms: float = 0.0
    heard_ms: float = 0.0
    item_id: str | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def caller(self, turn: Turn) -> Iterator[Part]:
        """The caller speaks: one file is one stretch of speech, from its first to its last sample.

        Positions count on the session's input clock, in ms of all audio appended.
        """
        samples = turn.audio()
        item_id = self.id("item")
        start_ms = round(self.heard_ms)
        self.now_ms += PAUSE_MS
        for number, chunk in enumerate(_chunks(samples, APPEND_MS)):
            length_ms = PCM16.duration_ms(len(chunk))
            self.now_ms += length_ms
            self.heard_ms += length_ms
            yield self._event(0, "input_audio_buffer.append", {"audio": _base64(chunk)})
            if number == 0:
                yield self.server(
                    "input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=item_id
                )
        end_ms = round(self.heard_ms)
        kind = "input_audio_buffer"
        yield self.server(f"{kind}.speech_stopped", audio_end_ms=end_ms, item_id=item_id)
        before, self.item_id = self.item_id, item_id
        yield self.server(f"{kind}.committed", previous_item_id=before, item_id=item_id)
        content = [{"type": "input_audio", "transcript": None}]
        item = {"id": item_id, **_message("user", "completed", content)}
        for kind in ("conversation.item.added", "conversation.item.done"):
            yield self.server(kind, previous_item_id=before, item=item)
        if turn.text is not None:
            self.now_ms += TRANSCRIBED_MS
            yield self.server(
                "conversation.item.input_audio_transcription.completed",
                item_id=item_id,
                content_index=0,
                transcript=turn.text,
                usage={
                    "type": "duration",
                    "seconds": round(PCM16.duration_ms(samples.nbytes)) / 1000,
                },
            )

    def assistant(self, turn: Turn) -> Iterator[Part]:
        """The assistant speaks, and is heard out before anything else happens."""
        samples = turn.audio()
        response_id, item_id = self.id("resp"), self.id("item")
        before, self.item_id = self.item_id, item_id
        self.now_ms += CREATED_MS
        yield self.server("response.created", response=_response(response_id, "in_progress", []))
        self.now_ms += FIRST_AUDIO_MS
        began_ms = self.now_ms
        item = {"id": item_id, **_message("assistant", "in_progress", [])}
        outer = {"response_id": response_id, "output_index": 0}
        inner = {"response_id": response_id, "item_id": item_id, "output_index": 0,
                 "content_index": 0}  # fmt: skip
        words = turn.text or ""
        yield self.server("response.output_item.added", **outer, item=item)
        yield self.server("conversation.item.added", previous_item_id=before, item=item)
        part = {"type": "audio", "transcript": ""}
        yield self.server("response.content_part.added", **inner, part=part)
        if words:
            yield self.server("response.output_audio_transcript.delta", **inner, delta=words)
        for chunk in _chunks(samples, DELTA_MS):
            yield self.server("response.output_audio.delta", **inner, delta=_base64(chunk))
            self.now_ms += BETWEEN_DELTAS_MS
        yield self.server("response.output_audio.done", **inner)
        yield self.server("response.output_audio_transcript.done", **inner, transcript=words)
        part = {"type": "audio", "transcript": words}
        yield self.server("response.content_part.done", **inner, part=part)
        content = [{"type": "output_audio", "transcript": words}]
        item = {"id": item_id, **_message("assistant", "completed", content)}
        yield self.server("conversation.item.done", previous_item_id=before, item=item)
        yield self.server("response.output_item.done", **outer, item=item)
        yield self.server("response.done", response=_response(response_id, "completed", [item]))
        self.now_ms = max(self.now_ms, began_ms + PCM16.duration_ms(samples.nbytes))

    def server(self, kind: str, **fields: Any) -> Event:
        return self._event(FROM_SERVER, kind, {"event_id": self.id("event"), **fields})

    def id(self, kind: str) -> str:
        """An id that the same files get again."""
        self.counts[kind] = number = self.counts.get(kind, 0) + 1
        return f"{kind}_imported_{number:05}"

    def _event(self, flags: int, kind: str, fields: dict[str, Any]) -> Event:
        text = orjson.dumps({"type": kind, **fields}).decode()
        return Event(0, round(self.now_ms * 1e6), flags, text)


def _chunks(samples: Samples, ms: int) -> Iterator[bytes]:
    """Audio in pieces of `ms`, at least one."""
    data = PCM16.encode(samples)
    size = PCM16.size(ms)
    for at in range(0, max(1, len(data)), size):
        yield data[at : at + size]


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _session(transcribes: bool) -> dict[str, Any]:
    """A session that takes each file of the caller's as one stretch of speech."""
    audio_format = PCM16.ga
    detection = {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 0,
        "silence_duration_ms": 0,
        "create_response": True,
        "interrupt_response": True,
    }
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_imported",
        "model": UNKNOWN,
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "audio": {
            "input": {
                "format": audio_format,
                "transcription": {"model": UNKNOWN} if transcribes else None,
                "noise_reduction": None,
                "turn_detection": detection,
            },
            "output": {"format": audio_format, "voice": UNKNOWN, "speed": 1.0},
        },
    }


def _message(role: str, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "message", "status": status, "role": role, "content": content}


def _response(id_: str, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "object": "realtime.response",
        "id": id_,
        "status": status,
        "status_details": None,
        "output": output,
        "conversation_id": "conv_imported",
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {"output": {"format": PCM16.ga, "voice": UNKNOWN}},
        "usage": None,
        "metadata": None,
    }
