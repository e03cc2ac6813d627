"""What the server says it understood of the caller's audio."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Transcript:
    """The transcript of one item of the caller's.

    `committed_ms` is when the audio was committed; `done_ms` when the transcript was complete or
    failed. `order` counts completed transcripts in order of arrival.
    """

    item_id: str
    committed_ms: float | None = None
    committed_seq: int | None = None
    done_ms: float | None = None
    done_seq: int | None = None
    error: Mapping[str, Any] | None = None
    expected: bool = False
    order: int | None = None
    whole: str | None = None
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str | None:
        """The whole text, or what has come of it; None if nothing has."""
        if self.whole is not None:
            return self.whole
        return "".join(self.pieces) or None

    @property
    def delay_ms(self) -> float | None:
        """From the commit to the whole transcript."""
        if self.done_ms is None or self.committed_ms is None:
            return None
        return self.done_ms - self.committed_ms
