"""`rtproxy tape pack`: a tape in less room."""

from pathlib import Path

import click

from rtproxy.cli.output import say, visible


@click.command()
@click.argument("path", metavar="TAPE", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Where to write; default: TAPE.zst."
)
@click.option("--rm", is_flag=True, help="Remove TAPE once the packed one is complete.")
def pack(path: Path, out: Path | None, rm: bool) -> None:
    """Pack TAPE with zstd. Every command reads packed tapes as they are.

    The packed tape is unpacked and compared before it gets its name, which is printed. Leave tapes
    unpacked in git, which compares and packs them itself.
    """
    from rtproxy.tape.packing import pack as packed

    before = path.stat().st_size if path.is_file() else 0
    where = packed(path, out)
    after = where.stat().st_size
    if rm:
        path.unlink()
    say(f"{before:,} bytes became {after:,}.")
    click.echo(visible(str(where)))
