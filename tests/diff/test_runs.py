"""Two runs of one call: other ids, other jitter, another dialect; and captured sessions."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from rtproxy.diff.compare import compare_records
from rtproxy.diff.difference import Diff
from rtproxy.simulate.library import built_in
from rtproxy.simulate.scenario import Delay, Scenario
from rtproxy.tape.record import Record
from tests.captures import CAPTURES
from tests.realtime.scenarios import CASES, Case
from tests.realtime.simulated import call_records
from tests.replay.taped import captured, read_capture

JITTER = 60.0
"""Each delay of the two runs lies within ± so many ms of the scenario's."""
DELAYS = (
    "endpoint", "queue", "first_text", "first_audio", "session_update", "transcription",
    "rate_limits",
)  # fmt: skip
LIBRARY = {
    name: scenario
    for name, scenario in built_in().items()
    if scenario.caller and name not in ("bad-key", "refused-401")
}
SCENARIOS = {case.name: Scenario.parse(case.toml, case.name) for case in CASES} | LIBRARY


def run(scenario: Scenario, seed: int) -> list[Record]:
    """One run: the seed makes other ids, another voice and other delays."""
    delays = scenario.delays
    varied = {name: replace(getattr(delays, name), jitter=JITTER) for name in DELAYS}
    varied["transcription"] = Delay(delays.transcription.ms, JITTER)
    return call_records(replace(scenario, seed=seed, delays=replace(delays, **varied)))


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_runs_are_equal_but_for_time_and_voice(name: str) -> None:
    a, b = run(SCENARIOS[name], 1), run(SCENARIOS[name], 2)
    assert compare_records(a, b, level="text").differences == ()
    budgeted = compare_records(a, b, level="timing", budgets=["v2v.p50=+200ms", "v2v.max=+200ms"])
    assert budgeted.equal, budgeted.differences
    assert all(d.level in ("timing", "audio") for d in compare_records(a, b).differences)


def test_a_budget_that_is_broken_names_the_turns() -> None:
    scenario = SCENARIOS["two turns, transcribed"]
    slow = replace(scenario.delays, first_audio=Delay(900), first_text=Delay(800))
    a, b = run(scenario, 1), call_records(replace(scenario, delays=slow))
    diff = compare_records(a, b, level="timing", budgets=["v2v.p50=+200ms", "endpoint=+500ms"])
    assert [(v.budget, v.ok) for v in diff.budgets] == [
        ("v2v.p50=+200ms", False),
        ("endpoint=+500ms", True),
    ]
    assert [d.path for d in diff.differences] == [
        "turns[0].metrics.v2v_ms",
        "turns[1].metrics.v2v_ms",
    ]
    assert compare_records(a, b, level="text", budgets=["v2v.p50=+200ms"]).budgets[0].ok is False


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name != "refused setting"], ids=lambda case: case.name
)
def test_a_call_in_either_dialect(case: Case) -> None:
    """What the beta and the GA dialect say of one call is the same."""
    scenario = Scenario.parse(case.toml, case.name)
    beta = replace(scenario, dialect="beta", caller={**scenario.caller, "dialect": "beta"})
    ga = replace(scenario, dialect="ga", caller={**scenario.caller, "dialect": "ga"})
    a, b = call_records(beta), call_records(ga)
    diff = compare_records(a, b)
    assert diff.differences == ()
    assert [pair.kind for pair in diff.pairs] == ["same"] * len(case.turns)
    assert "The first speaks beta, the second ga" in diff.notes[0]


def test_what_differs_across_dialects_is_found() -> None:
    scenario = Scenario.parse(CASES[1].toml, "two turns")
    other = replace(scenario, dialect="beta", caller={**scenario.caller, "dialect": "beta"})
    session = {**other.caller["session"], "voice": "verse", "instructions": "Be brief."}
    other = replace(other, caller={**other.caller, "session": session})
    diff = compare_records(call_records(scenario), call_records(other))
    paths = [d.path for d in diff.differences if d.level != "audio"]
    assert sorted(paths) == ["session.audio.output.voice", "session.instructions"]


@captured
def test_a_captured_session_is_as_itself(capture: Path) -> None:
    records = read_capture(capture)
    diff = compare_records(records, records)
    assert diff.equal
    assert diff.pairs


def compared(a: str, b: str) -> Diff:
    return compare_records(*(read_capture(CAPTURES / f"{name}.jsonl") for name in (a, b)))


@pytest.mark.skipif(not CAPTURES.exists(), reason="no captured sessions here")
def test_captured_sessions_pair_by_pair() -> None:
    """No exception, no difference in what every session has, and a place for each."""
    names = sorted(path.stem for path in CAPTURES.glob("*.jsonl"))
    for a, b in combinations(names, 2):
        diff = compared(a, b)
        assert diff, (a, b)
        assert not [d for d in diff.differences if d.path.startswith("events")], (a, b)
        assert all(d.n is not None or d.path.startswith("session.") for d in diff.differences)


@pytest.mark.skipif(not CAPTURES.exists(), reason="no captured sessions here")
def test_the_same_question_to_two_services() -> None:
    diff = compared("azure-voice-live-vad-turn", "openai-server-vad-turn")
    found = {(d.path, str(d.a), str(d.b)) for d in diff.differences if d.path.startswith("s")}
    assert found == {
        ("session.model", "gpt-realtime-global-standard", "gpt-realtime"),
        ("session.audio.input.transcription.model", "whisper-1", "gpt-realtime-whisper"),
        ("session.audio.input.turn_detection.prefix_padding_ms", "400", "300"),
        ("session.audio.input.turn_detection.silence_duration_ms", "500", "200"),
    }
    assert [(pair.kind, pair.a, pair.b) for pair in diff.pairs] == [("changed", 1, 1)]
    assert {d.place for d in diff.of_turn(diff.pairs[0])} == {
        "user",
        "responses[0].items[0].text",
        "speech.ms",
    }
