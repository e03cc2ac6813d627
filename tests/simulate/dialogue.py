"""A client that talks to a simulated session on values: no sockets, no waiting."""

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtproxy.realtime.audio import PCM16, AudioFormat
from rtproxy.simulate.outlet import Action, Send
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.session import Session

Event = dict[str, Any]


class Dialogue:
    """Sends events at chosen times and keeps everything that comes back."""

    def __init__(self, scenario: Scenario | str = "", **options: Any) -> None:
        if isinstance(scenario, str):
            scenario = Scenario.parse(scenario, "test.toml")
        self.session = Session(scenario, **options)
        self.now = 0.0
        self.actions: list[Action] = self.session.start(0)

    def wait(self, ms: float = 10_000) -> "Dialogue":
        """Let time pass."""
        end = self.now + ms
        while (due := self.session.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            self.actions += self.session.advance(self.now)
        self.now = end
        self.actions += self.session.advance(self.now)
        return self

    def send(self, type: str, **fields: Any) -> "Dialogue":
        self.actions += self.session.receive({"type": type, **fields}, self.now)
        return self

    def append(self, samples: NDArray[np.int16], audio: AudioFormat = PCM16) -> "Dialogue":
        data = base64.b64encode(audio.encode(samples)).decode()
        return self.send("input_audio_buffer.append", audio=data)

    def stream(
        self, samples: NDArray[np.int16], chunk_ms: int = 20, audio: AudioFormat = PCM16
    ) -> "Dialogue":
        """Append in real time: each chunk when it has been spoken."""
        size = audio.rate * chunk_ms // 1000
        for start in range(0, samples.size, size):
            self.wait(chunk_ms)
            self.append(samples[start : start + size], audio)
        return self

    def say_text(self, text: str) -> "Dialogue":
        return self.send(
            "conversation.item.create",
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": text}],
            },
        )

    @property
    def events(self) -> list[Event]:
        return [action.event for action in self.actions if isinstance(action, Send)]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def of(self, *types: str) -> list[Event]:
        return [event for event in self.events if event["type"] in types]

    def last(self, type_: str) -> Event:
        return self.of(type_)[-1]

    def at(self, type_: str, nth: int = 0) -> float:
        """When the nth event of a type was sent, in ms."""
        found = [a for a in self.actions if isinstance(a, Send) and a.event["type"] == type_]
        return found[nth].at_ms

    @property
    def error(self) -> Event:
        """The last error."""
        error: Event = self.last("error")["error"]
        return error


def folded(types: Iterable[str]) -> list[str]:
    """Event types with runs of the same one written once."""
    result: list[str] = []
    for type_ in types:
        if not result or result[-1] != type_:
            result.append(type_)
    return result
