"""A tape in the terminal application, driven by textual's pilot."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from textual.geometry import Region
from textual.pilot import Pilot

from rtproxy.inspect.overview import survey
from rtproxy.inspect.tui.app import Tui
from rtproxy.inspect.tui.request import Request
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Control, Event, Header, Record
from rtproxy.tape.writer import TapeWriter
from tests.realtime.scenarios import CASES
from tests.realtime.simulated import call_records


def call(name: str) -> list[Record]:
    """The records of a simulated call."""
    (case,) = [case for case in CASES if case.name == name]
    return call_records(case.toml)


def write(path: Path, records: Iterable[Record], seal: bool = True) -> Path:
    """A tape of these records; the first may be its header."""
    records = list(records)
    first = records[0] if records else None
    fields = dict(first.fields) if isinstance(first, Header) else {}
    writer = TapeWriter.create(path, fields, durability="none")
    t_ns = 0
    for record in records:
        if isinstance(record, Event):
            writer.event(record.t_ns, record.flags, record.payload)
        elif isinstance(record, Control):
            writer.control(record.t_ns, record.flags, record.name, record.data)
        else:
            continue
        t_ns = max(t_ns, record.t_ns)
        writer.flush()
    if seal:
        writer.seal(t_ns)
    writer.close()
    return path


class Desk:
    """The application while it runs, and what is to be seen of it."""

    def __init__(self, app: Tui, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    async def settle(self) -> None:
        """Wait until all has been read and shown."""
        while not self.app.work.idle and self.app.is_running:
            if self.app._exception is not None:
                raise self.app._exception
            await asyncio.sleep(0.005)
        await self.pilot.pause()
        await self.pilot.pause()  # what a message causes is done after it

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def resize(self, width: int, height: int) -> None:
        """The terminal gets another size."""
        await self.pilot.resize_terminal(width, height)
        while len(self.lines) != height:
            await self.pilot.pause(0.01)
        await self.settle()

    async def type(self, text: str) -> None:
        for char in text:
            await self.pilot.press(char)
        await self.settle()

    @property
    def lines(self) -> list[str]:
        """The screen as text, line by line."""
        size = self.app.size
        region = Region(0, 0, size.width, size.height)
        strips = self.app.screen._compositor.render_strips()
        assert len(strips) == region.height
        return [strip.text for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def status(self) -> str:
        """The line below the lanes."""
        return self.line_of("status")

    def line_of(self, id: str, line: int = 0) -> str:
        """A line of a widget."""
        region = self.app.query_one(f"#{id}").region
        return self.lines[region.y + line][region.x : region.right].rstrip()

    def lane(self, name: str) -> str:
        """A lane's cells."""
        return next(line for line in self.lines if line.startswith(name))[11:]

    def pane(self, id: str) -> list[str]:
        """The lines of a list that are to be seen."""
        region = self.app.query_one(f"#{id}").region
        return [
            line[region.x : region.right].rstrip() for line in self.lines[region.y : region.bottom]
        ]


@asynccontextmanager
async def desk(
    path: Path, size: tuple[int, int] = (120, 40), request: Request | None = None
) -> AsyncIterator[Desk]:
    """Open a tape, and wait until it has been read."""
    with open_tape(path) as tape:
        app = Tui(tape, survey(tape, path.name), request or Request())
        async with app.run_test(size=size) as pilot:
            opened = Desk(app, pilot)
            await opened.settle()
            yield opened
