"""Taking a connection from aiohttp: its transport, and the bytes that it has read too far."""

import asyncio
from typing import Any, cast

from aiohttp import web
from aiohttp.client_proto import ResponseHandler


class Taken(web.StreamResponse):
    """What a handler returns when the connection is no longer aiohttp's to answer on."""

    async def prepare(self, request: web.BaseRequest) -> None:  # noqa: ARG002
        self._keep_alive = False

    async def write_eof(self, data: bytes = b"") -> None:
        pass


class Hung(asyncio.Transport):
    """The transport of a peer that hung up before its connection could be taken over."""

    def is_closing(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def can_write_eof(self) -> bool:
        return False


class _Tail:
    """Stands in for aiohttp's frame parser, so that it hands over what it has read too far."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        pass


def take_client(request: web.BaseRequest) -> tuple[asyncio.Transport, bytes]:
    """The transport under an upgrade request, and what its client has sent since.

    Its protocol stays aiohttp's until the caller sets another; tell it `connection_lost` then.
    """
    tail = _Tail()
    request.protocol.set_parser(cast(Any, tail))
    return request.protocol.transport or Hung(), tail.data


def take_server(protocol: ResponseHandler | None) -> tuple[asyncio.Transport, bytes]:
    """The transport under the answer to an upgrade request, and what its server has sent since."""
    if protocol is None:
        return Hung(), b""
    tail = _Tail()
    protocol.set_parser(tail, None)
    return protocol.transport or Hung(), tail.data


def let_go(transport: asyncio.Transport) -> None:
    """Have the transport of a lost connection let go of itself.

    Until Python 3.12 asyncio's holds one of its own methods, and so stays, with its socket's
    object and 5 KB, until somebody collects garbage (github.com/python/cpython/issues/100348).
    """
    if getattr(transport, "_read_ready_cb", None) is not None:
        transport._read_ready_cb = None  # type: ignore[attr-defined]


def raw_headers(message: web.BaseRequest | Any) -> list[tuple[str, str]]:
    """Headers of a request or a response as they were sent: letter case, order, duplicates."""
    return [
        (name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
        for name, value in message.raw_headers
    ]
