"""What went differently from the tape, as a value: for a person, for a journal, for the client.

| kind | what happened |
|---|---|
| unexpected | a message that nothing on the tape, here, stands for |
| differing | the message is on the tape, but not with these values |
| missing | the rest of the tape waits for an event that has not come |
| too little audio | the rest of the tape waits for more audio than was sent |
| early disconnect | the peer left before the tape was at its end |
| wrong role | the peer sends what only the other side of the protocol sends |
| broken matcher | a matcher of the user's raised an exception |
| more | so many mismatches that the rest of them is only counted |
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import Any, Literal

from rtproxy.replay.excerpt import excerpt, plain, shortened
from rtproxy.replay.matching import ABSENT, Difference

Kind = Literal[
    "unexpected",
    "differing",
    "missing",
    "too little audio",
    "early disconnect",
    "wrong role",
    "broken matcher",
    "more",
]
BROKEN: Kind = "broken matcher"
"""The one kind that nobody asks for leniency towards."""
CODE = "rtproxy_mismatch"
PLACES = 100
"""Events that are listed as still to come."""
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A recorded event: where it is on the tape, its type, and what it says (JSON or a payload)."""

    seq: int
    t_ns: int
    type: str
    value: Any = ABSENT

    def to_json(self) -> dict[str, Any]:
        place = {"seq": self.seq, "t_ms": self.t_ns / 1e6, "type": self.type}
        return place if self.value is ABSENT else place | {"event": plain(self.value)}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recorded event that the received one resembles: score 0 to 1; `done` if matched before."""

    place: Place
    score: float
    done: bool

    def to_json(self) -> dict[str, Any]:
        return self.place.to_json() | {"score": round(self.score, 3), "matched_before": self.done}


@dataclass(frozen=True, slots=True)
class Report:
    """One mismatch. `message` is a sentence; `expected` is where the tape stands or should."""

    kind: Kind
    message: str
    expected: Place | None = None
    received: Any = ABSENT
    differences: tuple[Difference, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    waiting: tuple[Place, ...] = ()
    """Events that have not come, or were not delivered."""
    more_waiting: int = 0
    """How many more of them there are."""
    advice: tuple[str, ...] = ()
    tape: str = ""
    """Name of the tape, for whoever knows it to fill in."""

    def short(self) -> "Report":
        """The same with no more of what was received than a person reads: this can be kept."""
        return replace(
            self,
            received=excerpt(self.received),
            differences=tuple(
                Difference(shortened(one.path), excerpt(one.expected), excerpt(one.received))
                for one in self.differences
            ),
            **self._waiting(PLACES),
        )

    def _waiting(self, count: int) -> dict[str, Any]:
        left_out = max(0, len(self.waiting) - count)
        return {"waiting": self.waiting[:count], "more_waiting": self.more_waiting + left_out}

    def brief(self, count: int) -> "Report":
        """The same without what was received and what is like it, and with so many events."""
        return Report(
            self.kind,
            self.message,
            self.expected,
            advice=self.advice,
            tape=self.tape,
            **self._waiting(count),
        )

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values; what has no value is left out."""
        whole = {
            "kind": self.kind,
            "message": self.message,
            "tape": self.tape or None,
            "expected": self.expected and self.expected.to_json(),
            "differences": [_difference_json(one) for one in self.differences],
            "candidates": [candidate.to_json() for candidate in self.candidates],
            "waiting": [place.to_json() for place in self.waiting],
            "more_waiting": self.more_waiting or None,
            "advice": list(self.advice),
        }
        if self.received is not ABSENT:
            whole["received"] = plain(self.received)
        return {key: value for key, value in whole.items() if value not in (None, [])}

    def to_text(self, width: int = 80) -> str:
        """The report as lines of at most about `width` characters, for a person; no colours."""
        lines = [*wrap(f"Mismatch ({self.kind}): {self.message}", width)]
        if self.tape:
            lines.append(f"  tape      {self.tape}")
        if self.expected:
            lines.append(f"  expected  {_describe(self.expected)}")
            lines += _block(self.expected.value, width)
        if self.received is not ABSENT:
            lines.append(f"  received  {_type_of(self.received)}")
            lines += _block(self.received, width)
        for title, rows, more in (
            ("differs", [_row(one) for one in self.differences], 0),
            ("nearest", [_candidate_row(one) for one in self.candidates], 0),
            ("waiting", [_describe(one) for one in self.waiting], self.more_waiting),
            ("try", list(self.advice), 0),
        ):
            lines += _rows(title, rows, more, width)
        return "\n".join(map(_visible, lines))

    def to_error_event(self, event_id: str = "event_rtproxy_mismatch") -> str:
        """The report as an `error` event of the Realtime protocol, for the client to log."""
        received = self.received if isinstance(self.received, dict) else {}
        error = {
            "type": "invalid_request_error",
            "code": CODE,
            "message": self.message,
            "param": self.differences[0].path if self.differences else None,
            "event_id": received.get("event_id"),
        }
        event = {"type": "error", "event_id": event_id, "error": error, "rtproxy": self.to_json()}
        return json.dumps(event)


def _visible(line: str) -> str:
    """A line that changes nothing on a terminal but the place where it stands."""
    if line.isprintable():
        return line
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)


def _difference_json(one: Difference) -> dict[str, Any]:
    sides = {"expected": one.expected, "received": one.received}
    return {"path": one.path} | {
        side: plain(value) for side, value in sides.items() if value is not ABSENT
    }


def _show(value: Any) -> str:
    if value is ABSENT:
        return "nothing"
    return json.dumps(plain(value), ensure_ascii=False)


def _row(one: Difference) -> str:
    return f"{one.path}: expected {_show(one.expected)}, received {_show(one.received)}"


def _candidate_row(one: Candidate) -> str:
    done = ", which was matched before" if one.done else ""
    return f"{one.score:.0%} {_describe(one.place)}{done}"


def _describe(place: Place) -> str:
    return f"{place.type or '(no type)'} (#{place.seq} at {place.t_ns / 1e9:.3f} s)"


def _type_of(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else "binary" if isinstance(value, bytes) else ""


def _block(value: Any, width: int) -> Iterator[str]:
    if value is ABSENT:
        return
    for line in wrap(_show(value), max(20, width - 12), break_on_hyphens=False):
        yield " " * 12 + line


def _rows(title: str, rows: list[str], more: int, width: int) -> Iterator[str]:
    for index, row in enumerate(rows[:_SHOWN]):
        head = f"  {title if index == 0 else '':<10}"
        yield from wrap(
            row, max(32, width), initial_indent=head, subsequent_indent=" " * 14,
            break_on_hyphens=False,
        )  # fmt: skip
    more += max(0, len(rows) - _SHOWN)
    if more:
        yield f"{'':12}and {more} more"
