"""Drives over real sockets: recorded calls against simulated servers of another seed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from rtproxy.errors import ReplayError, UpstreamError
from rtproxy.record.proxy import Proxy, Settings
from rtproxy.record.status import Status
from rtproxy.replay.drive import drive, load_tape
from rtproxy.replay.driver import Driver
from rtproxy.replay.edition import edit
from rtproxy.replay.outcome import Outcome
from rtproxy.replay.report import Report
from rtproxy.replay.request import Request, live_request
from rtproxy.replay.script import read_script
from rtproxy.simulate.library import load
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.server import SimulatedServer
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Control, Event, Header, Record
from rtproxy.wire.handshake import header_values
from tests.realtime.simulated import call_records
from tests.replay.taped import Tape
from tests.tapes import write_tape

QUICK = """
[delays]
queue = 5
first_text = 10
first_audio = 15
session_update = 5
transcription = 20
rate_limits = 5
[audio]
rate = 25
"""
SPEED = 15.0
"""How many times quicker than they were the calls are on their tapes."""
CALLS = ["text", "tool", "barge-in", "g711", "beta", "support-call"]
INTERRUPTED = {"barge-in", "support-call"}


def scenario_of(name: str) -> Scenario:
    """A built-in scenario that is over soon."""
    quick = Scenario.parse(QUICK, "quick.toml")
    return replace(load(name), delays=quick.delays, audio=quick.audio)


@asynccontextmanager
async def taping(upstream: str, out: Path) -> AsyncIterator[tuple[str, Callable[[], Path]]]:
    """A recording proxy: its URL, and the path of its only tape once it is closed."""
    ended = asyncio.Event()
    status = Status(watch=lambda traffic, _: ended.set() if traffic.phase != "open" else None)
    async with Proxy(Settings(upstream=upstream, port=0, out=out), status) as proxy:
        yield proxy.url, lambda: next(iter(out.glob("*.rtape")))
        await asyncio.wait_for(ended.wait(), 30)


def record(name: str, path: Path) -> Path:
    """A tape of a call in virtual time: when the caller interrupts is not up to the machine."""
    scenario = scenario_of(name)
    # What the server says last is heard before the caller hangs up.
    steps = [*scenario.caller["step"], {"wait": "rate_limits.updated"}, {"wait": 200 * SPEED}]
    header, *records = call_records(replace(scenario, caller={**scenario.caller, "step": steps}))
    assert isinstance(header, Header)
    headers = [["Authorization", "Bearer REDACTED:0123abcd"]]
    if name == "beta":
        headers.append(["OpenAI-Beta", "realtime=v1"])
    request = {"method": "GET", "target": "/v1/realtime?model=gpt-realtime", "headers": headers}
    quick = (
        replace(one, t_ns=round(one.t_ns / SPEED))
        for one in records
        if isinstance(one, Event | Control)
    )
    return write_tape(path, [Header({**header.fields, "request": request}), *quick])


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tape of each call."""
    folder = tmp_path_factory.mktemp("calls")
    return {name: record(name, folder / f"{name}.rtape") for name in CALLS}


async def driven(
    path: Path, server: SimulatedServer, out: Path, **options: Any
) -> tuple[Outcome, Path, list[Report]]:
    """Drive a tape; how it went, the new tape, and what was told."""
    loaded = load_tape(path)
    driver = Driver(read_script(edit(loaded.records)[0], role="client"), **options)
    told: list[Report] = []
    async with taping(server.url, out) as (url, tape):
        await drive(driver, url, live_request(loaded.header), tell=lambda one, _: told.append(one))
    return driver.finish(), tape(), told


def events(path: Path, *, from_server: bool) -> list[dict[str, Any]]:
    with open_tape(path) as tape:
        return [json.loads(one.payload) for one in tape.events() if one.from_server == from_server]


def folded(told: list[dict[str, Any]]) -> list[str]:
    """Types without what may differ between two runs: pieces, and words that come beside."""
    return [
        one["type"]
        for one in told
        if not one["type"].endswith(".delta")
        and one["type"] != "rate_limits.updated"
        and "input_audio_transcription" not in one["type"]
    ]


@pytest.mark.parametrize("speed", [1.0, inf])
@pytest.mark.parametrize("name", CALLS)
async def test_a_call_is_made_again(
    calls: dict[str, Path], tmp_path: Path, name: str, speed: float
) -> None:
    async with SimulatedServer(scenario_of(name), seed=2) as server:
        outcome, new, told = await driven(calls[name], server, tmp_path, speed=speed, stall_s=5)
    assert outcome.ok, outcome
    assert told == []
    then, now = (events(path, from_server=False) for path in (calls[name], new))
    assert [one["type"] for one in now] == [one["type"] for one in then]
    then, now = (events(path, from_server=True) for path in (calls[name], new))
    if name in INTERRUPTED:  # where in the answer, is not the same at every speed
        assert sorted(folded(now)) == sorted(folded(then))
    else:
        assert folded(now) == folded(then)
    assert {one["type"] for one in now} == {one["type"] for one in then}, "heard out to the end"
    assert "error" not in folded(now)
    with open_tape(new) as tape:
        assert tape.state == "sealed"
        assert not [one for one in tape if isinstance(one, Control) and one.name == "marker"]


