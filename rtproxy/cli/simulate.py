"""`rtproxy simulate`: an offline Realtime server."""

from typing import TYPE_CHECKING

import click

from rtproxy.cli.listen import Listen

if TYPE_CHECKING:
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
def simulate(scenario: str, listen: tuple[str, int], seed: int | None, listing: bool) -> None:
    """Run an offline Realtime server.

    It speaks both dialects, listens to the audio that it is sent, and answers as its scenario
    says, with the scenario's delays. It needs no key and no network. Point a client's base URL at
    the address that is printed first. Stop with Ctrl-C.

    The same scenario, seed and client give the same session, down to the ids.
    """
    import asyncio

    from rtproxy.simulate.library import built_in, load

    if listing:
        width = max(map(len, built_in()))
        for name, entry in built_in().items():
            click.echo(f"{name:{width}}  {entry.about}")
        return
    host, port = listen
    asyncio.run(serve(load(scenario), host, port, seed))


async def serve(scenario: "Scenario", host: str, port: int, seed: int | None) -> None:
    """Serve a scenario until stopped."""
    import asyncio

    from rtproxy.cli.command import stop_on_signals
    from rtproxy.simulate.server import SimulatedServer

    stop = asyncio.Event()
    stop_on_signals(stop)
    async with SimulatedServer(scenario, host=host, port=port, seed=seed) as server:
        name, seed = server.scenario.name, server.scenario.seed
        click.echo(f"rtproxy: {server.url} simulates {name}, seed {seed}", err=True)
        await stop.wait()
