"""What somebody who opens a tape wants to see first."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """A turn, the events that fit a filter, the events one by one; or the end of a live tape."""

    filter: str = ""
    turn: int | None = None
    fold: bool = True
    events: bool = False
    follow: bool = False
