"""A tape of a later minor version replays: what it has added is passed over."""

import hashlib
from pathlib import Path

from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import FROM_SERVER, MAJOR, MINOR
from rtproxy.tape.repair import verify
from tests.replay.follow import TARGET, connected, serving
from tests.replay.taped import event
from tests.tape.framing import framed

NEW_FLAG = 1 << 12
NEW_KIND = 6
PRIVATE_KIND = 96


def newer_tape(path: Path) -> Path:
    """Every kind of thing that a minor version may add, sealed as it should be."""
    request = {"method": "GET", "target": TARGET, "headers": [], "mood": "calm"}
    head = {"id": "n", "connection": "websocket", "request": request, "weather": {"sun": [1, 2]}}
    records = [
        framed(0, "rtproxy-tape", MAJOR, MINOR + 1, head, "appended"),
        framed(1, 0, 0, FROM_SERVER | NEW_FLAG, event("session.created"), "appended"),
        framed(NEW_KIND, 1, 5, {"what": "an echo"}),
        framed(2, 2, 10, 0, "weather", {"rain": True}, "appended"),
        framed(1, 3, 20, 0, event("response.create"), {"appended": [None]}),
        framed(PRIVATE_KIND, 4, b"\xff"),
        framed(1, 5, 30, FROM_SERVER, event("response.done")),
        framed(2, 6, 40, 0, "close", {"code": 1000, "reason": "", "weather": "fair"}),
    ]
    sound = b"".join(records)
    seal = {"id": "n", "sha256": hashlib.sha256(sound).hexdigest(), "records": 7, "moods": ["calm"]}
    end = framed(4, 7, 40, seal, "appended")
    trailer = framed(5, body=b"\x05\xcf" + len(sound).to_bytes(8, "big"), elements=2)
    path.write_bytes(sound + end + trailer)
    return path


async def test_a_tape_of_a_newer_minor_version_replays(tmp_path: Path) -> None:
    path = newer_tape(tmp_path / "newer.rtape")
    found = verify(path)
    assert (found.state, found.damaged) == ("sealed", False)
    with open_tape(path) as tape:
        assert (tape.header.major, tape.header.minor) == (MAJOR, MINOR + 1)
    async with serving(path) as server:
        async with connected(server.url) as client:
            assert (await client.socket.receive_json())["type"] == "session.created"
            await client.socket.send_str(event("response.create"))
            assert (await client.socket.receive_json())["type"] == "response.done"
            await client.socket.close()
        await server.settle(30)
        assert server.journal.ok, list(map(str, server.journal.failures()))
