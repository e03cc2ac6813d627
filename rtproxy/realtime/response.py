"""Responses: who asked for each, what came of it and when; and which request each answers."""

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rtproxy.realtime.event import mapping, number, string
from rtproxy.realtime.item import Item, ToolCall

Data = Mapping[str, Any]

MAX_ASKS = 256
"""Requests that wait for their response; a client that sends more gets no more answers."""
MAX_ACTIVE = 64
"""Responses under way at once; of those that never end the oldest are given up."""


@dataclass(slots=True)
class Ask:
    """A client's response.create. `turn` is what it asks about, a number of the turn's own."""

    seq: int
    t_ms: float
    event_id: str | None
    out_of_band: bool
    metadata: Data
    turn: int | None


@dataclass(slots=True)
class Response:
    """One response. Times are ms on the tape, None for what did not happen or is not on it.

    `whole` is False where its beginning is not on the tape. `asked_by` says whose wish it was;
    `ask_ms` is the time of that wish: the client's response.create, or speech_stopped (or the
    commit) of the turn that the server answers by itself.
    """

    id: str
    seq: int
    created_ms: float | None = None
    whole: bool = True
    asked_by: Literal["client", "server"] | None = None
    ask_ms: float | None = None
    ask_seq: int | None = None
    turn: int | None = None
    out_of_band: bool = False
    status: str | None = None
    reason: str | None = None
    error: Data = field(default_factory=dict)
    usage: Data = field(default_factory=dict)
    done_ms: float | None = None
    done_seq: int | None = None
    cancel_seq: int | None = None
    silenced: bool = False
    """Whether the server stopped playing it, elsewhere, as the caller spoke."""
    first_audio_ms: float | None = None
    first_audio_seq: int | None = None
    first_text_ms: float | None = None
    first_text_seq: int | None = None
    audio_ms: float = 0.0
    audio_item: str | None = None
    items: dict[str, Item] = field(default_factory=dict)
    calls: dict[str, ToolCall] = field(default_factory=dict)

    @property
    def first_ms(self) -> float | None:
        """When the first audio or text came."""
        times = [t for t in (self.first_audio_ms, self.first_text_ms) if t is not None]
        return min(times) if times else None

    @property
    def queue_ms(self) -> float | None:
        if self.created_ms is None or self.ask_ms is None:
            return None
        return self.created_ms - self.ask_ms

    @property
    def model_ms(self) -> float | None:
        first = self.first_ms
        return None if first is None or self.created_ms is None else first - self.created_ms

    @property
    def text(self) -> str | None:
        """What was said or written, of all items together."""
        return " ".join(item.text for item in self.items.values() if item.text) or None

    @property
    def produced(self) -> bool:
        """Whether anything came of it: audio, text, a call, or the wish to be allowed one."""
        return bool(
            self.first_audio_ms is not None
            or self.first_text_ms is not None
            or self.calls
            or self.text
            or any(item.type == "mcp_approval_request" for item in self.items.values())
        )

    def hear(self, item_id: str, ms: float, t_ms: float, seq: int) -> None:
        """Audio came."""
        self.audio_ms += ms
        self.audio_item = item_id
        if self.first_audio_ms is None:
            self.first_audio_ms, self.first_audio_seq = t_ms, seq

    def finish(self, body: Data, t_ms: float, seq: int) -> None:
        """Take over what response.done says."""
        details = mapping(body, "status_details")
        self.status = string(body, "status") or string(details, "type") or "completed"
        self.reason = string(details, "reason")
        self.error = mapping(details, "error")
        self.usage = mapping(body, "usage")
        self.done_ms, self.done_seq = t_ms, seq

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": self.status,
            "reason": self.reason,
            "error": dict(self.error) or None,
            "asked_by": self.asked_by,
            "ask_seq": self.ask_seq,
            "seq": self.seq,
            "done_seq": self.done_seq,
            "t_ms": self.created_ms,
            "done_ms": self.done_ms,
            "out_of_band": self.out_of_band,
            "items": list(self.items),
            "usage": dict(self.usage) or None,
        }


def token_counts(usage: Data) -> dict[str, int]:
    """Tokens in, out, and of those in the cached ones; nothing for what is not said."""
    details = mapping(usage, "input_token_details")
    found = {
        "tokens_in": number(usage, "input_tokens"),
        "tokens_out": number(usage, "output_tokens"),
        "tokens_cached": number(details, "cached_tokens"),
    }
    return {name: int(value) for name, value in found.items() if value is not None and _sane(value)}


def _sane(value: float) -> bool:
    return 0 <= value < 2**53


class Responses:
    """All responses, and the requests that have none yet."""

    def __init__(self) -> None:
        self.by_id: dict[str, Response] = {}
        self.asks: deque[Ask] = deque(maxlen=MAX_ASKS)
        self.active: OrderedDict[str, Response] = OrderedDict()
        """Those under way, by id."""

    @property
    def in_conversation(self) -> Response | None:
        """The conversation's response that is under way."""
        return next((r for r in self.active.values() if not r.out_of_band), None)

    def find(self, response_id: str | None) -> Response | None:
        return self.by_id.get(response_id) if response_id else None

    def begin(self, response_id: str, t_ms: float, seq: int) -> Response:
        """A response is created, or turns out to have been."""
        response = Response(response_id, seq, t_ms)
        self.by_id[response_id] = self.active[response_id] = response
        if len(self.active) > MAX_ACTIVE:
            self.active.popitem(last=False)
        return response

    def end(self, response: Response) -> None:
        self.active.pop(response.id, None)

    def match(self, body: Data, promised_ms: float | None) -> Ask | None:
        """The request that a new response answers, taken off the list; None if it is no client's.

        `promised_ms` is when the server came to owe an answer by itself, if it does: what was
        caused first is created first. A response outside of the conversation has no
        conversation_id, and its request says so.
        """
        metadata, inside = mapping(body, "metadata"), string(body, "conversation_id") is not None
        fits = [ask for ask in self.asks if not (inside and ask.out_of_band)]
        same = [ask for ask in fits if metadata and ask.metadata == metadata]
        if not same and not inside:
            outside = [ask for ask in fits if ask.out_of_band and not ask.metadata]
            within = [ask for ask in fits if not ask.out_of_band]
            fits = (outside or within) if "conversation_id" in body else (within or outside)
        chosen = next(iter(same or fits), None)
        if chosen is None:
            return None
        if promised_ms is not None and promised_ms <= chosen.t_ms and not chosen.out_of_band:
            return None
        self.asks.remove(chosen)
        return chosen

    def refuse(self, event_id: str | None, *, inside: bool) -> Ask | None:
        """A request was refused with an error; returns it, taken off the list.

        Without an id it is the latest that has none; `inside`: of those in the conversation.
        """
        for ask in reversed(self.asks):
            if ask.event_id == event_id and not (inside and ask.out_of_band):
                self.asks.remove(ask)
                return ask
        return None
