"""Start-up: `rtproxy --help`, next to an interpreter that does nothing."""

import subprocess
import time

from bench.figure import Figure, difference
from bench.process import python, python_environment
from bench.report import Report
from bench.stand import Stand, tell

BUDGET_MS = 250.0
COMMANDS = {"python -c pass": ("-c", "pass"), "rtproxy --help": ("-m", "rtproxy", "--help")}


def measure_startup(stand: Stand, report: Report) -> None:
    """Time both commands in turn; the first of each, which may compile, does not count."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(1 + max(3, 2 * stand.rounds)):
        for name, arguments in COMMANDS.items():
            tell(f"startup: {name}")
            start = time.perf_counter()
            subprocess.run(
                python(*arguments), env=python_environment(), stdout=subprocess.DEVNULL, check=True
            )
            if number:
                times[name].append((time.perf_counter() - start) * 1e3)
    empty, ours = (Figure(tuple(times[name]), "ms") for name in COMMANDS)
    report.columns = ("time", "more than python")
    report.lines.append(("python -c pass", (empty, None)))
    report.lines.append(("rtproxy --help", (ours, difference(ours, empty))))
    report.at_most("time", ours, BUDGET_MS)
    report.note_noise("python -c pass", empty)
