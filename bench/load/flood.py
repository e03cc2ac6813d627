"""One session down which the server sends as fast as it can."""

import time

from bench.load.connection import Address
from bench.message import MESSAGES, from_client, from_server, small

READ = 1 << 20
WARM_UP = 0.2
"""Part of the time that passes before counting begins."""


def flood(address: Address, message: str, seconds: float, limit: int) -> float:
    """Messages a second; ends after `seconds` or `limit` bytes, whichever comes first."""
    size = len(from_server(MESSAGES[message]()))
    buffer = bytearray(READ)
    with address.open() as connection:
        connection.sendall(from_client(small()))
        received = counted_from = 0
        began = time.perf_counter()
        start: float | None = None
        while True:
            count = connection.recv_into(buffer)
            if not count:
                raise ConnectionError("closed in the middle of the flood")
            received += count
            now = time.perf_counter()
            if start is None:
                if now - began >= seconds * WARM_UP or received >= limit * WARM_UP:
                    start, counted_from = now, received
            elif now - began >= seconds or received >= limit:
                return (received - counted_from) / size / (now - start)
