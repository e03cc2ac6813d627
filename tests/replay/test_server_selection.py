"""Which tape a connection gets, and what it is told when there is none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import WSServerHandshakeError

from rtproxy.errors import NotATapeError, ReplayError, TapeDamagedError, TapeError, TapeVersionError
from rtproxy.replay.loader import load_shelf
from rtproxy.replay.matching import Rules
from rtproxy.replay.recording import Recording
from rtproxy.replay.script import read_script
from rtproxy.replay.selection import SEARCHED_BYTES, Asked, Shelf, Slot
from rtproxy.tape.codec import encode_header
from rtproxy.tape.writer import TapeWriter
from tests.replay.follow import (
    TARGET,
    connected,
    events,
    follow,
    greeting,
    read,
    serving,
    write_tape,
)
from tests.replay.taped import Tape, event


def saying(word: str) -> Tape:
    return Tape().server("said", word=word)


def asked(target: str, **headers: str) -> Asked:
    return Asked.of("GET", target, [(name.replace("_", "-"), v) for name, v in headers.items()])


@pytest.mark.parametrize(
    ("recorded", "received", "fits"),
    [
        ("/v1/realtime?model=a", "/v1/realtime?model=a", True),
        ("/v1/realtime?model=a", "/v1/realtime?model=b", False),
        ("/v1/realtime?model=a", "/realtime?model=a&x=1", True),
        ("/v1/realtime/?model=a", "/openai/v1/realtime?model=a", True),
        ("/v1/realtime?model=a&api-version=1", "/v1/realtime?api-version=2&model=a", True),
        ("/v1/realtime", "/v1/realtime?model=a", False),
        ("/v1/realtime?model=a", "/v1/realtime", False),
        ("/v1/realtime?call_id=REDACTED:0123abcd", "/v1/realtime?call_id=rtc_9", True),
        ("/v1/realtime?call_id=REDACTED:0123abcd", "/v1/realtime", False),
        ("/v1/realtime?intent=transcription", "/v1/realtime?intent=transcription", True),
        ("/v1/realtime/translations?model=a", "/v1/realtime?model=a", False),
        ("/v1/live/sessions", "/live/sessions", True),
        ("/some/socket", "/some/socket?any=1", True),
        ("/some/socket", "/another/socket", False),
        ("wss://host/v1/realtime?model=a", "/v1/realtime?model=a", True),
        ("/v1/realtime?model=gpt%2D4", "/v1/realtime?model=gpt-4", True),
    ],
)
def test_what_fits(recorded: str, received: str, fits: bool) -> None:
    assert (asked(received).differences(asked(recorded)) == []) is fits


def test_a_request_is_shown_without_what_may_be_secret() -> None:
    assert str(asked("/v1/realtime?api-key=sk-1&model=m")) == "GET /v1/realtime?model=m"


@pytest.mark.parametrize(
    "target", ["//[x", "", "?", "/\x00", "/%ff?model=%ff&model=&=", "http://[::1"]
)
def test_any_target_can_be_asked_for(target: str) -> None:
    slot = Slot("t", "t", "websocket", asked(target), lambda: pytest.fail("not to be read"))
    shelf = Shelf([slot])
    assert shelf.fitting(asked(target), "websocket", loop=False) == [slot]
    assert shelf.why_none(asked("/else"), "websocket")


async def words(url: str, **options: Any) -> list[str | bytes]:
    async with connected(url, **options) as client:
        await client.take(1)
        await client.close(1000)
        await client.rest()
    return client.messages


async def test_tapes_are_used_in_order_and_once(tmp_path: Path) -> None:
    paths = [write_tape(tmp_path / f"{word}.rtape", saying(word)) for word in ("a", "b")]
    async with serving(*paths) as server:
        for word in ("a", "b"):
            assert await words(server.url) == [f'{{"type": "said", "word": "{word}"}}']
        with pytest.raises(WSServerHandshakeError) as refused:
            await words(server.url)
        assert refused.value.status == 404
        async with aiohttp.ClientSession() as session:
            headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
            async with session.get(server.url + TARGET, headers=headers) as answer:
                told = await answer.json()
        assert told["error"]["code"] == "rtproxy_no_tape"
        assert "a.rtape, b.rtape have played already" in told["error"]["message"]
        assert "--loop" in told["error"]["message"]
        assert told["tapes"] == ["a.rtape", "b.rtape"]
        assert len(list(server.journal.failures())) == 2


async def test_loop_plays_tapes_in_turn(tmp_path: Path) -> None:
    paths = [write_tape(tmp_path / f"{word}.rtape", saying(word)) for word in ("a", "b")]
    async with serving(*paths, loop=True) as server:
        said = [(await words(server.url))[0] for _ in range(4)]
        assert [str(text)[-3] for text in said] == ["a", "b", "a", "b"]


async def test_the_model_picks_the_tape(tmp_path: Path) -> None:
    for model in ("a", "b"):
        request = {"method": "GET", "target": f"/v1/realtime?model={model}"}
        write_tape(tmp_path / f"{model}.rtape", saying(model), request=request)
    async with serving(tmp_path) as server:
        assert '"b"' in str(await words(f"{server.url}/v1/realtime?model=b"))
        with pytest.raises(WSServerHandshakeError):
            await words(f"{server.url}/v1/realtime?model=b")
        with pytest.raises(WSServerHandshakeError):
            await words(f"{server.url}/v1/realtime?model=c")
        why = list(map(str, server.journal.failures()))
        assert "b.rtape has played already" in why[0]
        assert "model is 'a'" in why[1]
        assert why[1].endswith(
            "Record a tape of it (rtproxy record), or leave out what may differ with "
            "--ignore 'query.model'."
        )
    async with serving(tmp_path, ignore=["query.model"]) as server:
        assert '"a"' in str(await words(f"{server.url}/v1/realtime?model=c"))
    async with serving(tmp_path, match="lenient") as server:
        assert '"a"' in str(await words(f"{server.url}/v1/realtime?model=c"))


async def test_connections_that_got_each_others_tapes_are_told_so(tmp_path: Path) -> None:
    for word in ("a", "b"):
        tape = Tape().server("session.created").client("session.update", word=word)
        write_tape(tmp_path / f"{word}.rtape", tape.server("session.updated", word=word))
    async with serving(tmp_path) as server:
        async with connected(server.url) as one, connected(server.url) as other:
            for client, word in ((one, "b"), (other, "c")):
                await client.socket.send_str(event("session.update", word=word))
                assert (await client.socket.receive_json())["type"] == "session.created"
                assert (await client.socket.receive_json())["type"] == "error"
        swapped, changed = (entry.outcome.reports[0] for entry in server.journal.entries)
        assert "b has this event" in swapped.advice[0]
        assert "?rtproxy_tape=b" in swapped.advice[0]
        assert "rtproxy_tape" not in "".join(changed.advice)


def test_large_tapes_are_not_read_to_explain_a_mismatch() -> None:
    """The other sessions would wait for it."""

    def slot(name: str, size: int, load: Callable[[], Recording]) -> Slot:
        return Slot(name, name, "websocket", None, load, size=size)

    said = {"type": "session.update", "word": "b"}
    script = read_script(Tape().client("session.update", word="b").records)
    here = slot("here.rtape", 0, lambda: pytest.fail("not to be read"))
    hour = slot(
        "hour.rtape", SEARCHED_BYTES + 1, lambda: Recording("hour", script, [], 101, [], None)
    )
    shelf = Shelf([here, hour])
    assert shelf.elsewhere(here, said, Rules()) == ""
    hour.uses = 1  # it has been read
    assert shelf.elsewhere(here, said, Rules()) == "hour"


async def test_a_tape_is_picked_by_its_name(tmp_path: Path) -> None:
    for word in ("a", "b"):
        write_tape(tmp_path / f"{word}.rtape", saying(word))
    async with serving(tmp_path) as server:
        assert '"b"' in str(await words(f"{server.url}/v1/realtime?rtproxy_tape=b"))
        assert '"a"' in str(await words(server.url, headers={"rtproxy-tape": "a.rtape"}))
        for name in ("b", "../b", "c"):
            with pytest.raises(WSServerHandshakeError):
                await words(f"{server.url}/v1/realtime?rtproxy_tape={name}")
        said = list(map(str, server.journal.failures()))
        assert "b has been played" in said[0]
        assert "There is no tape 'c'" in said[2]


async def test_a_tape_that_knows_no_request_fits_any(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "a.rtape", saying("a"), request=None, response=None)
    async with serving(path) as server:
        assert '"a"' in str(await words(f"{server.url}/v1/any?model=x"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 101),
        ({"Host": "localhost:1", "Origin": "http://127.0.0.1"}, 101),
    ],
)
async def test_pages_from_elsewhere_get_nothing(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    path = write_tape(tmp_path / "a.rtape", saying("a"))
    async with serving(path) as server:
        try:
            await words(server.url, headers=headers)
            got = 101
        except WSServerHandshakeError as error:
            got = error.status
        assert got == status
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{server.url}/__rtproxy__/journal", headers=headers) as answer:
                assert answer.status == (200 if status == 101 else status)


def damage(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    return path


async def test_a_damaged_tape_is_refused_unless_it_is_to_be_salvaged(tmp_path: Path) -> None:
    tape = Tape()
    for number in range(9):
        tape.server("said", word=f"{number} " * 20)
    path = damage(write_tape(tmp_path / "broken.rtape", tape))
    with pytest.raises(
        TapeDamagedError, match=r"rtproxy tape repair .*broken.*--salvage"
    ) as caught:
        load_shelf([path])
    assert caught.value.exit_code == 1
    shelf = load_shelf([path], salvage=True)
    assert "damaged" in shelf.notes[0]
    assert len(shelf.slots[0].load().script.server) == 8


async def test_a_damaged_tape_in_a_folder_fails_the_connection_that_gets_it(tmp_path: Path) -> None:
    tape = Tape()
    for _ in range(9):
        tape.server("said", word="x" * 50)
    damage(write_tape(tmp_path / "a.rtape", tape))
    async with serving(tmp_path) as server:
        with pytest.raises(WSServerHandshakeError):
            await words(server.url)
        (why,) = server.journal.failures()
        assert "rtproxy tape repair" in str(why)


def test_a_crashed_tape_plays_with_a_word(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "crashed.rtape", greeting(), seal=False)
    shelf = load_shelf([path])
    assert "was not sealed" in shelf.notes[0]
    assert len(shelf.slots[0].load().script.server) == 3


def test_a_live_tape_is_not_played(tmp_path: Path) -> None:
    writer = TapeWriter.create(tmp_path / "live.rtape", {}, durability="none")
    try:
        with pytest.raises(ReplayError, match="still being recorded"):
            load_shelf([writer.path])
        with pytest.raises(ReplayError, match="There is no tape"):
            load_shelf([tmp_path])
    finally:
        writer.close()


def test_what_cannot_be_played_is_said_in_a_sentence(tmp_path: Path) -> None:
    empty = tmp_path / "empty.rtape"
    empty.touch()
    with pytest.raises(NotATapeError, match="is empty"):
        load_shelf([empty])
    newer = tmp_path / "newer.rtape"
    newer.write_bytes(encode_header({"id": "n", "connection": "websocket"}, major=2))
    with pytest.raises(TapeVersionError, match="use a newer rtproxy"):
        load_shelf([newer])
    with pytest.raises(TapeError, match="There is no file"):
        load_shelf([tmp_path / "none.rtape"])
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ReplayError, match="There is no tape to play"):
        load_shelf([tmp_path / "nothing"])
    with pytest.raises(ReplayError, match="There is no tape to play"):
        load_shelf([])


async def test_an_unreadable_file_in_a_folder_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.rtape").write_text("nonsense")
    path = write_tape(tmp_path / "b.rtape", greeting())
    async with serving(tmp_path) as server:
        assert "left out" in server.shelf.notes[0]
        client = await follow(server.url, read(path))
        assert client.messages == [text for ours, text in events(path) if ours]


async def test_a_tape_without_messages(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "empty.rtape", Tape())
    async with serving(path) as server:
        client = await follow(server.url, [])
        assert client.messages == []
        assert server.journal.ok
