"""The replay server: listens, gives each connection a tape, and keeps the journal.

request ─▶ is it for us? ─▶ which tape? ─┬▶ a WebSocket: one player each, until it is over
                                         ├▶ a refusal that is on the tape
                                         └▶ HTTP: the recorded answer
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from rtproxy import __version__
from rtproxy.errors import RtproxyError
from rtproxy.net.entrance import REALTIME_HOSTS, Access, Entrance
from rtproxy.net.listener import IDLE_S
from rtproxy.net.refusal import refuse
from rtproxy.net.route import Destination, Routes
from rtproxy.net.stop import Stop
from rtproxy.net.takeover import Hung, Taken, take_client
from rtproxy.net.token import Token
from rtproxy.net.trust import upstream_context
from rtproxy.net.tunnel import UnwatchedTunnels
from rtproxy.replay.connection import FAREWELL_S, Connection
from rtproxy.replay.exchange import read_body, send_answer
from rtproxy.replay.fault import Faults
from rtproxy.replay.handshake import answer
from rtproxy.replay.http_tape import compare_body
from rtproxy.replay.journal import Entry, Journal
from rtproxy.replay.matching import CustomMatcher, Mode, Rules
from rtproxy.replay.outcome import Outcome
from rtproxy.replay.pacing import Pacer
from rtproxy.replay.player import STALL_S, TRAILING, Player
from rtproxy.replay.recording import Recording
from rtproxy.replay.report import BROKEN, CODE, Report
from rtproxy.replay.selection import KEYS, QUERY, Asked, Shelf, Slot
from rtproxy.replay.witness import Witness
from rtproxy.wire.address import is_addressed_to, is_own_origin
from rtproxy.wire.handshake import Headers, is_websocket_upgrade
from rtproxy.wire.origin import is_listed

if TYPE_CHECKING:
    from rtproxy.net.authority import Authority

NO_FAULTS = Faults()
OWN_PATH = "/__rtproxy__/"
GOING_AWAY = 1001
DIFFERS = 422
"""HTTP status of a mismatch: one that SDKs do not try again at, as they do at 409 and from 500."""

Watch = Callable[[Entry, Report | str, bool], None]
"""Called with what a person should know of a connection, and whether it is a failure."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How tapes are to be replayed; see `Player` for what most of these mean."""

    host: str = "127.0.0.1"
    port: int = 0
    match: Mode = "strict"
    speed: float = 1.0
    stall_s: float = STALL_S
    ignore: Sequence[str] = ()
    matchers: Sequence[CustomMatcher] = ()
    trailing: Collection[str] = TRAILING
    loop: bool = False
    """Play each tape as often as it is asked for."""
    faults: Faults = NO_FAULTS
    tls: bool = False
    """Clients connect with TLS, to a certificate of the local CA."""
    forward: bool = False
    """Serve as a forward proxy, which answers for the hosts on the tapes."""
    intercept: Sequence[str] = ()
    """More hosts to answer for, as patterns: `*.example.com`."""
    tunnel: bool = False
    """Let clients of the forward proxy reach all other hosts."""
    allow_origin: Sequence[str] = ()
    """Origins of pages, besides this machine's, that may connect; as `normal_origin` has them."""
    ca_folder: Path | None = None
    token: Token | None = None
    """What clients must know; with it, they may be on other machines."""
    idle_s: float = IDLE_S
    """How long a connection may ask for nothing, or take until it has asked."""
    witnesses: int = 0
    """Of so many sessions, the latest ones, it is kept what they have exchanged."""

    @property
    def ignored_keys(self) -> frozenset[str]:
        """Parameters of the query that need not fit."""
        named = (path.removeprefix("$.") for path in self.ignore)
        return frozenset(path.removeprefix(QUERY) for path in named if path.startswith(QUERY))


