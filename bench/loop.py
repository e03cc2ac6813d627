"""The event loop under server and load: the quickest there is, undisturbed by the collector."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` on uvloop where it is installed, else on asyncio, without garbage collection."""
    gc.disable()
    with asyncio.Runner(loop_factory=_fastest()) as runner:
        runner.run(main)


def _fastest() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
