"""`rtproxy simulate`: an offline Realtime server."""

from typing import TYPE_CHECKING

import click

from rtproxy.cli.listen import Listen
from rtproxy.cli.serving import serving_options, token_for

if TYPE_CHECKING:
    from rtproxy.net.token import Token
    from rtproxy.simulate.scenario import Scenario

DEFAULT_LISTEN = ("127.0.0.1", 8788)


@click.command()
@click.option(
    "--scenario",
    "-s",
    metavar="NAME|FILE",
    default="default",
    show_default=True,
    help="How the server behaves: a built-in scenario, or a TOML file.",
)
@click.option(
    "--listen",
    type=Listen(),
    default=DEFAULT_LISTEN,
    show_default="127.0.0.1:8788",
    help="Where clients connect; port 0 takes any free one.",
)
@click.option("--seed", type=int, help="Decides ids, voices and jitter. [default: the scenario's]")
@click.option("--list", "listing", is_flag=True, help="List the built-in scenarios and exit.")
@serving_options
def simulate(
    scenario: str,
    listen: tuple[str, int],
    seed: int | None,
    listing: bool,
    grace: float,
    idle: float,
    allow_remote: bool,
) -> None:
    """Run an offline Realtime server.

    It speaks both dialects, listens to the audio that it is sent, and answers as its scenario
    says, with the scenario's delays. It needs no key and no network. Point a client's base URL at
    the address that is printed first. Stop with Ctrl-C.

    The same scenario, seed and client give the same session, down to the ids.
    """
    import asyncio
    import os

    from rtproxy.simulate.library import built_in, load

    if listing:
        width = max(map(len, built_in()))
        for name, entry in built_in().items():
            click.echo(f"{name:{width}}  {entry.about}")
        return
    token = token_for(listen[0], allow_remote=allow_remote, environ=os.environ)
    asyncio.run(serve(load(scenario), listen, seed, token, idle, grace))


async def serve(
    scenario: "Scenario",
    listen: tuple[str, int],
    seed: int | None,
    token: "Token | None",
    idle_s: float,
    grace_s: float,
) -> None:
    """Serve a scenario until stopped."""
    from rich.console import Console

    from rtproxy.cli.serving import begin_serving, tell_open, tell_stopping
    from rtproxy.simulate.server import SimulatedServer
    from rtproxy.tape.escape import visible

    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    stop = begin_serving()
    host, port = listen
    server = SimulatedServer(scenario, host=host, port=port, seed=seed, token=token, idle_s=idle_s)
    async with server:
        name, seed = server.scenario.name, server.scenario.seed
        console.print(f"rtproxy: {server.url} simulates {visible(name)}, seed {seed}")
        tell_open(console, token)
        await stop.wait()
        tell_stopping(console, server.open, grace_s)
        await server.close(stop, grace_s)
