"""`rtproxy export jsonl`: a tape as JSON lines, of which the tape can be made again."""

from pathlib import Path

import click


@click.command(
    epilog="""\b
  rtproxy export jsonl call.rtape | jq -r 'select(.direction == "server") | .data.type'
  rtproxy export jsonl call.rtape -o call.jsonl
  rtproxy import call.jsonl -o again.rtape
"""
)
@click.argument("tape", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="File to write; - is stdout.")
@click.option("--force", is_flag=True, help="Overwrite the file if there is one.")
@click.pass_context
def jsonl(ctx: click.Context, tape: Path, out: Path | None, force: bool) -> None:
    """Write each event of TAPE, and whatever else is on it, as a line of JSON.

    The events are there character for character, and "rtproxy import" makes the tape again. What
    is damaged is named on stderr, and the exit code is then 1.
    """
    from rtproxy.cli.condition import tell
    from rtproxy.convert.jsonl import lines
    from rtproxy.convert.output import output
    from rtproxy.tape.reader import open_tape

    with open_tape(tape) as opened:
        with output(out, force=force) as file:
            for line in lines(opened.header, opened.scan(), opened.seal):
                file.write(line.encode())
        damaged = tell(opened)
    if damaged:
        ctx.exit(1)
