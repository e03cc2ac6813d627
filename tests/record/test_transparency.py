"""Neither end can tell that the proxy is there: the same bytes, and the same ends."""

import zlib
from pathlib import Path

import pytest

from rtproxy.tape.record import FROM_SERVER, Event
from rtproxy.wire.frame import Opcode, encode_close, encode_frame
from tests.record.wirekit import (
    DEFLATE,
    Script,
    Seen,
    Wire,
    accept_head,
    play,
    play_through_proxy,
    request_head,
)

MASK = b"\x01\x02\xfe\xff"
TEXT, BINARY, CONTINUATION = Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION
PING, PONG, CLOSE = Opcode.PING, Opcode.PONG, Opcode.CLOSE


LONG = 20 * 2**20


def down(text: str) -> bytes:
    return encode_frame(TEXT, text.encode())


def up(text: str, mask: bytes = MASK) -> bytes:
    return encode_frame(TEXT, text.encode(), mask=mask)


async def shake_hands(wire: Wire, extensions: str = "") -> None:
    """The server's half of the handshake."""
    await wire.take_head()
    await wire.send(accept_head(extensions))


async def open_socket(wire: Wire, extensions: str = "") -> None:
    """The client's half of the handshake."""
    await wire.send(request_head(extensions))
    await wire.take_head()


async def compare(client: Script, server: Script, folder: Path) -> Seen:
    """Play a scenario both ways and hold what each end saw against the other; return the taped
    run, without the handshakes' heads."""
    direct = await play(client, server)
    through = await play_through_proxy(client, server, folder)
    assert through.client == direct.client
    assert lines(through.server) == lines(direct.server)
    assert body(through.server) == body(direct.server)
    assert through.client_end == direct.client_end
    assert through.server_end == direct.server_end
    through.client, through.server = body(through.client), body(through.server)
    return through


def lines(stream: bytes) -> list[bytes]:
    """A request's head; Host is the proxy's to set, and header order is not meaning."""
    head = stream.split(b"\r\n\r\n")[0].split(b"\r\n")
    return [head[0], *sorted(line for line in head[1:] if not line.startswith(b"Host:"))]


def body(stream: bytes) -> bytes:
    return stream.split(b"\r\n\r\n", 1)[1]


def texts(seen: Seen, *, from_server: bool) -> list[str | bytes]:
    return [event.payload for event in seen.events if event.from_server is from_server]


async def test_first_event_in_the_same_segment_as_the_101(tmp_path: Path) -> None:
    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(accept_head() + down('{"type":"session.created"}') + b"\x89\x00")
        await wire.rest()

    async def client(wire: Wire) -> None:
        await open_socket(wire)
        await wire.take(len(down('{"type":"session.created"}')) + 2)
        wire.finish()
        await wire.rest()

    seen = await compare(client, server, tmp_path)
    assert texts(seen, from_server=True) == ['{"type":"session.created"}']


async def test_a_server_that_says_all_and_hangs_up_in_one_segment(tmp_path: Path) -> None:
    async def server(wire: Wire) -> None:
        await wire.take_head()
        farewell = encode_frame(CLOSE, encode_close(3000, "invalid_request_error.invalid_api_key"))
        await wire.send(accept_head() + down("no") + farewell)
        wire.finish()
        await wire.rest()

    async def client(wire: Wire) -> None:
        await open_socket(wire)
        await wire.rest()

    seen = await compare(client, server, tmp_path)
    assert seen.client_end == "eof"
    assert [record.name for record in seen.controls][:2] == ["close", "eof"]
    assert seen.controls[0].data["code"] == 3000


async def test_client_data_sent_before_the_101_has_come(tmp_path: Path) -> None:
    early = up('{"type":"session.update"}')

    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(accept_head())
        assert await wire.take(len(early)) == early
        await wire.rest()

    async def client(wire: Wire) -> None:
        await wire.send(request_head() + early)
        await wire.take_head()
        wire.finish()
        await wire.rest()

    seen = await compare(client, server, tmp_path)
    assert seen.server == early
    assert texts(seen, from_server=False) == ['{"type":"session.update"}']


