"""Families of hostile tapes, each tape with its name."""

import base64
from collections.abc import Iterator
from typing import Any

from rtproxy.tape.codec import (
    MAX_BODY,
    encode_control,
    encode_event,
    encode_header,
    encode_trailer,
)
from tests.attacks.hostile import (
    BAD_NAMES,
    FIELDS,
    HEADER,
    ID,
    MS,
    NESTED,
    REQUEST,
    SCRIPT,
    SECOND,
    Say,
    call,
    changed,
    claim,
    deep_body,
    raw,
    said,
    sealed,
    text,
    timed,
    with_members,
    with_numbers,
)
from tests.attacks.hostile_floods import many
from tests.attacks.hostile_packed import packed
from tests.tape.framing import framed


def lies() -> Iterator[tuple[str, bytes]]:
    """Lengths and counts that are not true."""
    good = said(*call())
    yield "claim at the start", claim(MAX_BODY)
    yield "claim after the header", HEADER + claim(MAX_BODY) + b"".join(good)
    yield "claim in the middle", HEADER + good[0] + claim(MAX_BODY) + b"".join(good[1:])
    yield "claims", HEADER + claim(MAX_BODY) * 20_000
    yield (
        "claims that follow on",
        HEADER + b"".join(claim(MAX_BODY - n) + good[n % len(good)] for n in range(2_000)),
    )
    for name, payload in {
        "str": b"\xdb\xff\xff\xff\xff", "bin": b"\xc6\xff\xff\xff\xff",
        "array": b"\xdd\xff\xff\xff\xff", "map": b"\xdf\xff\xff\xff\xff",
        "ext": b"\xc9\xff\xff\xff\xff\x01",
    }.items():  # fmt: skip
        event = raw(0, b"\x00", payload)
        control = framed(body=b"\x02\x00\x00\x01\xa4ping" + payload, elements=6)
        header = framed(body=b"\x00\xacrtproxy-tape\x01\x00" + payload, elements=5)
        seal = framed(body=b"\x04\x10\x00" + payload, elements=4)
        yield f"{name} of 4 Gi in an event", sealed([event])
        yield f"{name} of 4 Gi in a control", sealed([control])
        yield f"{name} of 4 Gi in the header", sealed(good, header)
        body = HEADER + b"".join(good)
        yield f"{name} of 4 Gi in the seal", body + seal + encode_trailer(len(body))


def nested() -> Iterator[tuple[str, bytes]]:
    for name, mark in {"arrays": b"\x91", "maps": b"\x81\xa1a"}.items():
        yield f"{name} in an event", sealed([raw(0, b"\x00", deep_body(b"", mark))])
        yield (
            f"{name} in a control",
            sealed([framed(body=deep_body(b"\x02\x00\x00\x01\xa4ping", mark), elements=6)]),
        )
        yield (
            f"{name} in the header",
            sealed(
                said(*call()),
                framed(body=deep_body(b"\x00\xacrtproxy-tape\x01\x00", mark), elements=5),
            ),
        )
        body = HEADER + b"".join(said(*call()))
        seal = framed(body=deep_body(b"\x04\x10\x00", mark), elements=4)
        yield f"{name} in the seal", body + seal + encode_trailer(len(body))
        yield (
            f"{name} in the unknown",
            sealed([*said(*call()), framed(body=deep_body(b"\x60\x10\x00", mark), elements=4)]),
        )
    for name, payload in NESTED.items():
        yield f"json {name}", sealed(said(*[(n, n % 2, payload) for n in range(4)], *call()))
        session = '{"type":"session.update","session":{"tools":%s}}'
        yield (
            f"json {name} within",
            sealed(
                said(
                    (0, 0, session % payload),
                    (1, 1, session.replace("update", "updated") % payload),
                    *call(),
                )
            ),
        )
    arguments = {"type": "response.function_call_arguments.done", "response_id": "resp_1",
                 "item_id": "item_3", "call_id": "call_1", "name": "f",
                 "arguments": NESTED["arrays"]}  # fmt: skip
    output = {
        "type": "conversation.item.create",
        "item": {"type": "function_call_output", "call_id": "call_1", "output": NESTED["objects"]},
    }
    item = {
        "type": "response.output_item.done",
        "response_id": "resp_1",
        "item": {
            "id": "item_3",
            "type": "function_call",
            "call_id": "call_1",
            "name": "f",
            "arguments": NESTED["objects"],
        },
    }
    yield "tool", sealed(said(*call(), (300, 1, arguments), (301, 1, item), (310, 0, output)))


