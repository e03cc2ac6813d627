"""One tape, ready to be played: its script, and how its request was answered.

What stands in a tape's header was written by whoever made the tape: nothing in it is trusted to
have the type or the length that it should have.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rtproxy.replay.script import Script, read_script
from rtproxy.tape.record import Control, Record
from rtproxy.wire.frame import is_close_code
from rtproxy.wire.handshake import Headers

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Reply:
    """The close frame by which the server answered the client's; `code` None for an empty one."""

    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Recording:
    """What a server needs of a tape. Immutable: any number of connections share it."""

    name: str
    script: Script
    request_headers: Headers
    status: int | None
    """HTTP status of the answer; None if the tape does not know of one."""
    headers: Headers
    """Headers of the answer; those that could not be sent are left out."""
    reply: Reply | None

    @property
    def refuses(self) -> bool:
        """Whether the tape is that of a handshake that was refused."""
        return self.script.refusal is not None or self.status not in (None, 101)

    @property
    def body(self) -> str | bytes:
        """The body of a refusal; empty if there was none, or if it was left out."""
        body = (self.script.refusal or {}).get("body")
        return body if isinstance(body, str | bytes) else b""


def read_recording(name: str, records: Iterable[Record]) -> Recording:
    """Read a tape's records; `name` is what the tape is called."""
    found: list[Reply] = []
    script = read_script(_watch_replies(records, found))
    fields = script.header.fields if script.header else {}
    request, response = _map(fields.get("request")), _map(fields.get("response"))
    refusal = script.refusal or {}
    status = next((one for one in (response.get("status"), refusal.get("status"))
                   if type(one) is int and 100 <= one <= 599), None)  # fmt: skip
    return Recording(
        name,
        script,
        _headers(request.get("headers")),
        status,
        _headers(response.get("headers")),
        found[0] if found else None,
    )


def _watch_replies(records: Iterable[Record], found: list[Reply]) -> Iterable[Record]:
    """Pass records on; note what the server closes with after the client has."""
    asked = False
    for record in records:
        if isinstance(record, Control) and record.name == "close":
            if record.from_server and asked:
                code, reason = record.data.get("code"), record.data.get("reason")
                known = isinstance(code, int) and is_close_code(code)
                found.append(Reply(code, str(reason or "")) if known else Reply(None, ""))
            asked = True
        yield record


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _headers(value: Any) -> Headers:
    """The pairs that can be sent as headers."""
    pairs = value if isinstance(value, list) else []
    return [
        (pair[0], pair[1].strip())
        for pair in pairs
        if isinstance(pair, list | tuple)
        and len(pair) == 2
        and all(isinstance(part, str) for part in pair)
        and _TOKEN.fullmatch(pair[0])
        and not _NOT_IN_A_VALUE.search(pair[1])
    ]
