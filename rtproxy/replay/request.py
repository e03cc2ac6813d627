"""The handshake of a drive: the recorded one, with live credentials where it was redacted.

| redacted | with a key | without |
|---|---|---|
| Authorization: Bearer …, api-key: … | the key | left out |
| ?api-key=… and its like | the key | left out |
| subprotocol openai-insecure-api-key.… | the key | left out |
| anything else | left out | left out |

A header of the user's takes the place of the recorded one of that name. A key for which the tape
has no place goes into an Authorization header.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_plus

from rtproxy.errors import ReplayError
from rtproxy.replay.edition import PLACEHOLDER
from rtproxy.replay.recording import read_recording
from rtproxy.tape.record import Header
from rtproxy.wire.handshake import (
    Headers,
    end_to_end_headers,
    header_values,
    offered_subprotocols,
)

DEFAULT_PATH = "/v1/realtime"
"""What is asked for if the tape does not tell."""
KEY_PROTOCOL = "openai-insecure-api-key."
KEY_HEADERS = ("authorization", "api-key")
KEY_QUERIES = ("api-key", "api_key", "apikey", "key", "authorization")
MODEL_QUERIES = ("model", "deployment")
PROTOCOL_HEADER = "sec-websocket-protocol"

_TARGET = re.compile(r"/[!-~]*")
_BEARER = re.compile(rf"(?:bearer\s+)?{PLACEHOLDER.pattern}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask a live server for. `target` is path and query; `notes` are sentences.

    There may be credentials in it, which its repr does not show.
    """

    target: str = field(repr=False)
    headers: Headers = field(default_factory=list, repr=False)
    subprotocols: tuple[str, ...] = field(default=(), repr=False)
    compress: bool = False
    """Whether to offer permessage-deflate."""
    notes: tuple[str, ...] = ()


def live_request(
    header: Header,
    *,
    key: str | None = None,
    headers: Headers | None = None,
    model: str | None = None,
) -> Request:
    """The handshake for a live server, from the header of a tape.

    `key` is the credential, `headers` are the user's own. Raises ReplayError for a key or a
    header that cannot be sent.
    """
    own = headers or []
    if any(_breaks_a_line(part) for part in (key or "", *sum(own, ()))):
        raise ReplayError("The key or a header has a character in it that no header may have.")
    return _Making(key, own, model).request(header)


class _Making:
    """A request in the making."""

    def __init__(self, key: str | None, own: Headers, model: str | None) -> None:
        self.key = key
        self.own = own
        self.model = model
        self.notes: list[str] = []
        self.placed = any(name.lower() in KEY_HEADERS for name, _ in own)
        """Whether the credential has its place."""

    def request(self, header: Header) -> Request:
        recorded = read_recording("", [header]).request_headers
        target = self.target(header)
        protocols = self.subprotocols(recorded)
        headers = self.headers(recorded)
        if self.key and not self.placed:
            headers.append(("Authorization", f"Bearer {self.key}"))
        extensions = header_values(recorded, "Sec-WebSocket-Extensions") or ""
        return Request(
            target, headers, protocols, "permessage-deflate" in extensions, tuple(self.notes)
        )

    def target(self, header: Header) -> str:
        request = header.fields.get("request")
        target = request.get("target") if isinstance(request, dict) else None
        if not isinstance(target, str) or not _TARGET.fullmatch(target):
            self.notes.append(f"the tape does not tell its URL; {DEFAULT_PATH} is asked for.")
            target = DEFAULT_PATH
        path, _, query = target.partition("?")
        pairs = [pair for part in query.split("&") if part for pair in self.parameter(part)]
        named = {pair.partition("=")[0] for pair in pairs}
        if self.model and not named & set(MODEL_QUERIES):
            pairs.append(f"model={quote(self.model, safe='')}")
        return f"{path}?{'&'.join(pairs)}" if pairs else path

    def parameter(self, text: str) -> list[str]:
        """One NAME=VALUE of the query as it is to be sent; nothing if it is left out."""
        name, _, value = text.partition("=")
        if self.model and name in MODEL_QUERIES:
            return [f"{name}={quote(self.model, safe='')}"]
        if not PLACEHOLDER.search(unquote_plus(value)):
            return [text]
        if unquote_plus(name).lower() not in KEY_QUERIES:
            self.leave_out(f"{name} in the query")
        elif self.take_key(f"{name} in the query"):
            return [f"{name}={quote(self.key or '', safe='')}"]
        return []

    def subprotocols(self, recorded: Headers) -> tuple[str, ...]:
        given = [value for name, value in self.own if name.lower() == PROTOCOL_HEADER]
        if given:
            return tuple(name.strip() for value in given for name in value.split(",") if name)
        offered = []
        for name in offered_subprotocols(recorded):
            stem = PLACEHOLDER.split(name)[0]
            if stem == name:
                offered.append(name)
            elif stem == KEY_PROTOCOL:
                if self.take_key(f"the subprotocol {stem}…"):
                    offered.append(f"{stem}{self.key}")
            else:
                self.leave_out(f"the subprotocol {stem}…")
        return tuple(offered)

    def headers(self, recorded: Headers) -> Headers:
        own = {name.lower() for name, _ in self.own}
        found = []
        for name, value in end_to_end_headers(recorded, websocket=True):
            low = name.lower()
            if low in own or low.startswith("sec-websocket-") or low == "content-length":
                continue
            if not PLACEHOLDER.search(value):
                found.append((name, value))
            elif low not in KEY_HEADERS or (self.key and not _BEARER.fullmatch(value)):
                self.leave_out(f"the header {name}")
            elif self.take_key(f"the header {name}"):
                found.append((name, PLACEHOLDER.sub(lambda _: self.key or "", value)))
        return found + [pair for pair in self.own if pair[0].lower() != PROTOCOL_HEADER]

    def take_key(self, what: str) -> bool:
        """Whether there is a key for this place; if not, nor one of the user's, say so."""
        if self.key:
            self.placed = True
        elif not self.placed:
            self.leave_out(what, " for want of a key")
        return self.key is not None

    def leave_out(self, what: str, why: str = "") -> None:
        self.notes.append(f"{what} is redacted on the tape and left out{why}.")


def parse_header(text: str) -> tuple[str, str]:
    """A header as written on the command line, "Name: value". Raises ReplayError."""
    name, colon, value = text.partition(":")
    if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name.strip()):
        raise ReplayError("A header is written 'Name: value'.")  # it may be a secret: not shown
    return name.strip(), value.strip()


def _breaks_a_line(text: str) -> bool:
    return any(sign in text for sign in "\r\n\0")
