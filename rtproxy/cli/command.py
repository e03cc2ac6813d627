"""The command after `--`: run with our address in its environment, ended with us, heard out."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from rtproxy.errors import CommandError
from rtproxy.net.stop import Stop

KILL_AFTER_S = 5.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def run_command(command: Sequence[str], env: Mapping[str, str], stop: Stop) -> int:
    """Run a command to its end, or until we are to stop, and return its exit code.

    The command has the terminal's Ctrl-C itself; any other signal to us is passed on to it, and it
    is killed if it does not end, or if it is urgent. A death by signal N gives 128 + N, as in a
    shell. Raises CommandError if it cannot be started.
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
            await end(process, ended, stop)
        code = await ended
    finally:
        stopped.cancel()
        if process.returncode is None:
            process.kill()
            await ended
    return 128 - code if code < 0 else code


async def end(
    process: asyncio.subprocess.Process, ended: "asyncio.Future[int]", stop: Stop
) -> None:
    """Ask a process to end, then make it."""
    if stop.number != signal.SIGINT:
        process.terminate()
    elif not has_terminal():
        process.send_signal(signal.SIGINT)
    await stop.wait_for([ended], KILL_AFTER_S)
    if not ended.done():
        process.kill()


def has_terminal() -> bool:
    """Whether we are in a terminal's foreground: its Ctrl-C is then our command's as well."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False


def stop_on_signals(stop: Stop) -> None:
    """Set `stop` on Ctrl-C and on a request to terminate; the third one ends us as it is."""
    loop = asyncio.get_running_loop()

    def heard(number: int) -> None:
        stop.set(number)
        if stop.is_urgent:
            for each in SIGNALS:
                loop.remove_signal_handler(each)
                signal.signal(each, signal.SIG_DFL)

    for number in SIGNALS:
        loop.add_signal_handler(number, heard, number)
