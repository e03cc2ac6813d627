"""`rtproxy tape ls`: the tapes in a folder."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rtproxy.cli.output import print_json, say, visible

if TYPE_CHECKING:
    from rtproxy.tape.library import Entry

RIGHT = {"length", "client", "server", "size"}
"""Columns of numbers."""
STARTED = "started (UTC)"
WITH_STARTED = 100
"""Width from which a terminal has room for when a tape was started; its name says it too."""


@click.command()
@click.argument("folder", default="recordings", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def ls(folder: Path, as_json: bool) -> None:
    """List the tapes in FOLDER (default: recordings), the oldest first.

    The counts of a tape are known once it is sealed; "-" stands where they are not.
    """
    from rtproxy.tape.library import Library

    entries = list(Library(folder))
    if as_json:
        print_json({"schema": "rtproxy.tape.ls/1", "tapes": [_entry(entry) for entry in entries]})
    elif not entries:
        click.echo(f"No tapes in {folder}.", err=True)
    else:
        _print_table(
            ["tape", "started (UTC)", "length", "state", "client", "server", "size", "model"],
            [_row(entry) for entry in entries],
        )
    for entry in entries:
        if entry.error is not None and not as_json:
            say(entry.error)


def _entry(entry: "Entry") -> dict[str, Any]:
    header, summary = entry.header, entry.summary
    return {
        "path": str(entry.path),
        "size": entry.size,
        "state": entry.state,
        "error": entry.error,
        "id": header.id if header else None,
        "connection": header.connection if header else None,
        "origin": header.origin if header else None,
        "started_ns": header.started_ns if header else None,
        "duration_ns": summary.duration_ns if summary else None,
        "events": dict(summary.events) if summary else None,
        "model": summary.model if summary else None,
        "dialect": summary.dialect if summary else None,
    }


def _row(entry: "Entry") -> list[str]:
    header, summary = entry.header, entry.summary
    return [
        entry.path.name,
        _moment(header.started_ns if header else None),
        f"{summary.duration_ns / 1e9:.1f} s" if summary else "-",
        entry.state or "no tape",
        f"{summary.events['client']:,}" if summary else "-",
        f"{summary.events['server']:,}" if summary else "-",
        _size(entry.size),
        (summary.model if summary else None) or "-",
    ]


def _moment(ns: int | None) -> str:
    from datetime import UTC, datetime

    try:
        return f"{datetime.fromtimestamp((ns or 0) // 10**9, UTC):%Y-%m-%d %H:%M:%S}" if ns else "-"
    except (ValueError, OverflowError, OSError):
        return "-"


def _size(size: float) -> str:
    for unit in ("B", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _print_table(columns: list[str], rows: list[list[str]]) -> None:
    """A table on a terminal; else plain lines in columns two spaces apart."""
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in [columns, *rows]) for n in range(len(columns))]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        console = Console()
        shown = [
            n for n, name in enumerate(columns) if name != STARTED or console.width >= WITH_STARTED
        ]
        for column in (columns[n] for n in shown):
            table.add_column(
                column,
                justify="right" if column in RIGHT else "left",
                no_wrap=True,
                overflow="ellipsis",
                # A name or a figure is no use in part; the last column gives way.
                min_width=None if column == columns[-1] else widths[columns.index(column)],
            )
        for row in rows:
            table.add_row(*(Text(row[n]) for n in shown))
        console.print(table)
        return
    for row in [columns, *rows]:
        cells = [
            cell.rjust(width) if column in RIGHT else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())
