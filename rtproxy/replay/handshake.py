"""The 101 by which a replayed connection begins: as on the tape, for the client that asks now."""

from rtproxy.errors import ReplayError
from rtproxy.replay.recording import Recording
from rtproxy.replay.selection import ORIGIN_HEADER, origin
from rtproxy.wire.deflate import Deflate
from rtproxy.wire.deflater import agree
from rtproxy.wire.handshake import (
    HOP_BY_HOP,
    Headers,
    accept_key,
    header_values,
    offered_subprotocols,
)

VERSION = "13"

_LEFT_OUT = HOP_BY_HOP | {"content-length"}


def answer(recording: Recording, request: Headers) -> tuple[bytes, Deflate | None]:
    """The head of the 101, and the compression that it agrees on.

    Its headers are the recorded ones, in their order; those that answer the client's are made
    anew. Raises ReplayError if the request is no WebSocket handshake (RFC 6455 §4.2.1).
    """
    key = header_values(request, "Sec-WebSocket-Key")
    if not key:
        raise ReplayError("The handshake has no Sec-WebSocket-Key.")
    if header_values(request, "Sec-WebSocket-Version") != VERSION:
        raise ReplayError(f"The handshake is not of WebSocket version {VERSION}.")
    extensions, deflate = _agree(recording, request) or (None, None)
    made = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": accept_key(key),
        "Sec-WebSocket-Protocol": choose_subprotocol(recording, request),
        "Sec-WebSocket-Extensions": extensions,
        ORIGIN_HEADER: origin(recording.name),
    }
    recorded = {name.lower() for name, _ in recording.headers}
    headers = [(name, value) for name, value in made.items() if name.lower() not in recorded]
    left = {name.lower(): value for name, value in made.items()}
    again = set(left)
    for name, value in recording.headers:
        if name.lower() in left:
            new = left.pop(name.lower())
            headers.append((name, value if new and new.lower() == value.lower() else new))
        elif name.lower() not in _LEFT_OUT | again:
            headers.append((name, value))
    said = [f"{name}: {value}" for name, value in headers if value is not None]
    head = "\r\n".join(["HTTP/1.1 101 Switching Protocols", *said])
    return head.encode("utf-8", "surrogateescape") + b"\r\n\r\n", deflate


def choose_subprotocol(recording: Recording, request: Headers) -> str | None:
    """The subprotocol to answer with: the recorded one, if the client offers it.

    If nothing was offered when the tape was made, the tape cannot tell. A browser that offers
    some gives up when none is chosen, so that it gets `realtime`, or else its first that is
    no credential.
    """
    offered = offered_subprotocols(request)
    chosen = header_values(recording.headers, "Sec-WebSocket-Protocol")
    if chosen in offered:
        return chosen
    if offered_subprotocols(recording.request_headers):
        return None
    plain = [name for name in offered if not name.startswith("openai-insecure-")]
    return "realtime" if "realtime" in offered else next(iter(plain), None)


def _agree(recording: Recording, request: Headers) -> tuple[str, Deflate] | None:
    """Compress if the recorded server did and this client can."""
    recorded = Deflate.from_header(header_values(recording.headers, "Sec-WebSocket-Extensions"))
    if recorded is None:
        return None
    return agree(header_values(request, "Sec-WebSocket-Extensions"), recorded)
