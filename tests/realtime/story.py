"""A tape told line by line, for what no simulated call does."""

import base64
from typing import Any

import orjson

from rtproxy.realtime.audio import PCM16
from rtproxy.realtime.session import Session
from rtproxy.tape.record import FROM_SERVER, Control, Event, Header, Record

VAD = {"type": "server_vad", "prefix_padding_ms": 300, "silence_duration_ms": 200}


class Story:
    """Each line puts a record on the tape; `wait` lets time pass before the next one."""

    def __init__(self, **session: Any) -> None:
        self.records: list[Record] = [Header({"id": "1", "connection": "websocket"})]
        self.now_ms = 0.0
        self._seq = 0
        given = {"id": "sess", "turn_detection": VAD, **session}
        self.server("session.created", session=given)

    def wait(self, ms: float) -> "Story":
        self.now_ms += ms
        return self

    def client(self, type: str, **fields: Any) -> "Story":
        return self._event(0, {"type": type, **fields})

    def server(self, type: str, **fields: Any) -> "Story":
        return self._event(FROM_SERVER, {"type": type, **fields})

    def control(self, name: str, *, by_server: bool = True, **data: Any) -> "Story":
        flags = FROM_SERVER if by_server else 0
        self.records.append(Control(self._seq, round(self.now_ms * 1e6), flags, name, data))
        self._seq += 1
        return self

    def speak(self, ms: int, chunk_ms: int = 20) -> "Story":
        """The microphone streams for so long."""
        audio = base64.b64encode(bytes(PCM16.size(chunk_ms))).decode()
        for _ in range(ms // chunk_ms):
            self.wait(chunk_ms).client("input_audio_buffer.append", audio=audio)
        return self

    def hear(self, item_id: str, start_ms: int, end_ms: int) -> "Story":
        """Speech between two positions, found and committed at once."""
        self.server("input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=item_id)
        return self.stop(item_id, end_ms)

    def stop(self, item_id: str, end_ms: int) -> "Story":
        self.server("input_audio_buffer.speech_stopped", audio_end_ms=end_ms, item_id=item_id)
        return self.server("input_audio_buffer.committed", item_id=item_id)

    def begin(self, response_id: str, **fields: Any) -> "Story":
        return self.server("response.created", response={"id": response_id, **fields})

    def say(self, response_id: str, ms: float, words: str = "", item_id: str = "") -> "Story":
        """So much of a response's audio arrives, and what it says."""
        ids = {"response_id": response_id, "item_id": item_id or f"of_{response_id}"}
        audio = base64.b64encode(bytes(PCM16.size(ms))).decode()
        self.server("response.output_audio.delta", delta=audio, **ids)
        if words:
            self.server("response.output_audio_transcript.done", transcript=words, **ids)
        return self

    def end(self, response_id: str, status: str = "completed", **fields: Any) -> "Story":
        return self.server(
            "response.done", response={"id": response_id, "status": status, **fields}
        )

    def reply(self, response_id: str, ms: float = 500, words: str = "Yes.") -> "Story":
        """A whole spoken answer, played to its end."""
        self.wait(30).begin(response_id).wait(400).say(response_id, ms, words)
        return self.end(response_id).wait(ms + 10)

    def lose(self, records: int) -> "Story":
        """So many records are missing."""
        self._seq += records
        return self

    @property
    def session(self) -> Session:
        return Session.fold(self.records)

    @property
    def codes(self) -> list[str]:
        return [finding.code for finding in self.session.findings]

    def _event(self, flags: int, event: dict[str, Any]) -> "Story":
        text = orjson.dumps(event).decode()
        self.records.append(Event(self._seq, round(self.now_ms * 1e6), flags, text))
        self._seq += 1
        return self
