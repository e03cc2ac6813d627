"""Sessions that are open and say little, and one that says as much as an hour does."""

import socket
import threading
from contextlib import ExitStack

from bench.load.connection import Address
from bench.load.echo import echo
from bench.load.mark import mark
from bench.message import CLIENT_CLOSE, append, delta, from_client, from_server, small

BATCH = 32
WARM_UP = 0.1
"""Part of a long session after which buffers and caches have their size."""


def idle(address: Address, sessions: int) -> None:
    """Open so many sessions, one message each way in each; marks `begin` and `open`."""
    echo(address, "small", 10, 0)
    mark("begin")
    frame, answer = from_client(small()), len(from_server(small()))
    with ExitStack() as stack:
        for _ in range(sessions):
            connection = stack.enter_context(address.open())
            connection.sendall(frame)
            left = answer
            while left and (data := connection.recv(left)):
                left -= len(data)
        mark("open")


def hour(address: Address, appends: int, answered: int) -> None:
    """Send so many appends in one session, as fast as they go; each `answered`-th gets a delta.

    Marks `warm` after a tenth of them and `end` once all answers are here; closes after that.
    """
    expected = appends // answered * len(from_server(delta()))
    frames = from_client(append()) * BATCH
    with address.open() as connection:
        reader = threading.Thread(target=_read, args=(connection, expected), daemon=True)
        reader.start()
        for number in range(0, appends, BATCH):
            if number <= appends * WARM_UP < number + BATCH:
                mark("warm")
            connection.sendall(frames)
        reader.join()
        mark("end")
        connection.sendall(CLIENT_CLOSE)


def _read(connection: socket.socket, expected: int) -> None:
    while expected > 0 and (data := connection.recv(1 << 18)):
        expected -= len(data)
