"""`python -m tests.attacks.soak`: a recording proxy under load and faults, and what is left of it.

Exits with 1 if anything is wrong, and keeps the folder then.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.attacks.soak import replaying
from tests.attacks.soak.replaying import ReplaySoak
from tests.attacks.soak.run import Soak, table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.soak")
    parser.add_argument("--sessions", type=int, default=200, help="at once")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tls", action="store_true", help="clients speak TLS")
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--dev", action="store_true", help="python -X dev")
    parser.add_argument("--replay", action="store_true", help="of a replay server")
    parser.add_argument("--folder", type=Path, help="where to put it; it is kept")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="rtproxy-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    kind = ReplaySoak if options.replay else Soak
    soak = kind(
        folder=folder,
        sessions=options.sessions,
        seconds=options.seconds,
        seed=options.seed,
        tls=options.tls,
        loop=options.loop,
        dev=options.dev,
    )
    if isinstance(soak, ReplaySoak):
        replayed = asyncio.run(soak.play())
        problems, figures = replayed.problems, replaying.table(soak, replayed)
    else:
        report = asyncio.run(soak.run())
        problems, figures = report.problems, table(soak, report)
    print(figures)
    for problem in problems[:50]:
        print(f"WRONG: {problem}")
    if problems or options.folder:
        print(f"It is all in {folder}.")
    else:
        shutil.rmtree(folder)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
