"""One simulated session: client events and time go in, server events come out.

    session = Session(scenario, dialect="ga", seed=0)
    session.start(0)                      → [Send(session.created)]
    session.receive(event, now_ms)        → actions
    session.next_due()                    → when to call advance
    session.advance(now_ms)               → actions

Time is milliseconds since the connection was made. The same scenario, seed and client events at
the same times give the same actions, down to the ids.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import orjson

from rtproxy.simulate import checks
from rtproxy.simulate.chance import Chance
from rtproxy.simulate.checks import SERVER_VAD
from rtproxy.simulate.dialect import BETA, GA
from rtproxy.simulate.input_audio import InputAudio
from rtproxy.simulate.invalid_request import (
    InvalidRequest,
    missing,
    unknown,
    wrong_type,
    wrong_value,
)
from rtproxy.simulate.items import Items, read_item, truncate
from rtproxy.simulate.outlet import Action, Outlet
from rtproxy.simulate.plan import rehearse
from rtproxy.simulate.responses import Responses
from rtproxy.simulate.scenario import Refuse, Scenario
from rtproxy.simulate.settings import Settings, update
from rtproxy.simulate.timeline import Timeline

NOTHING: Mapping[str, Any] = {}
FIELDS: Mapping[str, frozenset[str]] = {
    "session.update": frozenset({"session"}),
    "transcription_session.update": frozenset({"session"}),
    "input_audio_buffer.append": frozenset({"audio"}),
    "conversation.item.create": frozenset({"previous_item_id", "item"}),
    "conversation.item.retrieve": frozenset({"item_id"}),
    "conversation.item.truncate": frozenset({"item_id", "content_index", "audio_end_ms"}),
    "conversation.item.delete": frozenset({"item_id"}),
    "response.create": frozenset({"response"}),
    "response.cancel": frozenset({"response_id"}),
}
"""What a client's event may have besides its type and its id."""
BETA_DISABLED = Refuse(
    code="beta_api_shape_disabled",
    message="The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
    close_code=4000,
    close_reason="invalid_request_error.beta_api_shape_disabled",
)