@pytest.mark.parametrize("speed", [1.0, inf])
async def test_live_ids_go_up(calls: dict[str, Path], tmp_path: Path, speed: float) -> None:
    """The tool's output carries the live call_id, the truncate the live item_id."""
    old = calls["support-call"]
    async with SimulatedServer(scenario_of("support-call"), seed=2) as server:
        _, new, _ = await driven(old, server, tmp_path, speed=speed)
    made, heard = ids(new)
    assert made
    assert heard
    assert not {*made, *heard} & {*ids(old)[0], *ids(old)[1]}
    sent = {one["type"]: one for one in events(new, from_server=False)}
    assert "conversation.item.truncate" in sent
    assert sent["conversation.item.create"]["item"]["call_id"] in made
    assert sent["conversation.item.truncate"]["item_id"] in heard
    (cut,) = (
        one for one in events(new, from_server=True) if one["type"].endswith("item.truncated")
    )
    assert cut["audio_end_ms"] == sent["conversation.item.truncate"]["audio_end_ms"] > 0


def ids(path: Path) -> tuple[set[str], set[str]]:
    """Ids of the calls and of the spoken items that the server made."""
    told = events(path, from_server=True)
    calls = {one["call_id"] for one in told if one["type"].endswith("arguments.done")}
    return calls, {one["item_id"] for one in told if one["type"].endswith("output_audio.delta")}


async def test_a_server_that_never_answers(calls: dict[str, Path], tmp_path: Path) -> None:
    stalled = Scenario.parse(QUICK + '[[reply]]\nstatus = "stalled"', "stalled.toml")
    async with SimulatedServer(stalled) as server:
        outcome, new, told = await driven(calls["text"], server, tmp_path, speed=inf, stall_s=0.2)
    assert not outcome.ok
    (report,) = told
    assert "the server has not brought response.output_text.delta (#" in report.message
    assert "response.done (#" in report.message
    assert "sent nothing for 0.2 s" in report.message
    assert "--stall" in report.to_text()
    with open_tape(new) as tape:
        assert tape.state == "sealed"


async def test_a_server_that_leaves_early(calls: dict[str, Path], tmp_path: Path) -> None:
    close = '[faults]\nclose = { ms = 100, code = 1011, reason = "internal error" }'
    slow = QUICK.replace("first_text = 10", "first_text = 5000")
    async with SimulatedServer(Scenario.parse(slow + close, "x.toml")) as server:
        outcome, _, told = await driven(calls["text"], server, tmp_path, speed=inf)
    assert not outcome.ok
    (report,) = told
    assert "the server closed with 1011 (internal error) while it was waited for" in report.message


async def test_a_ga_tape_against_a_beta_server(calls: dict[str, Path], tmp_path: Path) -> None:
    async with SimulatedServer(scenario_of("beta")) as server:
        outcome, _, told = await driven(calls["tool"], server, tmp_path, stall_s=30)
    assert not outcome.ok
    (report,) = told
    assert "the tape is of a GA session, the server speaks beta" in report.message
    assert "The server's last error: " in report.message
    assert "not translated" in report.to_text()


async def test_a_beta_tape_against_a_ga_server(calls: dict[str, Path], tmp_path: Path) -> None:
    async with SimulatedServer(replace(scenario_of("text"), dialect="ga")) as server:
        outcome, _, told = await driven(calls["beta"], server, tmp_path, stall_s=30)
    assert not outcome.ok
    (report,) = told
    assert "closed with 4000" in report.message
    assert "Beta" in report.message


@asynccontextmanager
async def listening(
    answer: Callable[[web.Request], Any],
) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def driver_of(tape: Tape, **options: Any) -> Driver:
    return Driver(read_script(tape.records, role="client"), **options)


async def test_the_handshake_is_the_recorded_one_with_the_live_key(
    calls: dict[str, Path], tmp_path: Path
) -> None:
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        socket = web.WebSocketResponse(protocols=("realtime",))
        await socket.prepare(request)
        await socket.receive()
        return socket

    header = load_tape(calls["beta"]).header
    assert "REDACTED:" in (
        header_values(header.fields["request"]["headers"], "Authorization") or ""
    )
    request = live_request(header, key="sk-live-key", model="another model")
    async with listening(answer) as url:
        await drive(driver_of(Tape().control("close", code=1000)), url, request)
    (got,) = asked
    assert got.path_qs == "/v1/realtime?model=another%20model"
    assert got.headers["Authorization"] == "Bearer sk-live-key"
    assert got.headers["OpenAI-Beta"] == "realtime=v1"
    assert not [value for value in got.headers.values() if "REDACTED" in value]
    assert request.notes == ()


