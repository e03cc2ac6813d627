"""How a comparison is asked for: levels, paths to leave out, one turn; and what is said of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rtproxy
from rtproxy.diff.compare import compare_records
from rtproxy.diff.difference import LEVELS, Diff
from rtproxy.errors import DiffError, PathError, TapeError
from rtproxy.tape.record import Control, Event, Record
from tests.diff.calls import write
from tests.diff.planting import Call, spoken, typed


def much_changed() -> Call:
    """Something at each level."""
    call = spoken()
    call.replace("sunny and warm", "sunny and cold")
    call.replace('"city":"London"', '"city":"Paris"')
    call.replace("Be brief and kind.", "Be brief and strict.")
    call.delay(list(call.of("response.output_item.added"))[3], 300)
    call.say(call.item(1), lambda samples: samples[: -300 * 24])
    call.moments = [m for m in call.moments if not m.type.startswith("conversation.item.truncate")]
    return call


PATHS = {
    "structure": "turns[3].events['conversation.item.truncate'][0]",
    "tools": "turns[1].tools[0].arguments.city",
    "text": "turns[2].responses[0].items[0].text",
    "timing": "turns[2].metrics.model_ms",
    "audio": "turns[0].responses[0].items[0].audio.ms",
}
SETTINGS = "session.instructions"


def changed(**how: Any) -> Diff:
    return compare_records(spoken().records, much_changed().records, **how)


def paths(diff: Diff) -> set[str]:
    return {difference.path for difference in diff.differences}


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_has_those_before_it(level: Any) -> None:
    expected = {path for name, path in PATHS.items() if LEVELS.index(name) <= LEVELS.index(level)}
    if LEVELS.index(level) >= LEVELS.index("text"):
        expected.add(SETTINGS)
    diff = changed(level=level)
    assert paths(diff) == expected
    assert {d.path: d.level for d in diff.differences if d.path != SETTINGS} == {
        PATHS[name]: name for name in LEVELS[: LEVELS.index(level) + 1]
    }


@pytest.mark.parametrize(
    ("ignore", "gone"),
    [
        (["session.instructions"], {SETTINGS}),
        (["session"], {SETTINGS}),
        (["turns[1]"], {PATHS["tools"]}),
        (["turns[1].tools[0].arguments.city"], {PATHS["tools"]}),
        (["$.turns[*].tools[*].arguments"], {PATHS["tools"]}),
        (["tools[*].arguments.city"], {PATHS["tools"]}),
        (["turns[2].tools"], set()),
        (["..text"], {PATHS["text"]}),
        (["..audio"], {PATHS["audio"]}),
        (["metrics.model_ms"], {PATHS["timing"]}),
        (["events['conversation.item.truncate']"], {PATHS["structure"]}),
        (["turns", "session"], {*PATHS.values(), SETTINGS}),
    ],
)
def test_what_is_ignored(ignore: list[str], gone: set[str]) -> None:
    assert paths(changed(ignore=ignore)) == {*PATHS.values(), SETTINGS} - gone


def test_settings_may_be_ignored_by_their_beta_names() -> None:
    other = spoken()
    other.replace("marin", "cedar")
    records = spoken().records, other.records
    assert paths(compare_records(*records)) == {"session.audio.output.voice"}
    assert compare_records(*records, ignore=["session.voice"]).equal
    assert compare_records(*records, ignore=["session.audio.output.voice"]).equal
    assert not compare_records(*records, ignore=["session.turn_detection"]).equal


@pytest.mark.parametrize("turn", [1, 2, 3, 4, 5])
def test_one_turn(turn: int) -> None:
    diff = changed(turn=turn)
    assert [pair.a for pair in diff.pairs] == [turn]
    assert paths(diff) == {p for p in PATHS.values() if p.startswith(f"turns[{turn - 1}]")}
    assert diff.turn == turn


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"turn": 6}, "There is no turn 6 to compare: the first session has turns 1 to 5."),
        ({"turn": 0}, "There is no turn 0"),
        ({"level": "words"}, "'words' is no level: choose from structure, tools, text"),
        ({"budgets": ["v2v"]}, "'v2v' is no budget"),
    ],
)
def test_what_cannot_be_asked(how: dict[str, Any], said: str) -> None:
    with pytest.raises(DiffError, match=said.replace("(", r"\(")):
        changed(**how)


def test_a_path_that_is_none() -> None:
    with pytest.raises(PathError, match="is no JSON path"):
        changed(ignore=["a["])


def test_pairs_say_what_stands_beside_what() -> None:
    diff = changed(level="text")
    assert [(pair.kind, pair.a, pair.b) for pair in diff.pairs] == [
        ("same", 1, 1),
        ("changed", 2, 2),
        ("changed", 3, 3),
        ("changed", 4, 4),
        ("same", 5, 5),
    ]
    second = diff.pairs[1]
    assert second.a_user == "How is the weather in London?"
    assert second.a_metrics["tool_ms"] == 400
    assert [d.path for d in diff.of_turn(second)] == [PATHS["tools"]]
    assert [d.path for d in diff.of_session] == [SETTINGS]
    assert diff.count() == {"structure": 1, "tools": 1, "text": 2}


def test_a_changed_text_is_aligned() -> None:
    diff = changed(level="text", turn=3)
    (difference,) = diff.differences
    assert difference.words is not None
    assert [(run.kind, run.a, run.b) for run in difference.words] == [
        ("same", "Tomorrow it will be sunny and", "Tomorrow it will be sunny and"),
        ("changed", "warm.", "cold."),
    ]
    assert difference.wer == pytest.approx(1 / 7, abs=1e-3)
    assert difference.place == "responses[0].items[0].text"
    assert difference.a_seq is not None


def test_where_a_difference_is_to_be_found() -> None:
    a, b = spoken(), much_changed()
    diff = compare_records(a.records, b.records)
    for difference in diff.differences:
        for seq, call in ((difference.a_seq, a), (difference.b_seq, b)):
            assert seq is None or 0 <= seq < len(call.moments)
    (call_,) = (d for d in diff.differences if d.path == PATHS["tools"])
    assert a.moments[call_.a_seq or 0].type == "response.function_call_arguments.done"


def test_metrics_of_both_sides() -> None:
    metrics = {metric.key: metric for metric in changed().metrics}
    assert (metrics["v2v.p50"].a, metrics["v2v.p50"].b) == (660, 660)
    assert metrics["model.max"].change == 300
    assert (metrics["v2v.max"].a_n, metrics["v2v.max"].b_n) == (5, 5)
    assert metrics["tool_calls"].a == 1
    assert metrics["assistant.wer"].b == pytest.approx(100 / 36, abs=0.5)
    assert metrics["user.wer"].b == 0


def test_budgets_alone_judge_time_where_there_are_any() -> None:
    kept = changed(budgets=["v2v.p50=+200ms"])
    assert kept.budgets[0].ok
    assert PATHS["timing"] not in paths(kept)
    broken = changed(budgets=["model.max=+20%"])
    assert not broken.budgets[0].ok
    assert PATHS["timing"] in paths(broken)
    every = changed(budgets=["model=+200ms"])
    assert (every.budgets[0].ok, every.budgets[0].why) == (False, "turn 3")


def test_a_budget_on_words() -> None:
    """Words within it are no difference."""
    assert PATHS["text"] not in paths(changed(budgets=["assistant.wer=10%"]))
    assert PATHS["text"] in paths(changed(budgets=["assistant.wer=1%"]))
    assert PATHS["text"] in paths(changed(budgets=["user.wer=10%"]))


def test_the_document() -> None:
    document = changed(budgets=["v2v.p50=+1ms"]).to_json()
    assert document["schema"] == "rtproxy.diff/1"
    assert document["equal"] is False
    assert document["level"] == "audio"
    assert {"turns", "differences", "metrics", "budgets", "notes"} < document.keys()
    assert {"level", "turn", "path", "a", "b", "kind"} < document["differences"][0].keys()


def test_what_could_not_be_compared_is_said() -> None:
    def noted(records: Sequence[Record]) -> set[str]:
        return set(compare_records(spoken().records, records).notes)

    records = spoken().records
    assert noted(records) == set()
    assert noted(records[:-1]) == {
        "The second does not hold its end, so the ends are not compared."
    }
    timeless = [replace(r, t_ns=0) if isinstance(r, Event | Control) else r for r in records]
    assert "The second has no times, so times are not compared." in noted(timeless)
    assert not [d for d in compare_records(records, timeless).differences if d.level == "timing"]


# Whatever a session comes from.


def test_sessions_may_be_paths_tapes_or_records(tmp_path: Path) -> None:
    a, b = spoken().records, much_changed().records
    first, second = write(tmp_path / "a.rtape", a), write(tmp_path / "b.rtape", b)
    expected = paths(changed())
    assert paths(rtproxy.compare(first, second)) == expected
    assert paths(rtproxy.compare(str(first), b)) == expected
    with rtproxy.open_tape(first) as one, rtproxy.open_tape(second) as two:
        assert paths(rtproxy.compare(one, two)) == expected
        assert not rtproxy.compare(one, one)
    diff = rtproxy.compare(first, second, level="structure")
    assert diff
    assert (diff.a, diff.b) == (str(first), str(second))


def test_a_path_of_no_tape(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="There is no file"):
        rtproxy.compare(tmp_path / "a.rtape", tmp_path / "b.rtape")


def test_folders_of_tapes(tmp_path: Path) -> None:
    for side, call in (("a", spoken), ("b", much_changed)):
        (tmp_path / side).mkdir()
        for n in range(5):
            write(tmp_path / side / f"call-{n}.rtape", call().records)
    write(tmp_path / "b" / "more.rtape", typed().records)
    found = rtproxy.compare_sets(tmp_path / "a", tmp_path / "b", budgets=["v2v.p50=+1ms"])
    assert [pair.name for pair in found.pairs] == [f"call-{n}" for n in range(5)]
    assert (found.only_a, found.only_b) == ((), ("more",))
    assert [verdict.ok for verdict in found.budgets] == [True]
    spread = next(spread for spread in found.spreads if spread.key == "model_ms")
    assert (spread.change, spread.turns, spread.sessions) == (0, 25, 5)
    with pytest.raises(DiffError, match="is a folder"):
        rtproxy.compare_sets(tmp_path / "a", tmp_path / "a" / "call-1.rtape")
