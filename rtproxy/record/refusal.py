"""A WebSocket handshake that was not answered with 101: passed on as it is, and taped."""

from http import HTTPStatus

import aiohttp
import orjson
from aiohttp import web

from rtproxy.errors import UpstreamError
from rtproxy.net.departure import ClientLeft, while_present
from rtproxy.record.response import Relayed
from rtproxy.record.status import Status, Traffic
from rtproxy.record.tapes import Tape
from rtproxy.tape.record import FROM_SERVER, INJECTED, REDACTED
from rtproxy.wire.body import decode_body

KEPT_BODY = 1024 * 1024
"""Bytes of a refusal's body that go on the tape."""


async def relay_refusal(
    request: web.BaseRequest,
    response: aiohttp.ClientResponse,
    tape: Tape | None,
    traffic: Traffic,
    status: Status,
) -> web.StreamResponse:
    """Stream the server's refusal to the client: status, headers, body."""
    relayed = Relayed(response)
    body = bytearray()
    try:
        async with while_present(request):
            await relayed.prepare(request)
            async for chunk in response.content.iter_any():
                traffic.count_bytes(len(chunk), from_server=True)
                body += chunk[: KEPT_BODY - len(body)]
                await relayed.write(chunk)
        if tape is not None:
            await seal(tape, response, body)
            tape = None
        await relayed.write_eof()
    except (aiohttp.ClientError, OSError) as error:
        # It broke off, on either side: the client must see that it is incomplete.
        if tape is not None:
            flags = FROM_SERVER if isinstance(error, aiohttp.ClientPayloadError) else 0
            tape.control(flags, "reset", {"error": str(error)})
        if request.transport is not None:
            request.transport.abort()
    finally:
        response.close()
        if tape is not None:
            await seal(tape, response, body)
        status.end(traffic, "refused", f"refused with {response.status} {phrase(response.status)}")
    return relayed


async def seal(tape: Tape, response: aiohttp.ClientResponse, body: bytearray) -> None:
    """Put a refusal on its tape, and end that."""
    encoding = response.headers.get("Content-Encoding", "")
    content_type = response.headers.get("Content-Type", "")
    await _seal(tape, response.status, content_type, encoding, bytes(body), FROM_SERVER)


async def report_unreachable(
    error: UpstreamError, tape: Tape | None, traffic: Traffic, status: Status
) -> web.StreamResponse:
    """Answer 502 with a JSON body in the service's own error shape, and tape that."""
    body = unreachable_body(error)
    if tape is not None:
        await _seal(tape, 502, "application/json", "", body, FROM_SERVER | INJECTED)
    status.end(traffic, "failed", str(error))
    return web.Response(status=502, body=body, content_type="application/json")


async def note_departure(
    left: ClientLeft, tape: Tape | None, traffic: Traffic, status: Status
) -> None:
    """Tape a handshake whose client did not wait for the answer."""
    if tape is not None:
        tape.control(0, "reset", {"error": str(left)})
        await tape.seal()
    status.end(traffic, "closed")


def phrase(status: int) -> str:
    """What a status is called: not what the server calls it, which may be anything."""
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""


def unreachable_body(error: UpstreamError) -> bytes:
    """What a client reads when there is no server behind the proxy."""
    return orjson.dumps(
        {
            "error": {
                "type": "rtproxy_error",
                "code": "upstream_unreachable",
                "message": str(error),
                "param": None,
            }
        }
    )


async def _seal(
    tape: Tape, code: int, content_type: str, encoding: str, body: bytes, flags: int
) -> None:
    plain = decode_body(encoding, body, KEPT_BODY)
    data: dict[str, object] = {"status": code}
    if plain is None:
        data["omitted"] = f"body of {len(body)} bytes in content encoding {encoding!r}"
    else:
        clean, changed = tape.redactor.body(content_type, plain)
        data["body"] = clean
        if changed:
            flags |= REDACTED
    tape.control(flags, "refused", data)
    await tape.seal()
