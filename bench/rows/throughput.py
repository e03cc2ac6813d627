"""Throughput: the server sends message after message without end, the client counts.

All run on one core, and what is compared is the work a message takes. On two cores the result hangs
on who wakes whom: nginx then moves one number of small messages or three times as many, by chance.
"""

from bench.figure import Figure, ratio
from bench.message import DELTA, SMALL
from bench.proxies import DIRECT, MITMPROXY, NGINX, RTPROXY
from bench.report import Report
from bench.stand import Load, Stand

LIMIT = 600_000_000
"""Bytes after which a measurement ends before its time, for the disk's sake."""

FLOODS = (
    (f"{SMALL} B", "small", (0.6, 50.0)),
    (f"{DELTA / 1000:.1f} KB", "delta", (0.5, 10.0)),
)
"""What it is called, the message, and the least multiples of nginx's and mitmproxy's rates."""


def measure_throughput(stand: Stand, report: Report) -> None:
    """Compare messages a second, for small messages and for large ones."""
    report.columns = ("messages", "÷ direct's", "÷ nginx's", "÷ mitmproxy's")
    limits = {"seconds": 0.5, "limit": LIMIT // 6} if stand.quick else {"seconds": 2.0}
    for title, message, (of_nginx, of_mitmproxy) in FLOODS:
        arguments = {"message": message, "limit": LIMIT} | limits
        with stand.on_one_core():
            measured = stand.measure(Load("flood", f"flood={message}", arguments))
        rates = {
            name: Figure(tuple(it.result for it in outcomes), "/s")
            for name, outcomes in measured.outcomes.items()
        }
        bases = [rates.get(name) for name in (DIRECT, NGINX, MITMPROXY)]
        for name, rate in rates.items():
            ratios = [ratio(rate, base) if base else None for base in bases]
            report.lines.append((f"{name}, {title}", (rate, *ratios)))
        _, nginx, mitmproxy = (ratio(rates[RTPROXY], base) if base else None for base in bases)
        report.at_least(f"{title} ÷ nginx's", nginx, of_nginx)
        report.at_least(f"{title} ÷ mitmproxy's", mitmproxy, of_mitmproxy)
        report.notes += measured.failed
        report.note_noise(f"{title}, direct", rates[DIRECT])
