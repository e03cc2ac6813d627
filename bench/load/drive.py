"""A client that says what is on a tape, as fast as it goes, and waits for the answers."""

import socket
import threading
import time

from bench.load.connection import Address
from bench.message import from_client
from bench.stream import FrameWalker
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Event


def drive(address: Address, tape: str) -> float:
    """Seconds until all that the server says on the tape has come."""
    with open_tape(tape) as opened:
        events = [record for record in opened if isinstance(record, Event)]
    sent = b"".join(from_client(str(event.payload)) for event in events if not event.from_server)
    expected = sum(event.from_server for event in events)
    with address.open() as connection:
        start = time.perf_counter()
        writer = threading.Thread(target=connection.sendall, args=(sent,), daemon=True)
        writer.start()
        _await(connection, expected)
        return time.perf_counter() - start


def _await(connection: socket.socket, expected: int) -> None:
    walker = FrameWalker()
    while expected > 0:
        data = connection.recv(1 << 18)
        if not data or walker.closed:
            raise ConnectionError(f"closed with {expected} events still to come")
        expected -= len(walker.feed(data))
