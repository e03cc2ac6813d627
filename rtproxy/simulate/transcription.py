"""Input transcription: what the server says it heard, some time after the audio was committed."""

from functools import partial
from math import ceil
from typing import Any

from rtproxy.simulate.items import Item
from rtproxy.simulate.outlet import Outlet
from rtproxy.simulate.plan import tokens
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.settings import Settings
from rtproxy.simulate.usage import HEARD_MS, text_tokens

STARTS_AT = 0.3
"""The first delta comes after this share of the delay."""


class Transcriber:
    """Knows what is said in each spoken turn of a scenario, and reports it."""

    def __init__(self, scenario: Scenario, outlet: Outlet) -> None:
        self._scenario = scenario
        self._outlet = outlet
        self._turn = 0

    def hear(self) -> str:
        """What is said in the next spoken turn; empty if the scenario does not tell."""
        heard = self._scenario.transcription
        self._turn += 1
        if self._turn <= len(heard.texts):
            return heard.texts[self._turn - 1]
        return heard.default

    def transcribe(self, item: Item, current: Settings) -> None:
        """Schedule the events of one transcription, counted from now."""
        text = item.prompt or f"[{item.audio_ms / 1000:.1f} seconds of speech]"
        delay = self._outlet.draw("transcription", self._scenario.delays.transcription)
        timeline = self._outlet.timeline
        if self._scenario.transcription.fails:
            timeline.after(delay, partial(self._fail, item))
            return
        model = str((current.transcription or {}).get("model"))
        # Whisper tells all at once; later models word by word.
        pieces = [text] if model == "whisper-1" else tokens(text)
        for n, piece in enumerate(pieces):
            share = STARTS_AT + (1 - STARTS_AT) * (n + 1) / len(pieces)
            timeline.after(delay * share, partial(self._say, item, piece))
        timeline.after(delay, partial(self._complete, item, text, model))

    def _say(self, item: Item, piece: str) -> None:
        kind = "conversation.item.input_audio_transcription.delta"
        self._outlet.send_delta(kind, piece, item_id=item.id, content_index=0)

    def _complete(self, item: Item, text: str, model: str) -> None:
        item.body["content"][0]["transcript"] = text
        self._outlet.send(
            "conversation.item.input_audio_transcription.completed",
            item_id=item.id,
            content_index=0,
            transcript=text,
            usage=usage(item, text, model),
        )

    def _fail(self, item: Item) -> None:
        error = self._scenario.transcription.fails
        assert error is not None
        self._outlet.send(
            "conversation.item.input_audio_transcription.failed",
            item_id=item.id,
            content_index=0,
            error={
                "type": error.type,
                "code": error.code,
                "message": error.message,
                "param": None,
            },
        )


def usage(item: Item, text: str, model: str) -> dict[str, Any]:
    """Whisper is paid for by the second, other models by the token."""
    if "whisper" in model:
        return {"type": "duration", "seconds": ceil(item.audio_ms / 1000)}
    heard, written = round(item.audio_ms / HEARD_MS), text_tokens(text)
    return {
        "type": "tokens",
        "total_tokens": heard + written,
        "input_tokens": heard,
        "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
        "output_tokens": written,
    }
