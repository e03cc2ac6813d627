"""Which panes are to be seen, by the room that there is."""

from typing import Literal

Pane = Literal["turns", "findings", "events", "detail"]
PANES: tuple[Pane, ...] = ("turns", "findings", "events", "detail")
WIDE, TALL = 110, 34
"""Cells across from which the detail stands beside the list; lines from which both have company."""


def visible(width: int, height: int, chosen: Pane, table: Pane, below: Pane) -> set[Pane]:
    """The panes that a terminal has room for.

    `chosen` is always among them; `table` (turns or findings) and `below` (events or detail) are
    those that were chosen last.
    """
    wide, tall = width >= WIDE, height >= TALL
    lower: set[Pane] = {"events", "detail"} if wide else {below}
    if tall:
        return {table} | lower
    return lower if chosen in ("events", "detail") else {chosen}
