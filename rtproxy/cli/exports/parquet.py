"""`rtproxy export parquet`: the events of many tapes as a table."""

from collections.abc import Iterator
from pathlib import Path

import click

from rtproxy.cli.output import say, visible

TAPE = click.Path(path_type=Path)


@click.command(
    epilog="""\b
  rtproxy export parquet recordings/ -o events/
  duckdb -c "select type, count(*) from 'events/**/*.parquet' group by 1 order by 2 desc"
"""
)
@click.argument(
    "tapes", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TAPE..."
)
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the dataset."
)
@click.option("--force", is_flag=True, help="Overwrite what is there of these tapes.")
@click.pass_context
def parquet(ctx: click.Context, tapes: tuple[Path, ...], out: Path, force: bool) -> None:
    """Write the events of TAPE, or of all tapes in a folder, as a Parquet dataset.

    One row an event, one file a tape, partitioned by the day of recording, for DuckDB, pandas or
    Spark. Audio is left out.
    """
    from rtproxy.cli.condition import tell
    from rtproxy.convert.parquet import write
    from rtproxy.errors import ConvertError, TapeError
    from rtproxy.tape.reader import open_tape

    worst, files, events = 0, 0, 0
    for path in _all(tapes):
        try:
            with open_tape(path) as tape:
                count = write(tape, out, force=force)
        except (TapeError, ConvertError) as error:
            if len(tapes) == 1 and path == tapes[0]:
                raise
            say(str(error))
            worst = max(worst, error.exit_code)
            continue
        files, events = files + 1, events + count
        if tell(tape):
            worst = max(worst, 1)
    click.echo(f"{events} events of {files} tapes written to {visible(str(out))}.", err=True)
    ctx.exit(worst)


def _all(tapes: tuple[Path, ...]) -> Iterator[Path]:
    """The tapes, those in folders by name."""
    from rtproxy.tape.library import Library

    for tape in tapes:
        if not tape.is_dir():
            yield tape
            continue
        found = [entry.path for entry in Library(tape)]
        if not found:
            raise click.UsageError(f"There are no tapes in {tape}.")
        yield from found
