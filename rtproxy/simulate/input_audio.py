"""The input audio buffer: what the client appends, and the turns that are found in it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from rtproxy.realtime.audio import AudioFormat, decode_base64
from rtproxy.simulate.invalid_request import InvalidRequest, missing, wrong_type
from rtproxy.simulate.items import Item, Items
from rtproxy.simulate.outlet import Outlet
from rtproxy.simulate.responses import Responses
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.settings import Settings
from rtproxy.simulate.timeline import Entry
from rtproxy.simulate.transcription import Transcriber
from rtproxy.simulate.vad import Change, Detector

LARGEST_APPEND = 15 * 1024 * 1024
SMALLEST_COMMIT_MS = 100
KEPT_MS = 60_000
"""While nobody speaks, a buffer with turn detection keeps this much."""
SEMANTIC_PREFIX_MS = 300
PATIENCE = {"low": 2.0, "medium": 1.0, "auto": 1.0, "high": 0.5}
"""How much silence semantic turn detection waits for, by eagerness, as a factor."""


class InputAudio:
    """Positions are ms on the session's input clock: all audio ever appended."""

    def __init__(
        self,
        scenario: Scenario,
        outlet: Outlet,
        conversation: Items,
        responses: Responses,
        audio: AudioFormat,
    ) -> None:
        self._scenario = scenario
        self._outlet = outlet
        self._conversation = conversation
        self._responses = responses
        self._transcriber = Transcriber(scenario, outlet)
        self._settings: Settings | None = None
        self._format = audio
        self._detector = Detector(audio.rate)
        self._origin_ms = 0.0  # where on the clock the format in use began
        self._received = 0  # bytes since then
        self._odd = b""  # half a sample that waits for its other half
        self._buffer = bytearray()
        self._speech_item: str | None = None
        self._speech_from_ms = 0.0
        self._taken_ms = 0.0  # audio before this belongs to earlier turns
        self._busy_until_ms = 0.0  # the turn before this one is announced first
        self._patience: Entry | None = None

    @property
    def clock_ms(self) -> float:
        return self._origin_ms + self._format.duration_ms(self._received)

    def configure(self, current: Settings) -> None:
        """Use these settings from the next append on."""
        self._settings = current
        if current.input_format != self._format:
            self._origin_ms = self.clock_ms
            self._received = 0
            self._format = current.input_format
            self._detector = Detector(self._format.rate)
            self._buffer.clear()
            self._odd = b""
        threshold, silence_ms, _ = self._turn_detection()
        self._detector.configure(threshold, silence_ms)

    def append(self, encoded: Any) -> None:
        """Take base64 audio. Raises InvalidRequest for what is none, or is too much of it."""
        if encoded is None:
            raise missing("audio")
        if not isinstance(encoded, str):
            raise wrong_type("audio", "a string", encoded)
        try:
            data = decode_base64(encoded)
        except ValueError:
            raise InvalidRequest(
                "invalid_value",
                "Invalid 'audio'. Expected base64-encoded audio bytes "
                f"(mono {self._format.encoding.upper()} at {self._format.rate // 1000}kHz) "
                "but got an invalid value.",
                "audio",
            ) from None
        if len(data) > LARGEST_APPEND:
            raise InvalidRequest(
                "invalid_value",
                f"Invalid 'audio': at most {LARGEST_APPEND} bytes may be appended at once, "
                f"but got {len(data)}.",
                "audio",
            )
        data = self._odd + data
        whole = len(data) // self._format.bytes_per_sample * self._format.bytes_per_sample
        self._odd = data[whole:]
        data = data[:whole]
        self._received += whole
        self._buffer += data
        samples = self._format.decode(data)
        for change in list(self._detector.feed(np.asarray(samples, dtype=np.int16))):
            if self._detects:
                self._notice(change)
        if self._detects and self._speech_item is None:
            self._forget_before(self.clock_ms - KEPT_MS)

    def commit(self) -> None:
        """Make an item of the buffer, as a client asked to."""
        length_ms = self._format.duration_ms(len(self._buffer))
        if length_ms < SMALLEST_COMMIT_MS:
            raise InvalidRequest(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{SMALLEST_COMMIT_MS}ms of audio, but buffer only has {length_ms:.2f}ms of audio.",
            )
        item_id = self._speech_item or self._outlet.chance.id("item")
        self._end_speech()
        self._make_item(item_id, self.clock_ms - length_ms, self.clock_ms)

    def clear(self) -> None:
        self._end_speech()
        self._buffer.clear()
        self._taken_ms = self.clock_ms
        self._outlet.send("input_audio_buffer.cleared")

    def hear_nothing(self, lasts_ms: float) -> None:
        """The detector is deceived: speech is announced that is not there."""
        if self._speech_item is not None or not self._detects:
            return
        start_ms = self.clock_ms
        self._start_speech(start_ms)
        timeline = self._outlet.timeline
        stop = partial(self._stop_false_speech, self._speech_item, start_ms + lasts_ms)
        timeline.after(lasts_ms, stop)

    def expect_speech(self, playing_ms: float) -> None:
        """The assistant's words play for so long; then `idle_timeout_ms` begins to run."""
        if self._patience:
            self._patience.cancel()
        found = (self._settings and self._settings.turn_detection) or {}
        timeout_ms = found.get("idle_timeout_ms")
        if timeout_ms is not None:
            act = partial(self._lose_patience, timeout_ms)
            self._patience = self._outlet.timeline.after(playing_ms + timeout_ms, act)

    def _lose_patience(self, timeout_ms: int) -> None:
        """Nobody spoke: the silence is committed, and the model speaks again."""
        if self._speech_item is not None or self._responses.active or not self._detects:
            return
        assert self._settings is not None
        item_id = self._outlet.chance.id("item")
        start_ms = max(self._taken_ms, self.clock_ms - timeout_ms, 0.0)
        self._outlet.send(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=round(start_ms),
            audio_end_ms=round(self.clock_ms),
            item_id=item_id,
        )
        self._make_item(item_id, start_ms, self.clock_ms)
        self._responses.create(self._settings)

    def _stop_false_speech(self, item_id: str | None, end_ms: float) -> None:
        if item_id is not None and self._speech_item == item_id:
            end_ms = min(
                max(end_ms, self._speech_from_ms), max(self.clock_ms, self._speech_from_ms)
            )
            self._stop_speech(item_id, self._speech_from_ms, end_ms)

    @property
    def _detects(self) -> bool:
        return self._settings is not None and self._settings.turn_detection is not None

    def _turn_detection(self) -> tuple[float, int, int]:
        """Threshold, silence in ms, prefix padding in ms."""
        found: Mapping[str, Any] = (self._settings and self._settings.turn_detection) or {}
        if found.get("type") == "semantic_vad":
            patience = PATIENCE[found["eagerness"]]
            silence_ms = round(self._scenario.vad.semantic_silence_ms * patience)
            return 0.5, silence_ms, SEMANTIC_PREFIX_MS
        return (
            float(found.get("threshold", 0.5)),
            int(found.get("silence_duration_ms", 200)),
            int(found.get("prefix_padding_ms", 300)),
        )

    def _notice(self, change: Change) -> None:
        """Announce a change when its turn comes: turns do not overtake one another."""
        timeline = self._outlet.timeline
        if change.kind == "started":
            _, _, padding_ms = self._turn_detection()
            from_ms = max(0.0, self._origin_ms + change.at_ms - padding_ms, self._taken_ms)
            due = max(timeline.now, self._busy_until_ms)
            timeline.at(due, partial(self._start_speech, from_ms))
        else:
            end_ms = self._origin_ms + change.known_ms
            self._taken_ms = end_ms
            delay = self._outlet.draw("endpoint", self._scenario.delays.endpoint)
            due = max(timeline.now + delay, self._busy_until_ms)
            timeline.at(due, partial(self._stop_detected_speech, end_ms))
        self._busy_until_ms = due

    def _start_speech(self, from_ms: float) -> None:
        if self._speech_item is not None:
            return  # a false start is still being heard: this is its speech
        if self._patience:
            self._patience.cancel()
        self._speech_item = self._outlet.chance.id("item")
        self._speech_from_ms = from_ms
        self._outlet.send(
            "input_audio_buffer.speech_started",
            audio_start_ms=round(from_ms),
            item_id=self._speech_item,
        )
        assert self._settings is not None
        detection = self._settings.turn_detection or {}
        if detection.get("interrupt_response", True) and self._settings.kind == "realtime":
            self._responses.interrupt()

    def _stop_detected_speech(self, end_ms: float) -> None:
        if self._speech_item is not None:
            self._stop_speech(self._speech_item, self._speech_from_ms, end_ms)

    def _stop_speech(self, item_id: str, from_ms: float, end_ms: float) -> None:
        self._speech_item = None
        self._outlet.send(
            "input_audio_buffer.speech_stopped", audio_end_ms=round(end_ms), item_id=item_id
        )
        self._make_item(item_id, from_ms, end_ms)
        assert self._settings is not None
        detection = self._settings.turn_detection or {}
        if detection.get("create_response", True) and self._settings.kind == "realtime":
            try:
                self._responses.create(self._settings)
            except InvalidRequest as error:
                self._outlet.send_error(error)

    def _end_speech(self) -> None:
        """The client takes or drops what is being said; no speech_stopped follows."""
        self._speech_item = None
        self._detector.reset()

    def _make_item(self, item_id: str, from_ms: float, end_ms: float) -> None:
        """Move audio from the buffer into a new item of the conversation."""
        self._forget_before(from_ms)
        size = self._format.size(end_ms - from_ms)
        audio = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._taken_ms = max(self._taken_ms, end_ms)
        item = Item(
            item_id,
            {
                "type": "message",
                "status": "completed",
                "role": "user",
                "content": [{"type": "input_audio", "transcript": None}],
            },
            audio=audio,
            audio_ms=self._format.duration_ms(len(audio)),
        )
        item.prompt = self._transcriber.hear()
        outlet, before = self._outlet, self._conversation.append(item)
        outlet.send("input_audio_buffer.committed", previous_item_id=before, item_id=item_id)
        for kind in ("added", "done"):
            shape = outlet.dialect.item(item)
            outlet.send(f"conversation.item.{kind}", previous_item_id=before, item=shape)
        assert self._settings is not None
        if self._settings.transcription is not None or self._settings.kind == "transcription":
            self._transcriber.transcribe(item, self._settings)

    def _forget_before(self, position_ms: float) -> None:
        start_ms = self.clock_ms - self._format.duration_ms(len(self._buffer))
        if position_ms > start_ms:
            del self._buffer[: self._format.size(position_ms - start_ms)]
