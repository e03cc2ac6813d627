"""The server's half of a TLS handshake, on a connection that is there already."""

import asyncio
import ssl
from typing import cast

from rtproxy.errors import TlsError
from rtproxy.net.lobby import Lobby

HANDSHAKE_S = 15.0
"""How long a client may take to say something, and then to finish the handshake."""

TLS_RECORD = b"\x16"
"""First byte of a client's that begins a handshake (RFC 8446 §5.1)."""

_DISTRUST = ("UNKNOWN_CA", "CERTIFICATE_UNKNOWN", "BAD_CERTIFICATE")


class HandshakeError(TlsError):
    """A client's handshake failed; the message is for a person."""


async def first_byte(lobby: Lobby) -> bytes:
    """What a client's bytes begin with; empty if it says nothing, or nothing in time."""
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            return await lobby.first()
    except TimeoutError:
        return b""


async def shake_hands(
    transport: asyncio.Transport,
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    outside: Lobby,
) -> None:
    """Speak TLS on `transport`; from then on the connection inside is `protocol`'s.

    `outside` is the transport's protocol until now; it may have received something. Raises
    HandshakeError, and closes the transport, if there is no handshake.
    """
    loop = asyncio.get_running_loop()
    transport.pause_reading()  # the event loop reads on once its own protocol is in place
    if outside.is_over or transport.is_closing():
        transport.abort()
        raise HandshakeError("A client hung up before the TLS handshake.")
    early = outside.take()
    inside = Lobby()
    opening = loop.create_task(
        loop.start_tls(
            transport, inside, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_S
        )
    )
    try:
        if early:
            await _feed(transport, opening, early)
        secured = await opening
    except (OSError, EOFError) as error:
        raise why_failed(error) from None
    if secured is None:
        raise why_failed(ConnectionResetError())
    inside.hand_over(secured, protocol)


async def _feed(
    transport: asyncio.Transport, opening: "asyncio.Task[asyncio.Transport | None]", data: bytes
) -> None:
    """Give the event loop's TLS protocol what was read before it was there."""
    await asyncio.sleep(0)  # it is made,
    await asyncio.sleep(0)  # and told of its transport; nothing has been read meanwhile
    while data and not (opening.done() or transport.is_closing()):
        inner = cast(asyncio.BufferedProtocol, transport.get_protocol())
        buffer = cast(memoryview, inner.get_buffer(len(data)))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        inner.buffer_updated(size)
        data = data[size:]


def why_failed(error: BaseException) -> HandshakeError:
    """One sentence: why a client's handshake failed, and what to do."""
    reason = (error.reason if isinstance(error, ssl.SSLError) else None) or ""
    if any(word in reason for word in _DISTRUST):
        return HandshakeError(
            "A client does not trust rtproxy's certificate; `rtproxy ca` tells how to make it."
        )
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        words = reason.replace("_", " ").lower() or "no reason given"
        return HandshakeError(f"A client's TLS handshake failed: {words}.")
    # Many libraries do not say why they leave.
    return HandshakeError(
        "A client hung up during the TLS handshake; if it does not trust rtproxy's certificate, "
        "`rtproxy ca` tells how to make it."
    )
