"""The server behind the proxy: `python -m tests.attacks.soak.server SEED LONGEST FILE`.

Prints its port, serves until its standard input ends, and then until nobody is left.
"""

import asyncio
import contextlib
import random
import sys
from pathlib import Path
from typing import TextIO

from tests.attacks.kit import Host, acceptance, echo
from tests.attacks.soak.end import STUCK_S, Account, Book, End, reset
from tests.attacks.soak.plan import Plan, number_in
from tests.attacks.soak.speech import item

JSON = b"Content-Type: application/json\r\n"


class Server(Host):
    """Plays the server's part of every plan, and is away now and then."""

    def __init__(self, seed: int, longest: float, file: TextIO) -> None:
        super().__init__()
        self._seed = seed
        self._longest = longest
        self._book = Book(file)

    async def run(self) -> None:
        """Serve until the standard input ends; go away for a moment every few seconds."""
        done = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        rng = random.Random(self._seed)
        while not done.done():
            server = await asyncio.start_server(
                self.serve, "127.0.0.1", self.port, backlog=1024, reuse_address=True
            )
            if not self.port:
                self.port = server.sockets[0].getsockname()[1]
                print(self.port, flush=True)
            await asyncio.wait([done], timeout=rng.uniform(3, 8))
            server.close()
            await asyncio.sleep(rng.uniform(0.05, 0.2))
        if self._running:
            await asyncio.wait(self._running, timeout=2 * STUCK_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        number = number_in(head.split(b" ")[1].decode())
        if number is None:
            writer.write(acceptance(head, ""))
            await echo(reader, writer)
            return
        plan = Plan.of(self._seed, number, self._longest)
        account = Account(number, "server")
        try:
            if plan.kind == "refused":
                await refuse(plan, account, reader, writer)
            elif plan.kind == "http":
                await Exchange(plan, account, reader, writer).play(head)
            else:
                await accept(plan, acceptance(head, plan.deflate), writer)
                await End(plan, account, reader, writer).play()
        except (OSError, asyncio.IncompleteReadError) as error:
            account.error = account.error or type(error).__name__
        finally:
            self._book.enter(account)


async def accept(plan: Plan, answer: bytes, writer: asyncio.StreamWriter) -> None:
    if plan.leaving == "late" and plan.kind == "left":
        await asyncio.sleep(plan.seconds)
    if not plan.slow_answer:
        writer.write(answer)
        return
    for at in range(0, len(answer), 10):
        writer.write(answer[at : at + 10])
        await writer.drain()
        await asyncio.sleep(0.01)


async def hears_the_end(account: Account, reader: asyncio.StreamReader) -> None:
    """Wait until the other end has gone, as it must."""
    try:
        async with asyncio.timeout(STUCK_S):
            await reader.read()
        account.end = "eof"
    except TimeoutError:
        account.error = "stuck"
    except OSError:
        account.end = "reset"


async def refuse(
    plan: Plan, account: Account, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    body = b'{"error":{"message":"soak"}}'
    match plan.answer:
        case "401":
            head = b"HTTP/1.1 401 Unauthorized\r\n%sContent-Length: %d\r\n\r\n"
            writer.write(head % (JSON, len(body)) + body)
            await hears_the_end(account, reader)
        case "429":
            head = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n%sContent-Length: %d\r\n"
            writer.write(head % (JSON, len(body)) + b"\r\n" + body)
        case "500 cut off":
            writer.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 500000\r\n\r\n" + bytes(200_000))
        case "garbage":
            writer.write(plan.rng("server").randbytes(3000))
        case "reset":
            reset(writer)
        case "mute":
            await hears_the_end(account, reader)
    with contextlib.suppress(OSError):
        await writer.drain()


class Exchange:
    """Answers one HTTP request."""

    def __init__(
        self,
        plan: Plan,
        account: Account,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._plan = plan
        self._account = account
        self._reader = reader
        self._writer = writer
        self._rng = plan.rng("server")

    async def play(self, head: bytes) -> None:
        plan = self._plan
        body = await self._body(head)
        self._account.heard.append(item(b"m", body))
        if plan.mishap == "mute":
            await hears_the_end(self._account, self._reader)
            return
        if plan.mishap == "reset" and self._rng.random() < 0.5:
            reset(self._writer)
            return
        if plan.exchange == "events":
            await self._events()
        else:
            size = 2_000_000 if plan.exchange == "models" else 1000
            await self._answer(size)
        if plan.mishap == "reset":
            reset(self._writer)
        elif plan.mishap == "client leaves" and plan.exchange == "events":
            await hears_the_end(self._account, self._reader)

    async def _body(self, head: bytes) -> bytes:
        """The request's body, which is in chunks or has a length."""
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            body = b""
            while size := int((await self._reader.readline()).strip() or b"0", 16):
                body += await self._reader.readexactly(size)
                await self._reader.readexactly(2)
            await self._reader.readexactly(2)
            return body
        _, _, rest = lower.partition(b"content-length: ")
        return await self._reader.readexactly(int(rest.split(b"\r\n")[0] or b"0") if rest else 0)

    async def _answer(self, size: int) -> None:
        body = b'{"n":%d,"pad":"%s"}' % (self._plan.number, b"." * size)
        head = b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n"
        self._writer.write(head % (JSON, len(body)))
        if self._plan.mishap in ("cut off", "reset"):
            self._writer.write(body[: size // 2])
            await self._writer.drain()
            return
        self._account.said.append(item(b"m", body))
        self._writer.write(body)
        await self._writer.drain()

    async def _events(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        self._writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
        count = self._rng.randint(3, 60)
        for n in range(count):
            event = b'data: {"soak":%d,"n":%d,"pad":"%s"}\n\n'
            event %= (self._plan.number, n, b"." * self._rng.randint(0, 5000))
            if self._plan.mishap == "cut off" and n == count // 2:
                self._writer.write(b"fff\r\n" + event[:20])
                return
            self._account.said.append(item(b"m", event))
            self._writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            await self._writer.drain()
            await asyncio.sleep(self._rng.uniform(0, 2 * self._plan.seconds / count))
        if self._plan.mishap not in ("client leaves", "reset"):
            self._writer.write(b"0\r\n\r\n")
            await self._writer.drain()


def main() -> None:
    seed, longest, path = sys.argv[1:]
    with Path(path).open("w", encoding="ascii") as file:
        asyncio.run(Server(int(seed), float(longest), file).run())


if __name__ == "__main__":
    main()