class TapeServer:
    """Serves the tapes of a shelf. `async with TapeServer(shelf, settings) as server:` listens.

    Raises ReplayError for settings that make no sense, ListenError if it cannot listen.
    """

    def __init__(
        self,
        shelf: Shelf,
        settings: Settings | None = None,
        watch: Watch | None = None,
        remark: Callable[[str, str], None] | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.shelf = shelf
        refuses = self.settings.faults.refusal() is not None
        self.journal = Journal(shelf, all_required=not refuses)
        self.url = ""
        self.witnesses: deque[Witness] = deque(maxlen=self.settings.witnesses)
        self._watch = watch
        self._rules = Rules.of(self.settings.match, self.settings.ignore, self.settings.matchers)
        Pacer(self.settings.speed)
        self._live: dict[Connection, Entry] = {}
        self._handshakes = 0
        """Those of WebSocket connections that were given a tape, or refused as a fault."""
        self.access = Access(
            host=self.settings.host,
            port=self.settings.port,
            tls=self.settings.tls,
            forward=self.settings.forward,
            intercept=(*shelf.hosts, *REALTIME_HOSTS, *self.settings.intercept),
            ca_folder=self.settings.ca_folder,
            token=self.settings.token,
            idle_s=self.settings.idle_s,
        )
        self._entrance = Entrance(
            self.serve,
            self.access,
            routes=Routes(),
            tunnels=UnwatchedTunnels() if self.settings.tunnel else None,
            proxy_context=lambda: upstream_context(None, verify=True),
            tell=remark or (lambda _where, _sentence: None),
        )

    @property
    def authority(self) -> "Authority | None":
        """The local CA that clients must trust, if they must; known once we listen."""
        return self._entrance.authority

    async def start(self) -> None:
        """Listen; on return, clients can connect."""
        await self._entrance.open()
        self.url = self._entrance.url

    async def close(self, stop: Stop | None = None, grace_s: float = 0.0) -> None:
        """Stop listening, give what is under way `grace_s` to end, and hang up the rest.

        If `stop` becomes urgent, nothing is waited for any longer.
        """
        stop = stop or Stop()
        await self._entrance.shut(stop, grace_s)
        for connection in self._live:
            connection.hang_up(GOING_AWAY, "the replay server was stopped")
        await self._entrance.settle(stop, FAREWELL_S)
        for connection in self._live:
            connection.abort()
        await self._entrance.close()

    @property
    def open(self) -> int:
        """How many connections are being played to."""
        return len(self._live)

    async def settle(self, seconds: float, stop: Stop | None = None) -> None:
        """Wait until each tape is at its end or its client has left, `seconds` at most."""
        await (stop or Stop()).wait_for([one.played for one in self._live], seconds)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever it is."""
        forwarder = self._entrance.forwarder
        if request.method == "CONNECT" and forwarder is not None:
            return await forwarder.connect(request)
        try:
            destination = forwarder.destination_of(request) if forwarder is not None else None
        except ValueError as error:
            return refuse(400, f"{error}.")
        refused = self._refused(request, destination)
        if refused is not None:
            return refused
        taken = self._entrance.take(request)
        if isinstance(taken, web.Response):
            return taken
        target, headers = taken
        if target.startswith(OWN_PATH) and destination is None:
            return self._own(target.removeprefix(OWN_PATH).partition("?")[0])
        asked = Asked.of(request.method, target, headers)
        websocket = is_websocket_upgrade(request.method, headers)
        try:
            if websocket:
                return await self._websocket(request, asked, headers)
            return await self._http(request, asked)
        except ConnectionError:
            raise  # the client has gone; nobody is left to be answered
        except RtproxyError as error:
            why, status = str(error), 400
        except Exception as error:
            # Nobody expected this. One request fails, and the others go on.
            why = f"{asked} failed: {type(error).__name__}: {error}. Please report this."
            status = 500
        return self._refuse(asked, "websocket" if websocket else "http", why, status)

    def _refused(
        self, request: web.BaseRequest, destination: Destination | None
    ) -> web.Response | None:
        """The answer to a request that is not for our tapes; None if it is."""
        host = request.headers.get("Host", "")
        if destination is None and not is_addressed_to(self.settings.host, host):
            why = "rtproxy listens on loopback only and this Host is another machine's."
            return refuse(421, why)
        page = request.headers.get("Origin")
        if page is not None and not (
            is_own_origin(page, host) or is_listed(page, self.settings.allow_origin)
        ):
            why = "rtproxy serves tapes to pages from this machine only"
            return refuse(403, f"{why}; allow others with --allow-origin {page}.")
        if destination is not None:
            forwarder = self._entrance.forwarder
            assert forwarder is not None
            if not forwarder.intercepts(destination.host):
                return forwarder.decline(destination.host, destination.port)
        return None

    def _own(self, page: str) -> web.Response:
        if page == "journal":
            return web.json_response(self.journal.to_json())
        if page == "health":
            health = {"ok": True, "rtproxy": __version__, "open": len(self._live)}
            return web.json_response(health)
        return error_response(404, "not_found", f"{OWN_PATH} has journal and health.")

    async def _websocket(
        self, request: web.BaseRequest, asked: Asked, headers: Headers
    ) -> web.StreamResponse:
        number = self._handshakes
        refusal = self.settings.faults.refusal(number)
        if refusal is not None:
            self._handshakes += 1
            entry = self.journal.begin(str(asked), "websocket", None)
            self.journal.end(entry, Outcome(cut=True))
            return error_response(refusal, "rtproxy_fault", "Refused, as --fault asks for.")
        slots = self.fitting(asked, "websocket")
        if not slots:
            return self._no_tape(asked, "websocket")
        slot = slots[0]
        slot.uses += 1  # before anything is waited for: no other connection gets it
        self._handshakes += 1
        try:
            recording = await asyncio.to_thread(slot.load)
            if recording.refuses:
                self.journal.begin(str(asked), "websocket", slot.name).state = "over"
                return await send_answer(request, recording, self.settings.speed)
            head, deflate = answer(recording, headers)
        except RtproxyError:
            slot.uses -= 1
            raise
        entry = self.journal.begin(str(asked), "websocket", slot.name)
        player = self._player(recording, slot, number)
        entry.finish = player.finish
        transport, tail = take_client(request)
        connection = Connection(
            player,
            transport,
            request.protocol,
            deflate=deflate,
            reply=recording.reply,
            tell=lambda report, failed: self._tell(entry, report, failed),
        )
        self._live[connection] = entry
        try:
            connection.begin(head, tail)
            if isinstance(transport, Hung):
                connection.connection_lost(None)
            await connection.gone
        finally:
            del self._live[connection]
            self.journal.end(entry, player.finish())
        return Taken()

    def _player(self, recording: Recording, slot: Slot, number: int) -> Player:
        settings = self.settings
        witness = Witness(slot.path) if settings.witnesses else None
        if witness is not None:
            self.witnesses.append(witness)
        return Player(
            recording.script,
            match=settings.match,
            speed=settings.speed,
            stall_s=settings.stall_s,
            ignore=settings.ignore,
            matchers=settings.matchers,
            trailing=settings.trailing,
            faults=settings.faults,
            connection=number,
            witness=witness,
            elsewhere=lambda said: self.shelf.elsewhere(slot, said, self._rules),
        )

    async def _http(self, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        body = await read_body(request)
        slots = self.fitting(asked, "http")
        if not slots:
            return self._no_tape(asked, "http")
        reports = []
        for slot in slots:
            recording = slot.load()
            report = compare_body(recording, body, self._rules)
            if report is None:
                break
            reports.append((report, slot, recording))
        else:
            report, slot, recording = reports[0]
        slot.uses += 1
        entry = self.journal.begin(str(asked), "http", slot.name)
        told = () if report is None else (report,)
        fails = self.settings.match != "lenient" or any(one.kind == BROKEN for one in told)
        self.journal.end(entry, Outcome(told) if fails else Outcome(warnings=told))
        if report is not None:
            self._tell(entry, report, fails)
            if fails:
                return error_response(DIFFERS, CODE, report.message, rtproxy=report.to_json())
        return await send_answer(request, recording, self.settings.speed)

    def fitting(self, asked: Asked, connection: str) -> list[Slot]:
        """The tapes that a request could be given, the first of them first."""
        return self.shelf.fitting(
            asked, connection, loop=self.settings.loop, ignored=self._free_keys
        )

    @property
    def _free_keys(self) -> Collection[str]:
        """Under lenient matching only the path decides, as with `--ignore query.…` for all."""
        return KEYS if self.settings.match == "lenient" else self.settings.ignored_keys

    def _no_tape(self, asked: Asked, connection: str) -> web.Response:
        why = self.shelf.why_none(asked, connection, self._free_keys)
        return self._refuse(asked, connection, why, 404)

    def _refuse(self, asked: Asked, connection: str, why: str, status: int) -> web.Response:
        entry = self.journal.refuse(str(asked), connection, why)
        if self._watch is not None:
            self._watch(entry, why, True)
        names = [slot.name for slot in self.shelf.slots]
        return error_response(status, "rtproxy_no_tape", why, tapes=names)

    def _tell(self, entry: Entry, report: Report, failed: bool) -> None:
        if self._watch is not None:
            self._watch(entry, replace(report, tape=entry.tape or ""), failed)


def error_response(status: int, code: str, message: str, **more: Any) -> web.Response:
    """A JSON body in the service's error shape, for what we refuse by ourselves."""
    error = {"type": "rtproxy_error", "code": code, "message": message, "param": None}
    return web.json_response({"error": error} | more, status=status)
