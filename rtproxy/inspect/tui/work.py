"""What is still to be done before all is known, in steps of a few milliseconds, the urgent first.

while not work.idle:
    work.step()
"""

from typing import Literal

from rtproxy.inspect.tui.chart import Chart
from rtproxy.inspect.tui.inspection import Inspection
from rtproxy.inspect.tui.loading import Listening, Loading

Phase = Literal["reading", "listing", "judging", "listening", "idle"]

WORDS: dict[Phase, str] = {
    "reading": "reading the tape",
    "listing": "looking for events",
    "judging": "judging the call",
    "listening": "listening to the caller",
    "idle": "",
}
RECORDS = 150
"""Records that are read in one step."""
LOOKED_AT = 2_000
"""Records that are listed in one step where nothing is read for it."""
SEARCHED = 100
"""Records that are listed in one step by a filter, which may read each of them."""
HEARD = 100
"""Appends that are read in one step."""


class Work:
    """`steps` counts what was done in each phase."""

    def __init__(self, place: Inspection, loading: Loading, chart: Chart) -> None:
        self.steps: dict[Phase, int] = dict.fromkeys(WORDS, 0)
        self.judged = False
        """Whether links and findings are those of all that was read."""
        self._place = place
        self._loading = loading
        self._chart = chart
        self._listening = Listening(loading)

    @property
    def phase(self) -> Phase:
        if not self._loading.complete:
            return "reading"
        if not self._place.rows.complete:
            return "listing"
        if not self.judged:
            return "judging"
        return "idle" if self._listening.complete else "listening"

    @property
    def idle(self) -> bool:
        return self.phase == "idle"

    @property
    def fraction(self) -> float:
        """How much of the phase is done, from 0 to 1."""
        match self.phase:
            case "reading":
                return self._loading.fraction
            case "listing":
                return self._place.rows.taken / max(1, len(self._place.catalogue))
            case "listening":
                return self._listening.fraction
        return 1.0

    def step(self) -> None:
        """Do the next few milliseconds' worth."""
        phase = self.phase
        self.steps[phase] += 1
        match phase:
            case "reading":
                self.judged = False
                self._loading.step(RECORDS)
                if not self._place.filter:
                    self._place.rows.extend(RECORDS)
            case "listing":
                self._place.rows.extend(SEARCHED if self._place.filter else LOOKED_AT)
            case "judging":
                self._judge()
            case "listening":
                self._listening.step(HEARD)
                if self._listening.complete:
                    self._chart.hear(self._listening.loudness())

    def show_progress(self) -> None:
        """Draw what has been read so far."""
        if not self.judged:
            self._place.grow(self._place.session.now_ms)
            self._chart.prepare(self._place.findings)

    def _judge(self) -> None:
        session = self._place.session
        self._place.settle(self._loading.linker.links(session), session.findings)
        self._chart.prepare(self._place.findings)
        self.judged = True
