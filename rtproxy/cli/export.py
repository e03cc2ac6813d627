"""`rtproxy export`: a tape as audio, a transcript, a trace, or another tool's recording."""

import click

from rtproxy.cli.lazy import LazyGroup

KINDS: dict[str, str] = {
    "wav": "What was heard, or sent: the call on one clock, or its parts. Also mp3, ogg, flac.",
    "transcript": "Who said what, and when: text, subtitles, Markdown or JSON.",
    "jsonl": "Every record, one a line; rtproxy import makes the tape again.",
    "har": "Tapes as an HTTP Archive, for the developer tools of browsers.",
    "trace": "The timeline, for Perfetto and chrome://tracing.",
    "otlp": "Spans, for OpenTelemetry.",
    "parquet": "A table of events, of one tape or many, for DuckDB, pandas or Spark.",
}
"""Kind → its one line in `--help`. `rtproxy.cli.exports.KIND` holds a click command `KIND`."""


@click.group(cls=LazyGroup, lazy=KINDS, package="rtproxy.cli.exports")
def export() -> None:
    """Export a tape as audio, as a transcript, as a trace, or for another tool."""
