"""Throughput: the server sends without end, the client counts.

A Realtime server sends each event by itself: one write for each message, and those rows are held
against the budgets. The last row joins many small messages to one write, which is kind to a proxy
that does not look at frames, and shows what looking at each costs.
"""

from bench.figure import Figure, ratio
from bench.message import DELTA, SMALL
from bench.proxies import DIRECT, MITMPROXY, NGINX, RTPROXY
from bench.report import Report
from bench.stand import Load, Stand

LIMIT = 600_000_000
"""Bytes after which a measurement ends before its time, for the disk's sake."""
JOINED = 200

FLOODS = (
    (f"{SMALL} B", "small", 1, (0.6, 50.0)),
    (f"{DELTA / 1000:.1f} KB", "delta", 1, (0.5, 10.0)),
    (f"{SMALL} B, {JOINED} a write", "small", JOINED, None),
)
"""What it is called, the message, how many go into a write, and the least multiples of nginx's
and mitmproxy's messages a second."""


def measure_throughput(stand: Stand, report: Report) -> None:
    """Compare messages a second, for small messages and for large ones."""
    report.columns = ("messages", "÷ direct's", "÷ nginx's", "÷ mitmproxy's")
    limits = {"seconds": 0.5, "limit": LIMIT // 6} if stand.quick else {"seconds": 2.0}
    for title, message, batch, budgets in FLOODS:
        arguments = {"message": message, "limit": LIMIT} | limits
        measured = stand.measure(Load("flood", f"flood={message}&batch={batch}", arguments))
        rates = {
            name: Figure(tuple(it.result for it in outcomes), "/s")
            for name, outcomes in measured.outcomes.items()
        }
        bases = [rates.get(name) for name in (DIRECT, NGINX, MITMPROXY)]
        for name, rate in rates.items():
            ratios = [ratio(rate, base) if base else None for base in bases]
            report.lines.append((f"{name}, {title}", (rate, *ratios)))
        _, nginx, mitmproxy = (ratio(rates[RTPROXY], base) if base else None for base in bases)
        if budgets:
            report.at_least(f"{title} ÷ nginx's", nginx, budgets[0])
            report.at_least(f"{title} ÷ mitmproxy's", mitmproxy, budgets[1])
        report.notes += measured.failed
        report.note_noise(f"{title}, direct", rates[DIRECT])
