"""Our servers for programs that have no event loop to give: each runs in a thread of its own.

    with ReplayServer("call.rtape") as server:
        client = OpenAI(base_url=server.base_url, api_key="test")

Both work in `with` and in `async with`; either way the loop is theirs, so that a test that
blocks does not block them.
"""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from rtproxy.errors import MismatchError
from rtproxy.record.exchange import HttpMode
from rtproxy.record.proxy import Proxy
from rtproxy.record.proxy import Settings as ProxySettings
from rtproxy.record.status import Status, Traffic
from rtproxy.replay.fault import parse_faults
from rtproxy.replay.loader import load_shelf
from rtproxy.replay.matching import CustomMatcher, Mode, Rules
from rtproxy.replay.options import above_zero, functions, patterns, texts
from rtproxy.replay.outcome import Outcome
from rtproxy.replay.pacing import parse_speed
from rtproxy.replay.player import STALL_S, TRAILING
from rtproxy.replay.report import Report
from rtproxy.replay.server import Settings, TapeServer
from rtproxy.tape.writer import Durability

if TYPE_CHECKING:
    from rtproxy.realtime.session import Session
    from rtproxy.tape.reader import Tape
    from rtproxy.tape.record import Record

SETTLE_S = 2.0
"""How long `verify` waits for sessions that are still under way."""
MAX_SESSIONS = 100
"""Sessions of a replay server of which it is kept what they exchanged."""

T = TypeVar("T")
S = TypeVar("S", bound=AbstractAsyncContextManager[Any])


class Background(Generic[S]):
    """Runs an asynchronous server in a thread with an event loop of its own."""

    def __init__(self, make: Callable[[], S]) -> None:
        self._make = make
        self._server: S | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def server(self) -> S:
        """The server; RuntimeError before it has been started."""
        if self._server is None:
            raise RuntimeError("The server has not been started; use it in a `with`.")
        return self._server

    def start(self) -> None:
        """Return when clients can connect; raises what the server raises."""
        if self._thread is not None:
            raise RuntimeError("The server runs already.")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rtproxy", daemon=True)
        self._thread.start()
        try:
            self._server = self.run(self._open())
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        """Stop the server, and its thread; once is enough and more does no harm."""
        if self._thread is None:
            return
        try:
            self.run(self.server.__aexit__(None, None, None))
        finally:
            self._end()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run something in the server's loop, from any other thread, and wait for its result."""
        if self._loop is None or self._thread is None:
            coroutine.close()
            raise RuntimeError("The server does not run; use it in a `with`.")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    @property
    def running(self) -> bool:
        return self._thread is not None

    async def _open(self) -> S:
        server = self._make()
        await server.__aenter__()
        return server

    def _end(self) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        self._thread = self._loop = None


class _Managed(ABC, Generic[S]):
    """A server in the background, as a context manager of either kind."""

    _background: Background[S]

    def start(self) -> None:
        """Listen; on return, clients can connect."""
        self._background.start()

    def close(self) -> None:
        """Stop; once is enough and more does no harm."""
        self._background.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        with ThreadPoolExecutor(1) as pool:
            try:
                await asyncio.get_running_loop().run_in_executor(pool, self.start)
            except asyncio.CancelledError:
                pool.submit(self.close)  # once it has been started, which goes on
                raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)

    @property
    @abstractmethod
    def url(self) -> str:
        """Where HTTP is served, such as http://127.0.0.1:41234."""

    @property
    @abstractmethod
    def ca(self) -> Path | None:
        """The certificate that clients must trust; None without `tls`."""

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its `base_url`: http://127.0.0.1:41234/v1."""
        return f"{self.url}/v1"

    @property
    def ws_url(self) -> str:
        """Where sessions are, without the query: ws://127.0.0.1:41234/v1/realtime."""
        return f"ws{self.url.removeprefix('http')}/v1/realtime"


