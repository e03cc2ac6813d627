"""One end of a session: it speaks and reads as its plan says, and keeps count of both."""

import asyncio
import contextlib
import json
import os
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Any, TextIO

from rtproxy.wire.frame import Opcode
from tests.attacks.soak.plan import Part, Plan
from tests.attacks.soak.speech import CLOSE, Ear, Mouth

STUCK_S = 45.0
"""How long after its time a session may take to be over at both ends."""
READ = 65536


@dataclass
class Account:
    """What one end says of one session."""

    number: int
    side: str
    said: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    size: int = 0
    """Bytes that it has heard."""
    status: int = 0
    end: str = "open"
    error: str = ""

    def to_json(self) -> str:
        return json.dumps(vars(self))

    @staticmethod
    def of(line: str) -> "Account":
        return Account(**json.loads(line))


class Book:
    """A file of accounts, one a line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def enter(self, account: Account) -> None:
        self._file.write(account.to_json() + "\n")


class End:
    """Plays one part of a plan on a connection that has been upgraded."""

    def __init__(
        self,
        plan: Plan,
        account: Account,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        is_client = account.side == "client"
        self._plan = plan
        self._part: Part = plan.client if is_client else plan.server
        self._is_client = is_client
        self._ends = plan.ended_by_client == is_client
        self._rng = plan.rng(account.side)
        self._reader = reader
        self._writer = writer
        self._mouth = Mouth(plan.number, self._rng, plan.deflate, is_client=is_client)
        self._ear = Ear(plan.deflate)
        self._account = account
        self._over = asyncio.Event()
        """The other end has closed, or is gone."""
        self._ending = False
        account.said, account.heard = self._mouth.items, self._ear.items

    async def play(self) -> None:
        listening = asyncio.create_task(self._listen())
        try:
            async with asyncio.timeout(self._plan.seconds + STUCK_S):
                with contextlib.suppress(OSError):
                    await self._speak()
                self._ending = True
                await listening
        except TimeoutError:
            self._account.error = "stuck"
        finally:
            listening.cancel()
            self._account.size = self._ear.size
            self._writer.close()

    async def _listen(self) -> None:
        """Read until the end, at the pace of the part."""
        deaf_until = time.monotonic() + self._rng.uniform(0.2, min(4, 0.5 + self._plan.seconds))
        try:
            while True:
                while self._part.ear == "deaf" and not self._ending:
                    if time.monotonic() > deaf_until:
                        break
                    await asyncio.sleep(0.05)
                if self._part.ear == "slow" and not self._ending:
                    await asyncio.sleep(0.01)
                    data = await self._reader.read(16_384)
                else:
                    data = await self._reader.read(READ)
                if not data:
                    self._account.end = "eof"
                    break
                self._ear.hear(data)
                if self._ear.closed:
                    self._over.set()
        except OSError:
            self._account.end = "reset"
        self._over.set()

    async def _speak(self) -> None:
        until = time.monotonic() + (self._plan.seconds if self._ends else float("inf"))
        while not self._over.is_set() and time.monotonic() < until:
            pause = await self._utter()
            left = max(0.0, until - time.monotonic())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), min(pause, left))
        if not self._over.is_set():
            await self._end()
        elif self._ear.closed:
            await self._write(self._mouth.control(Opcode.CLOSE, CLOSE))
            if not self._is_client:
                self._writer.close()
        elif self._account.end == "eof":
            for _ in range(3):  # the last words to somebody who has said all
                await self._write(self._mouth.message(200))
            self._writer.close()

    async def _utter(self) -> float:
        """Say something; return how long to pause then."""
        rng, mouth = self._rng, self._mouth
        match self._part.manner:
            case "talk":
                await self._write(mouth.message(rng.choice([80, 300, 1300, 13_000])))
                return rng.uniform(0.01, 0.3)
            case "flood":
                for _ in range(200):
                    await self._write(mouth.message(rng.randint(100, 3000)))
                return rng.uniform(0.3, 1)
            case "big":
                await self._write(mouth.message(rng.randint(200_000, 3_000_000)))
                return rng.uniform(1, 3)
            case "drip":
                for byte in mouth.message(rng.randint(0, 200)):
                    await self._write(bytes([byte]))
                    await asyncio.sleep(0)
                return rng.uniform(0.1, 0.5)
            case "fragments":
                for piece in mouth.fragments(rng.randint(10, 20_000)):
                    await self._write(piece)
                return rng.uniform(0.02, 0.3)
            case "broken":
                await self._write(mouth.broken() + mouth.message(50))
                return rng.uniform(0.05, 0.3)
            case "pings":
                pings = [mouth.control(Opcode.PING, rng.randbytes(100)) for _ in range(500)]
                await self._write(b"".join(pings))
                return rng.uniform(0.5, 2)
            case "packed":
                await self._write(mouth.packed(rng.choice([80, 300, 1300, 13_000])))
                return rng.uniform(0.02, 0.3)
            case "garbage":
                said = mouth.garbage() if rng.random() < 0.3 else mouth.packed(300)
                await self._write(said)
                return rng.uniform(0.05, 0.3)
            case _:
                return 3600.0

    async def _end(self) -> None:
        """End the session as planned."""
        ending: str = self._plan.ending
        if ending in ("cut", "cut and reset"):
            await self._write(self._mouth.half())
        elif ending == "fatal":
            await self._write(self._mouth.fatal())
        self._ending = True
        if not self._writer.can_write_eof():  # TLS has no end of one stream alone
            ending = {"eof": "close", "fatal": "drop"}.get(ending, ending)
        if ending == "close":
            await self._write(self._mouth.control(Opcode.CLOSE, CLOSE))
            await self._over.wait()
            if not self._is_client:
                self._writer.close()
        elif ending in ("eof", "fatal"):
            self._writer.write_eof()
        elif ending in ("drop", "cut"):
            self._writer.close()
            self._account.end = "ours"
        else:
            reset(self._writer)
            self._account.end = "ours"

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """Forget what is under way, in both directions."""
    plain: Any = writer.get_extra_info("socket")
    with socket.socket(fileno=os.dup(plain.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
