"""`rtproxy tape`: list, check, repair, dump and otherwise handle tapes."""

import click

from rtproxy.cli.lazy import LazyGroup

COMMANDS = {
    "ls": "List the tapes in a folder, the oldest first.",
    "verify": "Check that every byte of tapes is as it was written.",
    "repair": "Write a sealed tape with every sound record of a damaged one.",
    "dump": "Print every record as one line of JSON.",
    "cut": "Write a part of a tape: a time, some turns, some events.",
    "redact": "Write a tape without what must not be shared.",
    "pack": "Pack a tape with zstd.",
    "unpack": "Unpack a packed tape.",
    "textconv": "Print a tape as text for git diff.",
}
"""Subcommand → its one line in `--help`. `rtproxy.cli.tapes.NAME` holds a click command `NAME`."""


@click.group(cls=LazyGroup, lazy=COMMANDS, package="rtproxy.cli.tapes")
def tape() -> None:
    """List, check, repair, cut, redact, pack and dump tapes.

    A tape is one recorded connection: NAME.rtape, or NAME.rtape.zst when packed. Its format is
    specified in docs/tape-format.md.
    """
