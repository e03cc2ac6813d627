"""The rows of the benchmark, by the name that `python -m bench NAME` takes."""

from collections.abc import Callable

from bench.report import Report
from bench.rows.diff import measure_diff
from bench.rows.export import measure_export
from bench.rows.inspect import measure_inspect
from bench.rows.latency import measure_latency
from bench.rows.memory import measure_memory
from bench.rows.pace import measure_pace
from bench.rows.replay import measure_replay
from bench.rows.startup import measure_startup
from bench.rows.throughput import measure_throughput
from bench.rows.voice import measure_voice
from bench.stand import Stand

ROWS: dict[str, tuple[str, Callable[[Stand, Report], None]]] = {
    "latency": ("added round trip of 1.3 KB messages in one session", measure_latency),
    "throughput": ("messages down one connection", measure_throughput),
    "voice": ("live voice sessions, the proxy on one core", measure_voice),
    "memory": ("of an open session, and growth over an hour-long one", measure_memory),
    "inspect": ("a one-hour tape", measure_inspect),
    "diff": ("two tapes, one of which is a turn shorter", measure_diff),
    "export": ("the audio of a one-hour tape to a stereo WAV file", measure_export),
    "replay": ("a three-minute session at --speed max", measure_replay),
    "pace": ("a call replayed at --speed 1, against its tape", measure_pace),
    "startup": ("rtproxy --help", measure_startup),
}
