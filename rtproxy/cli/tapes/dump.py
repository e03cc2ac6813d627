"""`rtproxy tape dump`: every record as a line of JSON."""

import sys
from pathlib import Path

import click

from rtproxy.cli.output import place_of, say


@click.command()
@click.argument("path", metavar="TAPE", type=click.Path(path_type=Path))
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
                where = {"offset": scanned.offset, "length": frame.size, "crc": f"{frame.crc:08x}"}
                line = where | line
            out.write(json_line(line).encode() + b"\n")
        out.flush()
        if opened.state == "crashed" and not opened.damage:
            say(f"{path} is not sealed, its recording was cut off; what is on it is sound.")
        for lost in opened.damage:
            say(f"{path}: {place_of(lost)}")
        if opened.damage:
            ctx.exit(1)
