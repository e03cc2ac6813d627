"""What commands print: sentences, names of files, JSON, places of damage."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rtproxy.tape.scanner import Damage


def say(text: str) -> None:
    """Say something on stderr."""
    click.echo(f"rtproxy: {visible(text)}", err=True)


def visible(text: str) -> str:
    """Text for a terminal, whatever a file is named."""
    from rtproxy.tape.escape import visible as shown

    return shown(text.encode("utf-8", "backslashreplace").decode())


def print_json(document: dict[str, Any]) -> None:
    from rtproxy.tape.dump import json_line

    click.echo(json_line(document))


def place_of(damage: "Damage") -> str:
    """A place of damage in words."""
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
