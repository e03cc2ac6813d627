"""Tapes on disk for the tests of this folder: simulated calls, captures, odd ones, damaged ones."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp

from rtproxy.convert.importing import Imported, Place, import_file
from rtproxy.convert.jsonl import lines
from rtproxy.record.proxy import Proxy, Settings
from rtproxy.simulate.library import built_in
from rtproxy.simulate.server import SimulatedServer
from rtproxy.tape.codec import decode, encode_header
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import (
    FROM_SERVER,
    INJECTED,
    NOT_FORWARDED,
    REDACTED,
    Control,
    Event,
    Header,
    Record,
)
from rtproxy.tape.writer import TapeWriter
from tests.captures import CAPTURES
from tests.realtime.simulated import call_records
from tests.tape.framing import framed

STARTED_NS = 1_795_231_930_123_456_789
HANDSHAKE: dict[str, Any] = {
    "upstream": "https://api.openai.com",
    "request": {
        "method": "GET",
        "target": "/v1/realtime?model=gpt-realtime",
        "headers": [["Host", "127.0.0.1:8787"], ["Authorization", "Bearer REDACTED:1f2e3d4c"]],
    },
    "response": {"status": 101, "headers": [["Upgrade", "websocket"]]},
}
TURNED_AWAY = ("bad-key", "refused-401")
"""Scenarios in which there is no session."""
SCENARIOS = [
    name for name, scenario in built_in().items() if scenario.caller and name not in TURNED_AWAY
]


@cache
def simulated(name: str) -> tuple[Record, ...]:
    """The records of a built-in scenario with its caller."""
    return tuple(call_records(built_in()[name]))


async def turned_away(folder: Path, name: str) -> Path:
    """The tape of a client that is refused, by HTTP or by a close frame."""
    async with (
        SimulatedServer(built_in()[name]) as server,
        Proxy(Settings(upstream=server.url, port=0, out=folder)) as proxy,
        aiohttp.ClientSession() as session,
    ):
        target = f"{proxy.url}/v1/realtime?model=gpt-realtime"
        with suppress(aiohttp.WSServerHandshakeError):
            async with session.ws_connect(target, headers={"Authorization": "Bearer x"}) as socket:
                async for _ in socket:
                    pass
    (path,) = folder.glob("*.rtape")
    return path


def captures() -> list[Path]:
    return sorted(CAPTURES.glob("*.jsonl"))


def odd() -> list[Record]:
    """All that a tape can hold and a session seldom does."""
    texts = [
        "", "no JSON", "42", '"text"', "null", "[1,2]", '{"a":1,"a":2}', '{"n":1.50e400}',
        '{\n  "type": "pretty"\n}', ' {"type":"blank"} ', '{"t":"\u202e\u2028\x85 🎙👩‍🚀"}',
        '{"nan":NaN}', '{"lone":"\\ud83d"}', "\x1b[31m\r\n\t", '{"cut":', "[" * 2000 + "]" * 2000,
        '{"type":"x","base64":"AQ=="}',
    ]  # fmt: skip
    records: list[Record] = [Header({"id": "odd", "connection": "websocket"})]
    for n, text in enumerate(texts):
        records.append(Event(n, n * 1_000_003, n & 1, text))
    flags = (REDACTED, NOT_FORWARDED | FROM_SERVER, INJECTED, 1 << 40 | FROM_SERVER)
    records += [Event(0, 10**9, flag, b"\x00\xff" * n) for n, flag in enumerate(flags)]
    data = {"payload": b"\x01", "deep": {"list": [b"", None, 1.5, -(1 << 60), float("nan")]}}
    records += [Control(0, (1 << 62) + 1, 1, "ping", data), Control(0, -5, 0, "of tomorrow", {})]
    return records


def write(path: Path, records: Iterable[Record], *, seal: bool = True, **fields: Any) -> Path:
    """A tape of these records; `fields` are added to its header."""
    own: dict[str, Any] = {}
    writer: TapeWriter | None = None
    end_ns = 0
    for record in records:
        if isinstance(record, Header):
            own = dict(record.fields)
        writer = writer or TapeWriter.create(path, own | fields, durability="none")
        if isinstance(record, Event):
            writer.event(record.t_ns, record.flags, record.payload)
        elif isinstance(record, Control):
            writer.control(record.t_ns, record.flags, record.name, record.data)
        end_ns = max(end_ns, getattr(record, "t_ns", 0))
    assert writer is not None
    if seal:
        writer.seal(end_ns)
    else:
        writer.close()
    assert writer.failed is None
    return path


def of_scenario(folder: Path, name: str) -> Path:
    return write(folder / f"{name}.rtape", simulated(name), started_ns=STARTED_NS, **HANDSHAKE)


def with_unknown(path: Path) -> Path:
    """A tape of a later version, with a kind of record that this one does not know."""
    fields = {"id": "later", "connection": "websocket", "mood": {"of": [1, b"\x02"]}}
    writer = TapeWriter.create(path, fields, header=encode_header(fields, minor=7))
    writer.event(1, 0, '{"type":"a"}')
    data = framed(100, 1, {"private": True})
    writer.copy(data, decode(data))
    writer.event(2, 1, '{"type":"b"}')
    writer.seal(3, {"mood": "good"})
    return path


def text_of(path: Path) -> str:
    """A tape as JSON lines."""
    with open_tape(path) as tape:
        return "".join(lines(tape.header, tape.scan(), tape.seal))


def take_in(path: Path, out: Path) -> Imported:
    return import_file(path, Place(out))


def read(path: Path) -> list[Record]:
    with open_tape(path) as tape:
        return list(tape)


def messages(path: Path) -> list[tuple[bool, str | bytes]]:
    """(from the server?, payload) of each message on a tape."""
    return [(one.from_server, one.payload) for one in read(path) if isinstance(one, Event)]


def header(path: Path) -> dict[str, Any]:
    with open_tape(path) as tape:
        return dict(tape.header.fields)


def damages(path: Path) -> Iterator[tuple[str, bytes]]:
    """A tape's bytes, damaged in a few ways: (how, bytes)."""
    data = path.read_bytes()
    yield (
        "flipped",
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
    )
    yield "cut", data[: len(data) * 2 // 3]
    yield "hole", data[: len(data) // 3] + data[len(data) // 3 + 5000 :]
    yield "headless", b"\x00" * 30 + data[30:]
