"""One replayed HTTP exchange on a real connection: the tape's answer, at the tape's pace."""

import asyncio
from math import isfinite
from time import time

from aiohttp import web
from multidict import CIMultiDict

from rtproxy.errors import ReplayError
from rtproxy.replay.http_tape import answer_headers, answer_parts, breaks_off
from rtproxy.replay.recording import Recording
from rtproxy.replay.selection import ORIGIN_HEADER, origin

MAX_BODY = 32 * 2**20
"""Longest body that is taken from a client, in bytes: what a tape keeps of one."""
_ADDED_BY_AIOHTTP = ("Content-Type", "Date", "Server")


class Replayed(web.StreamResponse):
    """An answer with the recorded headers, where it comes from, and no others."""

    def __init__(self, recording: Recording) -> None:
        headers = CIMultiDict(answer_headers(recording))
        self._recorded = frozenset(name.lower() for name in headers)
        headers[ORIGIN_HEADER] = origin(recording.name)
        super().__init__(status=recording.status or 200, headers=headers)

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        for name in _ADDED_BY_AIOHTTP:
            if name.lower() not in self._recorded:
                self.headers.popall(name, None)


async def read_body(request: web.BaseRequest) -> bytes:
    """The request's body; raises ReplayError if it is longer than any on a tape."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
            raise ReplayError(f"The request's body is longer than {MAX_BODY >> 20} MiB.")
    return bytes(body)


async def send_answer(
    request: web.BaseRequest, recording: Recording, speed: float
) -> web.StreamResponse:
    """Answer with what is on the tape; `speed` paces a streamed answer, inf sends it at once."""
    response = Replayed(recording)
    parts = list(answer_parts(recording, time()))
    if len(parts) <= 1 and not breaks_off(recording):
        response.content_length = sum(len(part) for _, part in parts)
    loop = asyncio.get_running_loop()
    due = loop.time()
    for after_s, part in parts:
        due += after_s / speed
        if isfinite(speed) and due > loop.time():
            await asyncio.sleep(due - loop.time())
        if not response.prepared:
            await response.prepare(request)
        await response.write(part)
    if not response.prepared:
        await response.prepare(request)
    if breaks_off(recording):
        if request.transport is not None:
            request.transport.abort()
    else:
        await response.write_eof()
    return response
