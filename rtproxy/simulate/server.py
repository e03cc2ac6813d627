"""The simulated server on a real socket: a thin shell around `session`.

    async with SimulatedServer(scenario) as server:
        ... connect to server.ws_url ...

Each connection is a session of its own; the scenario's seed and the connection's number decide
everything in it but the time.
"""

import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from time import time
from types import TracebackType
from typing import Any, Literal, Self

import orjson
from aiohttp import web
from multidict import CIMultiDict

from rtproxy.net.entrance import Access, Entrance
from rtproxy.net.listener import IDLE_S, Handler
from rtproxy.net.refusal import refuse
from rtproxy.net.route import Routes
from rtproxy.net.stop import FAREWELL_S, Stop
from rtproxy.net.token import Token
from rtproxy.realtime.audio import PCM16
from rtproxy.simulate.chance import Chance
from rtproxy.simulate.connection import CLOSE_TIMEOUT_S, Connection
from rtproxy.simulate.invalid_request import InvalidRequest, wrong_type
from rtproxy.simulate.plan import rehearse
from rtproxy.simulate.scenario import Refuse, Scenario
from rtproxy.simulate.secret import create_client_secret, create_session, error_body
from rtproxy.simulate.session import BETA_DISABLED, Session
from rtproxy.wire.address import is_addressed_to

ORIGIN_HEADER = "rtproxy-origin"
KEY_PROTOCOL = "openai-insecure-api-key."
BETA_PROTOCOL = "openai-beta.realtime-v1"

SESSION_PATHS = ("/v1/realtime", "/openai/v1/realtime", "/openai/realtime", "/realtime")
MOST_SECRETS = 1000
"""Client secrets that are remembered; the oldest are forgotten."""


