"""TLS for the programs of wirekit: what they send and see is what is inside."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Literal

from rtproxy.net.authority import Authority
from rtproxy.net.leaves import Leaves
from tests.record.wirekit import Way, Wire

Where = Literal["client", "server", "both"]


class TlsWire(Wire):
    """One end of a TLS connection, over a socket that is its own to cut."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, *, server_side: bool) -> None:
        super().__init__(sock)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server_side else "localhost"
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=name
        )

    async def shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
                return await self._flush()
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._fill():
                    raise

    async def send(self, data: bytes) -> None:
        if data:
            self._tls.write(data)
        await self._flush()

    def finish(self) -> None:
        """Say that nothing more comes; what comes from the other end is still read."""
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            return  # the other end has gone on speaking
        self.sock.send(self._outgoing.read())

    async def _read(self) -> bool:
        while True:
            try:
                data = self._tls.read(65536)
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._fill():
                    return False
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError, ssl.SSLError):
                self.end = "eof"
                return False
            else:
                if not data:
                    self.end = "eof"
                self.received += data
                return bool(data)

    async def _fill(self) -> bool:
        try:
            data = await asyncio.get_running_loop().sock_recv(self.sock, 65536)
        except ConnectionResetError:
            self.end = "reset"
            return False
        if not data:
            self.end = "eof"
            self._incoming.write_eof()
            return False
        self._incoming.write(data)
        return True

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await asyncio.get_running_loop().sock_sendall(self.sock, self._outgoing.read())


def way_with_tls(where: Where, folder: Path) -> Way:
    """TLS between client and proxy, between proxy and server, or on both sides of the proxy."""
    ours, theirs = Authority.open(folder / "ours"), Authority.open(folder / "theirs")
    at_client = ssl.create_default_context(cafile=ours.path)
    at_server = Leaves(theirs).context("127.0.0.1")

    async def client(sock: socket.socket) -> Wire:
        wire = TlsWire(sock, at_client, server_side=False)
        await wire.shake_hands()
        return wire

    async def server(sock: socket.socket) -> Wire:
        wire = TlsWire(sock, at_server, server_side=True)
        await wire.shake_hands()
        return wire

    below, above = where in ("client", "both"), where in ("server", "both")
    settings: dict[str, object] = {"ca_folder": ours.folder, "tls": below}
    if above:
        settings["upstream_ca"] = theirs.path
    return Way(
        "https" if above else "http", client if below else None, server if above else None, settings
    )
