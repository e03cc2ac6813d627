"""A client that says what is on a tape when it was said, and notes when the answers come."""

import socket
import threading
import time

from bench.load.connection import Address
from bench.message import from_client
from bench.stream import FrameWalker
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Event

LEAD_S = 0.02
"""How long before an event is due the client stops sleeping and looks at the clock."""


def pace(address: Address, tape: str) -> list[float]:
    """For each server event, seconds by which it came later than on the tape (negative: earlier).

    The client is on time, so this is the error of an event's offset from what caused it.
    """
    with open_tape(tape) as opened:
        events = [record for record in opened if isinstance(record, Event)]
    answers = [event.t_ns / 1e9 for event in events if event.from_server]
    with address.open() as connection:
        start = time.perf_counter()
        speaking = threading.Thread(target=_speak, args=(connection, events, start), daemon=True)
        speaking.start()
        came: list[float] = []
        walker = FrameWalker()
        while len(came) < len(answers):
            data = connection.recv(1 << 18)
            now = time.perf_counter() - start
            if not data or walker.closed:
                raise ConnectionError(f"closed with {len(answers) - len(came)} events to come")
            came += [now] * len(walker.feed(data))
    return [arrival - due for arrival, due in zip(came, answers, strict=True)]


def _speak(connection: socket.socket, events: list[Event], start: float) -> None:
    for event in events:
        if event.from_server:
            continue
        due = start + event.t_ns / 1e9
        while (wait := due - time.perf_counter()) > 0:
            time.sleep(wait - LEAD_S if wait > LEAD_S else 0.0002)
        connection.sendall(from_client(str(event.payload)))
