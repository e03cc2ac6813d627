"""What of a call's two sides goes into a file, and which blocks of the call."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtproxy.convert.wav import mono
from rtproxy.realtime.piece import Side

Block = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class View:
    """What of blocks of shape (n, 2) a file has; `side` if it is one alone."""

    channels: int
    of: Callable[[Block], Block]
    side: Side | None = None


def views_of(*, apart: bool, side: Side | None, mixed: bool) -> list[View]:
    """One view of both sides, mixed or not, or of one; or, with `apart`, one of each."""
    alone = [
        View(1, lambda block: block[:, 0], "caller"),
        View(1, lambda block: block[:, 1], "assistant"),
    ]
    if side is not None:
        return [view for view in alone if view.side == side]
    if apart:
        return alone
    return [View(1, mono) if mixed else View(2, lambda block: block)]


class Blocks:
    """A call's sound, to be taken in stretches. `start_ms` is when the first block begins."""

    def __init__(self, blocks: Iterator[Block], rate: int, start_ms: float) -> None:
        self._blocks = blocks
        self._rate = rate
        self._at = round(start_ms * rate / 1000)
        self._rest: Block | None = None

    def until(self, end_ms: float) -> Iterator[Block]:
        """The blocks up to a time, infinity for all that are left."""
        end = None if end_ms == float("inf") else round(end_ms * self._rate / 1000)
        while end is None or self._at < end:
            block = self._rest if self._rest is not None else next(self._blocks, None)
            self._rest = None
            if block is None:
                return
            if end is not None and self._at + len(block) > end:
                self._rest = block[end - self._at :]
                block = block[: end - self._at]
            self._at += len(block)
            yield block
