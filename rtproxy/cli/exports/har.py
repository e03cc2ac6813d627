"""`rtproxy export har`: tapes as a HAR, which browsers' developer tools open."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rtproxy.tape.reader import Tape


@click.command(
    epilog="""\b
  rtproxy export har call.rtape -o call.har
  rtproxy export har recordings/*.rtape -o calls.har
  rtproxy export har call.rtape | jq '.log.entries[0]._webSocketMessages | length'
"""
)
@click.argument(
    "tapes", metavar="TAPE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="File to write; - is stdout.")
@click.option("--force", is_flag=True, help="Overwrite the file if there is one.")
@click.pass_context
def har(ctx: click.Context, tapes: tuple[Path, ...], out: Path | None, force: bool) -> None:
    """Write each TAPE as an entry of one HAR 1.2 document, with its WebSocket messages.

    In Chrome, open the developer tools' Network panel and import the file, or drop it there. HAR
    has no place for pings and for how a connection ended. What is damaged is named on stderr, and
    the exit code is then 1.
    """
    from rtproxy import __version__
    from rtproxy.cli.condition import tell
    from rtproxy.convert.har import document
    from rtproxy.convert.output import output
    from rtproxy.tape.reader import open_tape

    with ExitStack() as stack:
        # All are opened first: a name that is wrong is said before anything is written.
        opened = [stack.enter_context(open_tape(path)) for path in tapes]
        with output(out, force=force) as file:
            for piece in document(__version__, map(_entry, opened)):
                file.write(piece.encode())
        damaged = sum(tell(tape) for tape in opened)
    if damaged:
        ctx.exit(1)


def _entry(tape: "Tape") -> Iterator[str]:
    from rtproxy.convert.har import entry

    return entry(tape.header, tape, tape.summary().duration_ns)
