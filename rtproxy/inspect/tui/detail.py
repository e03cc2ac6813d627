"""All about what is looked at: a record, a turn or a finding, as lines that lead to one another."""

from collections.abc import Iterable, Iterator, Mapping

from rtproxy.inspect.entry import Entry
from rtproxy.inspect.overview import size
from rtproxy.inspect.tui.catalogue import Catalogue
from rtproxy.inspect.tui.folding import Folding
from rtproxy.inspect.tui.inspection import Inspection
from rtproxy.inspect.tui.line import BLANK, Ink, Line, Piece, arrow, ink_of, line, seconds
from rtproxy.inspect.tui.pretty import MAX_STRING, about, pretty
from rtproxy.inspect.tui.shelf import Shelf
from rtproxy.realtime.audio import AudioFormat
from rtproxy.realtime.links import BACK, FORTH, Link, Why
from rtproxy.realtime.turn import Turn
from rtproxy.tape.record import Control

MAX_LINKS = 24
"""Links that are listed in each direction."""


def event_lines(place: Inspection, shelf: Shelf) -> list[Line]:
    """The record that is looked at: what it is, what led to it and what it led to, its JSON."""
    catalogue, at = place.catalogue, place.at
    if at >= len(catalogue):
        return [line(("There is nothing on this tape.", "quiet"))]
    missing = catalogue.missing.get(at)
    if missing is not None:
        return [line(("damage", "error")), line((missing.what, ""))]
    row = place.row
    count = 1 if row is None else place.rows.counts[row]
    head = [_title(catalogue, at), line((_about(place, at), "quiet"))]
    entry = shelf.entry(at)
    if entry is None:
        return [*head, line(("The tape no longer holds this record.", "error"))]
    audio = catalogue.format(at)
    if entry.event is not None and entry.event.audio and audio is not None:
        head.append(line((about(entry.event.audio, audio), "")))
    head += _findings_at(place, catalogue.seqs[at])
    head += _links(place, catalogue.seqs[at])
    if row is not None and count > 1:
        head += _run(place.rows, row, shelf)
    return [*head, BLANK, *_body(entry, audio or _format_near(place))]


def _title(catalogue: Catalogue, at: int) -> Line:
    name = catalogue.name(at)
    return line(
        (f"#{catalogue.seqs[at]} ", "strong"),
        arrow(from_server=catalogue.from_server(at)),
        (f" {name.type}", ink_of(name.name)),
    )


def _about(place: Inspection, at: int) -> str:
    catalogue, turn = place.catalogue, place.turn
    name = catalogue.name(at)
    parts = [
        seconds(catalogue.times[at] / 1e6),
        "" if turn is None else f"turn {turn.n}",
        size(catalogue.sizes[at]) if catalogue.sizes[at] else "",
        *catalogue.marks(at),
        f"GA: {name.name}" if name.name != name.type else "",
    ]
    return " · ".join(part for part in parts if part)


def _findings_at(place: Inspection, seq: int) -> Iterator[Line]:
    for mark, finding in place.findings:
        if seq in finding.events:
            yield line(
                (f"{mark} {finding.code}", finding.severity), (f"  {finding.message}", ""), hang=2
            )


def _links(place: Inspection, seq: int) -> Iterator[Line]:
    yield from _link_lines(place, place.links.causes(seq), "↑", BACK)
    yield from _link_lines(place, place.links.effects(seq), "↓", FORTH)


def _link_lines(
    place: Inspection, links: Iterable[Link], sign: str, words: Mapping[Why, str]
) -> Iterator[Line]:
    links = list(links)
    for link in links[:MAX_LINKS]:
        yield _link_line(place, link.seq, f"{sign} {words[link.why]}")
    if len(links) > MAX_LINKS:
        yield line((f"{sign} … and {len(links) - MAX_LINKS:,} more", "quiet"))


def _link_line(place: Inspection, seq: int, words: str) -> Line:
    catalogue = place.catalogue
    at = catalogue.find(seq)
    if at is None:
        return line((f"{words} ", "quiet"), (f"#{seq}", "quiet"), hang=4)
    name = catalogue.name(at)
    apart = (catalogue.times[at] - catalogue.times[place.at]) / 1e6
    return line(
        (f"{words} ", "quiet"),
        (f"#{seq} ", "link"),
        (name.type, ink_of(name.name)),
        (f" {apart:+.0f} ms", "quiet"),
        hang=4,
        seq=seq,
    )


