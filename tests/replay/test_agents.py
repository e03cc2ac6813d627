"""An agent of openai-agents, recorded and then run against its tape: nothing but the URL differs.

The application plays what it is sent and tells the framework how far it has come.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.replay.call import API_KEY, SENT, TOOL_CALL, recording, spoken
from tests.replay.follow import events, serving

if TYPE_CHECKING:  # to import it takes two seconds, in each process that collects tests
    from agents.realtime import RealtimePlaybackTracker, RealtimeSession, RealtimeSessionEvent

CHUNK = 4800
"""Bytes of an append: 100 ms."""


@dataclass
class Seen:
    """What the application has seen of a call."""

    tools: list[list[str]] = field(default_factory=list)
    """Name, arguments and output."""
    audio: dict[str, str] = field(default_factory=dict)
    """Item → digest of its audio."""
    interrupted: list[str] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Application:
    """What stands between the agent's session and who talks to it."""

    def __init__(self, session: "RealtimeSession", playback: "RealtimePlaybackTracker") -> None:
        self.session = session
        self.seen = Seen()
        self.turns = 0
        self._playback = playback
        self._events = aiter(session)
        self._digests: dict[str, Any] = {}

    async def until(self, come: Callable[[], bool], *, playing: bool = True) -> None:
        """Go on until something has come; play what there is to hear, or let it pass."""
        while not come():
            event = await asyncio.wait_for(anext(self._events), 30)
            self._see(event, playing)

    async def say(self, words: str) -> None:
        audio = spoken(words)
        for at in range(0, len(audio), CHUNK):
            await self.session.send_audio(audio[at : at + CHUNK])

    def _see(self, event: "RealtimeSessionEvent", playing: bool) -> None:
        match event.type:
            case "audio":
                digest = self._digests.setdefault(event.item_id, hashlib.sha256())
                digest.update(event.audio.data)
                self.seen.audio[event.item_id] = digest.hexdigest()
                if playing:
                    place = event.item_id, event.content_index
                    self._playback.on_play_bytes(*place, event.audio.data)
            case "audio_interrupted":
                self.seen.interrupted.append(event.item_id)
            case "tool_end":
                self.seen.tools.append([event.tool.name, event.arguments, str(event.output)])
            case "history_updated":
                self.seen.history = [item.model_dump() for item in event.history]
            case "agent_end":
                self.turns += 1
            case "error":
                self.seen.errors.append(str(event.error))


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"12 degrees and foggy in {city}"


async def converse(url: str) -> Seen:
    """Ask by text, then by voice; interrupt the answer when its first 200 ms have been heard."""
    from agents import function_tool
    from agents.realtime import RealtimeAgent, RealtimePlaybackTracker, RealtimeRunner

    agent: RealtimeAgent[None] = RealtimeAgent(
        name="Clerk", instructions="Be brief.", tools=[function_tool(get_weather)]
    )
    playback = RealtimePlaybackTracker()
    session = await RealtimeRunner(agent).run(
        model_config={
            "url": f"{url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime",
            "api_key": API_KEY,
            "playback_tracker": playback,
        }
    )
    async with session:
        app = Application(session, playback)
        seen = app.seen
        await session.send_message("How is the weather in London?")
        await app.until(lambda: app.turns == 2)
        await app.say("tell me a story")
        await app.until(lambda: len(seen.audio) == 2)
        await app.say("that is enough")
        await app.until(lambda: len(seen.interrupted) == 2, playing=False)
        await app.until(lambda: app.turns == 4 and "that is enough" in str(seen.history))
    return seen


async def test_an_agent_of_openai_agents(tmp_path: Path) -> None:
    async with recording(tmp_path) as url:
        recorded = await converse(url)
    async with serving(tmp_path) as server:
        replayed = await converse(server.url)
        await server.settle(30)
        assert list(map(str, server.journal.failures())) == []
        assert [slot.uses for slot in server.shelf.slots] == [1]
    assert replayed == recorded

    assert recorded.errors == []
    assert recorded.tools == [TOOL_CALL]
    assert list(recorded.audio)[:2] == recorded.interrupted, "what was played, and the story"
    said = [
        part.get("transcript") or part.get("text")
        for item in recorded.history
        for part in item.get("content", [])
    ]
    first, answer, story, _, enough, last = said
    assert (first, answer) == ("How is the weather in London?", "It is 12 degrees.")
    assert (story, enough, last) == ("tell me a story", "that is enough", "Very well.")
    (path,) = tmp_path.glob("*.rtape")
    sent = [json.loads(text) for from_server, text in events(path) if not from_server]
    assert {event["type"] for event in sent} == SENT
    cut = [event["audio_end_ms"] for event in sent if event["type"].endswith("truncate")]
    assert cut == [200]