@pytest.mark.parametrize("kind", ["eof", "reset"])
async def test_a_client_that_vanished_vanishes_again(tmp_path: Path, kind: str) -> None:
    tape = Tape().server("session.created").control(kind)
    async with SimulatedServer(scenario_of("text")) as server:
        async with taping(server.url, tmp_path) as (url, new):
            driver = driver_of(tape, speed=inf)
            await asyncio.wait_for(drive(driver, url, Request("/v1/realtime")), 30)
    assert driver.finish().ok
    with open_tape(new()) as taped:
        ends = [one for one in taped if isinstance(one, Control) and not one.from_server]
    assert ends[-1].name == kind
    assert "close" not in [one.name for one in ends]


async def test_what_came_last_is_on_the_new_tape(tmp_path: Path) -> None:
    """The server's words between our CLOSE and its own are not lost."""

    async def answer(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoclose=False)
        await socket.prepare(request)
        await socket.receive()
        await socket.send_str("the last word")
        await socket.close(code=1000)
        return socket

    async with listening(answer) as upstream, taping(upstream, tmp_path) as (url, new):
        await drive(driver_of(Tape().control("close", code=1000)), url, Request("/"))
    with open_tape(new()) as taped:
        assert [one.payload for one in taped.events()] == ["the last word"]
        closes = [one for one in taped if isinstance(one, Control) and one.name == "close"]
    assert [one.from_server for one in closes] == [False, True]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "Incorrect API key provided."}}, "Incorrect API key provided."),
        ({"error": "no such model"}, "no such model."),
        ({"message": "nothing here"}, "nothing here."),
        ([1], "[1]."),
        ({}, "401 Unauthorized."),
    ],
)
async def test_a_refusal_says_why(body: Any, said: str) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=401)

    async with listening(answer) as url:
        with pytest.raises(UpstreamError) as raised:
            await drive(driver_of(Tape()), url, Request("/"))
    assert "refused the connection with 401 Unauthorized" in str(raised.value)
    assert str(raised.value).endswith(said)


async def test_a_redirect_does_not_get_the_key() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        raise web.HTTPTemporaryRedirect("/elsewhere")

    async with listening(answer) as url:
        with pytest.raises(UpstreamError, match="307 Temporary Redirect: it redirects"):
            await drive(driver_of(Tape()), url, Request("/", [("api-key", "sk-secret")]))
    assert asked == ["/"]


@pytest.mark.parametrize(
    ("url", "said"),
    [("http://127.0.0.1:1", "cannot be reached"), ("http://[", "no URL"), ("ftp://x", "no URL")],
)
async def test_a_server_that_is_not_there(url: str, said: str) -> None:
    with pytest.raises(UpstreamError, match=said) as raised:
        await drive(driver_of(Tape()), url, Request("/?api-key=sk-secret"))
    assert "sk-secret" not in str(raised.value)


async def test_binary_messages_and_compression_go_up_too() -> None:
    got: list[Any] = []
    offered: list[str | None] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        offered.append(request.headers.get("Sec-WebSocket-Extensions"))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        got.extend([message.data async for message in socket])
        return socket

    tape = Tape().client(b"\x00\x01").client("response.create").control("close", code=1000)
    async with listening(answer) as url:
        await drive(driver_of(tape, speed=inf), url, Request("/", compress=True))
    assert got == [b"\x00\x01", '{"type": "response.create"}']
    assert "permessage-deflate" in (offered[0] or "")


def test_tapes_that_cannot_be_driven(calls: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(calls["text"].read_bytes())
    data[len(data) // 2] ^= 1
    damaged = tmp_path / "damaged.rtape"
    damaged.write_bytes(data)
    with pytest.raises(ReplayError, match="rtproxy tape repair"):
        load_tape(damaged)
    cut = tmp_path / "cut.rtape"
    with open_tape(calls["text"]) as tape:
        cut.write_bytes(calls["text"].read_bytes()[: tape.seal_offset])
    (note,) = load_tape(cut).notes
    assert "as far as it goes" in note


def test_a_whole_tape_is_loaded(calls: dict[str, Path]) -> None:
    loaded = load_tape(calls["text"])
    assert loaded.notes == ()
    assert any(isinstance(record, Event) for record in loaded.records)
    assert isinstance(loaded.records[0], Record)
