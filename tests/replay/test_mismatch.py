"""What a client does wrong, and what it is told. Each is caught; lenient warns and goes on."""

import json
from math import inf
from typing import Any

import pytest

from rtproxy.replay.action import Fail, Send, Warn
from rtproxy.replay.player import Player
from rtproxy.replay.report import Report
from rtproxy.replay.script import read_script
from tests.replay.taped import Tape, added, appended, event, user
from tests.replay.test_player import failure, play, texts
from tests.replay.test_variations import output

UPDATE = event("session.update", session={"instructions": "Be brief."})
CREATE = event("response.create")


def call() -> Tape:
    """Configured, spoken to, a tool called and answered."""
    tape = Tape().server("session.created", session={"id": "s"}).client(UPDATE)
    tape.server("session.updated", session={"id": "s"})
    tape.append(48_000).client("input_audio_buffer.commit")
    tape.server("input_audio_buffer.committed", item_id="i_1").client(CREATE)
    tape.server("response.function_call_arguments.done", call_id="call_1", arguments="{}")
    tape.server("response.done", response={"id": "r_1"})
    tape.client(output("call_1", "sunny")).client(CREATE)
    tape.server("response.done", response={"id": "r_2"})
    return tape.server("rate_limits.updated", rate_limits=[])


AUDIO = appended(bytes(48_000))
COMMIT = event("input_audio_buffer.commit")
GOOD = [UPDATE, AUDIO, COMMIT, CREATE, output("call_1", "sunny"), CREATE]


def test_the_good_client_passes() -> None:
    _, player = play(call(), GOOD)
    assert player.complete
    assert player.closed(1000, "", 99.0) == []
    assert player.finish().ok


