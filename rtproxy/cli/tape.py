"""`rtproxy tape`: list, check, repair and dump tapes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rtproxy.tape.library import Entry
    from rtproxy.tape.repair import Report

TAPE = click.Path(path_type=Path)


@click.group()
def tape() -> None:
    """List, check, repair and dump tapes.

    A tape is one recorded connection: NAME.rtape, or NAME.rtape.zst when packed. Its format is
    specified in docs/tape-format.md.
    """


@tape.command()
@click.argument("folder", default="recordings", type=TAPE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def ls(folder: Path, as_json: bool) -> None:
    """List the tapes in FOLDER (default: recordings), the oldest first.

    The counts of a tape are known once it is sealed; "-" stands where they are not.
    """
    from rtproxy.tape.library import Library

    entries = list(Library(folder))
    if as_json:
        _print_json({"schema": "rtproxy.tape.ls/1", "tapes": [_entry(entry) for entry in entries]})
    elif not entries:
        click.echo(f"No tapes in {folder}.", err=True)
    else:
        _print_table(
            ["tape", "started (UTC)", "length", "state", "client", "server", "size", "model"],
            [_row(entry) for entry in entries],
        )
    for entry in entries:
        if entry.error is not None and not as_json:
            _say(entry.error)


@tape.command()
@click.argument("path", metavar="TAPE", type=TAPE)
@click.option("--raw", is_flag=True, help="Add where each record stands: offset, length, CRC.")
@click.pass_context
def dump(ctx: click.Context, path: Path, raw: bool) -> None:
    """Print every record of TAPE as one line of JSON.

    Text is exact, binary is base64, and characters that a terminal might obey are escaped. What is
    damaged is named on stderr, and the exit code is then 1.
    """
    from rtproxy.tape.codec import frame_at
    from rtproxy.tape.dump import as_json, json_line
    from rtproxy.tape.reader import open_tape
    from rtproxy.tape.record import Header

    out = sys.stdout.buffer
    with open_tape(path) as opened:
        for number, scanned in enumerate(opened.scan()):
            if number == 0 and not isinstance(scanned.record, Header):
                out.write(json_line(as_json(opened.header)).encode() + b"\n")
            line = as_json(scanned.record)
            frame = frame_at(scanned.data) if raw else None
            if frame is not None:
                place = {"offset": scanned.offset, "length": frame.size, "crc": f"{frame.crc:08x}"}
                line = place | line
            out.write(json_line(line).encode() + b"\n")
        out.flush()
        if opened.state == "crashed" and not opened.damage:
            _say(f"{path} is not sealed, its recording was cut off; what is on it is sound.")
        for place_of_damage in opened.damage:
            _say(f"{path}: {_place(place_of_damage)}")
        if opened.damage:
            ctx.exit(1)


@tape.command()
@click.argument("paths", metavar="TAPE...", type=TAPE, nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def verify(ctx: click.Context, paths: tuple[Path, ...], as_json: bool) -> None:
    """Check that each TAPE is sealed and every byte of it is as it was written.

    The exit code is 0 when all are, 1 when one is damaged or not sealed, 2 when one cannot be read.
    """
    from rtproxy.errors import TapeError
    from rtproxy.tape.repair import verify as verify_tape

    code = 0
    reports = []
    for path in paths:
        try:
            report = verify_tape(path)
        except TapeError as error:
            code = max(code, error.exit_code)
            reports.append({"path": str(path), "ok": False, "error": str(error)})
            _say(str(error))
            continue
        code = max(code, 0 if report.ok else 1)
        reports.append(_report(report))
        if not as_json:
            click.echo(_visible(f"{path}: {report}"))
            for place in report.damage:
                click.echo(f"  {_place(place)}")
    if as_json:
        _print_json({"schema": "rtproxy.tape.verify/1", "tapes": reports})
    ctx.exit(code)


@tape.command()
@click.argument("path", metavar="TAPE", type=TAPE)
@click.option("-o", "--out", type=TAPE, help="Where to write; the default is NAME.repaired.rtape.")
@click.option("--in-place", is_flag=True, help="Replace TAPE once the repaired one is complete.")
def repair(path: Path, out: Path | None, in_place: bool) -> None:
    """Write a sealed tape with every sound record of TAPE, each byte for byte.

    Prints where the repaired tape is. TAPE itself stays as it is, unless --in-place says otherwise.
    """
    from rtproxy.tape.repair import repair as repair_tape
    from rtproxy.tape.repair import verify as verify_tape

    if out is not None and in_place:
        raise click.UsageError("Choose either --out or --in-place.")
    where = repair_tape(path, out, in_place=in_place)
    _say(f"{where}: {verify_tape(where)}")
    click.echo(_visible(str(where)))


def _say(text: str) -> None:
    click.echo(f"rtproxy: {_visible(text)}", err=True)


def _visible(text: str) -> str:
    from rtproxy.tape.dump import visible

    return visible(text.encode("utf-8", "backslashreplace").decode())


def _print_json(document: dict[str, Any]) -> None:
    from rtproxy.tape.dump import json_line

    click.echo(json_line(document))


def _place(damage: Any) -> str:
    missing = damage.missing
    lost = ""
    if len(missing) == 1:
        lost = f", record {missing[0]} is missing"
    elif missing:
        lost = f", records {missing[0]} to {missing[-1]} are missing"
    if not damage.length:
        return f"at byte {damage.offset}{lost or ': ' + damage.what}"
    plural = "" if damage.length == 1 else "s"
    return f"at byte {damage.offset}: {damage.length} byte{plural}, {damage.what}{lost}"


def _report(report: Report) -> dict[str, Any]:
    return {
        "path": str(report.path),
        "ok": report.ok,
        "state": "damaged" if report.damaged else report.state,
        "records": report.records,
        "events": report.events,
        "missing": report.missing,
        "sha256_ok": report.sha_ok,
        "damage": [
            {
                "offset": place.offset,
                "length": place.length,
                "missing": [place.missing.start, place.missing.stop] if place.missing else None,
                "what": place.what,
            }
            for place in report.damage
        ],
        "says": str(report),
    }


def _entry(entry: Entry) -> dict[str, Any]:
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


def _row(entry: Entry) -> list[str]:
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


RIGHT = {"length", "client", "server", "size"}
"""Columns of numbers."""
STARTED = "started (UTC)"
WITH_STARTED = 100
"""Width from which a terminal has room for when a tape was started; its name says it too."""


def _print_table(columns: list[str], rows: list[list[str]]) -> None:
    """A table on a terminal; else plain lines in columns two spaces apart."""
    rows = [[_visible(cell) for cell in row] for row in rows]
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
