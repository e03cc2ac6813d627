"""`rtproxy tape repair`: every sound record of a tape, sealed again."""

from pathlib import Path

import click

from rtproxy.cli.output import say, visible


@click.command()
@click.argument("path", metavar="TAPE", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Where to write; the default is NAME.repaired.rtape.",
)
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
    say(f"{where}: {verify_tape(where)}")
    click.echo(visible(str(where)))