class SimulatedServer:
    """An offline Realtime server. `port` 0 takes any free port; `url` then says which."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int | None = None,
        token: Token | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        self.scenario = scenario if seed is None else replace(scenario, seed=seed)
        self._host = host
        self._connections = 0
        self._refused = 0
        self._requests = 0
        self._live: set[Connection] = set()
        self._secrets: dict[str, Mapping[str, Any]] = {}
        self._answers = self._routes()
        self._entrance = Entrance(
            self.serve,
            Access(host, port, token=token, idle_s=idle_s),
            routes=Routes(),
            tunnels=None,
            proxy_context=ssl.create_default_context,
            tell=lambda _where, _sentence: None,
        )

    @property
    def url(self) -> str:
        """Where HTTP is served, such as http://127.0.0.1:8788; empty until we listen."""
        return self._entrance.url

    @property
    def open(self) -> int:
        """How many sessions there are."""
        return len(self._live)

    @property
    def ws_url(self) -> str:
        """Where sessions are, without the query: ws://127.0.0.1:8788/v1/realtime."""
        return f"ws{self.url.removeprefix('http')}/v1/realtime"

    @property
    def origin(self) -> str:
        """What every answer says about where it came from."""
        return f"simulated; scenario={self.scenario.name}; seed={self.scenario.seed}"

    async def start(self) -> None:
        """Listen. Raises ListenError when the address cannot be had."""
        rehearse(self.scenario.replies, PCM16, self.scenario.seed)
        await self._entrance.open()

    async def close(self, stop: Stop | None = None, grace_s: float = 0.0) -> None:
        """Stop listening, give what is under way `grace_s` to end, and end the rest.

        If `stop` becomes urgent, nothing is waited for any longer.
        """
        stop = stop or Stop()
        await self._entrance.shut(stop, grace_s)
        for connection in self._live:
            connection.hang_up()
        await self._entrance.settle(stop, FAREWELL_S)
        await self._entrance.close()

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
        host = request.headers.get("Host", "")
        # A proxy that was led here asks for the service that it is meant for; a page whose name
        # points here says its Origin wherever it could do anything.
        if "Origin" in request.headers and not is_addressed_to(self._host, host):
            return refuse(
                421, "rtproxy listens on loopback only and this Host is another machine's."
            )
        taken = self._entrance.take(request)
        if isinstance(taken, web.Response):
            return taken
        target, _ = taken
        path = target.partition("?")[0]
        answer = self._answers.get((request.method, path), self._serve_nothing)
        try:
            response = await answer(request)
        except web.HTTPRequestEntityTooLarge:
            too_large = InvalidRequest("request_too_large", "The body is too large.")
            response = web.json_response(error_body(too_large), status=413)
        if not response.prepared:
            response.headers[ORIGIN_HEADER] = self.origin
        return response

    def _routes(self) -> dict[tuple[str, str], Handler]:
        """Who answers, by method and path."""
        routes: dict[tuple[str, str], Handler] = {("GET", "/v1/models"): self._serve_models}
        routes |= {("GET", path): self._serve_session for path in SESSION_PATHS}
        for prefix in ("/v1", "/openai/v1", ""):
            for name, serve in (
                ("client_secrets", self._serve_client_secret),
                ("sessions", self._serve_beta_session),
                ("transcription_sessions", self._serve_beta_session),
            ):
                routes["POST", f"{prefix}/realtime/{name}"] = serve
        return routes

    async def _serve_nothing(self, request: web.BaseRequest) -> web.StreamResponse:
        text = f"There is no {request.method} here: {SESSION_PATHS[0]} has sessions."
        return web.json_response(error_body(InvalidRequest("not_found", text)), status=404)

    async def _serve_session(self, request: web.BaseRequest) -> web.StreamResponse:
        refusal = self._refusal()
        if refusal and refusal.status:
            return refusal_response(refusal, key_of(request))
        if request.headers.get("Upgrade", "").lower() != "websocket":
            text = "This is a WebSocket endpoint: ask for an upgrade."
            return web.json_response(
                error_body(InvalidRequest("upgrade_required", text)), status=426
            )
        self._connections += 1
        options = self.scenario.connection
        websocket = web.WebSocketResponse(
            protocols=("realtime",),
            compress=options.compress,
            max_msg_size=options.max_message_bytes,
            timeout=CLOSE_TIMEOUT_S,
            autoping=True,
        )
        websocket.headers[ORIGIN_HEADER] = self.origin
        await websocket.prepare(request)
        session, refusal = self._session(request, refusal)
        connection = Connection(websocket, request, session, options.ping_every_ms)
        self._live.add(connection)
        try:
            await connection.run(session.refuse(refusal, key_of(request)) if refusal else None)
        finally:
            self._live.discard(connection)
        return websocket

    def _session(
        self, request: web.BaseRequest, refusal: Refuse | None
    ) -> tuple[Session, Refuse | None]:
        """The session of a connection, and why it is refused after all."""
        wants_beta = asks_for_beta(request)
        dialect: Literal["ga", "beta"] = "beta" if wants_beta else "ga"
        if self.scenario.dialect == "beta":
            dialect = "beta"
        elif self.scenario.dialect == "ga":
            dialect = "ga"
            refusal = refusal or (BETA_DISABLED if wants_beta else None)
        configured = self._secrets.get(key_of(request), {})
        intent = request.query.get("intent")
        transcribes = "transcription" in (intent, configured.get("type"))
        session = Session(
            self.scenario,
            dialect=dialect,
            connection=self._connections,
            model=request.query.get("model")
            or request.query.get("deployment")
            or configured.get("model"),
            kind="transcription" if transcribes else "realtime",
            now_unix=int(time()),
        )
        if configured:
            own = {k: v for k, v in configured.items() if k != "type" or dialect == "ga"}
            with suppress(InvalidRequest):  # made for the other dialect
                session.configure(own)
        return session, refusal

    def _refusal(self) -> Refuse | None:
        """The scenario's refusal, if it is this connection's turn."""
        refusal = self.scenario.refuse
        if refusal is None or (refusal.times and self._refused >= refusal.times):
            return None
        self._refused += 1
        return refusal

    async def _serve_client_secret(self, request: web.BaseRequest) -> web.Response:
        try:
            body = await json_body(request)
            answer = create_client_secret(self.scenario, self._chance(), body, int(time()))
        except InvalidRequest as error:
            return web.json_response(error_body(error), status=400)
        self._remember(answer["value"], body.get("session") or {})
        return web.json_response(answer)

    async def _serve_beta_session(self, request: web.BaseRequest) -> web.Response:
        transcribes = request.path.endswith("transcription_sessions")
        kind: Literal["realtime", "transcription"] = "transcription" if transcribes else "realtime"
        try:
            body = await json_body(request)
            answer = create_session(self.scenario, self._chance(), body, int(time()), kind)
        except InvalidRequest as error:
            return web.json_response(error_body(error), status=400)
        self._remember(answer["client_secret"]["value"], {"type": kind, **body})
        return web.json_response(answer)

    async def _serve_models(self, _request: web.BaseRequest) -> web.Response:
        model = {"id": self.scenario.model, "object": "model", "created": 0, "owned_by": "rtproxy"}
        return web.json_response({"object": "list", "data": [model]})

    def _remember(self, secret: str, session: Mapping[str, Any]) -> None:
        """Keep what a client secret was made for."""
        self._secrets[secret] = session
        if len(self._secrets) > MOST_SECRETS:
            del self._secrets[next(iter(self._secrets))]

    def _chance(self) -> Chance:
        self._requests += 1
        return Chance(self.scenario.seed, "http", self._requests)


def asks_for_beta(request: web.BaseRequest) -> bool:
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    return (
        "realtime=v1" in request.headers.get("OpenAI-Beta", "")
        or BETA_PROTOCOL in [name.strip() for name in offered.split(",")]
        or "api-version" in request.query
    )


def key_of(request: web.BaseRequest) -> str:
    """The client's API key or secret, wherever it is; empty if there is none."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
    for name in map(str.strip, offered):
        if name.startswith(KEY_PROTOCOL):
            return name.removeprefix(KEY_PROTOCOL)
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bearer or request.headers.get("api-key", "") or request.query.get("api-key", "")


def refusal_response(refuse: Refuse, key: str) -> web.Response:
    """The HTTP answer that turns a client away before the 101."""
    body = refuse.body
    if body is None:
        code, message = refuse.words(key)
        body = error_body(InvalidRequest(code, message, refuse.param, refuse.type))
    headers = CIMultiDict({name: str(value) for name, value in refuse.headers.items()})
    assert refuse.status is not None
    return web.json_response(dict(body), status=refuse.status, headers=headers)


async def json_body(request: web.BaseRequest) -> dict[str, Any]:
    """The request's JSON object; an empty one for an empty body."""
    data = await request.read()
    if not data.strip():
        return {}
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("invalid_json", f"The body is not JSON: {error}.") from None
    if not isinstance(body, dict):
        raise wrong_type("body", "an object", body)
    return body
