"""A credential that the proxy adds, so that its clients need not have it.

A page in a browser is a stranger to the key's owner until its origin is named: every page can open
a WebSocket to this machine, and would be heard with our key.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from rtproxy.wire.handshake import Headers, header_tokens, header_values
from rtproxy.wire.origin import is_listed, is_same

STAND_IN = "sk-rtproxy"
"""What a key begins with that stands for none: some libraries insist on one."""
KEY_PROTOCOL = "openai-insecure-api-key."
"""Subprotocol by which a browser, which cannot set headers, gives a key."""
KEY_HEADERS = ("authorization", "api-key")
KEY_PARAMETERS = frozenset({"api-key", "api_key", "apikey", "authorization", "key", "ticket"})
PROTOCOLS = "sec-websocket-protocol"

_PREFLIGHT = "OPTIONS"
_BEARER = re.compile(r"\A\s*bearer(?=\s|\Z)", re.IGNORECASE)
_SAME_SITE = ("same-origin", "none")


@dataclass(frozen=True, slots=True)
class Injection:
    """A key for requests that have none, and the origins whose pages may make them."""

    key: str = field(repr=False)
    origins: tuple[str, ...] = ()
    """As `normal_origin` writes them."""

    def is_wanted(self, method: str, target: str, headers: Headers) -> bool:
        """Whether a request has no key of its own. One that asks for permission needs none."""
        if method == _PREFLIGHT:
            return False
        given = [_bare(header_values(headers, name) or "") for name in KEY_HEADERS]
        given += [
            value
            for name, value in parse_qsl(urlsplit(target).query)
            if name.lower() in KEY_PARAMETERS
        ]
        given += [
            token.removeprefix(KEY_PROTOCOL)
            for token in header_tokens(headers, PROTOCOLS)
            if token.startswith(KEY_PROTOCOL)
        ]
        return all(not key or key.startswith(STAND_IN) for key in given)

    def why_not(self, headers: Headers, scheme: str) -> str | None:
        """Why a request gets no key, in a sentence; None if it gets it.

        Programs are the user's own, and say nothing of where they come from, or that it is the
        server that they ask by `scheme`; a browser says where its page comes from, of every
        WebSocket and every request that could do something.
        """
        origin = header_values(headers, "Origin")
        if origin is None:
            site = header_values(headers, "Sec-Fetch-Site")
            if site is None or site.lower() in _SAME_SITE:
                return None
            return "rtproxy adds its key for pages of allowed origins only, and this has none."
        own = f"{scheme}://{header_values(headers, 'Host') or ''}"
        if is_listed(origin, self.origins) or is_same(origin, own):
            return None
        return (
            f"rtproxy adds no key for pages from {origin}; allow them with --allow-origin {origin}."
        )

    def apply(self, headers: Sequence[tuple[str, str]]) -> Headers:
        """The headers with our key, and without what stood in for it."""
        kept: Headers = []
        for name, value in headers:
            low = name.lower()
            if low in KEY_HEADERS:
                continue
            if low == PROTOCOLS:
                value = ", ".join(
                    token
                    for token in header_tokens([(name, value)], name)
                    if not token.startswith(KEY_PROTOCOL)
                )
                if not value:
                    continue
            kept.append((name, value))
        return [*kept, ("Authorization", f"Bearer {self.key}")]


def _bare(value: str) -> str:
    """A credential without its scheme."""
    return _BEARER.sub("", value).strip()
