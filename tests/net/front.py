"""What stands between programs in the tests: a TLS front for a plain server, and an HTTP proxy."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from yarl import URL


@dataclass
class Front:
    """A listener and what it has seen."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    """Of a TLS front: the protocol agreed on; of a proxy: the first line of each request."""
    headers: list[str] = field(default_factory=list)


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def listening(serve: object, front: Front, **options: object) -> AsyncIterator[Front]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, **options)  # type: ignore[arg-type]
    front.port = server.sockets[0].getsockname()[1]
    try:
        yield front
    finally:
        server.close()
        if hasattr(server, "close_clients"):  # Python 3.13
            server.close_clients()


@asynccontextmanager
async def tls_front(url: str, context: ssl.SSLContext) -> AsyncIterator[Front]:
    """TLS in front of the plain server at `url`."""
    front = Front()
    behind = URL(url)
    context.set_alpn_protocols(["h2", "http/1.1"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        agreed = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        front.asked.append(str(agreed))
        up, down = await asyncio.open_connection(behind.host, behind.port)
        await asyncio.gather(pipe(reader, down), pipe(up, writer))

    async with listening(serve, front, ssl=context):
        yield front


@asynccontextmanager
async def http_proxy(
    routes: dict[str, int], credentials: str | None = None
) -> AsyncIterator[Front]:
    """A proxy that tunnels to 127.0.0.1: `routes` says which port a HOST:PORT has there."""
    front = Front()
    wanted = credentials and f"Basic {base64.b64encode(credentials.encode()).decode()}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *headers = head.strip().splitlines()
        front.asked.append(line)
        front.headers += headers
        if wanted and f"Proxy-Authorization: {wanted}" not in headers:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        port = routes[line.split()[1]]
        up, down = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pipe(reader, down), pipe(up, writer))

    async with listening(serve, front):
        yield front
