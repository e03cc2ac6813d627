"""A tape as text that is made to be compared line by line: what `git diff` shows of it.

    for line in lines(header, records):
        print(line)

Two recordings of one call give nearly the same text, and one thing that changed changes few lines:

- no times and no numbers of records; no event ids, usage, rate limits and pings;
- a run of deltas is the event that ends it, and audio is its length, the caller's roughly;
- what the caller said stands where it was said, whenever it was understood;
- of a session's settings stand those that are not as they were or as they were asked for.

`textline` has the rest: how an entry is written, ids and repetitions among it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rtproxy.diff.textline import IDS, Entry, Page, leaves
from rtproxy.realtime.event import RealtimeEvent, mapping, mappings, parse, string
from rtproxy.realtime.session import Session
from rtproxy.tape.escape import visible
from rtproxy.tape.record import Control, Event, Header, Record, Unknown
from rtproxy.tape.scanner import Damage

VOLATILE = frozenset({
    "audio_end_ms", "audio_start_ms", "client_secret", "conversation_id", "created_at", "event_id",
    "expires_at", "logprobs", "object", "obfuscation", "previous_item_id", "usage",
})  # fmt: skip
"""Keys of what differs between any two recordings, or says what the place says."""
PASSED_OVER = frozenset({"conversation.created", "rate_limits.updated"})
QUIET = frozenset({"ping", "pong", "eof"})
SETTINGS = frozenset({"session.created", "session.update", "session.updated"})
COMMITS = frozenset({"input_audio_buffer.commit", "input_audio_buffer.committed"})
TRANSCRIPTION = "conversation.item.input_audio_transcription"
ENDS = (".done", ".completed", ".failed")
EMPTY: tuple[Any, ...] = (None, "", [], {})
LOCAL = ("//127.0.0.1", "//localhost", "//[::1]")


@dataclass(slots=True)
class Pieces:
    """The deltas of one thing, as far as they have come."""

    first: RealtimeEvent
    text: str = ""
    audio_ms: float = 0.0

    def entry(self) -> Entry:
        """How they stand where nothing ended them."""
        first = self.first
        found: list[tuple[str, Any]] = [leaf for leaf in leaves(_ids_of(first)) if leaf[1]]
        said = [("text", self.text)] if self.text else []
        entry = Entry(first.seq, first.from_server, first.name, [*found, *said])
        entry.note = _audio(self.audio_ms)
        return entry


def lines(header: Header, records: Iterable[Record | Damage]) -> Iterator[str]:
    """The text of a tape, line by line. Never raises of itself."""
    text = Textconv(header)
    for record in records:
        text.take(record)
    yield from text.lines()


class Textconv:
    """Collects what is told of a tape; of deltas only their text and how long their audio is."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._session = Session()
        self._session.take(header)
        self._entries: list[Entry] = []
        self._pieces: dict[tuple[str, str], Pieces] = {}
        self._spoken_ms = 0.0
        self._settings: dict[str, Any] = {}
        self._asked: dict[str, Any] = {}
        self._committed: dict[str, Entry] = {}
        self._known: dict[str, dict[str, Any]] = {}
        self._sealed = False

    def take(self, record: Record | Damage) -> None:
        """Take the next record, or a place of damage. Never raises."""
        if isinstance(record, Damage):
            missing = len(record.missing)
            plural = "" if missing == 1 else "s"
            lost = f"{missing} record{plural} missing: " if missing else ""
            self._entries.append(Entry(self._seq, None, "damage", note=lost + record.what))
            return
        self._session.take(record)
        match record:
            case Event():
                self._event(parse(record))
            case Control() if record.name not in QUIET:
                self._speak(record.seq)
                found = [leaf for leaf in leaves(dict(record.data)) if leaf[1] not in EMPTY]
                self._entries.append(Entry(record.seq, record.from_server, record.name, found))
            case Unknown():
                kind = f"record of kind {record.kind}"
                self._entries.append(Entry(record.seq or self._seq, None, kind))
            case Control() | Header():
                pass
            case _:
                self._sealed = True

    def lines(self) -> Iterator[str]:
        """All that was taken."""
        yield from self._head()
        self._speak(self._seq)
        for pieces in self._pieces.values():
            self._entries.append(pieces.entry())
        page = Page(self._session.turns.all)
        for entry in self._entries:
            yield from page.lines(entry)
        if not self._sealed:
            yield ""
            yield "not sealed: the recording broke off here"

    def _head(self) -> Iterator[str]:
        fields = self._header.fields
        request, response = mapping(fields, "request"), mapping(fields, "response")
        upstream = string(fields, "upstream") or ""
        about = {
            "tape": f"{self._header.connection}, {self._header.origin}",
            "upstream": "" if any(name in upstream for name in LOCAL) else upstream,
            "request": f"{string(request, 'method') or ''} {string(request, 'target') or ''}",
            "answer": str(response.get("status") or ""),
            "dialect": self._session.dialect or "",
        }
        for label, text in about.items():
            if text.strip():
                yield f"{label}: {visible(text.strip())}"

    @property
    def _seq(self) -> int:
        return self._entries[-1].seq if self._entries else 0

    # One event.

    def _event(self, event: RealtimeEvent) -> None:
        kind = event.delta_kind
        if kind == "input_audio":
            self._spoken_ms += self._session.answers.formats.duration_ms(event)
        elif kind is not None:
            pieces = self._pieces.setdefault(_stem(event), Pieces(event))
            pieces.text += event.text
            pieces.audio_ms += self._session.answers.formats.duration_ms(event)
        elif event.form != "object":
            said = [("", event.record.payload)]
            self._entries.append(Entry(event.seq, event.from_server, "", said, tall=True))
        elif event.name not in PASSED_OVER:
            self._object(event)

    def _object(self, event: RealtimeEvent) -> None:
        if event.name in COMMITS:
            self._speak(event.seq)
        entry = Entry(event.seq, event.from_server, event.name, self._leaves(event))
        entry.tall = event.name in SETTINGS or not event.name
        if event.name in SETTINGS:
            self._set(entry)
        elif event.name.endswith(ENDS):
            pieces = self._pieces.pop(_stem(event), None)
            entry.note = _audio(pieces.audio_ms) if pieces is not None else ""
        item_id = event.item_id or ""
        if event.name == "input_audio_buffer.committed":
            self._committed[item_id] = entry
        understood = self._committed.get(item_id)
        if understood is not None and event.name.startswith(TRANSCRIPTION):
            understood.then.append(entry)
        else:
            self._entries.append(entry)

    def _leaves(self, event: RealtimeEvent) -> list[tuple[str, Any]]:
        """What an event says that is not known from others."""
        data = {key: value for key, value in event.data.items() if key != "type"}
        if event.name == "response.done":
            output = mappings(mapping(data, "response"), "output")
            if all(string(item, "id") in self._known for item in output):
                data["response"] = {**mapping(data, "response"), "output": None}
        found = [leaf for leaf in leaves(data) if not _is_volatile(leaf[0])]
        if event.name in SETTINGS:
            return found
        of = {"item": event.item_id, "response": event.response_id}
        return [leaf for leaf in found if leaf[0] in IDS or self._tells(*leaf, of)]

    def _tells(self, path: str, value: Any, of: Mapping[str, str | None]) -> bool:
        """Whether a leaf says anything new.

        An item and a response are told more than once, and a response what its session is set to.
        """
        if value in EMPTY or path.endswith("_index"):
            return False
        within, _, rest = path.partition(".")
        id = of.get(within)
        if id is None or not rest:
            return True
        known = self._known.setdefault(id, {})
        if known.get(rest, self._settings.get(f"session.{rest}")) == value:
            return False
        known[rest] = value
        return True

    def _set(self, entry: Entry) -> None:
        said = dict(entry.leaves)
        if entry.name == "session.update":
            self._asked = said
            return
        expected = self._settings | self._asked
        entry.leaves = [leaf for leaf in said.items() if leaf not in expected.items()]
        if not entry.leaves:
            entry.note = "as asked" if self._asked else "as before"
        self._settings, self._asked = said, {}

    def _speak(self, seq: int) -> None:
        """Tell how long the caller's audio is that came since this was told last."""
        halves = round(self._spoken_ms / 500)
        if halves:
            name, length = "input_audio_buffer.append", f"{halves / 2:.1f} s"
            self._entries.append(Entry(seq, False, name, note=length))
        self._spoken_ms = 0.0


def _stem(event: RealtimeEvent) -> tuple[str, str]:
    """What a delta and the event that ends it have in common."""
    return event.item_id or event.response_id or "", event.name.rpartition(".")[0]


def _ids_of(event: RealtimeEvent) -> Mapping[str, Any]:
    return {"response_id": event.response_id, "item_id": event.item_id, "call_id": event.call_id}


def _is_volatile(path: str) -> bool:
    # Deeper down are things of others, such as the names of a tool's parameters.
    keys = path.replace("[", ".").split(".")[:3]
    return path == "session.id" or not VOLATILE.isdisjoint(keys)


def _audio(ms: float) -> str:
    return f"{ms / 1000:.1f} s" if ms else ""
