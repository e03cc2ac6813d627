"""A TCP reset that does not overtake the bytes before it."""

import asyncio
import fcntl
import os
import socket
import struct
import termios

GRACE_S = 10.0
"""How long bytes may take to reach a peer before the reset that follows them is sent."""

_POLL_S = 0.002
_LINGER_NOT = struct.pack("ii", 1, 0)


async def reset_after_delivery(transport: asyncio.Transport, gone: "asyncio.Future[None]") -> None:
    """Reset a connection once its peer's kernel has all that was written, GRACE_S at most.

    `gone` is done when the connection is lost: from then on its descriptor may be another's.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + GRACE_S
    descriptor = transport.get_extra_info("socket").fileno()
    # Under TLS, the transport beneath has a buffer that does not show. Once the kernel has nothing
    # left it gets what is in there, all at once, before we look again.
    looks = 1 if transport.get_extra_info("ssl_object") is None else 2
    while not (gone.done() or transport.is_closing()) and loop.time() < deadline:
        if transport.get_write_buffer_size() == 0 and _unacknowledged(descriptor) == 0:
            looks -= 1
            if not looks:
                break
        await asyncio.sleep(_POLL_S)
    if not gone.done():
        _forget_on_close(descriptor)
        transport.abort()


def _unacknowledged(descriptor: int) -> int:
    """Bytes that the kernel has not yet had acknowledged by the peer (tcp(7), SIOCOUTQ)."""
    try:
        answer = fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int(struct.unpack("i", answer)[0])


def _forget_on_close(descriptor: int) -> None:
    """Make close() send a reset. The event loop's socket object may hide setsockopt."""
    with socket.socket(fileno=os.dup(descriptor)) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
