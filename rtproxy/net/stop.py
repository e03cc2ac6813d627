"""Asked to stop: the first time in peace, the second time at once."""

import asyncio
from collections.abc import Iterable
from typing import Any

FAREWELL_S = 2.0
"""How long a peer may take to answer our close frame, or to take the end of an answer."""


class Stop:
    """What the user wants of a server that runs. `set` is called for each signal, with it."""

    def __init__(self) -> None:
        self.number: int | None = None
        """The first signal."""
        self._asked = asyncio.Event()
        self._urgent = asyncio.Event()

    def set(self, number: int | None = None) -> None:
        if self.number is None:
            self.number = number
        if self._asked.is_set():
            self._urgent.set()
        self._asked.set()

    def is_set(self) -> bool:
        """Whether we are asked to stop."""
        return self._asked.is_set()

    @property
    def is_urgent(self) -> bool:
        """Whether we are to stop at once."""
        return self._urgent.is_set()

    async def wait(self) -> None:
        """Return when we are asked to stop."""
        await self._asked.wait()

    async def wait_for(self, ends: "Iterable[asyncio.Future[Any]]", seconds: float) -> None:
        """Wait until all of these are done, `seconds` at most, and not if it is urgent."""
        pending = {end for end in ends if not end.done()}
        if not pending or seconds <= 0 or self.is_urgent:
            return
        together = asyncio.ensure_future(asyncio.wait(pending))
        hurry = asyncio.ensure_future(self._urgent.wait())
        try:
            await asyncio.wait(
                [together, hurry], timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            together.cancel()
            hurry.cancel()
