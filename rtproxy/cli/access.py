"""Options that say how clients come in and which servers are trusted, and what is said of it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rtproxy.wire.origin import normal_origin

if TYPE_CHECKING:
    from rich.console import Console

    from rtproxy.net.authority import Authority
    from rtproxy.net.entrance import Access

_HOST = re.compile(r"[A-Za-z0-9_.*:-]+")

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class HostPattern(click.ParamType[str]):
    """A host's name or address; `*` stands for anything."""

    name = "HOST"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        text = str(value).strip("[]")
        if not _HOST.fullmatch(text):
            self.fail(f"{value!r} is no host, such as *.example.com.", param, ctx)
        return text.lower()


class PageOrigin(click.ParamType[str]):
    """Where a page is from, as its browser says it; `*` stands for anything."""

    name = "ORIGIN"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        origin = normal_origin(str(value))
        if origin is None:
            self.fail(f"{value!r} is no origin, such as http://localhost:3000.", param, ctx)
        return origin


def tls_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--tls", is_flag=True, help="Speak https:// and wss:// to clients; see rtproxy ca."
    )(command)


def trust_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--upstream-ca` and `--insecure`: which servers are trusted."""
    for option in (
        click.option(
            "--insecure", is_flag=True, help="Trust any server, whoever has signed its certificate."
        ),
        click.option(
            "--upstream-ca",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Trust servers whose certificates these (PEM) have signed, besides the system's.",
        ),
    ):
        command = option(command)
    return command


def warn_insecure(console: "Console") -> None:
    """Say aloud what is not safe."""
    console.print(
        "rtproxy: --insecure: no server's certificate is checked. Whoever is in between can "
        "read the keys and change the sessions.",
        style="bold red",
        soft_wrap=True,
    )


def forward_options(verb: str) -> Decorator:
    """`--forward` and `--intercept`; `verb` is what happens to the hosts' sessions."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        intercept = click.option(
            "--intercept",
            type=HostPattern(),
            multiple=True,
            help=f"With --forward: a host whose sessions are {verb} too; * stands for anything. "
            "May be repeated.",
        )
        forward = click.option(
            "--forward",
            is_flag=True,
            help="Be a forward proxy, for programs that cannot be pointed elsewhere: sessions "
            f"with the Realtime hosts are {verb}. A COMMAND is told to use it.",
        )
        return forward(intercept(command))

    return add


def introduce(
    console: "Console", access: "Access", authority: "Authority | None", *, with_command: bool
) -> None:
    """Say what is looked into, and whom clients must trust; a command is made to."""
    if access.forward:
        hosts = ", ".join(dict.fromkeys(access.intercept))
        console.print(f"rtproxy: a forward proxy for {hosts}", soft_wrap=True, markup=False)
    if authority is not None and not with_command:
        new = ", made just now" if authority.is_new else ""
        console.print(
            f"rtproxy: clients must trust {authority.path}{new}; rtproxy ca tells how",
            soft_wrap=True,
            markup=False,
        )
