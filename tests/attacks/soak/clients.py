"""The clients: `python -m tests.attacks.soak.clients SEED LONGEST FILE URL FIRST STEP COUNT …`.

COUNT sessions at once, each followed by the next, numbered from FIRST in steps; until the
standard input ends, and then until all of them are over. `URL` is the proxy's.
A last argument `alone`: there is no server of ours; the client ends each session.
"""

import asyncio
import contextlib
import ssl
import sys
from dataclasses import replace
from pathlib import Path

import aiohttp
from yarl import URL

from tests.attacks.soak.end import STUCK_S, Account, Book, End, reset
from tests.attacks.soak.plan import Plan
from tests.attacks.soak.speech import item
from tests.record.wirekit import request_head


class Clients:
    """Plays the clients' parts of all plans."""

    def __init__(
        self, seed: int, longest: float, book: Book, url: URL, *, alone: bool = False
    ) -> None:
        self._alone = alone
        self._seed = seed
        self._longest = longest
        self._book = book
        self._url = url
        self._context: ssl.SSLContext | None = None
        if url.scheme == "https":
            self._context = ssl.create_default_context()
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE

    async def run(self, first: int, step: int, count: int) -> None:
        done = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        numbers = iter(range(first, sys.maxsize, step))

        async def follow() -> None:
            while not done.done():
                await self._play(next(numbers))

        await asyncio.gather(*(follow() for _ in range(count)))

    async def _play(self, number: int) -> None:
        plan = Plan.of(self._seed, number, self._longest)
        if self._alone:
            plan = replace(plan, ended_by_client=True, deflate="")
        account = Account(number, "client")
        try:
            if plan.kind == "http":
                await self._ask(plan, account)
            else:
                await self._join(plan, account)
        except (OSError, asyncio.IncompleteReadError) as error:
            account.error = account.error or type(error).__name__
        finally:
            self._book.enter(account)

    async def _join(self, plan: Plan, account: Account) -> None:
        reader, writer = await asyncio.open_connection(
            self._url.host, self._url.port, ssl=self._context
        )
        try:
            head = request_head(plan.deflate, path=plan.path)
            if plan.kind == "left":
                await leave(plan, head, writer)
                return
            writer.write(head)
            wait = plan.seconds if plan.kind == "refused" and plan.answer == "mute" else STUCK_S
            try:
                async with asyncio.timeout(wait):
                    answer = await reader.readuntil(b"\r\n\r\n")
            except TimeoutError:
                account.error = "" if plan.answer == "mute" else "stuck"
                return
            account.status = int(answer.split(b" ")[1])
            if account.status == 101:
                await End(plan, account, reader, writer).play()
        finally:
            writer.close()

    async def _ask(self, plan: Plan, account: Account) -> None:
        """One HTTP request, whose answer is read to its end unless the client leaves."""
        leaves = plan.mishap in ("client leaves", "mute")
        limit = plan.seconds if leaves else plan.seconds * 2 + STUCK_S
        try:
            async with asyncio.timeout(limit), aiohttp.ClientSession() as http:
                url = self._url.join(URL(plan.path, encoded=True))
                method = "GET" if plan.exchange == "models" else "POST"
                async with http.request(
                    method, url, data=body_of(plan, account), ssl=self._context or True
                ) as answer:
                    account.status = answer.status
                    await hear(plan, account, answer)
        except TimeoutError:
            account.error = "" if leaves else "stuck"
        except aiohttp.ClientError as error:
            account.error = type(error).__name__


async def leave(plan: Plan, head: bytes, writer: asyncio.StreamWriter) -> None:
    """Begin to ask and go."""
    writer.write(head[:-10] if plan.leaving == "half a head" else head)
    await asyncio.sleep(plan.rng("client").choice([0, 0.001, 0.01]))
    if plan.leaving == "reset":
        reset(writer)


def body_of(plan: Plan, account: Account) -> object:
    """What is sent with the request: at once, or slowly in chunks."""
    if plan.exchange == "models":
        return None
    body = b'{"soak":%d,"pad":"%s"}' % (plan.number, b"-" * plan.rng("client").randint(0, 100_000))
    account.said.append(item(b"m", body))
    if plan.exchange != "upload":
        return body

    async def slowly() -> object:
        for at in range(0, len(body), 10_000):
            yield body[at : at + 10_000]
            await asyncio.sleep(0.02)

    return slowly()


async def hear(plan: Plan, account: Account, answer: aiohttp.ClientResponse) -> None:
    """Note each event of a stream, or a whole body."""
    rest = b""
    async for chunk in answer.content.iter_any():
        account.size += len(chunk)
        rest += chunk
        if answer.content_type == "text/event-stream":
            *events, rest = rest.split(b"\n\n")
            account.heard += [item(b"m", event + b"\n\n") for event in events]
    if answer.content_type != "text/event-stream" and answer.status == 200:
        account.heard.append(item(b"m", rest))


def main() -> None:
    seed, longest, path, url, first, step, count, *alone = sys.argv[1:]
    with Path(path).open("w", encoding="ascii") as file, contextlib.suppress(KeyboardInterrupt):
        clients = Clients(int(seed), float(longest), Book(file), URL(url), alone=bool(alone))
        asyncio.run(clients.run(int(first), int(step), int(count)))


if __name__ == "__main__":
    main()
