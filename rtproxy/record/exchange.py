"""One HTTP request and its answer through the proxy, streamed on and, where it matters, taped."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
from aiohttp import web

from rtproxy.errors import UpstreamError
from rtproxy.net.departure import ClientLeft, while_present
from rtproxy.net.takeover import raw_headers
from rtproxy.record.dialler import Dialler
from rtproxy.record.outgoing import Outgoing
from rtproxy.record.refusal import unreachable_body
from rtproxy.record.response import Relayed
from rtproxy.record.status import Status, Traffic
from rtproxy.record.tapes import Tape, Tapes
from rtproxy.record.upstream import Upstream
from rtproxy.tape.record import FROM_SERVER, INJECTED, REDACTED
from rtproxy.tape.redaction import Redactor
from rtproxy.wire.body import decode_body
from rtproxy.wire.handshake import end_to_end_headers

HttpMode = Literal["all", "realtime", "none"]

KEPT_BODY = 32 * 1024 * 1024
"""Bytes of one body that go on the tape; what is longer passes and is noted as a gap."""

_REALTIME_PATH = re.compile(r"(^|/)(realtime|live)(/|$)")
_END_OF_SSE_EVENT = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LONGEST_END = 4


def is_realtime_path(path: str) -> bool:
    """Whether a request's path is one of the Realtime HTTP endpoints."""
    return _REALTIME_PATH.search(path) is not None


@dataclass(slots=True)
class Body:
    """A body on its way past: kept up to a limit for the tape."""

    encoding: str = ""
    content_type: str = ""
    kept: bytearray = field(default_factory=bytearray)
    size: int = 0
    is_whole: bool = False
    """Whether its end has come; of a request's body."""

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.kept += chunk[: KEPT_BODY + 1 - len(self.kept)]

    def plain(self) -> bytes | None:
        """The body without its content encoding; None if it is too long or not decodable."""
        if self.size > KEPT_BODY:
            return None
        plain = decode_body(self.encoding, bytes(self.kept), KEPT_BODY + 1)
        return None if plain is None or len(plain) > KEPT_BODY else plain


class HttpRelay:
    """Passes HTTP requests on; those that `mode` names go on tapes."""

    def __init__(self, dialler: Dialler, tapes: Tapes, status: Status, *, mode: HttpMode) -> None:
        self._dialler = dialler
        self._tapes = tapes
        self._status = status
        self._mode = mode

    async def relay(self, request: web.BaseRequest, outgoing: Outgoing) -> web.StreamResponse:
        """Serve one request; its body and the answer's are streamed, never collected first."""
        path = outgoing.target.split("?", 1)[0]
        taped = outgoing.taped and (
            self._mode == "all" or (self._mode == "realtime" and is_realtime_path(path))
        )
        redactor = self._tapes.redactor(outgoing.secrets)
        clean_target, clean_headers = redactor.request(outgoing.target, outgoing.headers)
        asked = {"method": request.method, "target": clean_target, "headers": clean_headers}
        traffic = Traffic(clean_target.split("?", 1)[0], connection="http")
        tapes = self._tapes if taped else None
        exchange = Exchange(tapes, traffic, request, outgoing.upstream, redactor, asked)
        sent = [
            (name, value)
            for name, value in end_to_end_headers(list(outgoing.sent), websocket=False)
            if name.lower() != "expect"  # answered here, by aiohttp
        ]
        self._status.begin(traffic)
        try:
            body = exchange.uploaded() if request.can_read_body else None
            async with while_present(request):
                response = await self._dialler.request(
                    outgoing.upstream, request.method, outgoing.target, sent, body
                )
        except UpstreamError as error:
            await exchange.fail(error)
            self._status.end(traffic, "failed", str(error))
            return web.Response(
                status=502, body=unreachable_body(error), content_type="application/json"
            )
        except ClientLeft as error:
            await exchange.left(error)
            self._status.end(traffic, "closed")
            raise
        relayed = Relayed(response)
        try:
            exchange.answered(response)
            async with while_present(request):
                await relayed.prepare(request)
                async for chunk in exchange.downloaded(response):
                    await relayed.write(chunk)
                await relayed.write_eof()
        except asyncio.CancelledError:
            exchange.mark("the proxy was stopped")
            raise
        except (aiohttp.ClientError, OSError) as error:
            # The answer broke off, on either side: the client must see that it is incomplete.
            exchange.broken(error, from_server=isinstance(error, aiohttp.ClientPayloadError))
            if request.transport is not None:
                request.transport.abort()
        finally:
            response.close()
            await exchange.seal()
            self._status.end(traffic, "closed")
        return relayed


