"""What a person sees while the proxy runs: a quiet table on a terminal, else one line an event."""

from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rtproxy.realtime.finding import Severity
from rtproxy.realtime.stage import WORDS
from rtproxy.record.insight import Found, Insight
from rtproxy.record.status import Status, Traffic
from rtproxy.tape.escape import visible

REFRESH_PER_SECOND = 4
SHOWN_SESSIONS = 12
WIDE, NARROW = 136, 100
"""Width from which there is room for models and bytes too, and for the counts of events."""
COUNTS = ("▲ events", "▼ events")
VOLUMES = ("▲ bytes", "▼ bytes")
HOW_IT_GOES = ("turn", "now", "voice", "found")
MARKS: dict[Severity, tuple[str, str]] = {
    "info": ("●", "blue"),
    "warning": ("▲", "yellow"),
    "error": ("■", "bold red"),
}


class LiveDisplay:
    """Shows a proxy's status on a console. With `table`, redrawn in place; else plain lines.

    `insights` is whether somebody looks at the sessions: then it is shown how they go.
    """

    def __init__(
        self, console: Console, status: Status, folder: Path, *, table: bool, insights: bool = False
    ) -> None:
        self._console = console
        self._status = status
        self._folder = folder
        self._table = table
        self._insights = insights
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

    def tell_found(self, tape: str, found: Found) -> None:
        """Print what was found in a session."""
        mark, style = MARKS[found.severity]
        turn = "" if found.turn is None else f", turn {found.turn}"
        self._say(f"{tape}  {mark} {found.severity} {found.code}{turn}: {found.message}", style)

    def _say(self, line: str, style: str) -> None:
        # What is in it came over the network: nothing of it may move the cursor.
        self._console.print(Text(visible(line), style=style), soft_wrap=True)

    def render(self) -> RenderableType:
        """The table of open sessions with a line of totals under it."""
        status = self._status
        rows = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
        columns = self._columns()
        for title in columns:
            left = title in ("tape", "model", "now")
            rows.add_column(title, justify="left" if left else "right", no_wrap=True)
        for traffic in status.open[-SHOWN_SESSIONS:]:
            cells = cells_of(traffic)
            rows.add_row(*(cells[title] for title in columns))
        total = Text(self._totals(), style="dim")
        return Group(rows, total) if status.open else total

    def _columns(self) -> list[str]:
        """Titles of the columns that there is room for."""
        if not self._insights:
            return ["tape", "model", *COUNTS, *VOLUMES]
        width = self._console.width
        columns = ["tape", *HOW_IT_GOES, *(COUNTS if width >= NARROW else ())]
        return [*columns, "model", *VOLUMES] if width >= WIDE else columns

    def _totals(self) -> str:
        status = self._status
        hidden = len(status.open) - SHOWN_SESSIONS
        more = f" ({hidden} not shown)" if hidden > 0 else ""
        return (
            f"{len(status.open)} open{more}, {status.finished} finished, "
            f"tapes in {self._folder} – Ctrl-C stops"
        )


def cells_of(traffic: Traffic) -> dict[str, Text]:
    """What stands in a connection's row, by column."""
    how = how_it_goes(traffic.insight)
    return {
        "tape": Text(visible(traffic.name), style="red" if traffic.note else ""),
        "model": Text(visible(traffic.model or "–")),
        **dict(zip(HOW_IT_GOES, how, strict=True)),
        COUNTS[0]: Text(f"{traffic.messages_up:,}"),
        COUNTS[1]: Text(f"{traffic.messages_down:,}"),
        VOLUMES[0]: Text(human_bytes(traffic.bytes_up)),
        VOLUMES[1]: Text(human_bytes(traffic.bytes_down)),
    }


def how_it_goes(insight: Insight | None) -> tuple[Text, Text, Text, Text]:
    """A session's turn, what is going on in it, its last voice to voice, its findings."""
    if insight is None:
        return Text("–"), Text(""), Text("–"), Text("–")
    turn = Text(str(insight.turn or "–"))
    if insight.behind:
        return turn, Text("too much to follow", "dim"), Text("–"), Text("–")
    voice = "–" if insight.v2v_ms is None else f"{insight.v2v_ms:,.0f} ms"
    found = Text(str(insight.findings), "yellow") if insight.findings else Text("–")
    return turn, Text(WORDS[insight.stage]), Text(voice), found


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
