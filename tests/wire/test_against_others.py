"""What other implementations send is what we see, and what they see is what we see."""

import zlib
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.extensions.permessage_deflate import PerMessageDeflate as WebsocketsDeflate
from websockets.frames import Close as WebsocketsClose
from websockets.frames import Frame
from websockets.frames import Opcode as WebsocketsOpcode
from websockets.http11 import Request
from websockets.protocol import Protocol, Side, State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri
from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol

from rtproxy.wire.deflate import Deflate
from rtproxy.wire.frame import Opcode, encode_close, encode_frame
from rtproxy.wire.handshake import accept_key
from rtproxy.wire.message import Close, Message, MessageDecoder, Ping, Pong, WireEvent
from tests.wire.feeding import decode_every_way, read_sizes

CONTROL = {Ping: Opcode.PING, Pong: Opcode.PONG}


@dataclass
class Fragmented:
    """A message and how it is to travel: the lengths of its fragments but the last, the control
    frames after each, and whether it is compressed."""

    data: str | bytes
    cuts: list[int]
    between: list[list[Ping | Pong]]
    compressed: bool

    @property
    def expected(self) -> list[WireEvent]:
        flat: list[WireEvent] = [control for group in self.between for control in group]
        return [*flat, Message(self.data)]


controls = st.builds(Ping, st.binary(max_size=125)) | st.builds(Pong, st.binary(max_size=125))
# Repetitive enough for references into earlier messages, long enough for every length encoding.
payloads = (
    st.text(max_size=40)
    | st.binary(max_size=40)
    | st.builds(
        lambda text, times: text * times, st.text(min_size=1, max_size=9), st.integers(20, 900)
    )
    | st.builds(lambda data, times: data * times, st.binary(min_size=1, max_size=9), st.just(8000))
)


@st.composite
def fragmented(draw: st.DrawFn) -> Fragmented:
    cuts = draw(st.lists(st.integers(0, 300), max_size=3))
    between = [draw(st.lists(controls, max_size=2)) for _ in cuts]
    return Fragmented(draw(payloads), cuts, between, draw(st.booleans()))


traffic = st.lists(fragmented() | controls, max_size=6)
closes = st.none() | st.builds(
    Close,
    st.none() | st.sampled_from([1000, 1001, 1008, 1011, 3000, 4000, 4999]),
    st.text(max_size=40),
).map(lambda close: Close(close.code, close.reason if close.code else ""))
parameters = st.builds(
    Deflate, st.booleans(), st.booleans(), st.integers(9, 15), st.integers(9, 15)
)


def header_of(deflate: Deflate) -> str:
    """The agreement as a server writes it into its 101."""
    value = "permessage-deflate"
    value += "; server_no_context_takeover" if deflate.server_no_context_takeover else ""
    value += "; client_no_context_takeover" if deflate.client_no_context_takeover else ""
    value += f"; server_max_window_bits={deflate.server_max_window_bits}"
    return value + f"; client_max_window_bits={deflate.client_max_window_bits}"


def wsproto_peer(deflate: Deflate | None, *, client: bool) -> FrameProtocol:
    extensions: list[Extension] = []
    if deflate is not None:
        extensions.append(PerMessageDeflate())
        extensions[0].finalize(header_of(deflate))
    return FrameProtocol(client=client, extensions=extensions)


def split(payload: bytes, cuts: list[int]) -> list[bytes]:
    parts = []
    for cut in cuts:
        parts.append(payload[:cut])
        payload = payload[cut:]
    return [*parts, payload]


class PlainSender:
    """Sends with our own encoder; compresses what it is told to, at any level."""

    def __init__(self, deflate: Deflate | None, *, from_client: bool, level: int) -> None:
        self.deflate, self.level = deflate, level
        self.mask = b"\x9a\x00\x7f\x21" if from_client else None
        if deflate is not None:
            self.bits, self.reset = (
                (deflate.client_max_window_bits, deflate.client_no_context_takeover)
                if from_client
                else (deflate.server_max_window_bits, deflate.server_no_context_takeover)
            )
            self.compressor = zlib.compressobj(level, zlib.DEFLATED, -self.bits)

    def compress(self, payload: bytes) -> bytes:
        if self.reset:
            self.compressor = zlib.compressobj(self.level, zlib.DEFLATED, -self.bits)
        data = self.compressor.compress(payload) + self.compressor.flush(zlib.Z_SYNC_FLUSH)
        # A second flush with nothing between gives no bytes; an empty message is one of zeros.
        return data.removesuffix(b"\x00\x00\xff\xff") or b"\x00"

    def send(self, thing: Fragmented | Ping | Pong) -> bytes:
        if not isinstance(thing, Fragmented):
            return encode_frame(CONTROL[type(thing)], thing.payload, mask=self.mask)
        payload = thing.data.encode() if isinstance(thing.data, str) else thing.data
        compressed = thing.compressed and self.deflate is not None
        if compressed:
            payload = self.compress(payload)
        opcode = Opcode.TEXT if isinstance(thing.data, str) else Opcode.BINARY
        *parts, last = split(payload, thing.cuts)
        out = b""
        for part, between in zip(parts, thing.between, strict=True):
            out += encode_frame(opcode, part, fin=False, mask=self.mask, rsv1=compressed)
            out += b"".join(map(self.send, between))
            opcode, compressed = Opcode.CONTINUATION, False
        return out + encode_frame(opcode, last, mask=self.mask, rsv1=compressed)