class Exchange:
    """The records of one request and its answer. Without `tapes`, only counts."""

    def __init__(
        self,
        tapes: Tapes | None,
        traffic: Traffic,
        request: web.BaseRequest,
        upstream: Upstream,
        redactor: Redactor,
        asked: dict[str, Any],
    ) -> None:
        self._tapes = tapes
        self._upstream = upstream
        self._redactor = redactor
        self._asked = asked
        self._traffic = traffic
        self._request = request
        self._tape: Tape | None = None
        self._upload = Body(
            request.headers.get("Content-Encoding", ""), request.headers.get("Content-Type", "")
        )

    async def uploaded(self) -> AsyncIterator[bytes]:
        """The request's body, chunk by chunk, kept for the tape as it goes by."""
        async for chunk in self._request.content.iter_any():
            self._traffic.count_bytes(len(chunk), from_server=False)
            if self._tapes is not None:
                self._upload.add(chunk)
            yield chunk
        self._upload.is_whole = True
        self._tape_upload()

    def answered(self, response: aiohttp.ClientResponse) -> None:
        """Begin the tape: the answer's head has come."""
        if self._tapes is not None:
            headers = self._redactor.headers(raw_headers(response))
            self._begin({"status": response.status, "headers": headers})

    async def downloaded(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The answer's body, each part on the tape before its last byte is handed out.

        A server-sent event is one record, written as it completes; any other body is one
        record, so its last chunk is held back until the record is written.
        """
        body = Body(
            response.headers.get("Content-Encoding", ""), response.headers.get("Content-Type", "")
        )
        streams = body.content_type.startswith("text/event-stream") and not body.encoding
        held = b""
        async for chunk in response.content.iter_any():
            self._traffic.count_bytes(len(chunk), from_server=True)
            if self._tape is None:
                yield chunk
            elif streams:
                self._tape_events(body, chunk)
                yield chunk
            else:
                body.add(chunk)
                if held:
                    yield held
                held = chunk
        if self._tape is not None and body.kept:
            self._tape_body(body, FROM_SERVER)
        if held:
            yield held

    async def fail(self, error: UpstreamError) -> None:
        """Tape a request that could not be passed on, and what the client was told."""
        if self._tapes is not None:
            self._begin(None)
            if self._tape is not None:
                data = {"status": 502, "body": unreachable_body(error)}
                self._tape.control(FROM_SERVER | INJECTED, "refused", data)
            await self.seal()

    async def left(self, error: ClientLeft) -> None:
        """Tape a request whose client did not wait for the answer."""
        if self._tapes is not None:
            self._begin(None)
            self.broken(error, from_server=False)
            await self.seal()

    def broken(self, error: Exception, *, from_server: bool) -> None:
        """Tape that the exchange broke off."""
        if self._tape is not None:
            flags = FROM_SERVER if from_server else 0
            self._tape.control(flags, "reset", {"error": str(error)})

    def mark(self, text: str) -> None:
        """Put a marker on the tape: something that the proxy did, in words."""
        if self._tape is not None:
            self._tape.control(0, "marker", {"text": text})

    async def seal(self) -> None:
        """Finish the tape, if there is one."""
        if self._tape is not None and self._upload.size and not self._upload.is_whole:
            self._gap(0, "the request's body broke off", self._upload.size)
        tape, self._tape = self._tape, None
        if tape is not None:
            await tape.seal()

    def _begin(self, response: dict[str, object] | None) -> None:
        assert self._tapes is not None
        self._tape = self._tapes.open(
            self._traffic, self._redactor, self._asked, response, upstream=self._upstream
        )
        self._tape_upload()

    def _tape_upload(self) -> None:
        """Write the request's body once it is all there, if the tape has begun; else later."""
        if self._tape is not None and self._upload.is_whole and self._upload.size:
            self._tape_body(self._upload, 0)

    def _tape_events(self, body: Body, chunk: bytes) -> None:
        """Write the server-sent events that end in this chunk (WHATWG HTML §9.2.6)."""
        # Where there was no end before, there is none now, unless it began with the last bytes.
        unseen = max(0, len(body.kept) - _LONGEST_END + 1)
        body.kept += chunk
        start = 0
        for end in _END_OF_SSE_EVENT.finditer(body.kept, unseen):
            self._write(bytes(body.kept[start : end.end()]), body.content_type, FROM_SERVER)
            start = end.end()
        del body.kept[:start]
        if len(body.kept) > KEPT_BODY:
            self._gap(FROM_SERVER, "server-sent event too large", len(body.kept))
            body.kept.clear()

    def _tape_body(self, body: Body, flags: int) -> None:
        plain = body.plain()
        if plain is not None:
            self._write(plain, body.content_type, flags)
        elif body.size > KEPT_BODY:
            self._gap(flags, "body too large", body.size)
        else:
            self._gap(flags, f"body in content encoding {body.encoding!r}", body.size)

    def _write(self, plain: bytes, content_type: str, flags: int) -> None:
        if self._tape is None:
            return  # it has ended with the event before this one
        clean, changed = self._tape.redactor.body(content_type, plain)
        payload: str | bytes = clean
        with contextlib.suppress(UnicodeDecodeError):
            payload = clean.decode("utf-8")
        self._tape.writer.event(
            self._tape.now_ns(), flags | REDACTED if changed else flags, payload
        )
        self._traffic.count_message(from_server=bool(flags & FROM_SERVER))
        self._flush(self._tape)

    def _gap(self, flags: int, reason: str, size: int) -> None:
        if self._tape is None:
            return
        self._tape.control(flags, "gap", {"reason": reason, "bytes": size})
        self._flush(self._tape)

    def _flush(self, tape: Tape) -> None:
        if not tape.writer.flush():
            assert tape.writer.failed is not None
            tape.lost(tape.writer.failed)
            tape.writer.close()
            self._tape = None
