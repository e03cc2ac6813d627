"""Two sessions over one axis of time, as SVG: lanes above, lanes below, and ribbons between them.

Places are percentages of the whole time, so that the drawing is as wide as the page makes it and
nothing has to be drawn again when somebody zooms.
"""

from collections.abc import Iterator, Sequence

from rtproxy.diff.difference import Diff, Difference, TurnPair
from rtproxy.diff.page.lanes import LANES, Side, Span, spans
from rtproxy.diff.page.markup import Markup, joined, tag
from rtproxy.diff.report import heading
from rtproxy.view.axis import clock, step_of

LANE, GAP = 14, 4
"""Height of a lane and the room below it, in px."""
RULER = 20
RIBBONS = 40
HEIGHT = len(LANES) * (LANE + GAP)
STUB = 0.55
"""How far the ribbon of a turn reaches that only one side has."""
SHORTEST_S = 0.1
"""Seconds between two ticks, at least."""
MOST_TICKS = 11
"""Ticks at the width of the page; with each of the levels below there are more."""
LEVELS = 5


class Drawing:
    """Draws two sides that share an axis."""

    def __init__(self, diff: Diff, a: Side, b: Side, prefix: str) -> None:
        self._diff = diff
        self._sides = (a, b)
        self._prefix = prefix
        self._ms = max(1.0, a.end_ms, b.end_ms) * 1.01

    def markup(self) -> Markup:
        """The ruler, the upper lanes, the ribbons, the lower lanes."""
        a, b = self._sides
        return tag(
            "div",
            self._ruler(),
            self._lanes(a, "a"),
            self._ribbons(),
            self._lanes(b, "b"),
            class_="wide",
        )

    def _at(self, ms: float) -> str:
        return f"{min(max(0.0, ms / self._ms * 100), 100):.4g}%"

    def _ruler(self) -> Markup:
        return tag("svg", *self._ticks(), class_="ruler", height=RULER, aria_hidden="true")

    def _ticks(self) -> Iterator[Markup]:
        """Ticks, those that need more room with a number that says how much more."""
        done: set[int] = set()
        whole = self._ms / 1000
        for level in range(LEVELS):
            step = step_of(max(SHORTEST_S, whole / (MOST_TICKS * 2**level)))
            if whole / step > MOST_TICKS * 2 ** (LEVELS - 1):
                return
            for n in range(int(whole / step) + 1):
                t_ms = round(n * step * 1000)
                if t_ms in done:
                    continue
                done.add(t_ms)
                x = self._at(t_ms)
                yield tag(
                    "g",
                    tag("line", x1=x, x2=x, y1=RULER - 6, y2=RULER),
                    tag("text", clock(t_ms / 1000, step), x=x, y=RULER - 8),
                    class_=f"tick level-{level}",
                )

    def _lanes(self, side: Side, name: str) -> Markup:
        parts: list[Markup] = []
        for at in range(len(LANES)):
            y = at * (LANE + GAP) + LANE
            parts.append(tag("line", x1="0", x2="100%", y1=y, y2=y, class_="rail"))
        parts += [self._span(span) for span in spans(side.session)]
        parts += list(self._marks(side, name))
        return tag(
            "svg",
            *parts,
            class_=f"lanes {name}",
            height=HEIGHT,
            role="img",
            aria_label=f"Session {name}: caller, assistant, responses and tools over time",
        )

    def _span(self, span: Span) -> Markup:
        y = LANES.index(span.lane) * (LANE + GAP)
        title = tag("title", _title(span))
        if span.end_ms <= span.start_ms:
            x = self._at(span.end_ms)
            return tag("circle", title, cx=x, cy=y + LANE / 2, r=4, class_=span.look)
        width = (span.end_ms - span.start_ms) / self._ms * 100
        low = span.look in ("waiting", "streaming")
        return tag(
            "rect",
            title,
            x=self._at(span.start_ms),
            width=f"{width:.4g}%",
            y=y + (LANE / 2 - 1.5 if low else 1),
            height=3 if low else LANE - 2,
            class_=span.look,
        )

    def _marks(self, side: Side, name: str) -> Iterator[Markup]:
        """Where each difference is, a line over all lanes that can be clicked."""
        for n, difference in enumerate(self._diff.differences, 1):
            t_ms = self._time(difference, side, name)
            if t_ms is not None:
                x = self._at(t_ms)
                yield tag(
                    "g",
                    tag("title", f"difference {n}"),
                    tag("line", x1=x, x2=x, y1=0, y2=HEIGHT, class_="reach"),
                    tag("line", x1=x, x2=x, y1=0, y2=HEIGHT, class_="line"),
                    class_=f"mark {difference.kind}",
                    data_difference=f"{self._prefix}d{n}",
                )

    def _time(self, difference: Difference, side: Side, name: str) -> float | None:
        """When a difference shows: at its event, or where its turn begins if it has no event."""
        seq, turn = (
            (difference.a_seq, difference.turn)
            if name == "a"
            else (difference.b_seq, difference.other_turn)
        )
        if seq is not None and seq in side.times:
            return side.times[seq]
        if difference.kind == ("added" if name == "a" else "removed"):
            return None
        span = None if turn is None else side.turn_span(turn)
        return None if span is None else span[0]

    def _ribbons(self) -> Markup:
        pairs = enumerate(self._diff.pairs)
        ribbons = [ribbon for n, pair in pairs if (ribbon := self._ribbon(n, pair))]
        return joined(
            tag(
                "svg",
                *ribbons,
                class_="ribbons",
                height=RIBBONS,
                viewBox=f"0 0 10000 {RIBBONS}",
                preserveAspectRatio="none",
                role="img",
                aria_label="Which turn of a belongs to which of b",
            ),
            tag("svg", *self._numbers(), class_="numbers", height=RIBBONS, aria_hidden="true"),
        )

    def _ribbon(self, n: int, pair: TurnPair) -> Markup | None:
        """A band from a turn above to the one below; one that has no other ends half-way."""
        a, b = self._sides
        above = None if pair.a is None else a.turn_span(pair.a)
        below = None if pair.b is None else b.turn_span(pair.b)
        if above is None and below is None:
            return None
        top, bottom = above or below, below or above
        assert top is not None
        assert bottom is not None
        y1 = 0.0 if above else RIBBONS * (1 - STUB)
        y2 = float(RIBBONS) if below else RIBBONS * STUB
        corners = [(top[0], y1), (top[1], y1), (bottom[1], y2), (bottom[0], y2)]
        points = " ".join(f"{t / self._ms * 10000:.1f},{y:g}" for t, y in corners)
        return tag(
            "polygon",
            tag("title", f"{heading(pair)}: {pair.kind}"),
            points=points,
            class_=f"ribbon {pair.kind}",
            data_turn=f"{self._prefix}t{n}",
        )

    def _numbers(self) -> Iterator[Markup]:
        """Each turn's number where it begins, above and below."""
        for pair in self._diff.pairs:
            for side, n, y in ((self._sides[0], pair.a, 11), (self._sides[1], pair.b, RIBBONS - 4)):
                span = None if n is None else side.turn_span(n)
                if span is not None:
                    yield tag("text", str(n), x=self._at(span[0]), y=y, dx=3)


def _title(span: Span) -> str:
    ms = span.end_ms - span.start_ms
    length = f" · {ms:,.0f} ms" if ms > 0 else ""
    return f"{span.about or span.look} · {span.start_ms / 1000:.2f} s{length}"


def legend(looks: Sequence[str]) -> Markup:
    """What the colours mean."""
    return tag("ul", *(tag("li", look, class_=f"key {look}") for look in looks), class_="legend")
