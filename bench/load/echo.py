"""One session that sends a message and waits for the answer, again and again."""

import socket
import time

from bench.load.connection import Address
from bench.message import CLIENT_CLOSE, MESSAGES, from_client, from_server


def echo(address: Address, message: str, count: int, warm_up: int) -> list[float]:
    """Round trips of `count` messages in µs, after `warm_up` that are not counted."""
    frame = from_client(MESSAGES[message]())
    answer = len(from_server(MESSAGES[message]()))
    with address.open() as connection:
        for _ in range(warm_up):
            _round_trip(connection, frame, answer)
        times = [_round_trip(connection, frame, answer) for _ in range(count)]
        connection.sendall(CLIENT_CLOSE)
        while connection.recv(4096):
            pass
    return times


def _round_trip(connection: socket.socket, frame: bytes, answer: int) -> float:
    start = time.perf_counter_ns()
    connection.sendall(frame)
    left = answer
    while left > 0:
        data = connection.recv(left)
        if not data:
            raise ConnectionError("closed in the middle of an answer")
        left -= len(data)
    return (time.perf_counter_ns() - start) / 1000
