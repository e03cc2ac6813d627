"""A call for agents to make: a question with a tool, a story interrupted, a short answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from rtproxy.record.proxy import Proxy, Settings
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.server import SimulatedServer
from rtproxy.simulate.voice import silence, speech

API_KEY = "sk-proj-4242abcdef4242abcdef4242abcdef"
SCENARIO = """
name = "agents"
[delays]
queue = 5
first_text = 5
first_audio = 10
session_update = 5
transcription = 20
rate_limits = 5
[audio]
rate = 10
[[reply]]
when = "weather"
[[reply.function_call]]
name = "get_weather"
arguments = { city = "London" }
[[reply]]
when = "12 degrees"
text = "It is 12 degrees."
[[reply]]
when = "story"
text = "Once upon a time there was a fisherman who lived by the sea with his wife."
[[reply]]
when = "enough"
text = "Very well."
[transcription]
texts = ["tell me a story", "that is enough"]
"""
TOOL_CALL = ["get_weather", '{"city":"London"}', "12 degrees and foggy in London"]
"""What the agent's tool is called with, and what it answers."""
SENT = {
    "session.update",
    "conversation.item.create",
    "response.create",
    "input_audio_buffer.append",
    "conversation.item.truncate",
    "conversation.item.retrieve",
}
"""Types of all that the frameworks send."""


@asynccontextmanager
async def recording(folder: Path) -> AsyncIterator[str]:
    """A recording proxy in front of a simulated server; yields its URL."""
    async with (
        SimulatedServer(Scenario.parse(SCENARIO, "agents.toml"), seed=7) as server,
        Proxy(Settings(upstream=server.url, port=0, out=folder)) as proxy,
    ):
        yield proxy.url
        assert not proxy.status.failures


def spoken(words: str) -> bytes:
    """24 kHz, mono, s16le, with the silence that ends a turn."""
    parts = (silence(200, 24000), speech(words), silence(1000, 24000))
    return np.concatenate(parts).astype("<i2").tobytes()
