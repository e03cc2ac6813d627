"""The command after `--`: run with our address in its environment, ended with us, heard out."""

import asyncio
import os
import signal
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rtproxy.cli.family import Family
from rtproxy.errors import CommandError
from rtproxy.net.stop import Stop

KILL_AFTER_S = 5.0
LOOK_EVERY_S = 0.05
PRESSES = 3
"""So many times Ctrl-C must be pressed within `PRESSES_S` to end a command that takes no notice."""
PRESSES_S = 2.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def run_command(command: Sequence[str], env: Mapping[str, str], stop: Stop) -> int:
    """Run a command to its end, or until we are to stop, and return its exit code.

    Ctrl-C in a terminal is the command's own, as it is in its group: when it ends, we do. Any
    other signal to us is passed on to it and to all that it has started; who does not end is
    killed, at once if it is urgent. A death by signal N gives 128 + N, as in a shell. Raises
    CommandError if it cannot be started.
    """
    try:
        # Not by way of the event loop: uvloop's lets copies of our stderr through to a command,
        # and whoever reads from that waits for all that it leaves in the background.
        process = subprocess.Popen(command, env=env)  # noqa: ASYNC220
    except FileNotFoundError:
        raise CommandError(f"{command[0]!r} is not a command that can be found.") from None
    except OSError as error:
        raise CommandError(f"{command[0]!r} cannot be run: {error.strerror}.") from None
    family = Family(process.pid)
    ended = asyncio.ensure_future(asyncio.to_thread(process.wait))
    stopped = asyncio.ensure_future(stop.wait())
    try:
        with leaving_interrupts(stop):
            await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                await end(family, ended, stop)
            code = await ended
    finally:
        stopped.cancel()
        if process.returncode is None:
            family.kill()
            await ended
    return 128 - code if code < 0 else code


async def end(family: Family, ended: "asyncio.Future[int]", stop: Stop) -> None:
    """Ask a process and what it has started to end, then make them."""
    if not stop.is_urgent:
        family.signal(stop.number or signal.SIGTERM)
    over = asyncio.ensure_future(all_over(family, ended))
    await stop.wait_for([over], KILL_AFTER_S)
    over.cancel()
    family.kill()


async def all_over(family: Family, ended: "asyncio.Future[int]") -> None:
    """Return when none of them runs."""
    await asyncio.wait([ended])
    while family.living():  # noqa: ASYNC110 - nobody tells of processes that are not ours
        await asyncio.sleep(LOOK_EVERY_S)


def has_terminal() -> bool:
    """Whether we are in a terminal's foreground: its Ctrl-C is then our command's as well."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


@contextmanager
def leaving_interrupts(stop: Stop) -> Iterator[None]:
    """Leave Ctrl-C to the command; pressed again and again, it ends the command after all."""
    loop = asyncio.get_running_loop()
    presses = deque[float](maxlen=PRESSES)

    def heard() -> None:
        if stop.is_set() or not has_terminal():
            hear(signal.SIGINT, stop)
            return
        presses.append(loop.time())
        if len(presses) == PRESSES and presses[-1] - presses[0] <= PRESSES_S:
            stop.set(signal.SIGINT)
            stop.set(signal.SIGINT)
            pass_over_interrupts()

    loop.add_signal_handler(signal.SIGINT, heard)
    try:
        yield
    finally:
        if not stop.is_urgent:
            if presses:  # the next one does not wait
                stop.set(signal.SIGINT)
            loop.add_signal_handler(signal.SIGINT, hear, signal.SIGINT, stop)


def pass_over_interrupts() -> None:
    """Whoever presses Ctrl-C again and again does not stop at once, and tapes are to be sealed.

    If that takes longer than it may, the next one ends us as it is.
    """
    loop = asyncio.get_running_loop()
    loop.remove_signal_handler(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop.call_later(KILL_AFTER_S, signal.signal, signal.SIGINT, signal.SIG_DFL)


def stop_on_signals(stop: Stop) -> None:
    """Set `stop` on Ctrl-C, on a request to terminate and when the terminal is closed.

    The third one ends us as it is. With nohup, the terminal may be closed.
    """
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, hear, number, stop)


def hear(number: int, stop: Stop) -> None:
    """A signal has come."""
    stop.set(number)
    if stop.is_urgent:
        loop = asyncio.get_running_loop()
        for each in SIGNALS:
            if loop.remove_signal_handler(each):
                signal.signal(each, signal.SIG_DFL)