def what_websockets_sees(deflate: Deflate | None, data: bytes, *, client: bool) -> list[WireEvent]:
    """What a websockets peer receives."""
    receiver = Protocol(Side.CLIENT if client else Side.SERVER, state=State.OPEN, max_size=None)
    if deflate is not None:
        ours = (deflate.client_no_context_takeover, deflate.client_max_window_bits)
        theirs = (deflate.server_no_context_takeover, deflate.server_max_window_bits)
        if not client:
            ours, theirs = theirs, ours
        receiver.extensions = [WebsocketsDeflate(theirs[0], ours[0], theirs[1], ours[1])]
    receiver.receive_data(data)
    events: list[WireEvent] = []
    parts: list[bytes] = []
    is_text = False
    for frame in receiver.events_received():
        assert isinstance(frame, Frame)
        payload = bytes(frame.data)
        if frame.opcode is WebsocketsOpcode.CLOSE:
            close = WebsocketsClose.parse(payload)
            events.append(Close(int(close.code) if payload else None, close.reason))
        elif frame.opcode in (WebsocketsOpcode.PING, WebsocketsOpcode.PONG):
            events.append((Ping if frame.opcode is WebsocketsOpcode.PING else Pong)(payload))
        else:
            if frame.opcode is not WebsocketsOpcode.CONT:
                is_text = frame.opcode is WebsocketsOpcode.TEXT
            parts.append(payload)
            if frame.fin:
                whole = b"".join(parts)
                events.append(Message(whole.decode() if is_text else whole))
                parts = []
    return events


@settings(max_examples=80, deadline=None)
@given(
    things=traffic, close=closes, deflate=st.none() | parameters, from_client=st.booleans(),
    sizes=read_sizes,
)  # fmt: skip
def test_what_wsproto_sends_is_what_we_see(
    things: list[Fragmented | Ping | Pong],
    close: Close | None,
    deflate: Deflate | None,
    from_client: bool,
    sizes: list[int],
) -> None:
    sender = wsproto_peer(deflate, client=from_client)
    data = b""
    expected: list[WireEvent] = []
    for thing in things:
        if isinstance(thing, Fragmented):
            rest = thing.data
            for cut in thing.cuts:  # between characters: its interface takes text as str
                data += sender.send_data(rest[:cut], fin=False)
                rest = rest[cut:]
            data += sender.send_data(rest)
            expected.append(Message(thing.data))
        else:
            data += (
                sender.ping(thing.payload)
                if isinstance(thing, Ping)
                else sender.pong(thing.payload)
            )
            expected.append(thing)
    if close is not None:
        data += sender.close(close.code, close.reason or None)
        expected.append(close)
    agreed = Deflate.from_header(header_of(deflate)) if deflate else None
    assert agreed == deflate
    seen = decode_every_way(
        lambda: MessageDecoder(from_client=from_client, deflate=agreed), data, sizes
    )
    assert seen == expected


@settings(max_examples=100, deadline=None)
@given(
    things=traffic, close=closes, deflate=st.none() | parameters, from_client=st.booleans(),
    level=st.sampled_from([0, 1, 6, 9]), sizes=read_sizes,
)  # fmt: skip
def test_we_see_what_was_sent_and_what_websockets_sees(
    things: list[Fragmented | Ping | Pong],
    close: Close | None,
    deflate: Deflate | None,
    from_client: bool,
    level: int,
    sizes: list[int],
) -> None:
    sender = PlainSender(deflate, from_client=from_client, level=level)
    data = b"".join(map(sender.send, things))
    expected = [
        event
        for thing in things
        for event in (thing.expected if isinstance(thing, Fragmented) else [thing])
    ]
    if close is not None:
        data += encode_frame(Opcode.CLOSE, encode_close(close.code, close.reason), mask=sender.mask)
        expected.append(close)

    def make() -> MessageDecoder:
        return MessageDecoder(from_client=from_client, deflate=deflate)

    assert decode_every_way(make, data, sizes) == expected
    assert what_websockets_sees(deflate, data, client=not from_client) == expected


@settings(max_examples=60, deadline=None)
@given(deflate=parameters, messages=st.lists(payloads, max_size=5), from_client=st.booleans())
def test_a_whole_session_between_websockets_peers(
    deflate: Deflate, messages: list[str | bytes], from_client: bool
) -> None:
    """Their handshake agrees with our accept key and our reading of the extensions."""
    client = ClientProtocol(
        parse_uri("ws://localhost/v1/realtime"),
        extensions=[
            ClientPerMessageDeflateFactory(
                deflate.server_no_context_takeover,
                deflate.client_no_context_takeover,
                deflate.server_max_window_bits,
                deflate.client_max_window_bits,
            )
        ],
    )
    server = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()])
    client.send_request(client.connect())
    server.receive_data(b"".join(client.data_to_send()))
    (request,) = server.events_received()
    assert isinstance(request, Request)
    response = server.accept(request)
    server.send_response(response)
    server.data_to_send()
    assert (
        accept_key(request.headers["Sec-WebSocket-Key"]) == response.headers["Sec-WebSocket-Accept"]
    )
    agreed = Deflate.from_header(response.headers["Sec-WebSocket-Extensions"])
    assert agreed == deflate

    if from_client:
        client.receive_data(f"HTTP/1.1 101 Switching Protocols\r\n{response.headers}".encode())
    sender = client if from_client else server
    for message in messages:
        if isinstance(message, str):
            sender.send_text(message.encode())
        else:
            sender.send_binary(message)
    data = b"".join(sender.data_to_send())
    events = decode_every_way(lambda: MessageDecoder(from_client=from_client, deflate=agreed), data)
    assert events == list(map(Message, messages))