def numbers() -> Iterator[tuple[str, bytes]]:
    for name, literal in {
        "1e400": "1e400",
        "-1e400": "-1e400",
        "5000 digits": "9" * 5_000,
        "-0": "-0",
        "-0.0": "-0.0",
        "NaN": "NaN",
        "Infinity": "Infinity",
        "2^31": "2147483648",
        "2^63": "9223372036854775808",
        "4000 digits": "9" * 4_000,
        "1e308": "1e308",
        "-1": "-1",
        "-1e308": "-1e308",
        "1e15": "1000000000000000",
        "1e-300": "1e-300",
        "true": "true",
        "null": "null",
        "array": "[]",
        "object": "{}",
    }.items():
        yield f"number {name}", with_numbers(literal)
    for name, times in {
        "2^64-1": [(1 << 64) - 1],
        "negative": [-(1 << 63)],
        "2^63": [1 << 63],
        "backwards": [10**12 - n * 10**9 for n in range(20)],
        "both": [0, (1 << 64) - 1],
        "year": [n * 10**16 for n in range(20)],
        "to and fro": [-(1 << 63), (1 << 64) - 1, 0, 1 << 62],
    }.items():
        yield f"time {name}", timed(times)
    events = call()
    yield (
        "seq",
        HEADER
        + b"".join(
            encode_event(seq * 10**17, ms * MS, who, text(data))
            for seq, (ms, who, data) in enumerate(events)
        ),
    )
    yield "seq 2^64-1", HEADER + encode_event((1 << 64) - 1, 0, 0, "{}")
    yield (
        "flags",
        sealed(
            [
                encode_event(n, n, 2**64 - 1 if n % 2 else -(2**63), text(data))
                for n, (_, _, data) in enumerate(events)
            ]
        ),
    )


def seals() -> Iterator[tuple[str, bytes]]:
    good = said(*call())
    huge = 1 << 63
    odd: list[Any] = [None, -1, "x", {}, [], 1e308, float("nan"), float("inf")]
    for n, value in enumerate([*odd, huge, "9" * 5000]):
        yield (
            f"seal {n}",
            sealed(
                good,
                records=value,
                duration_ns=value,
                model=value,
                dialect=value,
                sha256=value,
                client=value,
                server=value,
                events=value,
                controls=value,
                types=value,
                index=value,
                counts=value,
                bytes=value,
                first_ns=value,
                last_ns=value,
            ),
        )
        yield (
            f"seal within {n}",
            sealed(
                good,
                client={"events": value, "types": {"a": value}},
                index=[[value] * 3] * 3,
                server=[value],
                counts={"client": value, "server": {"x": value}},
                types={"session.created": value},
            ),
        )
    body = HEADER + b"".join(good)
    for name, at in {"nothing": 0, "the middle": len(HEADER), "nowhere": (1 << 64) - 1,
                     "itself": len(body), "just before": len(body) - 1}.items():  # fmt: skip
        yield f"trailer to {name}", body + encode_trailer(at)
    odd_fields: list[Any] = [None, -1, huge, "x" * 10_000, {"a": {}}, [[]], float("nan"), b"\xff"]
    for n, value in enumerate(odd_fields):
        yield (
            f"header {n}",
            sealed(
                good,
                encode_header(
                    dict.fromkeys(
                        (
                            "id",
                            "connection",
                            "started_ns",
                            "writer",
                            "request",
                            "response",
                            "origin",
                            "left_out",
                            "times",
                            "redaction",
                            "imported",
                            "damaged",
                            "source",
                            "incomplete",
                        ),
                        value,
                    )
                ),
            ),
        )
        yield (
            f"header within {n}",
            sealed(
                good,
                encode_header(
                    {
                        "id": ID,
                        "connection": "websocket",
                        "left_out": [value, [value, value]],
                        "request": dict.fromkeys(("method", "target", "headers", "url"), value),
                        "response": dict.fromkeys(("status", "headers", "body"), value),
                        "imported": {"unknown": [value], "format": value, "program": value},
                    }
                ),
            ),
        )
        names = ["close", "ping", "refused", "gap", "protocol_error", "marker", "eof", "reset"]
        keys = ["code", "reason", "who", "payload", "status", "headers", "body", "name", "text"]
        yield (
            f"controls {n}",
            sealed(
                [
                    *good,
                    *(
                        encode_control(
                            len(good) + at, 10**9 + at, at % 2, name, dict.fromkeys(keys, value)
                        )
                        for at, name in enumerate(names)
                    ),
                ]
            ),
        )


