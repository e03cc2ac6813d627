"""Opens WebSocket connections on plain sockets."""

import socket
from dataclasses import dataclass

CONNECT_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where the target listens (on loopback), and the plan that the server is to follow."""

    port: int
    plan: str

    def open(self) -> socket.socket:
        """Connect and upgrade; return a blocking socket. Raises OSError if that fails."""
        connection = socket.create_connection(("127.0.0.1", self.port), CONNECT_TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(
            f"GET /v1/realtime?model=gpt-realtime&{self.plan} HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Authorization: Bearer sk-bench-0123456789abcdef0123456789abcdef\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            # Only the head is taken: what the server says next may be there already.
            seen = connection.recv(4096, socket.MSG_PEEK)
            if not seen:
                raise ConnectionError(f"closed during the handshake after {answer[:80]!r}")
            end = (answer + seen).find(b"\r\n\r\n")
            take = len(seen) if end < 0 else end + 4 - len(answer)
            answer += connection.recv(take)
        if not answer.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(f"the handshake was refused: {answer[:80]!r}")
        return connection
