"""Whatever stands on two tapes, they can be compared, and each is as itself."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtproxy.diff.compare import compare_records
from rtproxy.diff.difference import LEVELS, Diff, Level
from rtproxy.tape.record import Event, Record
from tests.diff.planting import spoken
from tests.realtime.scenarios import CASES, Case
from tests.realtime.simulated import call_records
from tests.realtime.test_any_session import tapes

MANY = settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
TURNED = {"added": "removed", "removed": "added", "changed": "changed", "moved": "moved"}


def kinds(diff: Diff) -> list[tuple[str, str]]:
    return sorted((d.level, d.kind) for d in diff.differences)


@MANY
@given(tapes())
def test_any_session_is_as_itself(records: list[Record]) -> None:
    diff = compare_records(records, list(records))
    assert diff.differences == ()
    assert diff.equal
    assert not diff


@MANY
@given(tapes(), tapes(), st.sampled_from(LEVELS))
def test_any_two_sessions_can_be_compared(a: list[Record], b: list[Record], level: Level) -> None:
    diff = compare_records(a, b, level=level, budgets=["v2v.p50=+200ms", "model=+20%"])
    document = diff.to_json()
    json.dumps(document, allow_nan=False)
    assert document["equal"] == diff.equal == (not diff)
    assert set(diff.count()) == set(LEVELS[: LEVELS.index(level) + 1])
    assert all(d.level in diff.count() for d in diff.differences)
    turns = {(pair.a, pair.b) for pair in diff.pairs}
    for difference in diff.differences:
        assert (difference.turn, difference.other_turn) in turns | {(None, None)}
    told = [d for pair in diff.pairs for d in diff.of_turn(pair)]
    assert len(told) + len(diff.of_session) == len(diff.differences)


@MANY
@given(tapes(), tapes())
def test_what_is_added_one_way_is_removed_the_other(a: list[Record], b: list[Record]) -> None:
    one, two = compare_records(a, b, level="text"), compare_records(b, a, level="text")
    assert sorted((d.level, TURNED[d.kind]) for d in two.differences) == kinds(one)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_call_against_its_beginnings(case: Case) -> None:
    """Each prefix of a session is a session; the more is missing, the more is removed."""
    records = call_records(case.toml)
    for share in (0, 0.3, 0.6, 0.9):
        part = records[: int(len(records) * share)]
        diff = compare_records(records, part)
        assert {d.kind for d in diff.differences if d.path.count("[") == 1} <= {
            "removed",
            "changed",
        }
        turned = compare_records(part, records)
        assert sorted((d.level, TURNED[d.kind]) for d in turned.differences) == kinds(diff)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_hole_in_a_tape_is_said(share: float) -> None:
    records = spoken().records
    at = int(len(records) * share)
    diff = compare_records(records, records[:at] + records[at + 7 :])
    assert "Of the second, 7 records are missing." in diff.notes


def test_events_that_were_not_forwarded_have_not_happened() -> None:
    records = spoken().records
    last = records[-1]
    event = {"type": "error", "error": {"code": "x"}}
    extra = Event(len(records) - 2, last.t_ns, 5, json.dumps(event))  # type: ignore[union-attr]
    assert compare_records(records, [*records[:-1], extra, last]).equal
