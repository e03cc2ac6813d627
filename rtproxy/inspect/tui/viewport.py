"""Which part of a call's time is shown: it is moved and stretched, and never leaves the call."""

from dataclasses import dataclass, replace

from rtproxy.inspect.timeline import Span

SHORTEST_MS = 10.0
"""Nothing shorter is shown."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """`span` is the part of `total_ms` that is shown."""

    total_ms: float
    span: Span

    @classmethod
    def whole(cls, total_ms: float) -> "Viewport":
        total_ms = max(total_ms, SHORTEST_MS)
        return cls(total_ms, Span(0.0, total_ms))

    @property
    def is_whole(self) -> bool:
        return self.span.ms >= self.total_ms

    def grown(self, total_ms: float) -> "Viewport":
        """The call has become longer; what shows all of it goes on to do so."""
        if total_ms <= self.total_ms:
            return self
        return Viewport.whole(total_ms) if self.is_whole else replace(self, total_ms=total_ms)

    def between(self, start_ms: float, end_ms: float) -> "Viewport":
        """Show this part, or as much around it as must be shown."""
        ms = min(max(end_ms - start_ms, SHORTEST_MS), self.total_ms)
        start_ms = min(max(0.0, start_ms), self.total_ms - ms)
        return replace(self, span=Span(start_ms, start_ms + ms))

    def zoomed(self, factor: float, at_ms: float) -> "Viewport":
        """Show `factor` times as much, with `at_ms` where it was."""
        span = self.span
        ms = min(max(span.ms * factor, SHORTEST_MS), self.total_ms)
        start_ms = at_ms - (at_ms - span.start_ms) / span.ms * ms
        return self.between(start_ms, start_ms + ms)

    def scrolled(self, by_ms: float) -> "Viewport":
        return self.between(self.span.start_ms + by_ms, self.span.end_ms + by_ms)

    def revealing(self, t_ms: float) -> "Viewport":
        """Scrolled, if need be, so that a moment is well within what is shown."""
        span = self.span
        if span.start_ms <= t_ms <= span.end_ms:
            return self
        return self.scrolled(t_ms - span.start_ms - span.ms / 4)

    def revealing_span(self, span: Span) -> "Viewport":
        """Scrolled, and stretched if need be, so that all of a span is shown."""
        if self.span.start_ms <= span.start_ms and span.end_ms <= self.span.end_ms:
            return self
        if span.ms > self.span.ms:
            return self.between(span.start_ms, span.end_ms)
        return self.scrolled(
            (span.start_ms + span.end_ms - self.span.start_ms - self.span.end_ms) / 2
        )
