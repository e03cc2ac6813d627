"""`rtproxy` as it is, which counts what it holds when it gets SIGUSR1.

    SOAK_CENSUS=FILE python -m tests.attacks.soak.watched record …

The count is written to FILE as JSON, after everything that is garbage has been removed, and what
the allocator has kept for later has gone back to the system: what is left is held.
"""

import asyncio
import ctypes
import gc
import json
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path

from rtproxy.cli.main import main

OURS = ("rtproxy", "aiohttp", "asyncio", "uvloop")


def is_pooled(thread: threading.Thread) -> bool:
    """Whether a thread is one of the loop's pool, which grows to a few and stays."""
    return thread.name.startswith(("asyncio_", "uvloop_"))


def count(path: Path) -> None:
    tasks = [task.get_coro() for task in asyncio.all_tasks()]
    garbage = gc.collect()
    objects = gc.get_objects()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)
    types = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in objects)
    census = {
        "tasks": Counter(getattr(task, "__qualname__", str(task)) for task in tasks),
        "named": sorted(each.name for each in threading.enumerate() if not is_pooled(each)),
        "garbage": garbage,
        "objects": len(objects),
        "types": {name: n for name, n in types.most_common() if name.startswith(OURS)},
    }
    part = path.with_suffix(".part")
    part.write_text(json.dumps(census), "utf-8")
    part.rename(path)


if __name__ == "__main__":
    if os.environ.get("SOAK_LOOP") == "asyncio":
        sys.modules["uvloop"] = None  # type: ignore[assignment]
    signal.signal(signal.SIGUSR1, lambda *_: count(Path(os.environ["SOAK_CENSUS"])))
    main()
