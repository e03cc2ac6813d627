"""Tokens: what a response used, and what is left of the budget.

Counts are estimates of the live service's: four characters of text, 100 ms of audio heard or
50 ms of audio spoken are a token; what was sent before is cached in blocks of 64.
"""

from collections.abc import Iterable
from typing import Any

from rtproxy.simulate.items import Item
from rtproxy.simulate.settings import Settings

HEARD_MS = 100
SPOKEN_MS = 50
CACHE_BLOCK = 64


def text_tokens(text: str) -> int:
    return -(-len(text) // 4)


def audio_tokens(item: Item) -> int:
    return round(item.audio_ms / (SPOKEN_MS if item.role == "assistant" else HEARD_MS))


def usage(
    current: Settings, context: Iterable[Item], outputs: Iterable[Item], cached_before: int
) -> dict[str, Any]:
    """The `usage` of a response; `cached_before` are the input tokens of the response before."""
    items, made = list(context), list(outputs)
    spoken = sum(map(audio_tokens, items))
    written = sum(text_tokens(item.words()) for item in items) + text_tokens(current.instructions)
    written += sum(text_tokens(str(dict(tool))) for tool in current.tools)
    cached = min(cached_before // CACHE_BLOCK * CACHE_BLOCK, spoken + written)
    cached_audio = min(spoken, cached)
    out_audio = sum(map(audio_tokens, made))
    out_text = sum(text_tokens(item.words()) for item in made)
    return {
        "total_tokens": spoken + written + out_audio + out_text,
        "input_tokens": spoken + written,
        "output_tokens": out_audio + out_text,
        "input_token_details": {
            "text_tokens": written,
            "audio_tokens": spoken,
            "image_tokens": 0,
            "cached_tokens": cached,
            "cached_tokens_details": {
                "text_tokens": cached - cached_audio,
                "audio_tokens": cached_audio,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": out_text, "audio_tokens": out_audio},
    }


class Budget:
    """A token bucket: `limit` tokens, which come back evenly within `reset_ms`."""

    def __init__(self, limit: int, reset_ms: float) -> None:
        self._limit = limit
        self._reset_ms = reset_ms
        self._spent = 0.0
        self._at_ms = 0.0

    def spend(self, tokens: int, now_ms: float) -> None:
        self._refill(now_ms)
        self._spent += tokens

    def exhausted(self, now_ms: float) -> bool:
        self._refill(now_ms)
        return self._spent >= self._limit

    def wait_ms(self, now_ms: float) -> float:
        """Until a response may start again."""
        self._refill(now_ms)
        return max(0.0, self._spent - self._limit + 1) / self._limit * self._reset_ms

    def report(self, now_ms: float) -> list[dict[str, Any]]:
        """The `rate_limits` of rate_limits.updated."""
        self._refill(now_ms)
        return [
            {
                "name": "tokens",
                "limit": self._limit,
                "remaining": max(0, int(self._limit - self._spent)),
                "reset_seconds": round(self._spent / self._limit * self._reset_ms / 1000, 3),
            }
        ]

    def _refill(self, now_ms: float) -> None:
        returned = (now_ms - self._at_ms) / self._reset_ms * self._limit
        self._spent = max(0.0, self._spent - returned)
        self._at_ms = now_ms
