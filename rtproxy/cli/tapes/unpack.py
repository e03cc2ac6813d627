"""`rtproxy tape unpack`: a packed tape as it was."""

from pathlib import Path

import click

from rtproxy.cli.output import visible


@click.command()
@click.argument("path", metavar="TAPE", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Where to write; default: TAPE without .zst.",
)
@click.option("--rm", is_flag=True, help="Remove TAPE once the unpacked one is complete.")
def unpack(path: Path, out: Path | None, rm: bool) -> None:
    """Unpack TAPE, byte for byte as it was packed, and print where it is."""
    from rtproxy.tape.packing import unpack as unpacked

    where = unpacked(path, out)
    if rm:
        path.unlink()
    click.echo(visible(str(where)))