def audio() -> Iterator[tuple[str, bytes]]:
    for name, piece in {"no base64": "!!!!", "one letter": "A", "é": "é" * 100, "NUL": "\0",
                        "number": 7, "padding": "=" * 100_000, "blanks": " \n" * 500_000,
                        "odd": "AAAA"}.items():  # fmt: skip
        yield f"audio {name}", with_members(audio=piece, delta=piece)
    for name, rate in {"0": 0, "10^12": 10**12, "NaN": float("nan"), "text": "x", "-1": -1,
                       "191999": 191_999, "4001": 4_001, "192000": 192_000}.items():  # fmt: skip
        pcm = {"format": {"type": "audio/pcm", "rate": rate}}
        yield f"rate {name}", sealed(said(*call(server={"audio": {"input": pcm, "output": pcm}})))
    rates: list[Say] = []
    for n, rate in enumerate(range(191_999, 190_999, -50)):
        pcm = {"format": {"type": "audio/pcm", "rate": rate}}
        rates += [
            (
                n * 100,
                1,
                {"type": "session.updated", "session": {"audio": {"input": pcm, "output": pcm}}},
            ),
            (n * 100 + 1, 0, {"type": "input_audio_buffer.append", "audio": SECOND}),
            (
                n * 100 + 1,
                1,
                {
                    "type": "response.output_audio.delta",
                    "response_id": "r",
                    "item_id": "i",
                    "content_index": 0,
                    "delta": SECOND,
                },
            ),
        ]
    yield "rates", sealed(said(*call(), *rates))
    for name, format_ in {"unknown": "mp3", "list": [], "object": {"type": "audio/flac"}}.items():
        yield (
            f"format {name}",
            sealed(
                said(
                    *call(
                        server={
                            "input_audio_format": format_,
                            "output_audio_format": format_,
                            "audio": {"input": {"format": format_}, "output": {"format": format_}},
                        }
                    )
                )
            ),
        )
    for name, ms in {"huge": 10**15, "negative": -5, "2^63": 1 << 63}.items():
        yield f"audio_ms {name}", with_members(audio_end_ms=ms, audio_start_ms=ms // 2)
    yield "indexes", with_members(content_index=1 << 31, output_index=-1)
    years = 3 * 365 * 86_400_000
    for name, times in {"start": years, "hour": 3_600_000}.items():
        yield (
            f"silence {name}",
            sealed(
                said(
                    *[
                        (ms + (times if n > 10 else 0), who, data)
                        for n, (ms, who, data) in enumerate(call())
                    ]
                )
            ),
        )
    long = base64.b64encode(bytes(48_000 * 60)).decode()
    flood: list[Say] = [(0, 1, {"type": "response.created", "response": {"id": "r"}})]
    flood += [
        (
            n,
            1,
            {
                "type": "response.output_audio.delta",
                "response_id": "r",
                "item_id": f"i{n}",
                "output_index": 0,
                "content_index": 0,
                "delta": long,
            },
        )
        for n in range(8)
    ]
    yield "minutes at once", sealed(said(*flood))


def names() -> Iterator[tuple[str, bytes]]:
    for n, name in enumerate(BAD_NAMES):

        def rename(key: str, old: Any, name: str = name) -> Any:
            keys = ("id", "item_id", "response_id", "model", "name", "call_id", "event_id", "voice")
            return name if key in keys else old

        header = encode_header(
            FIELDS
            | {
                "id": name,
                "model": name,
                "source": name,
                "request": REQUEST | {"target": f"/v1/realtime?model={name}"},
            }
        )
        records = said(*[(ms, who, changed(data, rename)) for ms, who, data in call()])
        yield f"name {n}", sealed(records, header, id=name, model=name)


def scripts() -> Iterator[tuple[str, bytes]]:
    def speak(key: str, old: Any) -> Any:
        return SCRIPT if isinstance(old, str) and key not in ("audio",) and old != SECOND else old

    def keep(key: str, old: Any) -> Any:
        return old if key == "type" else speak(key, old)

    header = encode_header(
        FIELDS
        | {
            "model": SCRIPT,
            "writer": SCRIPT,
            "origin": SCRIPT,
            "request": {"method": SCRIPT, "target": SCRIPT, "headers": [[SCRIPT, SCRIPT]]},
            "response": {"status": 101, "headers": [[SCRIPT, SCRIPT]]},
        }
    )
    tail = [
        encode_control(40, 10**9, 1, "close", {"code": 1000, "reason": SCRIPT, "who": SCRIPT}),
        encode_control(41, 10**9, 1, SCRIPT, {SCRIPT: SCRIPT}),
        encode_event(42, 10**9, 1, SCRIPT),
        encode_event(43, 10**9, 1, SCRIPT.encode()),
    ]
    yield (
        "scripts",
        sealed([*said(*[(ms, who, changed(d, keep)) for ms, who, d in call()])], header),
    )
    yield (
        "scripts everywhere",
        sealed([*said(*[(ms, who, changed(d, speak)) for ms, who, d in call()]), *tail], header),
    )


FAMILIES = {
    "lies": lies,
    "nested": nested,
    "numbers": numbers,
    "seals": seals,
    "audio": audio,
    "many": many,
    "names": names,
    "scripts": scripts,
    "packed": packed,
}