class ReplayServer(_Managed[TapeServer]):
    """Plays tapes to clients in the server's part.

    `tapes` is a tape, a folder of tapes, or several. `speed` is 1 for the recorded pace, a factor,
    or "max" for no waiting at all. `ignore` are JSON paths that need not be equal, `matchers`
    functions (recorded, received) → True, False, or None for the usual comparison, `trailing`
    types of events that may be left out at the end, `faults` as for `--fault`. With `tls`, clients
    speak TLS and must trust `ca`. See docs/replay.md.

    Raises TapeError for a tape that cannot be played and ReplayError for an option that is wrong,
    at once; ListenError on start.
    """

    def __init__(
        self,
        tapes: str | Path | Sequence[str | Path],
        *,
        match: Mode = "strict",
        speed: float | str = "max",
        stall: float = STALL_S,
        ignore: Sequence[str] = (),
        matchers: Sequence[CustomMatcher] = (),
        trailing: Collection[str] = TRAILING,
        loop: bool = False,
        faults: Sequence[str] = (),
        seed: int = 0,
        salvage: bool = False,
        tls: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        settings = replay_settings(
            match=match,
            speed=speed,
            stall=stall,
            ignore=ignore,
            matchers=matchers,
            trailing=trailing,
            loop=loop,
            faults=faults,
            seed=seed,
        )
        settings = replace(settings, host=host, port=port, tls=tls, witnesses=MAX_SESSIONS)
        paths = [tapes] if isinstance(tapes, str | Path) else tapes
        server = TapeServer(load_shelf(paths, salvage=salvage), settings)
        self._server = server
        self._background = Background(lambda: server)

    @property
    def url(self) -> str:
        return self._background.server.url

    @property
    def ca(self) -> Path | None:
        authority = self._background.server.authority
        return None if authority is None else authority.path

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How each connection that was given a tape went, in the order in which they came."""
        return self._ask(
            lambda: tuple(
                entry.outcome for entry in self._server.journal.entries if not entry.refusal
            )
        )

    @property
    def unmet_faults(self) -> list[str]:
        """Those of the faults that were to happen to an event which has not come."""
        return self._ask(self._server.settings.faults.unmet)

    @property
    def sessions(self) -> "list[Session]":
        """What each session has exchanged so far, with the times of its tape, in their order.

        Of the latest 100; what is said now is there when it is asked for again.
        """
        witnesses = self._ask(lambda: list(self._server.witnesses))
        return [session_of(witness.tape, witness.records) for witness in witnesses]

    @property
    def journal(self) -> dict[str, Any]:
        """What has happened so far, as the JSON at /__rtproxy__/journal."""
        return self._ask(self._server.journal.to_json)

    def verify(self, wait: float = SETTLE_S) -> None:
        """Raise MismatchError unless all went as on the tapes, and they were played to their ends.

        A session that is under way is given `wait` seconds to come to its end. The error's
        message holds every report.
        """
        if self._background.running:
            self._background.run(self._server.settle(wait))
        failures = self._ask(lambda: list(self._server.journal.failures()))
        if failures:
            raise MismatchError("\n".join(map(text_of, failures)))

    def _ask(self, question: Callable[[], T]) -> T:
        """Ask in the server's own thread while it runs, so that nothing changes meanwhile."""
        if not self._background.running:
            return question()

        async def ask() -> T:
            return question()

        return self._background.run(ask())


class RecordProxy(_Managed[Proxy]):
    """A recording proxy in front of `upstream`; tapes go into the folder `out`.

    With `tls`, clients speak TLS and must trust `ca`. `upstream_ca` is a file of certificates by
    which the upstream is trusted besides the system's.

    Raises ReplayError for a pattern of `redact` that is none, at once; UpstreamError, TapeError or
    ListenError on start. See docs/record.md.
    """

    def __init__(
        self,
        *,
        upstream: str,
        out: str | Path,
        http: HttpMode = "realtime",
        durability: Durability = "normal",
        redact: Sequence[str] = (),
        tls: bool = False,
        upstream_ca: str | Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        settings = ProxySettings(
            upstream=upstream,
            host=host,
            port=port,
            tls=tls,
            upstream_ca=None if upstream_ca is None else Path(upstream_ca),
            out=Path(out),
            http=http,
            durability=durability,
            redact=patterns(redact, "redact"),
        )
        self._out = Path(out)
        self._begun: list[Traffic] = []
        self._status = Status(watch=self._note)
        self._background = Background(lambda: Proxy(settings, self._status))

    @property
    def url(self) -> str:
        return self._background.server.url

    @property
    def ca(self) -> Path | None:
        authority = self._background.server.authority
        return None if authority is None else authority.path

    @property
    def tapes(self) -> list[Path]:
        """The tapes written so far, in the order in which their connections came.

        They are sealed once their connections are over, all of them after the `with`.
        """
        paths = (self._out / traffic.name for traffic in list(self._begun))
        return [path for path in paths if path.suffix == ".rtape" and path.is_file()]

    @property
    def sessions(self) -> "list[Session]":
        """The sessions on `tapes`, as far as they have come."""
        return sessions_on(self.tapes)

    @property
    def failures(self) -> list[str]:
        """Sentences about tapes that could not be written as they should."""
        return list(self._status.failures)

    def _note(self, traffic: Traffic, _sentence: str) -> None:
        if traffic not in self._begun:
            self._begun.append(traffic)


def replay_settings(
    *,
    match: Mode = "strict",
    speed: float | str = "max",
    stall: float = STALL_S,
    ignore: Sequence[str] = (),
    matchers: Sequence[CustomMatcher] = (),
    trailing: Collection[str] = TRAILING,
    loop: bool = False,
    faults: Sequence[str] = (),
    seed: int = 0,
) -> Settings:
    """What `ReplayServer` is told of how to replay. Raises ReplayError for what is wrong."""
    settings = Settings(
        match=match,
        speed=(
            parse_speed(speed) if isinstance(speed, str) else above_zero(speed, "speed", "a factor")
        ),
        stall_s=above_zero(stall, "stall", "a number of seconds"),
        ignore=texts(ignore, "ignore"),
        matchers=functions(matchers, "matchers"),
        trailing=texts(trailing, "trailing"),
        loop=loop,
        faults=parse_faults(texts(faults, "faults"), seed),
    )
    Rules.of(settings.match, settings.ignore, settings.matchers)
    return settings


def sessions_on(paths: Iterable[Path]) -> "list[Session]":
    """The sessions on those of the tapes that are no requests. Raises TapeError."""
    from rtproxy.tape.reader import open_tape

    found = []
    for path in paths:
        with open_tape(path) as tape:
            connection = tape.header.connection
        if connection == "websocket":
            found.append(session_of(path, iter))
    return found


def session_of(path: str | Path, said: "Callable[[Tape], Iterable[Record]]") -> "Session":
    """The session that `said` makes of a tape. Raises TapeError."""
    from rtproxy.realtime.session import Session
    from rtproxy.tape.reader import open_tape

    session = Session()
    with open_tape(path) as tape:
        session.take(tape.header)
        for record in said(tape):
            session.take(record)
    return session


def text_of(failure: Report | str) -> str:
    """A failure for a person to read."""
    return failure if isinstance(failure, str) else failure.to_text()
