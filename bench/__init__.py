"""Benchmarks: the recording proxy next to a direct connection, nginx and mitmproxy.

python -m bench      rows ─▶ target (a proxy of its own for each measurement)
                      │
                      ▼
    bench.load ──▶ target ──▶ bench.server
"""
