"""The word that clients from elsewhere must know, and where in a request they may say it.

/t/TOKEN/v1/realtime          in the path, for whatever can only be given a base URL
/v1/realtime?rtproxy_token=   in the query
X-Rtproxy-Token: TOKEN        in a header

It is ours alone: it goes neither to a server nor onto a tape.
"""

import hmac
import secrets
from dataclasses import dataclass, field

from rtproxy.wire.handshake import Headers

PATH = "/t/"
PARAMETER = "rtproxy_token="
HEADER = "x-rtproxy-token"
SHORTEST = 16
"""Characters that a token of the user's own must have."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a request must hold to be served."""

    value: str = field(repr=False)

    @classmethod
    def random(cls) -> "Token":
        return cls(secrets.token_urlsafe(24))

    @property
    def prefix(self) -> str:
        """What goes between the address and the path of a base URL."""
        return f"{PATH}{self.value}"

    def take(self, target: str, headers: Headers) -> tuple[str, Headers] | None:
        """A request without the token; None for one that does not hold it.

        `target` is path and query. What is in the place of a token is taken away, right or wrong.
        """
        given = [value for name, value in headers if name.lower() == HEADER]
        kept = [(name, value) for name, value in headers if name.lower() != HEADER]
        path, mark, query = target.partition("?")
        if path.startswith(PATH):
            word, _, rest = path.removeprefix(PATH).partition("/")
            given.append(word)
            path = f"/{rest}"
        parameters = query.split("&")
        given += [one.removeprefix(PARAMETER) for one in parameters if one.startswith(PARAMETER)]
        query = "&".join(one for one in parameters if not one.startswith(PARAMETER))
        if not given or not all(map(self._is_right, given)):
            return None
        # A page that was loaded with it says so in the Referer of all that it loads, or in a URL.
        path, query = self._left_out(path) or "/", self._left_out(query)
        kept = [(name, self._left_out(value)) for name, value in kept]
        return (f"{path}?{query}" if query or (mark and parameters == [""]) else path), kept

    def _left_out(self, text: str) -> str:
        return text.replace(self.prefix, "").replace(self.value, "")

    def _is_right(self, word: str) -> bool:
        # In a time that does not tell how much of it is right.
        return hmac.compare_digest(word.encode("utf-8", "replace"), self.value.encode())
