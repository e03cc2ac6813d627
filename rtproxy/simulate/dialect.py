"""How each dialect says what the simulated server says: events, items and responses.

The server thinks in GA terms; here they become what goes over the wire. Shapes are those of
recorded sessions: GA writes `type` first, beta `event_id`; GA items have no `object`.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rtproxy.realtime.dialect import (
    BETA_CLIENT_EVENTS,
    CONTENT_TYPES,
    GA_CLIENT_EVENTS,
    LATE_BETA_CLIENT_EVENTS,
    RENAMED,
)
from rtproxy.simulate import settings
from rtproxy.simulate.items import Item
from rtproxy.simulate.settings import Setting, Settings

Event = dict[str, Any]

TO_BETA = {ga: beta for beta, ga in RENAMED.items() if not beta.startswith("transcription_")} | {
    "conversation.item.added": "conversation.item.created"
}
NOT_IN_BETA = {"conversation.item.done"}
NOT_IN_GA = {"conversation.created"}
CONTENT_TO_BETA = {ga: beta for beta, ga in CONTENT_TYPES.items()}


@dataclass(frozen=True, slots=True)
class Dialect:
    """One of the two. The tables say which settings a session or a response.create may have."""

    name: str
    client_events: frozenset[str]
    realtime: tuple[Setting, ...]
    transcription: tuple[Setting, ...]
    response_create: tuple[Setting, ...]
    content_names: Mapping[str, str]

    def session_settings(self, kind: str) -> tuple[Setting, ...]:
        return self.transcription if kind == "transcription" else self.realtime

    def event(self, kind: str, event_id: str, fields: Mapping[str, Any]) -> Event | None:
        """The event as it goes over the wire; None if this dialect does not have it."""
        if self.name == "ga":
            if kind in NOT_IN_GA:
                return None
            return {"type": kind, "event_id": event_id, **fields}
        if kind in NOT_IN_BETA:
            return None
        fields = {key: value for key, value in fields.items() if key != "obfuscation"}
        if kind == "response.function_call_arguments.done":
            fields.pop("name")
        return {"event_id": event_id, "type": TO_BETA.get(kind, kind), **fields}

    def session(self, current: Settings) -> dict[str, Any]:
        return settings.write(current, self.session_settings(current.kind))

    def item(self, item: Item, *, with_audio: bool = False) -> dict[str, Any]:
        """The item as it stands; a user's audio only if asked for."""
        if self.name == "ga":
            body = dict(item.body)
        else:
            body = {"object": "realtime.item", **item.body}
        if "content" in body:
            body["content"] = [self.content(part) for part in body["content"]]
            if with_audio and item.audio:
                body["content"][0]["audio"] = base64.b64encode(item.audio).decode()
        return {"id": item.id, **body}

    def content(self, part: Mapping[str, Any]) -> dict[str, Any]:
        if self.name == "ga":
            return dict(part)
        return {**part, "type": CONTENT_TO_BETA.get(part["type"], part["type"])}

    def response(
        self,
        head: Mapping[str, Any],
        current: Settings,
        usage: Mapping[str, Any] | None,
        metadata: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """A response object; `head` is what both dialects have: id, status, output and so on."""
        if self.name == "ga":
            own: dict[str, Any] = {
                "output_modalities": list(current.modalities),
                "max_output_tokens": current.max_output_tokens,
                "audio": {
                    "output": {"format": current.output_format.ga, "voice": current.voice},
                },
            }
        else:
            own = {
                "modalities": list(current.modalities),
                "voice": current.voice,
                "output_audio_format": current.output_format.beta,
                "temperature": current.temperature,
                "max_output_tokens": current.max_output_tokens,
            }
        return {**head, **own, "usage": usage, "metadata": metadata}


GA = Dialect(
    "ga",
    GA_CLIENT_EVENTS,
    settings.GA_REALTIME,
    settings.GA_TRANSCRIPTION,
    settings.GA_RESPONSE,
    {},
)
BETA = Dialect(
    "beta",
    BETA_CLIENT_EVENTS | LATE_BETA_CLIENT_EVENTS,
    settings.BETA_REALTIME,
    settings.BETA_TRANSCRIPTION,
    settings.BETA_RESPONSE_CREATE,
    CONTENT_TYPES,
)
