"""The view of a call that goes on, redrawn in place on a terminal as its records come."""

import time
from collections.abc import Callable, Iterable
from itertools import islice

from rich.console import Console, RenderableType
from rich.live import Live
from rich.style import Style
from rich.text import Text

from rtproxy.inspect.listing import Lull, Missing
from rtproxy.inspect.overview import Overview
from rtproxy.inspect.screen import ASCII, LABEL, LABEL_CELLS, MIN_WIDTH, QUIET, Screen, cut
from rtproxy.inspect.timeline import Moments, Span, span_of
from rtproxy.inspect.view import View
from rtproxy.realtime.session import Session
from rtproxy.realtime.stage import WORDS, Stage, stage_of
from rtproxy.tape.record import Record

REDRAW_S = 0.2
SHARE = 10
"""Drawing may take one part in so many of the time; a long call is redrawn less often."""
LOOK_EVERY = 500
"""Records after which it is seen whether it is time to draw, while there is no lull."""
WINDOWS_MS = (10_000.0, 20_000.0, 30_000.0, 60_000.0)
"""How much time the lanes stand for: what the call fits in, then its last minute."""
ROWS_OF_A_TURN = 2
ROWS_OF_A_FINDING = 4

STAGES: dict[Stage, Style] = {
    "over": QUIET,
    "caller": Style(color="cyan", bold=True),
    "assistant": Style(color="green", bold=True),
    "tool": Style(color="magenta", bold=True),
    "waiting": Style(color="yellow", bold=True),
    "quiet": QUIET,
}


class LiveView:
    """Shows a session that is being told of its records; each time `overview` is asked anew."""

    def __init__(
        self,
        console: Console,
        overview: Callable[[], Overview],
        session: Session,
        moments: Moments,
        *,
        turn: int | None = None,
        ascii: bool = False,
    ) -> None:
        self._console = console
        self._overview = overview
        self._session = session
        self._moments = moments
        self._turn = turn
        self._ascii = ascii

    def run(self, records: Iterable[Record | Missing | Lull]) -> None:
        """Draw the session as the records pass; what was drawn is gone at the end."""
        due, stale, size = 0.0, True, self._console.size
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            for n, record in enumerate(records):
                if not isinstance(record, Lull):
                    stale = True
                    if n % LOOK_EVERY:
                        continue
                started = time.monotonic()
                stale = stale or self._console.size != size
                if stale and started >= due:
                    size, stale = self._console.size, False
                    live.update(self.render(), refresh=True)
                    took = time.monotonic() - started
                    due = started + max(REDRAW_S, SHARE * took)

    def render(self) -> RenderableType:
        """The call as it stands, in no more lines than the terminal has."""
        lines = self.lines(self._console.height - 1)
        if Screen(self._console, self._ascii).ascii:
            lines = [line.translate(ASCII) for line in lines]
        return Text.from_ansi("\n".join(lines), no_wrap=True, overflow="crop")

    def lines(self, height: int) -> list[str]:
        """What it is, how it goes, its last minute, its last turns, its last findings."""
        screen, session = Screen(self._console, self._ascii), self._session
        overview = self._overview()
        chosen = session.turns.number(self._turn)
        view = View(screen, overview, session, self._moments, turn=chosen)
        head = [next(screen.header(overview, None)), self._now(screen), *view.notes()]
        if session.times_known:
            span, share = (span_of(session, chosen), 1.0) if chosen else self._window()
            head += view.lanes([span], share)
        room = max(0, height - len(head))
        findings = list(view.findings(max(1, room // 2 // ROWS_OF_A_FINDING)))
        turns = session.turns.all if chosen is None else [chosen]
        room -= len(findings) + 2
        last = turns[-max(1, room // ROWS_OF_A_TURN) :] if room >= ROWS_OF_A_TURN else []
        table = ["", *view.table(last)] if last else []
        return list(islice([*head, *table, *findings], height))

    def _now(self, screen: Screen) -> str:
        """What is going on at this moment."""
        session = self._session
        stage = stage_of(session)
        minutes, seconds = divmod(session.now_ms / 1000, 60)
        turn = f"turn {session.turns.all[-1].n} · " if session.turns.all else ""
        said = f"{turn}{WORDS[stage]}"
        rest = f" · {minutes:.0f}:{seconds:04.1f} · {session.events:,} events"
        room = max(MIN_WIDTH, self._console.width) - LABEL_CELLS - len(said)
        label = screen.paint(LABEL, f"{'now':<{LABEL_CELLS}}")
        return label + screen.paint(STAGES[stage], said) + screen.paint(QUIET, cut(rest, room))

    def _window(self) -> tuple[Span, float]:
        """What the lanes show, and the share of their width that it fills."""
        now = max(self._session.now_ms, 1.0)
        window = next((window for window in WINDOWS_MS if window >= now), WINDOWS_MS[-1])
        return Span(max(0.0, now - window), now), min(1.0, now / window)
