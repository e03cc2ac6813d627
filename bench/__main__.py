"""`python -m bench`: measures, compares, and says which budgets are met."""

import argparse
import json
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench import machine
from bench.errors import MeasurementError
from bench.proxies import targets
from bench.report import Report
from bench.rows import ROWS
from bench.stand import Stand, serving, tell
from bench.table import as_markdown, as_text

ROUNDS = 5
QUICK_ROUNDS = 2


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Compare the recording proxy with a direct connection, nginx and mitmproxy.",
        epilog="Exits with 1 if a row could not run, whatever the budgets say.",
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"all of: {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, help=f"rounds of each measurement ({ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="see that it works; no valid figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all values there")
    parser.add_argument("--markdown", action="store_true", help="print docs/performance.md's table")
    asked = parser.parse_args()
    for row in asked.rows:
        if row not in ROWS:
            parser.error(f"there is no row {row!r}; choose from {', '.join(ROWS)}")
    if asked.rounds is not None and asked.rounds < 1:
        parser.error("--rounds must be at least 1")
    return asked


def measure(asked: argparse.Namespace, say: bool) -> tuple[list[Report], list[str]]:
    """Run the rows that are asked for; return them and what describes the machine."""
    machine.allow_many_files()
    found, absent = targets()
    described = [*machine.describe(), *absent]
    rounds = asked.rounds or (QUICK_ROUNDS if asked.quick else ROUNDS)
    described.append(f"{rounds} rounds; in brackets the lowest and the highest of them")
    if asked.quick:
        described.append("--quick: too short for valid figures")
    if say:
        print("\n".join(described), flush=True)
    reports = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rtproxy-bench-")))
        cores = machine.cores()
        server = stack.enter_context(serving(folder, cores.load))
        stand = Stand(folder, server, found, rounds, asked.quick, cores)
        for name in asked.rows or ROWS:
            report = run_row(name, stand)
            reports.append(report)
            if say:
                print("\n" + as_text(report), flush=True)
    return reports, described


def run_row(name: str, stand: Stand) -> Report:
    """Run one row; what it could not measure is in its report."""
    title, work = ROWS[name]
    report = Report(name, title)
    try:
        work(stand, report)
    except MeasurementError as error:
        report.failed = str(error)
    tell("")
    return report


def main() -> int:
    """Run the benchmark; return the exit code."""
    asked = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all that runs is ended
    try:
        reports, described = measure(asked, say=not asked.markdown)
    except KeyboardInterrupt:
        return 130
    if asked.markdown:
        print(as_markdown(reports, described))
    if asked.json:
        document = {
            "schema": "rtproxy.bench/1",
            "machine": described,
            "quick": asked.quick,
            "rows": [report.to_map() for report in reports],
        }
        asked.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return 1 if any(report.failed for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
