"""A client's request on its way to a server."""

from collections.abc import Sequence
from dataclasses import dataclass

from rtproxy.record.upstream import Upstream

HeaderList = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What the client asked for, and what is asked of the server in its place."""

    upstream: Upstream
    target: str
    """Path and query, as the client sent them."""
    headers: HeaderList
    """As the client sent them: these go on the tape."""
    sent: HeaderList
    """As the server is to get them, before those that concern one connection only are dropped."""
    secrets: tuple[str, ...] = ()
    """Credentials that we have added, which nobody may see."""
    taped: bool = True
    """False for what only passes by."""
