"""Faults: each does what it says to what the player sends, and the same for the same seed."""

import json
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtproxy.errors import ReplayError
from rtproxy.replay.action import Action, Close, Reset, Send
from rtproxy.replay.fault import parse_faults
from rtproxy.replay.player import Player
from rtproxy.replay.script import read_script
from tests.replay.taped import Tape, event


def answer(deltas: int = 40) -> Tape:
    tape = Tape().client("response.create").server("response.created")
    for n in range(deltas):
        tape.server("response.audio.delta", n=n, delta="A" * 100)
    return tape.server("response.done")


def run(
    *faults: str, seed: int = 0, connection: int = 0, tape: Tape | None = None
) -> tuple[list[tuple[float, Action]], Player]:
    """What comes out and when: the client asks at 0 s, at full speed."""
    script = read_script((tape or answer()).records)
    player = Player(
        script, speed=inf, faults=parse_faults(faults, seed), connection=connection, stall_s=9.0
    )
    came = [(0.0, action) for action in player.receive(event("response.create"), 0.0)]
    while (due := player.next_due) is not None and due < 600 and not player.complete:
        came += [(due, action) for action in player.advance(due)]
    return came, player


def kinds(came: list[tuple[float, Action]]) -> list[str]:
    found = []
    for _, action in came:
        name = type(action).__name__.lower()
        payload = action.payload if isinstance(action, Send) else name
        found.append(json.loads(payload)["type"] if payload[:1] == "{" else name)
    return found


def test_delay_and_jitter_and_bandwidth() -> None:
    came, _ = run("delay=200ms")
    assert {now for now, _ in came} == {0.2}
    came, _ = run("delay=1.5s@response.done")
    assert [now for now, _ in came][-2:] == [0.0, 1.5]
    came, _ = run("jitter=100ms", seed=4)
    times = [now for now, _ in came]
    assert times == sorted(times)
    assert 0.05 < times[-1] <= 0.1
    came, player = run("bandwidth=1kB/s")
    size = sum(len(action.payload) for _, action in came if isinstance(action, Send))
    assert came[-1][0] == pytest.approx(size / 1000)
    assert player.finish().ok


def test_drop_duplicate_reorder_and_garble() -> None:
    clean = kinds(run()[0])
    came, player = run("drop=response.output_audio.delta")
    assert kinds(came) == ["response.created", "response.done"]
    assert player.finish().ok, "what a fault took away is not missing"
    assert 20 < len(run("drop=*.delta:20%")[0]) < 42
    assert kinds(run("duplicate=response.done")[0]) == [*clean, "response.done"]
    came, _ = run("reorder=response.created")
    assert kinds(came)[:2] == ["response.audio.delta", "response.created"]
    assert sorted(kinds(came)) == sorted(clean)
    assert kinds(run("reorder=response.done")[0]) == clean, "nothing follows that could pass it"
    came, _ = run("garble=response.created")
    first = came[0][1]
    assert isinstance(first, Send)
    assert first.payload != event("response.created")
    assert len(first.payload) == len(event("response.created"))


def test_what_is_held_back_comes_though_what_follows_is_dropped() -> None:
    came, player = run("drop=response.done", "reorder=response.audio.delta", tape=answer(1))
    assert kinds(came) == ["response.created", "response.audio.delta"]
    assert player.complete


def test_an_end_at_an_event_and_an_error_event() -> None:
    came, player = run("close=1011@response.audio.delta#3")
    assert kinds(came) == ["response.created", *["response.audio.delta"] * 3, "close"]
    assert came[-1][1] == Close(1011, "injected by rtproxy")
    assert player.over
    assert player.finish().cut
    assert player.finish().ok
    came, _ = run("reset@response.created")
    assert came[-1][1] == Reset()
    came, player = run("error=rate_limit_exceeded@response.done")
    assert kinds(came)[-2:] == ["response.done", "error"]
    last = came[-1][1]
    assert isinstance(last, Send)
    assert json.loads(last.payload)["error"]["code"] == "rate_limit_exceeded"
    assert player.finish().ok


def test_stall_and_refusal() -> None:
    came, _ = run("stall=30s@response.audio.delta#2")
    assert [now for now, _ in came].count(0.0) == 3
    assert came[-1][0] == 30.0
    came, player = run("stall@response.created")
    assert kinds(came) == ["response.created"]
    assert player.next_due is None
    assert parse_faults(["refuse=429"]).refusal() == 429
    assert parse_faults(["delay=1s"]).refusal() is None
    first = parse_faults(["1:refuse=429"])
    assert [first.refusal(), first.refusal(0), first.refusal(1)] == [None, 429, None]


def test_a_fault_of_one_connection() -> None:
    came = [kinds(run("2:close=1011@response.created", connection=n)[0]) for n in range(3)]
    assert ["close" in one for one in came] == [False, True, False]


def test_faults_that_found_no_event_are_known() -> None:
    specs = [
        "close=1011@response.cretaed", "delay=1s@response.created#2", "2:drop=response.created",
        "2:jitter=1s", "2:refuse=503",
        "delay=1s@response.created", "drop=response.done:0%", "jitter=1s", "1:bandwidth=1MB/s",
    ]  # fmt: skip
    faults = parse_faults(specs)
    assert faults.refusal() is None
    assert faults.refusal(0) is None
    assert faults.unmet() == specs
    player = Player(read_script(answer().records), speed=inf, faults=faults)
    player.receive(event("response.create"), 0.0)
    assert faults.unmet() == specs[:5]
    assert faults.refusal(1) == 503
    assert faults.unmet() == specs[:4]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_one_seed_gives_one_session(seed: int) -> None:
    faults = ["drop=*.delta:30%", "jitter=80ms", "reorder=*:20%", "garble=*:10%", "duplicate=*:5%"]
    assert run(*faults, seed=seed)[0] == run(*faults, seed=seed)[0]


def test_other_seeds_and_connections_give_others() -> None:
    streams = [run("drop=*:50%", seed=seed, connection=n)[0] for seed in (1, 2) for n in (0, 1)]
    assert all(one != other for one in streams for other in streams if one is not other)


def test_faults_add_up_in_the_order_given() -> None:
    came, _ = run("drop=response.done", "close=1000@response.done")
    assert "close" not in kinds(came), "an event that was dropped cannot be waited for"
    came, _ = run("delay=1s", "stall=2s@response.created")
    assert [now for now, _ in came][:2] == [1.0, 3.0]


@pytest.mark.parametrize(
    "spec",
    [
        "", "delay", "delay=", "delay=fast", "delay=200", "jitter=1s@x", "bandwidth=64", "drop",
        "bandwidth=0kB/s", "drop=x:200%", "drop=x@y", "close", "close=1006", "close=99", "boom=1",
        "refuse=200", "refuse=429@x", "0:refuse=429", "00:refuse=429", "1:", "x:close=1000",
        "close=1000@x#0", "error", "reset=1", "stall=x", "=", "@",
    ],
)  # fmt: skip
def test_nonsense_is_refused_with_the_grammar(spec: str) -> None:
    with pytest.raises(ReplayError, match="is no fault"):
        parse_faults([spec])