class Session:
    """The server's side of one connection."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        dialect: Literal["ga", "beta"] = "ga",
        seed: int | None = None,
        connection: int = 1,
        model: str | None = None,
        kind: Literal["realtime", "transcription"] = "realtime",
        now_unix: int = 0,
    ) -> None:
        """`connection` numbers the sessions of a server; `now_unix` is seconds since 1970."""
        scenario = scenario if seed is None else replace(scenario, seed=seed)
        self._scenario = scenario
        chance = Chance(scenario.seed, connection)
        self._timeline = Timeline()
        self._outlet = Outlet(
            self._timeline,
            GA if dialect == "ga" else BETA,
            chance,
            scenario.faults.reset_at_event,
        )
        vad = {k: v for k, v in SERVER_VAD.items() if k != "idle_timeout_ms" or dialect == "ga"}
        self._settings = Settings(
            id=chance.id("sess"),
            expires_at=now_unix + round(scenario.expiry.after_ms / 1000),
            model=model or scenario.model,
            kind=kind,
            modalities=("audio",) if dialect == "ga" else ("audio", "text"),
            turn_detection=vad,
        )
        self._conversation = Items(chance.id("conv"))
        self._responses = Responses(scenario, self._outlet, self._conversation)
        self._input = InputAudio(
            scenario,
            self._outlet,
            self._conversation,
            self._responses,
            self._settings.input_format,
        )
        self._input.configure(self._settings)
        self._responses.on_false_speech = self._input.hear_nothing
        self._responses.on_spoken = self._input.expect_speech
        self._handlers: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "session.update": self._update,
            "transcription_session.update": self._update,
            "input_audio_buffer.append": lambda event: self._input.append(event.get("audio")),
            "input_audio_buffer.commit": lambda _: self._input.commit(),
            "input_audio_buffer.clear": lambda _: self._input.clear(),
            "output_audio_buffer.clear": self._clear_output,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "conversation.item.delete": self._delete_item,
            "response.create": self._create_response,
            "response.cancel": lambda event: self._responses.cancel(event.get("response_id")),
        }

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Set what a client secret was made with, before the start. May raise InvalidRequest."""
        known = self._outlet.dialect.session_settings(self._settings.kind)
        self._apply(update(self._settings, known, changes, "session"))

    def start(self, now_ms: float = 0.0) -> list[Action]:
        """The connection is made: session.created, and what the clock will bring."""
        self._timeline.advance(now_ms)
        transcribes = self._settings.kind == "transcription"
        beta_transcribes = transcribes and self._outlet.dialect is BETA
        kind = "transcription_session" if beta_transcribes else "session"
        self._outlet.send(f"{kind}.created", session=self._outlet.dialect.session(self._settings))
        if not transcribes:
            conversation = {"id": self._conversation.id, "object": "realtime.conversation"}
            self._outlet.send("conversation.created", conversation=conversation)
        self._timeline.after(self._scenario.expiry.after_ms, self._expire)
        close = self._scenario.faults.close
        if close:
            self._timeline.after(close.ms, partial(self._outlet.close, close.code, close.reason))
        self._timeline.advance(now_ms)
        return self._outlet.take()

    def refuse(self, refuse: Refuse, key: str = "") -> list[Action]:
        """Turn the client away after the 101; `key` is its API key, of which a mask is shown."""
        code, message = refuse.words(key)
        self._outlet.send_error(InvalidRequest(code, message, refuse.param, refuse.type))
        self._outlet.close(refuse.close_code, refuse.close_reason)
        return self._outlet.take()

    def receive(self, message: Mapping[str, Any] | str | bytes, now_ms: float) -> list[Action]:
        """Take a client's event, or a message as it came (bytes: a binary one)."""
        self._timeline.advance(now_ms)
        event: Mapping[str, Any] = NOTHING
        if not self._outlet.closed:
            try:
                event = parse(message)
                self._handle(event)
            except InvalidRequest as error:
                event_id = event.get("event_id")
                named = event_id if isinstance(event_id, str) else None
                self._outlet.send_error(error, named)
        self._timeline.advance(now_ms)
        return self._outlet.take()

    def advance(self, now_ms: float) -> list[Action]:
        """Everything that is due by now."""
        self._timeline.advance(now_ms)
        return self._outlet.take()

    def next_due(self) -> float | None:
        """When `advance` has something to do; None when only the client can go on."""
        return None if self._outlet.closed else self._timeline.next_due()

    def _handle(self, event: Mapping[str, Any]) -> None:
        if event.get("event_id") is not None:
            checks.text(event["event_id"], "event_id", None)
        kind = event.get("type")
        if kind is None:
            raise missing("type")
        if not isinstance(kind, str):
            raise wrong_type("type", "a string", kind)
        if kind not in self._outlet.dialect.client_events or kind not in self._handlers:
            raise wrong_value("type", kind, sorted(self._outlet.dialect.client_events))
        for key in event:
            if key not in ("type", "event_id") and key not in FIELDS.get(kind, ()):
                raise unknown(key)
        self._handlers[kind](event)

    def _update(self, event: Mapping[str, Any]) -> None:
        changes = event.get("session")
        if changes is None:
            raise missing("session")
        checks.table(changes, "session", None)
        kind = "transcription" if event["type"].startswith("transcription") else "realtime"
        if self._outlet.dialect is GA:
            if "type" not in changes:
                raise missing("session.type")
            kind = checks.choice("realtime", "transcription")(changes["type"], "session.type", None)
        if kind != self._settings.kind:
            raise InvalidRequest(
                "invalid_parameter",
                f"Passing a {kind} session update event to a {self._settings.kind} session "
                "is not allowed.",
                "session.type",
            )
        known = self._outlet.dialect.session_settings(kind)
        changed = update(self._settings, known, changes, "session")
        if changed.voice != self._settings.voice and self._responses.has_spoken:
            raise InvalidRequest(
                "cannot_update_voice",
                "Cannot update a conversation's voice if assistant audio is present.",
            )
        self._refuse_config(changes)
        self._apply(changed)
        delay = self._outlet.draw("session_update", self._scenario.delays.session_update)
        answer = "transcription_session" if event["type"].startswith("transcription") else "session"
        if answer == "transcription_session" and changed.client_secret is None:
            changed = self._with_secret(changed)
        session = self._outlet.dialect.session(changed)
        self._timeline.after(
            delay, partial(self._outlet.send, f"{answer}.updated", session=session)
        )

    def _with_secret(self, changed: Settings) -> Settings:
        """As typed by the SDK, a beta transcription session always shows a client secret."""
        secret = {"value": self._outlet.chance.id("ek"), "expires_at": changed.expires_at}
        return replace(changed, client_secret=secret)

    def _apply(self, changed: Settings) -> None:
        if changed.speaks and changed.output_format != self._settings.output_format:
            rehearse(self._scenario.replies, changed.output_format, self._scenario.seed)
        self._settings = changed
        self._input.configure(changed)

    def _refuse_config(self, changes: Mapping[str, Any]) -> None:
        """The scenario's refusal of one parameter, if it is being set."""
        refused = self._scenario.faults.refuse_config
        if refused is None:
            return
        value: Any = {"session": changes}
        for step in refused.param.split("."):
            if not isinstance(value, Mapping) or step not in value:
                return
            value = value[step]
        message = refused.message.replace("{param}", refused.param)
        raise InvalidRequest(refused.code, message, refused.param)

    def _create_item(self, event: Mapping[str, Any]) -> None:
        if event.get("item") is None:
            raise missing("item")
        previous = event.get("previous_item_id")
        if previous is not None:
            checks.text(previous, "previous_item_id", None)
        names = self._outlet.dialect.content_names
        item = read_item(event["item"], self._outlet.chance, names)
        self._conversation.check_call(item)
        before = self._conversation.insert(item, previous)
        for kind in ("added", "done"):
            shape = self._outlet.dialect.item(item)
            self._outlet.send(f"conversation.item.{kind}", previous_item_id=before, item=shape)

    def _retrieve_item(self, event: Mapping[str, Any]) -> None:
        item = self._conversation.get(event.get("item_id"), "retrieve")
        self._outlet.send(
            "conversation.item.retrieved", item=self._outlet.dialect.item(item, with_audio=True)
        )

    def _truncate_item(self, event: Mapping[str, Any]) -> None:
        item = self._conversation.get(event.get("item_id"), "truncate")
        truncate(item, event.get("content_index"), event.get("audio_end_ms"))
        self._outlet.send(
            "conversation.item.truncated",
            item_id=item.id,
            content_index=event["content_index"],
            audio_end_ms=event["audio_end_ms"],
        )

    def _delete_item(self, event: Mapping[str, Any]) -> None:
        item = self._conversation.get(event.get("item_id"), "delete")
        self._conversation.remove(item)
        self._outlet.send("conversation.item.deleted", item_id=item.id)

    def _create_response(self, event: Mapping[str, Any]) -> None:
        if self._settings.kind == "transcription":
            raise InvalidRequest(
                "invalid_value", "Responses cannot be created in a transcription session.", "type"
            )
        asked = event.get("response")
        if asked is not None:
            checks.table(asked, "response", None)
        self._responses.create(self._settings, asked)

    def _clear_output(self, _event: Mapping[str, Any]) -> None:
        raise InvalidRequest(
            "invalid_value",
            "The output audio buffer is available over WebRTC and SIP only.",
            "type",
        )

    def _expire(self) -> None:
        minutes = self._scenario.expiry.after_ms / 60_000
        self._outlet.send_error(
            InvalidRequest(
                "session_expired",
                f"Your session hit the maximum duration of {minutes:g} minutes.",
            )
        )
        self._outlet.close(1001, "session_expired")


def parse(message: Mapping[str, Any] | str | bytes) -> Mapping[str, Any]:
    """A client's event from a message; InvalidRequest if it is none."""
    if isinstance(message, Mapping):
        return message
    if isinstance(message, bytes):
        raise InvalidRequest("invalid_event", "Binary messages are not supported: send JSON text.")
    try:
        event = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        text = "The message is not JSON"
        raise InvalidRequest("invalid_json", f"{text}: {error}.") from None
    if not isinstance(event, dict):
        raise wrong_type("event", "an object", event)
    return event
