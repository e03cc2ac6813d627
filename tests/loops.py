"""Event loops to test on: asyncio's own, and uvloop's, which the command line uses.

Each has a TLS implementation of its own, so whatever speaks TLS is tested on both.
"""

import asyncio
from collections.abc import Callable, Mapping

import uvloop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

ASYNCIO: Mapping[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
BOTH: Mapping[str, LoopFactory] = {**ASYNCIO, "uvloop": uvloop.new_event_loop}
