"""What a person sees while the proxy runs: a quiet table on a terminal, else one line an event."""

from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rtproxy.record.status import Status, Traffic

REFRESH_PER_SECOND = 4
SHOWN_SESSIONS = 12


class LiveDisplay:
    """Shows a proxy's status on a console. With `table`, redrawn in place; else plain lines."""

    def __init__(self, console: Console, status: Status, folder: Path, *, table: bool) -> None:
        self._console = console
        self._status = status
        self._folder = folder
        self._table = table
        self._live: Live | None = None

    def __enter__(self) -> "LiveDisplay":
        self._status.watch = self.tell
        if self._table:
            self._live = Live(
                console=self._console,
                get_renderable=self.render,
                refresh_per_second=REFRESH_PER_SECOND,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.watch = None
        if self._live is not None:
            self._live.stop()

    def tell(self, traffic: Traffic, sentence: str) -> None:
        """Print what has happened to a connection; failures stand out."""
        failed = bool(self._status.failures) and sentence == self._status.failures[-1]
        if failed:
            self._say(f"rtproxy: {sentence}", "bold red")
        elif traffic.phase != "open":
            self._say(f"{traffic.name}  {describe(traffic)}", "dim")

    def _say(self, line: str, style: str) -> None:
        # What is in it came over the network: nothing of it may move the cursor.
        shown = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)
        self._console.print(Text(shown, style=style), soft_wrap=True)

    def render(self) -> RenderableType:
        """The table of open sessions with a line of totals under it."""
        status = self._status
        rows = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
        rows.add_column("tape", no_wrap=True, overflow="ellipsis")
        rows.add_column("model", no_wrap=True, overflow="ellipsis")
        for title in ("▲ events", "▼ events", "▲ bytes", "▼ bytes"):
            rows.add_column(title, justify="right", no_wrap=True)
        for traffic in status.open[-SHOWN_SESSIONS:]:
            rows.add_row(
                Text(traffic.name, style="red" if traffic.note else ""),
                Text(traffic.model or "–"),
                f"{traffic.messages_up:,}",
                f"{traffic.messages_down:,}",
                human_bytes(traffic.bytes_up),
                human_bytes(traffic.bytes_down),
            )
        total = Text(self._totals(), style="dim")
        return Group(rows, total) if status.open else total

    def _totals(self) -> str:
        status = self._status
        hidden = len(status.open) - SHOWN_SESSIONS
        more = f" ({hidden} not shown)" if hidden > 0 else ""
        return (
            f"{len(status.open)} open{more}, {status.finished} finished, "
            f"tapes in {self._folder} – Ctrl-C stops"
        )


def describe(traffic: Traffic) -> str:
    """One line about a connection that has ended."""
    words = [traffic.note or traffic.phase]
    if traffic.messages_up or traffic.messages_down:
        words.append(f"{traffic.messages_up:,} events up, {traffic.messages_down:,} down")
    if traffic.bytes_up or traffic.bytes_down:
        words.append(human_bytes(traffic.bytes_up + traffic.bytes_down))
    if traffic.model:
        words.append(traffic.model)
    return ", ".join(words)


def human_bytes(size: int) -> str:
    """A size with a decimal unit: 950 B, 12.8 kB, 3.1 MB."""
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 1000 or unit == "GB":
            break
    return f"{amount:.1f} {unit}"
