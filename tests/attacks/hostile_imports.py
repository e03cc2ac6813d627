"""Files to import, and scenarios, that their authors have made to hurt, by name."""

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from tests.attacks.hostile import BAD_NAMES, NESTED, SCRIPT, call, text
from tests.convert.flows import dump, websocket_flow

NUMBERS = [
    "1e400", "-1e400", "9" * 5_000, "9" * 4_000, "-0", "NaN", "Infinity", "1e308", "-1e308",
    "9223372036854775808", "-1", "null", "[]", "{}", "true", '"x"', "1e-300",
]  # fmt: skip


def har(messages: list[Any], **changes: Any) -> dict[str, Any]:
    entry = {
        "startedDateTime": "2026-01-01T00:00:00.000Z", "time": 10,
        "request": {"method": "GET", "url": "wss://api.openai.com/v1/realtime?model=m",
                    "headers": [{"name": "Host", "value": "api.openai.com"}]},
        "response": {"status": 101, "headers": [{"name": "Upgrade", "value": "websocket"}]},
        "_webSocketMessages": messages,
    } | changes  # fmt: skip
    return {"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": [entry]}}


def messages() -> list[dict[str, Any]]:
    return [{"type": "receive" if who else "send", "time": 1.8e9 + ms / 1000, "opcode": 1,
             "data": text(data)} for ms, who, data in call()]  # fmt: skip


