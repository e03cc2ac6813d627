"""Added round-trip latency: one session, a 1.3 KB message there and back, again and again.

Only one process has something to do at any time, so all run on one core: spread over two, the time
that an idle core takes to wake up is several times what is to be measured, and differs from run
to run.
"""

from bench.figure import Figure, difference, percentile, ratio
from bench.proxies import DIRECT, MITMPROXY, NGINX, RTPROXY
from bench.report import Report
from bench.stand import Load, Stand


def measure_latency(stand: Stand, report: Report) -> None:
    """Compare what each target adds to the direct round trip."""
    count, warm_up = (500, 100) if stand.quick else (5000, 500)
    arguments = {"message": "append", "count": count, "warm_up": warm_up}
    with stand.on_one_core():
        measured = stand.measure(Load("echo", "every=1&reply=append", arguments))
    medians, p99s = {}, {}
    for name, outcomes in measured.outcomes.items():
        medians[name] = Figure(tuple(percentile(it.result, 0.5) for it in outcomes), "µs")
        p99s[name] = Figure(tuple(percentile(it.result, 0.99) for it in outcomes), "µs")
    added = {
        name: difference(figure, medians[DIRECT])
        for name, figure in medians.items()
        if name != DIRECT
    }
    report.columns = ("median", "p99", "added, median", "added, p99", "added ÷ nginx's")
    nginx, mitmproxy = added.get(NGINX), added.get(MITMPROXY)
    for name in medians:
        report.lines.append(
            (
                name,
                (
                    medians[name],
                    p99s[name],
                    added.get(name),
                    difference(p99s[name], p99s[DIRECT]) if name in added else None,
                    ratio(added[name], nginx) if name in added and nginx else None,
                ),
            )
        )
    ours = added[RTPROXY]
    report.at_most("added ÷ what nginx adds", nginx and ratio(ours, nginx), 1)
    report.at_most(
        "added ÷ what mitmproxy adds", mitmproxy and ratio(ours, mitmproxy), 1 / 12, "≤ 1/12 ×"
    )
    report.notes += measured.failed
    report.note_noise("direct", medians[DIRECT])