WRONG: dict[str, tuple[list[str], str, str]] = {
    "wrong tool output": (
        [*GOOD[:4], output("call_1", "rainy")], "differing", "item.output"),
    "wrong call id": (
        [*GOOD[:4], output("call_2", "sunny")], "differing", "item.call_id"),
    "another instruction text": (
        [event("session.update", session={"instructions": "Be wordy."})],
        "differing", "session.instructions"),
    "an unknown field more": (
        [event("session.update", session={"instructions": "Be brief.", "voice": "ash"})],
        "differing", "session.voice"),
    "an extra response.create": ([*GOOD, CREATE], "unexpected", ""),
    "an extra response.create in between": ([*GOOD[:4], CREATE, *GOOD[4:]], "unexpected", ""),
    "text instead of audio": ([UPDATE, user("hello")], "unexpected", ""),
    "too little audio": ([UPDATE, appended(bytes(24_000)), COMMIT], "too little audio", "audio"),
    "a server's event": ([event("session.created")], "wrong role", ""),
    "no JSON": ([UPDATE, "hello"], "unexpected", ""),
    "binary": ([UPDATE, b"\x00"], "unexpected", ""),  # type: ignore[list-item]
    "deeply nested": ([UPDATE, "[" * 100_000], "unexpected", ""),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_message_is_caught_at_once(what: str) -> None:
    sent, kind, path = WRONG[what]
    actions, player = play(call(), sent)
    report = failure(actions)
    assert report.kind == kind
    assert [one.path for one in report.differences] == ([path] if path else [])
    assert player.over
    assert not player.finish().ok
    assert player.receive(CREATE, 99.0) == []
    check_readable(report)


def test_all_that_may_be_left_out_is_named_at_once_if_it_is_little() -> None:
    session = {"instructions": "Be wordy.", "voice": "ash"}
    report = failure(play(call(), [event("session.update", session=session)])[0])
    assert report.advice[0] == (
        "Leave the values out with --ignore 'session.instructions' --ignore 'session.voice', "
        "if they may differ."
    )
    session |= {"model": "x", "speed": "1", "tracing": "auto"}
    report = failure(play(call(), [event("session.update", session=session)])[0])
    assert report.advice[0].count("--ignore") == 3
    assert "'session.model' and so on, if they may differ." in report.advice[0]


def test_what_a_matcher_calls_different_is_laid_to_the_matcher() -> None:
    def never(_recorded: Any, _received: Any) -> bool | None:
        return False

    report = failure(play(call(), GOOD, matchers=[never])[0])
    assert report.message == "session.update differs from the tape, says the matcher never."
    assert not report.differences
    assert "--ignore" not in "".join(report.advice)
    check_readable(report)


@pytest.mark.parametrize("what", WRONG)
def test_lenient_warns_of_it_and_goes_on(what: str) -> None:
    sent, kind, _ = WRONG[what]
    actions, player = play(call(), sent, match="lenient")
    reports = [action.report for action in actions if isinstance(action, Warn)]
    assert [report.kind for report in reports] == [kind]
    assert not player.over
    assert not any(isinstance(action, Fail) for action in actions)


def check_readable(report: Report) -> None:
    text = report.to_text(72)
    assert max(map(len, text.splitlines())) < 120
    assert len(text.splitlines()) < 60
    assert json.loads(json.dumps(report.to_json()))["kind"] == report.kind
    assert report.advice


@pytest.mark.parametrize("left_out", [0, 2, 3, 4, 5])  # 1 is the audio
def test_a_missing_event_is_named(left_out: int) -> None:
    sent = GOOD[:left_out] + GOOD[left_out + 1 :]
    records = call().records
    player = Player(read_script(records), speed=inf, stall_s=5.0)
    actions = player.advance(0.0)
    for message in sent:
        if not player.over:
            actions += player.receive(message, 1.0)
    if not player.over:
        assert player.next_due == 6.0
        assert player.advance(5.99) == []
        actions += player.advance(6.0)
    report = failure(actions)
    assert report.kind == "missing"
    assert report.expected is not None
    assert report.expected.value == json.loads(GOOD[left_out])


def test_a_truncate_too_many_or_too_few_may_be_for_the_clock() -> None:
    """Clients that take an answer for played to its end, by the clock, do not truncate it."""
    cut = event("conversation.item.truncate", item_id="i_1", content_index=0, audio_end_ms=200)
    heard = Tape().client(CREATE).server("response.done", response={"id": "r_1"})
    actions, _ = play(heard, [CREATE, cut])
    too_many = failure(actions)
    actions, _ = play(heard, [CREATE, CREATE])
    assert not any("as early as on the tape" in advice for advice in failure(actions).advice)

    cut_off = heard.client(cut).server("conversation.item.truncated")
    player = Player(read_script(cut_off.records), speed=inf, stall_s=5.0)
    player.advance(0.0)
    player.receive(CREATE, 0.0)
    for report in too_many, failure(player.advance(5.0)):
        assert "as early as on the tape" in report.advice[0]
        check_readable(report)


def test_missing_audio_is_named_after_the_stall() -> None:
    tape = Tape().server("session.created", session={"input_audio_format": "g711_ulaw"})
    tape.append(8_000).server("input_audio_buffer.speech_started")
    player = Player(read_script(tape.records), speed=inf, stall_s=2.0)
    player.advance(0.0)
    player.receive(appended(bytes(4_000)), 1.5)
    report = failure(player.advance(3.5))
    assert report.kind == "too little audio"
    assert (report.differences[0].expected, report.differences[0].received) == ("1.00 s", "0.50 s")


def test_audio_that_runs_on_does_not_hide_a_missing_event() -> None:
    tape = Tape().append(960).client(CREATE).server("response.created")
    player = Player(read_script(tape.records), speed=inf, stall_s=2.0)
    player.advance(0.0)
    for tick in range(300):
        if player.over:
            break
        player.receive(appended(bytes(960)), tick / 50)
    assert player.over
    assert player.finish().reports[0].kind == "missing"


def test_what_comes_instead_of_audio_is_told_what_audio_is_expected() -> None:
    actions, _ = play(call(), [UPDATE, user("hello")])
    assert "1.00 s of audio, of which 0.00 s has come" in failure(actions).to_text(100)


def test_the_stall_begins_when_the_client_would_have_sent_it() -> None:
    """At recorded speed a caller who was silent for ten seconds may be so again."""
    tape = Tape().server("session.created").wait(10_000).client(CREATE).server("response.created")
    player = Player(read_script(tape.records), speed=1.0, stall_s=2.0)
    assert [type(action) for action in player.advance(0.02)] == []
    assert [type(action) for action in player.advance(0.04)] == [Send]
    assert player.next_due == pytest.approx(12.06)


def test_lenient_passes_over_what_is_missing() -> None:
    player = Player(read_script(call().records), speed=inf, stall_s=1.0, match="lenient")
    actions = player.advance(0.0)
    now = 0.0
    while (due := player.next_due) is not None:
        now = due
        actions += player.advance(now)
    warned = [action.report.kind for action in actions if isinstance(action, Warn)]
    assert warned == ["missing"] * 4
    assert len(texts(actions)) == 7
    assert player.complete


def test_leaving_early_is_a_mismatch() -> None:
    _, player = play(call(), GOOD[:4])
    (action,) = player.closed(1000, "", 9.0)
    assert isinstance(action, Fail)
    assert action.report.kind == "early disconnect"
    waiting = [one.type for one in action.report.waiting]
    assert waiting == ["conversation.item.create", "response.create", "response.done"]
    assert not player.finish().complete
    check_readable(action.report)
    _, player = play(call(), GOOD[:4], match="lenient")
    assert [type(action) for action in player.closed(None, "", 9.0)] == [Warn]


def test_trailing_events_may_be_left_out() -> None:
    tape = Tape().client(CREATE).server("response.done").wait(1000).server("rate_limits.updated")
    player = Player(read_script(tape.records))
    player.advance(0.0)
    player.receive(CREATE, 0.0)
    assert len(player.advance(0.5)) == 1
    assert player.closed(1000, "", 0.5) == []
    assert player.finish().ok
    player = Player(read_script(tape.records), trailing=())
    player.receive(CREATE, 0.0)
    player.advance(0.5)
    assert len(player.closed(1000, "", 0.5)) == 1


def test_the_report_names_the_nearest_recorded_events() -> None:
    tape = Tape().client(user("What is the weather in London?")).server(added("x", "i"))
    tape.client(user("And tomorrow?")).client(CREATE).server("response.created")
    actions, _ = play(tape, [user("What is the weather in Paris?")])
    report = failure(actions)
    assert report.expected is not None
    assert report.expected.seq == 1
    assert [one.place.seq for one in report.candidates][:2] == [1, 3]
    assert report.candidates[0].score > 0.9
    assert "London" in report.to_text(80)
    assert "item.content[0].text" in report.to_text(80)


def test_the_report_remembers_what_was_taken_ahead_of_its_place() -> None:
    actions, _ = play(call(), [*GOOD[:4], CREATE, *GOOD[4:]])
    assert "taken for #11, ahead of #10" in failure(actions).to_text(100)


def test_a_repeated_event_is_recognised() -> None:
    actions, _ = play(call(), [UPDATE, UPDATE])
    report = failure(actions)
    assert report.kind == "unexpected"
    assert report.candidates[0].done
    assert "matched before" in report.to_text(80)


def test_a_report_is_short_and_safe_for_a_terminal() -> None:
    evil = "\x1b[31m\x07\u202e" + "A" * 100_000
    actions, _ = play(call(), [event("session.update", session={"instructions": evil})])
    text = failure(actions).to_text(80)
    assert not any(ord(sign) < 32 and sign != "\n" for sign in text)
    assert "\u202e" not in text
    assert len(text) < 4_000
    assert "characters)" in text