def hars() -> Iterator[tuple[str, bytes]]:
    good = json.dumps(har(messages())).encode()
    for n, number in enumerate(NUMBERS):
        marked = har([m | {"time": "@@", "opcode": 1} for m in messages()], time="@@")
        yield f"times {n}", json.dumps(marked).replace('"@@"', number).encode()
        marked = har([m | {"opcode": "@@"} for m in messages()], startedDateTime="@@", time="@@")
        marked["log"]["entries"][0]["response"]["status"] = "@@"
        yield f"numbers {n}", json.dumps(marked).replace('"@@"', number).encode()
    for name, value in NESTED.items():
        for key in ("data", "time"):
            marked = har([m | {key: "@@"} for m in messages()])
            yield f"{name} in {key}", json.dumps(marked).replace('"@@"', value).encode()
        yield (
            f"{name} in the entry",
            json.dumps(har(messages(), _x="@@")).replace('"@@"', value).encode(),
        )
        yield (
            f"{name} in the request",
            json.dumps(har(messages(), request="@@")).replace('"@@"', value).encode(),
        )
        yield f"{name} alone", b'{"log":' + value.encode()
    yield "cut", good[: len(good) // 2]
    scripts = [m | {"data": SCRIPT} for m in messages()]
    spoken = har(
        scripts
        + [m | {"data": m["data"].replace("Hi.", json.dumps(SCRIPT)[1:-1])} for m in messages()]
    )
    entry = spoken["log"]["entries"][0]
    entry["request"] |= {"method": SCRIPT, "url": f"wss://x/v1/realtime?model={SCRIPT}"}
    entry["request"]["headers"] = entry["response"]["headers"] = [{"name": SCRIPT, "value": SCRIPT}]
    entry["comment"] = spoken["log"]["creator"]["name"] = SCRIPT
    yield "scripts", json.dumps(spoken).encode()
    for n, name in enumerate(BAD_NAMES):
        marked = har(messages(), id=name, _id=name)
        marked["log"]["entries"][0]["request"]["url"] = f"wss://x/v1/realtime?model={name}"
        yield f"name {n}", json.dumps(marked).replace("sess_1", json.dumps(name)[1:-1]).encode()
    many = har([{"type": "send", "time": 1, "opcode": 1, "data": "{}"}] * 50_000)
    yield "many messages", json.dumps(many).encode()
    entries = har([])
    entries["log"]["entries"] *= 3_000
    yield "many entries", json.dumps(entries).encode()
    yield "many keys", b'{"log":{' + b",".join(b'"k%d":1' % n for n in range(200_000)) + b"}}"
    yield "backslashes", b'{"log":{"entries":["' + b"\\" * 3_000_000
    yield "quotes", b'{"log":{"entries":[' + b'"' * 3_000_001
    yield "blanks", b'{"log":' + b" " * 5_000_000
    yield "gzip", zlib.compress(b"{" + b" " * 300_000_000, 9)


def jsonls() -> Iterator[tuple[str, bytes]]:
    line = '{"direction":"server","at":%s,"data":{"type":"session.created"}}\n'
    for n, number in enumerate(NUMBERS):
        yield f"at {n}", (line % number * 3).encode()
        event = '{"seq":%s,"t_ms":%s,"direction":"server","type":"x","event":{"a":%s},"flags":%s}\n'
        yield f"event {n}", (event % ((number,) * 4) * 3).encode()
        control = '{"kind":"control","name":"close","t_ns":%s,"data":{"code":%s},"flags":%s}\n'
        seal = '{"kind":"seal","t_ns":%s,"data":{"records":%s}}\n{"kind":"missing","records":%s}\n'
        header = (
            '{"kind":"header","tape":"1.0","fields":{"id":"x","connection":"websocket",'
            '"started_ns":%s,"left_out":[[%s,%s]],"request":%s}}\n'
        )
        yield (
            f"tape {n}",
            "".join(
                part % ((number,) * part.count("%s")) for part in (header, event, control, seal)
            ).encode(),
        )
    for name, value in NESTED.items():
        yield f"{name} as data", f'{{"direction":"server","data":{value}}}\n'.encode() * 3
        yield f"{name} as text", json.dumps({"direction": "server", "data": value}).encode()
        yield f"{name} as line", value.encode()
        yield f"{name} as time", f'{{"direction":"server","at":{value},"data":"x"}}\n'.encode()
        yield (
            f"{name} in the header",
            f'{{"kind":"header","tape":"1.0","fields":{value}}}\n'.encode(),
        )
        yield (
            f"{name} in a control",
            (f'{{"kind":"control","name":"ping","t_ns":1,"data":{value}}}\n'.encode()),
        )
    for n, name in enumerate(BAD_NAMES):
        yield (
            f"name {n}",
            json.dumps(
                {
                    "kind": "header",
                    "tape": "1.0",
                    "fields": {"id": name, "connection": "websocket", "started_ns": 1},
                }
            ).encode()
            + b"\n"
            + (line % 1).encode(),
        )
    yield "empty lines", b"{}\n" + b"\n" * 3_000_000
    yield "bad lines", b"{\n" * 100_000
    yield (
        "headers",
        b'{"kind":"header","tape":"1.0","fields":{"id":"x","connection":"websocket"}}\n' * 2_000,
    )
    yield "missing", b'{"kind":"missing","records":4611686018427387903}\n' * 100
    yield "one line", b'{"direction":"server","data":"' + b"x" * 30_000_000
    yield "surrogates", b'{"direction":"server","data":"\\ud800\\udfff\\ud800"}\n' * 3
    yield "no UTF-8", b'{"direction":"server","data":"\xff\xfe"}\n' * 3


def flows() -> Iterator[tuple[str, bytes]]:
    good = dump(websocket_flow())
    yield "length of 12 digits", b"999999999999:" + good
    yield "lengths within", good.replace(b"9:", b"999999:")
    yield "length too small", b"10:" + good
    yield "digits", b"1" * 3_000_000 + b":"
    yield "nested", b"".join(b"%d:" % (500_000 - 7 * n) for n in range(60_000))
    deep = b"0:]"
    for _ in range(3_000):
        deep = b"%d:%s]" % (len(deep), deep)
    yield "lists", deep
    yield "lists in a flow", dump(websocket_flow()).replace(b"4:null~", deep)
    yield "cut", good[: len(good) * 2 // 3]
    yield "many empty", b"0:}" * 300_000
    yield "many", good * 1_000
    values: list[Any] = [float("inf"), float("nan"), 1e308, -1e308, 10**30, -1, None, [], {}, True,
                         b"x", SCRIPT, "x" * 100_000]  # fmt: skip
    for n, value in enumerate(values):
        messages = [[value, value, b"{}", value, value, value], [1, True, value, value, False]]
        yield (
            f"messages {n}",
            dump(
                websocket_flow(
                    websocket={
                        "timestamp_end": value,
                        "close_reason": value,
                        "close_code": value,
                        "closed_by_client": value,
                        "messages": messages,
                    }
                )
            ),
        )
        flow = websocket_flow()
        flow["request"] |= dict.fromkeys(("timestamp_start", "port", "method", "headers"), value)
        flow["response"] |= dict.fromkeys(("timestamp_start", "status_code", "headers"), value)
        yield f"request {n}", dump(flow)
        flow = websocket_flow()
        flow["request"] |= dict.fromkeys(("host", "path", "scheme"), value)
        yield f"host {n}", dump(flow)


def scenarios() -> Iterator[tuple[str, bytes]]:
    yield "million turns", b'[[reply]]\ntext="x"\n' * 1_000_000
    yield "thousands of turns", b'[[reply]]\ntext="x"\n' * 40_000
    yield "long turn", b'[[reply]]\ntext="x"\naudio_ms=1000000000\n'
    yield "hours of voice", b'[[reply]]\ntext="' + b"word " * 200_000 + b'"\n'
    yield "repeat", b'[[reply]]\ntext="x"\nrepeat=true\naudio_ms=1e308\n'
    for n, number in enumerate(["1e400", "9" * 5_000, "nan", "inf", "-inf", "-1", "1e308", "0",
                                "9" * 4_000, '"x"', "[]", "{}"]):  # fmt: skip
        yield (
            f"numbers {n}",
            (
                f"seed={number}\n[delays]\nqueue={number}\nendpoint={{ms={number},jitter={number}}}\n"
                f"[audio]\nchunk_ms={number}\nrate={number}\n"
            ).encode(),
        )
        yield f"number {n}", f"[expiry]\nafter_ms={number}\n".encode()
        yield f"replies {n}", f'[[reply]]\ntext="x"\naudio_ms={number}\n'.encode()
        yield f"seed {n}", f"seed={number}\n".encode()
    for name, value in {
        "arrays": "[" * 100_000,
        "closed": "[" * 100_000 + "]" * 100_000,
        "tables": "{a=" * 100_000,
        "shallow": "[" * 900 + "]" * 900,
    }.items():
        yield f"nested {name}", f"caller={value}".encode()
        yield f"nested {name} reply", f"reply={value}".encode()
    yield "dotted", b"a" + b".a" * 100_000 + b"=1"
    yield "table", b"[" + b"a." * 100_000 + b"a]"
    yield "deep caller", b"caller" + b".a" * 500 + b"=1"
    yield "keys", b"\n".join(b"k%d=1" % n for n in range(100_000))
    yield "long key", b"x" * 3_000_000 + b"=1"
    yield "long value", b'seed="' + b"x" * 3_000_000 + b'"'
    yield "digits said", b'[[reply]]\ntext="' + b"1" * 30_000 + b'"\n'
    yield "quoted dots", b"a" + b".''" * 100_000 + b"=1"
    yield "spaced dots", b"a" + b" . a" * 100_000 + b"=1"
    yield "half a million letters", b"x" * 500_000 + b"=1"
    yield "hex", b"seed=0x" + b"f" * 5_000
    yield "binary", b"seed=0b" + b"1" * 500_000
    yield "half a million of text", b'seed="' + b"x" * 500_000 + b'"'
    yield "script", f"name={json.dumps('</script>' + chr(27) + '[31m')}".encode()
    yield "escape key", json.dumps("\x1b]0;x\x07").encode() + b"=1"
    yield "escape value", b"dialect=" + json.dumps("\x1b]0;x\x07\x9b\u202e").encode()
    yield "no UTF-8", b"\xff\xfe"
    yield "NUL", b"\0" * 100
    yield "empty", b""


def wave(chunks: bytes, size: int = 0xFFFFFFFF) -> bytes:
    return b"RIFF" + struct.pack("<I", size) + b"WAVE" + chunks


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(data) if size is None else size) + data


def form(encoding: int, channels: int, rate: int, bits: int) -> bytes:
    block = channels * bits // 8
    return chunk(
        b"fmt ",
        struct.pack(
            "<HHIIHH", encoding, channels, rate, rate * block & 0xFFFFFFFF, block & 0xFFFF, bits
        ),
    )


def waves() -> Iterator[tuple[str, bytes]]:
    pcm = bytes(48_000)
    yield "data of 4 GiB", wave(form(1, 1, 24_000, 16) + chunk(b"data", pcm, 0xFFFFFFFF))
    yield "data of 0", wave(form(1, 1, 24_000, 16) + chunk(b"data", pcm, 0))
    yield "chunk of 4 GiB", wave(chunk(b"junk", b"", 0xFFFFFFFF) + form(1, 1, 24_000, 16))
    yield "a million chunks", wave(chunk(b"junk", b"") * 300_000)
    yield "no format", wave(chunk(b"data", pcm))
    yield "short format", wave(chunk(b"fmt ", b"\1\0") + chunk(b"data", pcm))
    for n, (kind, channels, rate, bits) in enumerate([
        (1, 0, 24_000, 16), (1, 65_535, 24_000, 16), (1, 1, 0, 16), (1, 1, 0xFFFFFFFF, 16),
        (1, 1, 24_000, 0), (1, 1, 24_000, 65_535), (99, 1, 24_000, 16), (3, 1, 24_000, 64),
        (1, 32, 191_999, 32), (1, 1, 191_999, 16), (1, 1, 4_001, 8), (0xFFFE, 1, 24_000, 16),
        (6, 1, 8_000, 8), (1, 3, 24_000, 24),
    ]):  # fmt: skip
        yield f"format {n}", wave(form(kind, channels, rate, bits) + chunk(b"data", pcm + b"x"))
    yield "nan", wave(form(3, 1, 24_000, 32) + chunk(b"data", b"\xff" * 48_000))


FAMILIES = {"har": hars, "jsonl": jsonls, "flow": flows, "toml": scenarios, "wav": waves}