async def test_fragments_with_pings_between_and_masks_kept(tmp_path: Path) -> None:
    sent = b"".join(
        [
            encode_frame(TEXT, b'{"a":', fin=False, mask=b"\x00\x00\x00\x00"),
            encode_frame(PING, b"ping", mask=b"\xff\xff\xff\xff"),
            encode_frame(CONTINUATION, b"", fin=False, mask=b"abcd"),
            encode_frame(PONG, b"unasked", mask=MASK),
            encode_frame(CONTINUATION, b"1}", mask=b"zyxw"),
            encode_frame(BINARY, bytes(range(256)), mask=MASK),
            encode_frame(TEXT, b"", mask=MASK),
            encode_frame(BINARY, b"", mask=MASK),
        ]
    )
    answered = b"".join(
        [
            encode_frame(TEXT, b"hel", fin=False),
            encode_frame(PING, b"\x00\x01\x02\x03"),
            encode_frame(CONTINUATION, b"lo"),
            encode_frame(TEXT, b""),
        ]
    )

    async def server(wire: Wire) -> None:
        await shake_hands(wire)
        await wire.take(len(sent))
        await wire.send(answered)
        await wire.rest()

    async def client(wire: Wire) -> None:
        await open_socket(wire)
        for byte in sent:  # each byte a write of its own
            await wire.send(bytes([byte]))
        await wire.take(len(answered))
        wire.finish()
        await wire.rest()

    seen = await compare(client, server, tmp_path)
    assert seen.server == sent
    assert seen.client == answered
    assert texts(seen, from_server=False) == ['{"a":1}', bytes(range(256)), "", b""]
    assert texts(seen, from_server=True) == ["hello", ""]
    noted = [(record.name, record.data.get("payload")) for record in seen.controls[:3]]
    assert noted == [("ping", b"ping"), ("pong", b"unasked"), ("ping", b"\x00\x01\x02\x03")]


@pytest.mark.parametrize("parameters", ["", "; server_no_context_takeover"])
async def test_compression(tmp_path: Path, parameters: str) -> None:
    plain = ['{"type":"response.text.delta","delta":"' + "la " * 400 + '"}'] * 3
    compressor = zlib.compressobj(wbits=-15)
    frames = b""
    for text in plain:
        if parameters:
            compressor = zlib.compressobj(wbits=-15)
        packed = compressor.compress(text.encode()) + compressor.flush(zlib.Z_SYNC_FLUSH)
        frames += encode_frame(TEXT, packed[:-4], rsv1=True)
    frames += down("and one that is not compressed")

    async def server(wire: Wire) -> None:
        await shake_hands(wire, DEFLATE + parameters)
        await wire.send(frames)
        await wire.rest()

    async def client(wire: Wire) -> None:
        await open_socket(wire, DEFLATE + parameters)
        await wire.take(len(frames))
        wire.finish()
        await wire.rest()

    seen = await compare(client, server, tmp_path)
    assert seen.client == frames
    assert texts(seen, from_server=True) == [*plain, "and one that is not compressed"]


@pytest.mark.parametrize("upwards", [True, False])
async def test_a_long_message(tmp_path: Path, upwards: bool) -> None:
    text = "{" + "x" * LONG + "}"
    frame = up(text) if upwards else down(text)

    async def server(wire: Wire) -> None:
        await shake_hands(wire)
        await (wire.take(len(frame)) if upwards else wire.send(frame))
        await wire.rest()

    async def client(wire: Wire) -> None:
        await open_socket(wire)
        await (wire.send(frame) if upwards else wire.take(len(frame)))
        wire.finish()
        await wire.rest()

    seen = await compare(client, server, tmp_path)
    assert (seen.server if upwards else seen.client) == frame
    assert texts(seen, from_server=not upwards) == [text]


@pytest.mark.parametrize("code", [None, 1000, 1001, 1008, 1011, 3000, 4000])
@pytest.mark.parametrize("by_server", [True, False])
async def test_close_codes_from_either_side(
    tmp_path: Path, code: int | None, by_server: bool
) -> None:
    reason = "" if code is None else f"because of {code}"
    payload = encode_close(code, reason)

    async def server(wire: Wire) -> None:
        await shake_hands(wire)
        if by_server:
            await wire.send(encode_frame(CLOSE, payload))
            await wire.take(6 + len(payload))
        else:
            await wire.take(6 + len(payload))
            await wire.send(encode_frame(CLOSE, payload))
        wire.finish()
        await wire.rest()

    async def client(wire: Wire) -> None:
        await open_socket(wire)
        if by_server:
            await wire.take(2 + len(payload))
            await wire.send(encode_frame(CLOSE, payload, mask=MASK))
        else:
            await wire.send(encode_frame(CLOSE, payload, mask=MASK))
        await wire.rest()

    seen = await compare(client, server, tmp_path)
    closes = [record for record in seen.controls if record.name == "close"]
    assert [record.from_server for record in closes] == [by_server, not by_server]
    assert {(record.data["code"], record.data["reason"]) for record in closes} == {(code, reason)}


@pytest.mark.parametrize("by_server", [True, False])
async def test_a_reset_reaches_the_other_side_after_what_came_before(
    tmp_path: Path, by_server: bool
) -> None:
    last = down("the last words" * 5000) if by_server else up("the last words" * 5000)

    async def server(wire: Wire) -> None:
        await shake_hands(wire)
        if by_server:
            await wire.send(last)
            await wire.take(1)  # the client has everything
            wire.reset()
        else:
            await wire.take(len(last))
            await wire.send(b"\x8a\x00")
            await wire.rest()

    async def client(wire: Wire) -> None:
        await open_socket(wire)
        if by_server:
            await wire.take(len(last))
            await wire.send(encode_frame(PING, b"", mask=MASK))
            await wire.rest()
        else:
            await wire.send(last)
            await wire.take(2)
            wire.reset()

    seen = await compare(client, server, tmp_path)
    assert (seen.client_end if by_server else seen.server_end) == "reset"
    resets = [record for record in seen.controls if record.name == "reset"]
    assert [record.from_server for record in resets] == [by_server]