def _run(rows: Folding, row: int, shelf: Shelf) -> Iterator[Line]:
    """A run of deltas: how much there is, and what it says."""
    ms, count = rows.audio_ms[row], rows.counts[row]
    parts = [f"the first of {count:,} in a row", size(rows.sizes[row])]
    if ms:
        parts.append(f"{seconds(ms)} of audio")
    yield BLANK
    yield line((" · ".join(parts), "pause"))
    said = shelf.text(rows, row)
    if said:
        yield line((f"“{said}”", ""), hang=1)


def _format_near(place: Inspection) -> AudioFormat:
    return place.session.answers.formats.output


def _body(entry: Entry, audio: AudioFormat) -> list[Line]:
    """The JSON of a record, or what it holds instead."""
    if isinstance(entry.record, Control):
        return pretty(dict(entry.record.data))
    payload, event = entry.record.payload, entry.event
    if event is not None and event.form == "object":
        return pretty(event.data, audio)
    if isinstance(payload, bytes):
        head = payload[: MAX_STRING // 4]
        return [line((head[n : n + 16].hex(" "), "number")) for n in range(0, len(head), 16)]
    return [line((payload[:MAX_STRING], "string"))]


def finding_lines(place: Inspection, index: int) -> list[Line]:
    """A finding: what happened, what to do, and the events that it rests on."""
    mark, finding = place.findings[index]
    title: list[Piece] = [(f"{mark} {finding.severity} {finding.code}", finding.severity)]
    if finding.turn is not None:
        title.append((f"  turn {finding.turn}", "quiet"))
    return [
        line(*title),
        BLANK,
        line((finding.message, "")),
        BLANK,
        line(("→ ", "strong"), (finding.next, ""), hang=2),
        BLANK,
        *(_link_line(place, seq, "seen in") for seq in finding.events),
    ]


def turn_lines(place: Inspection, turn: Turn) -> list[Line]:
    """A turn: what was said, what it measured, the events that it is made of."""
    found: list[Line] = [
        line((f"turn {turn.n}", "strong"), (f"  {turn.kind} · {turn.end}", "quiet")), BLANK,
    ]  # fmt: skip
    for who, words, ink in (
        ("caller", turn.user, "caller"),
        ("assistant", turn.assistant, "heard"),
    ):
        if words:
            found.append(line((f"{who}: ", "label"), (words[:MAX_STRING], _ink(ink)), hang=2))
    for call in turn.calls:
        took = "" if call.tool_ms is None else f"  {call.tool_ms:.0f} ms"
        called = f"{call.name or '?'}({(call.arguments or '')[:MAX_STRING]})"
        found.append(line(("tool: ", "label"), (called, "tool"), (took, "quiet"), hang=2))
    found.append(BLANK)
    for key, value in place.session.measure(turn).items():
        if value is not None:
            shown = f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"
            found.append(line((f"{key:<21}", "label"), (f"{shown:>7}", "number")))
    found.append(BLANK)
    return [*found, *(_link_line(place, seq, why) for seq, why in _events_of(turn))]


def _ink(name: str) -> Ink:
    return "caller" if name == "caller" else "heard"


def _events_of(turn: Turn) -> list[tuple[int, str]]:
    found: list[tuple[int | None, str]] = [(turn.seq, "begins with")]
    for speech in turn.speech:
        found += [(speech.started_seq, "speech begins"), (speech.stopped_seq, "speech ends")]
    found += [(turn.committed_seq, "committed")]
    for response in turn.responses:
        found += [
            (response.ask_seq, "asked for"),
            (response.seq, "response"),
            (response.first_audio_seq, "first audio"),
            (response.first_text_seq, "first text"),
            (response.done_seq, "done"),
        ]
    for call in turn.calls:
        found += [(call.done_seq, "tool called"), (call.output_seq, "tool answered")]
    named: dict[int, str] = {}
    for seq, why in found:
        if seq is not None:
            named.setdefault(seq, why)
    return sorted(named.items())
