"""The dialect tables agree with the published types, and lead from beta to GA."""

from importlib import import_module
from typing import Any, get_args

import pytest

from rtproxy.realtime.dialect import (
    BETA_CLIENT_EVENTS,
    BETA_SERVER_EVENTS,
    CANONICAL,
    GA_CLIENT_EVENTS,
    GA_SERVER_EVENTS,
    LATE_BETA_CLIENT_EVENTS,
    LATE_BETA_SERVER_EVENTS,
    SESSION_FIELDS,
    canonical,
    dialect_of,
    dialect_of_session,
    session_field,
)


def types_in(union: Any) -> set[str]:
    """The `type` of each member of one of the SDK's annotated unions of events."""
    members = get_args(get_args(union)[0])
    return {get_args(member.model_fields["type"].annotation)[0] for member in members}


@pytest.mark.parametrize(
    ("module", "union", "table"),
    [
        ("realtime", "RealtimeClientEvent", GA_CLIENT_EVENTS),
        ("realtime", "RealtimeServerEvent", GA_SERVER_EVENTS),
        ("beta.realtime", "RealtimeClientEvent", BETA_CLIENT_EVENTS | LATE_BETA_CLIENT_EVENTS),
        ("beta.realtime", "RealtimeServerEvent", BETA_SERVER_EVENTS | LATE_BETA_SERVER_EVENTS),
    ],
)
def test_the_tables_are_the_published_ones(module: str, union: str, table: frozenset[str]) -> None:
    # Thousands of types come along: only who runs this has them.
    types = import_module(f"openai.types.{module}")
    assert types_in(getattr(types, union)) == table


def test_the_numbers_of_events() -> None:
    assert len(BETA_CLIENT_EVENTS) == 9
    assert len(BETA_SERVER_EVENTS) == 28
    assert len(GA_SERVER_EVENTS) == 46


def test_every_name_leads_into_ga_and_stays_there() -> None:
    for name in BETA_CLIENT_EVENTS | LATE_BETA_CLIENT_EVENTS:
        assert canonical(name) in GA_CLIENT_EVENTS
    for name in BETA_SERVER_EVENTS | LATE_BETA_SERVER_EVENTS:
        assert canonical(name) in GA_SERVER_EVENTS
    for name in CANONICAL.values():
        assert canonical(name) == name


def test_an_unknown_name_keeps_its_place() -> None:
    assert canonical("response.hologram.delta") == "response.hologram.delta"


@pytest.mark.parametrize(
    ("names", "dialect"),
    [
        (["session.created", "response.text.delta"], "beta"),
        (["session.created", "response.output_text.delta"], "ga"),
        (["conversation.item.added"], "ga"),
        (["response.audio.delta", "conversation.item.done"], "beta"),  # Azure Voice Live
        (["conversation.item.added", "response.audio.delta"], "beta"),
        (["session.created", "input_audio_buffer.append", "error"], None),
        ([], None),
    ],
)
def test_the_dialect_is_told_by_names(names: list[str], dialect: str | None) -> None:
    assert dialect_of(names) == dialect


def test_the_dialect_is_told_by_a_session() -> None:
    assert dialect_of_session({"model": "m", "modalities": ["text"]}) == "beta"
    assert dialect_of_session({"model": "m", "audio": {}}) == "ga"
    assert dialect_of_session({"type": "realtime"}) == "ga"
    assert dialect_of_session({"model": "m"}) is None


@pytest.mark.parametrize("name", SESSION_FIELDS)
def test_a_field_is_found_in_either_dialect(name: str) -> None:
    nested: Any = "value"
    for step in reversed(SESSION_FIELDS[name]):
        nested = {step: nested}
    assert session_field(nested, name) == "value"
    assert session_field({name: "value"}, name) == "value"
    assert session_field({}, name, "absent") == "absent"
    assert session_field({name: None}, name, "absent") is None
