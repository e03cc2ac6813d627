"""The command after `--`: run with our address in its environment, ended with us, heard out."""

import asyncio
import signal
from collections.abc import Mapping, Sequence

from rtproxy.errors import CommandError

KILL_AFTER_S = 5.0


async def run_command(command: Sequence[str], env: Mapping[str, str], stop: asyncio.Event) -> int:
    """Run a command to its end, or until `stop` is set, and return its exit code.

    The command has the terminal's Ctrl-C itself; when we are asked to stop, it is asked too,
    and killed if it does not. A death by signal N gives 128 + N, as in a shell.
    Raises CommandError if it cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(*command, env=env)
    except FileNotFoundError:
        raise CommandError(f"{command[0]!r} is not a command that can be found.") from None
    except OSError as error:
        raise CommandError(f"{command[0]!r} cannot be run: {error.strerror}.") from None
    ended = asyncio.ensure_future(process.wait())
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            await end(process, ended)
        code = await ended
    finally:
        stopped.cancel()
        if process.returncode is None:
            process.kill()
            await ended
    return 128 - code if code < 0 else code


async def end(process: asyncio.subprocess.Process, ended: asyncio.Future[int]) -> None:
    """Ask a process to end, then make it."""
    process.terminate()
    try:
        await asyncio.wait_for(asyncio.shield(ended), KILL_AFTER_S)
    except TimeoutError:
        process.kill()


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on Ctrl-C and on a request to terminate."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
