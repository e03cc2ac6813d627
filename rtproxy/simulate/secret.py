"""What the HTTP endpoints answer: client secrets with the session they are for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from rtproxy.simulate.chance import Chance
from rtproxy.simulate.checks import SERVER_VAD
from rtproxy.simulate.dialect import BETA, GA
from rtproxy.simulate.invalid_request import InvalidRequest, wrong_type
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.settings import Settings, update, write

LIFE_S = {"ga": 600, "beta": 60}
"""How long a secret can be used, in seconds, unless the client asks for something else."""


def create_client_secret(
    scenario: Scenario, chance: Chance, body: Mapping[str, Any], now_unix: int
) -> dict[str, Any]:
    """GA: POST /v1/realtime/client_secrets. Raises InvalidRequest."""
    session = body.get("session") or {"type": "realtime"}
    if not isinstance(session, Mapping):
        raise wrong_type("session", "an object", session)
    kind = session.get("type", "realtime")
    if kind not in ("realtime", "transcription"):
        raise InvalidRequest("invalid_value", f"Invalid value: {kind!r}.", "session.type")
    life = body.get("expires_after") or {}
    seconds = life.get("seconds", LIFE_S["ga"]) if isinstance(life, Mapping) else LIFE_S["ga"]
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise wrong_type("expires_after.seconds", "an integer", seconds)
    settings = opening(scenario, chance, session, now_unix, kind)
    known = GA.session_settings(kind)
    settings = update(settings, known, session, "session")
    return {
        "value": chance.id("ek"),
        "expires_at": now_unix + seconds,
        "session": write(settings, known),
    }


def create_session(
    scenario: Scenario,
    chance: Chance,
    body: Mapping[str, Any],
    now_unix: int,
    kind: Literal["realtime", "transcription"],
) -> dict[str, Any]:
    """Beta: POST /v1/realtime/sessions and /v1/realtime/transcription_sessions."""
    settings = opening(scenario, chance, body, now_unix, kind)
    known = BETA.session_settings(kind)
    settings = update(settings, known, body, "session")
    secret = {"value": chance.id("ek"), "expires_at": now_unix + LIFE_S["beta"]}
    return write(replace(settings, client_secret=secret), known)


def opening(
    scenario: Scenario,
    chance: Chance,
    body: Mapping[str, Any],
    now_unix: int,
    kind: str,
) -> Settings:
    model = body.get("model")
    return Settings(
        id=chance.id("sess"),
        expires_at=now_unix + round(scenario.expiry.after_ms / 1000),
        model=model if isinstance(model, str) else scenario.model,
        kind=kind,
        turn_detection=SERVER_VAD,
    )


def error_body(error: InvalidRequest) -> dict[str, Any]:
    """The JSON body of an HTTP error."""
    return {
        "error": {
            "message": error.message,
            "type": error.kind,
            "param": error.param,
            "code": error.code,
        }
    }
