"""Who is connected to a server of ours, and how many of them it takes.

new ──▶ waiting ──▶ served ──▶ waiting ──▶ …       waiting: asks for nothing, or has not yet
           │           │                           served: its request is being answered
           ▼           ▼
     the oldest     one too many is
     give way       answered with 503
"""

import asyncio
import resource
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

MOST_WAITING = 1024
MOST_SERVED = 10_000
EACH = 3
"""Descriptors of a connection that is served: the client's, the server's, the tape's."""
OWN = 64
"""Descriptors that a program has besides."""
HIGHEST = 65_536
"""Descriptors that we ask for at most: some systems have no limit and do not mean it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections there may be: `backlog` counts those that nobody has looked at."""

    waiting: int
    served: int
    backlog: int

    @classmethod
    def of(cls, descriptors: int) -> "Limits":
        """What a number of descriptors is enough for."""
        waiting = max(8, min(MOST_WAITING, descriptors // 8))
        served = (descriptors - OWN - 2 * waiting) // EACH
        return cls(waiting, max(8, min(MOST_SERVED, served)), waiting)


class Crowd:
    """The connections of one server. A guest is whatever stands for one of them."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._transports: dict[Hashable, asyncio.Transport] = {}
        self._waiting: OrderedDict[Hashable, None] = OrderedDict()
        self._served: set[Hashable] = set()
        self._nobody: asyncio.Future[None] | None = None

    @property
    def served(self) -> int:
        """How many are being served."""
        return len(self._served)

    def arrive(self, guest: Hashable, transport: asyncio.Transport) -> None:
        """A connection is there. If too many wait, the one that has waited longest goes."""
        self._transports[guest] = transport
        self._waiting[guest] = None
        while len(self._waiting) > self.limits.waiting:
            oldest, _ = self._waiting.popitem(last=False)
            self._transports.pop(oldest).abort()

    def leave(self, guest: Hashable) -> None:
        """A connection is gone."""
        self._transports.pop(guest, None)
        self._waiting.pop(guest, None)

    def begin(self, guest: Hashable) -> bool:
        """A request has come; False if there are too many already."""
        self._waiting.pop(guest, None)
        if len(self._served) >= self.limits.served:
            return False
        self._served.add(guest)
        return True

    def end(self, guest: Hashable) -> None:
        """A request has been answered; the connection may ask for more."""
        self._served.discard(guest)
        if guest in self._transports:
            self._waiting[guest] = None
        if not self._served and self._nobody is not None and not self._nobody.done():
            self._nobody.set_result(None)

    def dismiss(self) -> None:
        """Close the connections that ask for nothing."""
        for guest in list(self._waiting):
            self._transports[guest].close()

    def all_served(self) -> "asyncio.Future[None]":
        """A future that is done when nobody is being served."""
        self._nobody = asyncio.get_running_loop().create_future()
        if not self._served:
            self._nobody.set_result(None)
        return self._nobody


def current_limits() -> Limits:
    """What this process's descriptors are enough for."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Limits.of(HIGHEST if soft == resource.RLIM_INFINITY else soft)


def raise_descriptor_limit() -> None:
    """Have as many descriptors as the system lets us have, as far as it makes sense."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HIGHEST if hard == resource.RLIM_INFINITY else min(hard, HIGHEST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return  # we do with what there is
