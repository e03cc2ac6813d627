"""`rtproxy tape textconv`: a tape as text for `git diff`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rtproxy.tape.reader import Tape
    from rtproxy.tape.record import Record
    from rtproxy.tape.scanner import Damage


@click.command(
    epilog="""\b
  echo '*.rtape diff=rtproxy' >> .gitattributes
  git config diff.rtproxy.textconv 'rtproxy tape textconv'
"""
)
@click.argument("path", metavar="TAPE", type=click.Path(path_type=Path))
def textconv(path: Path) -> None:
    """Print TAPE as text that is made to be compared, for `git diff`.

    One event a line below the turn that it belongs to; without times, ids numbered, deltas folded,
    repetitions left out. As git stops at any error, a damaged tape, and a file that is no tape, is
    shown as far as it can be, and the exit code is 0. Two lines make git use it:
    """
    from rtproxy.diff.textconv import lines
    from rtproxy.errors import NotATapeError, TapeDamagedError, TapeVersionError
    from rtproxy.tape.reader import open_tape

    out = sys.stdout.buffer
    try:
        opened = open_tape(path)
    except (NotATapeError, TapeDamagedError, TapeVersionError) as error:
        # Under which name git has put the file does not matter, and differs each time.
        why = str(error).replace(f"{path} ", "", 1)
        out.write(f"no readable tape: {path.stat().st_size} bytes, {why}\n".encode())
        return
    with opened:
        for line in lines(opened.header, with_damage(opened)):
            out.write(line.encode("utf-8", "backslashreplace") + b"\n")
        out.flush()


def with_damage(tape: "Tape") -> Iterator["Record | Damage"]:
    """The records of a tape, and between them the places where something is not sound."""
    told = 0
    for record in tape:
        yield from tape.damage[told:]
        told = len(tape.damage)
        yield record
    yield from tape.damage[told:]