async def test_half_close_leaves_the_other_direction_open(tmp_path: Path) -> None:
    late = down("still speaking")

    async def server(wire: Wire) -> None:
        await shake_hands(wire)
        assert await wire.rest() == up("bye")  # the client's end of stream arrives …
        await wire.send(late)  # … and this still goes down

    async def client(wire: Wire) -> None:
        await open_socket(wire)
        await wire.send(up("bye"))
        wire.finish()
        await wire.rest()

    seen = await compare(client, server, tmp_path)
    assert seen.client == late
    ends = [record.from_server for record in seen.controls if record.name == "eof"]
    assert ends == [False, True]


async def test_a_frame_cut_off_by_the_end_is_passed_on_and_noted(tmp_path: Path) -> None:
    piece = down("x" * 1000)[:500]

    async def server(wire: Wire) -> None:
        await shake_hands(wire)
        await wire.send(piece)

    async def client(wire: Wire) -> None:
        await open_socket(wire)
        await wire.rest()

    seen = await compare(client, server, tmp_path)
    assert seen.client == piece
    assert [record.name for record in seen.controls][:2] == ["protocol_error", "eof"]


async def test_broken_frames_pass_and_are_noted(tmp_path: Path) -> None:
    broken = b"\x83\x00" + b"\xf1\x01A" + encode_frame(TEXT, b"\xff\xfe") + down("and on")

    async def server(wire: Wire) -> None:
        await shake_hands(wire)
        await wire.send(broken)
        await wire.rest()

    async def client(wire: Wire) -> None:
        await open_socket(wire)
        await wire.take(len(broken))
        wire.finish()
        await wire.rest()

    seen = await compare(client, server, tmp_path)
    assert seen.client == broken
    assert texts(seen, from_server=True)[-1] == "and on"
    assert sum(record.name == "protocol_error" for record in seen.controls) >= 3


async def test_a_thousand_unknown_event_types(tmp_path: Path) -> None:
    events = [f'{{"type":"future.event_{n}","n":{n},"odd":[null,{{}}]}}' for n in range(1000)]
    frames = b"".join(map(down, events))

    async def server(wire: Wire) -> None:
        await shake_hands(wire)
        await wire.send(frames)
        await wire.rest()

    async def client(wire: Wire) -> None:
        await open_socket(wire)
        await wire.take(len(frames))
        wire.finish()
        await wire.rest()

    seen = await compare(client, server, tmp_path)
    assert seen.client == frames
    assert texts(seen, from_server=True) == events


@pytest.mark.parametrize(
    ("status", "extra"),
    [
        ("401 Unauthorized", ""),
        ("403 Forbidden", "x-ms-region: West Europe\r\n"),
        ("404 Resource Not Found", ""),
        ("429 Too Many Requests", "Retry-After: 7\r\n"),
    ],
)
async def test_refusals_with_their_bodies(tmp_path: Path, status: str, extra: str) -> None:
    answer = b'{"error":{"message":"no","type":"invalid_request_error","code":null}}'
    refusal = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{extra}"
        f"Content-Length: {len(answer)}\r\n\r\n"
    ).encode() + answer

    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(refusal)
        await wire.rest()

    async def client(wire: Wire) -> None:
        await wire.send(request_head())
        await wire.take(len(refusal))
        wire.finish()
        await wire.rest()

    seen = await compare(client, server, tmp_path)
    assert seen.client == answer
    (refused,) = seen.controls
    assert refused.name == "refused"
    assert refused.from_server
    assert refused.data["status"] == int(status[:3])
    assert refused.data["body"] == answer


async def test_records_stand_in_the_order_of_the_wire(tmp_path: Path) -> None:
    async def server(wire: Wire) -> None:
        await shake_hands(wire)
        for n in range(20):
            await wire.take(len(up(f"question {n:02}")))
            await wire.send(down(f"answer {n:02}"))
        await wire.rest()

    async def client(wire: Wire) -> None:
        await open_socket(wire)
        for n in range(20):
            await wire.send(up(f"question {n:02}"))
            await wire.take(len(down(f"answer {n:02}")))
        wire.finish()
        await wire.rest()

    seen = await compare(client, server, tmp_path)
    expected = [
        (flags, f"{word} {n:02}")
        for n in range(20)
        for flags, word in ((0, "question"), (FROM_SERVER, "answer"))
    ]
    assert [(event.flags, event.payload) for event in seen.events] == expected
    times = [record.t_ns for record in seen.records if isinstance(record, Event)]
    assert times == sorted(times)
    assert times[0] >= 0
