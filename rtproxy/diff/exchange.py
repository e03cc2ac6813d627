"""Two turns that stand beside one another: what was said and done in each.

What explains another difference is told alone: a response that only calls a tool is told by its
call, the events of an item that is gone by the item, and where a response was cancelled, nobody
asks which of its events are missing. Where both were cancelled, it is a matter of time how far they
came: their words and their audio are the same as far as the shorter goes.
"""

from collections.abc import Collection, Sequence

from rtproxy.diff.align import Alignment, align
from rtproxy.diff.hearing import compare_sound, compare_speech
from rtproxy.diff.ledger import Ledger
from rtproxy.diff.normal import (
    Fields,
    NormalCall,
    NormalEvent,
    NormalItem,
    NormalResponse,
    NormalSession,
    NormalTurn,
)
from rtproxy.diff.values import Path, canonical
from rtproxy.diff.words import alikeness, begins_alike


class Exchange:
    """Compares what happened in two turns, or outside of any.

    Unless `one_sided`, fields that only one has are no difference: the dialects differ. With
    `exact` the assistant's audio is to be the same to the sample. `free` is whose words may
    differ: of "user" and "assistant".
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        one_sided: bool = True,
        exact: bool = False,
        free: Collection[str] = (),
    ) -> None:
        self._free = free
        self._ledger = ledger
        self._one_sided = one_sided
        self._exact = exact

    def turns(self, a: NormalTurn, b: NormalTurn) -> None:
        """Everything of two turns but their settings and times."""
        if a.kind != b.kind:
            self._ledger.put("structure", ("kind",), a.kind, b.kind, (a.seq, b.seq))
        if "user" not in self._free:
            self._ledger.text(a.user, b.user, ("user",), (a.user_seq, b.user_seq))
        self.contents(a, b)
        if self._ledger.wants("audio"):
            compare_speech(self._ledger, a, b)

    def contents(self, a: NormalTurn | NormalSession, b: NormalTurn | NormalSession) -> None:
        """Tool calls, responses, items and events of two turns, or of what is in no turn."""
        responses = _align_responses(a.responses, b.responses)
        calls = _align_calls(a.calls, b.calls)
        self._calls(a, b, calls, responses)
        self._responses(a, b, responses, calls)
        self._items(a.items, b.items, ("items",), events=True)
        for name in [*a.events, *(name for name in b.events if name not in a.events)]:
            # A response that only one has was asked for, or nobody else would have it.
            told = responses if name == "response.create" else None
            self._unordered(name, a.events.get(name, []), b.events.get(name, []), told)

    def _calls(
        self,
        a: NormalTurn | NormalSession,
        b: NormalTurn | NormalSession,
        calls: Alignment,
        responses: Alignment,
    ) -> None:
        ledger = self._ledger
        alone_a = {id(a.responses[x]) for x in responses.only_a if _speaks(a.responses[x])}
        alone_b = {id(b.responses[y]) for y in responses.only_b if _speaks(b.responses[y])}
        for x in calls.only_a:
            if id(a.calls[x].response) not in alone_a:
                self._alone("removed", ("tools", x), a.calls[x].summary(), a.calls[x].seq)
        for y in calls.only_b:
            if id(b.calls[y].response) not in alone_b:
                self._alone("added", ("tools", y), b.calls[y].summary(), b.calls[y].seq)
        for x, y in calls.moved:
            one, two = a.calls[x], b.calls[y]
            seqs = one.seq, two.seq
            ledger.put("structure", ("tools", x), one.summary(), two.summary(), seqs, kind="moved")
        for x, y in calls.both:
            self._call(a.calls[x], b.calls[y], ("tools", x))

    def _call(self, a: NormalCall, b: NormalCall, path: Path) -> None:
        ledger, seqs = self._ledger, (a.seq, b.seq)
        if a.name != b.name:
            ledger.put("tools", (*path, "name"), a.name, b.name, seqs)
        if a.kind != b.kind:
            ledger.put("structure", (*path, "kind"), a.kind, b.kind, seqs)
        ledger.values(a.arguments, b.arguments, (*path, "arguments"), seqs, level="tools")
        outputs = a.output_seq, b.output_seq
        ledger.values(a.output, b.output, (*path, "output"), outputs, level="tools")
        self._fields(a.fields, b.fields, path, seqs)
        self._sequence(a.events, b.events, (*path, "events"))

    def _responses(
        self,
        a: NormalTurn | NormalSession,
        b: NormalTurn | NormalSession,
        responses: Alignment,
        calls: Alignment,
    ) -> None:
        told_a = {id(a.calls[x].response) for x in calls.only_a}
        told_b = {id(b.calls[y].response) for y in calls.only_b}
        for x in responses.only_a:
            one = a.responses[x]
            if _speaks(one) or id(one) not in told_a:
                self._alone("removed", ("responses", x), one.summary(), one.seq)
        for y in responses.only_b:
            two = b.responses[y]
            if _speaks(two) or id(two) not in told_b:
                self._alone("added", ("responses", y), two.summary(), two.seq)
        for x, y in responses.both:
            self._response(a.responses[x], b.responses[y], ("responses", x))

    def _response(self, a: NormalResponse, b: NormalResponse, path: Path) -> None:
        ledger, seqs = self._ledger, (a.done_seq or a.seq, b.done_seq or b.seq)
        same_end = a.status == b.status
        if not same_end:
            ledger.put("structure", (*path, "status"), a.status, b.status, seqs)
        elif a.reason != b.reason:
            ledger.put("structure", (*path, "reason"), a.reason, b.reason, seqs)
        if same_end:
            ledger.values({"error": a.error}, {"error": b.error}, path, seqs)
            self._sequence(a.events, b.events, (*path, "events"))
        self._fields(a.fields, b.fields, path, seqs)
        cut = a.cut and same_end
        self._items(a.items, b.items, (*path, "items"), events=same_end, cut=cut)

    def _items(
        self,
        a: list[NormalItem],
        b: list[NormalItem],
        path: Path,
        *,
        events: bool,
        cut: bool = False,
    ) -> None:
        found = _align_items(a, b)
        for x in found.only_a:
            self._alone("removed", (*path, x), a[x].summary(), a[x].seq)
        for y in found.only_b:
            self._alone("added", (*path, y), b[y].summary(), b[y].seq)
        for x, y in found.moved:
            one, two = a[x], b[y]
            seqs = one.seq, two.seq
            self._ledger.put(
                "structure", (*path, x), one.summary(), two.summary(), seqs, kind="moved"
            )
        for x, y in found.both:
            self._item(a[x], b[y], (*path, x), events=events, cut=cut)

    def _item(self, a: NormalItem, b: NormalItem, path: Path, *, events: bool, cut: bool) -> None:
        """Two items. `cut`: how long they became is a matter of time."""
        ledger, seqs = self._ledger, (a.seq, b.seq)
        if a.type != b.type:
            ledger.put("structure", (*path, "type"), a.type, b.type, seqs)
        if a.role != b.role:
            ledger.put("structure", (*path, "role"), a.role, b.role, seqs)
        if events and a.status != b.status:
            ledger.put("structure", (*path, "status"), a.status, b.status, seqs)
        types, others = ([str(part.type) for part in item.parts.values()] for item in (a, b))
        if events and types != others:
            ledger.values(types, others, (*path, "content"), seqs, level="structure")
        free = "assistant" in self._free and a.role == "assistant"
        if not free and not (cut and begins_alike(a.text, b.text)):
            ledger.text(a.text, b.text, (*path, "text"), seqs)
        self._fields(a.fields, b.fields, path, seqs)
        parts = zip(a.parts.values(), b.parts.values(), strict=False)
        for index, (one, two) in enumerate(parts):
            self._fields(one.fields, two.fields, (*path, "content", index), seqs)
        if types != others:
            return  # what is written has other events than what is said, and no sound
        if events:
            self._sequence(a.events, b.events, (*path, "events"))
        if ledger.wants("audio"):
            sounds = a.sound, b.sound
            compare_sound(ledger, *sounds, (*path, "audio"), seqs, exact=self._exact, cut=cut)

    def _sequence(self, a: list[NormalEvent], b: list[NormalEvent], path: Path) -> None:
        """Events whose order means something."""
        names = [event.name for event in a], [event.name for event in b]
        found = align([names], lambda i, j: float(names[0][i] == names[1][j]))
        for x in found.only_a:
            self._alone("removed", (*path, x), a[x].summary(), a[x].seq)
        for y in found.only_b:
            self._alone("added", (*path, y), b[y].summary(), b[y].seq)
        for x, y in found.moved:
            seqs = a[x].seq, b[y].seq
            self._ledger.put("structure", (*path, x), a[x].name, b[y].name, seqs, kind="moved")
        for x, y in found.both:
            self._fields(a[x].fields, b[y].fields, (*path, x), (a[x].seq, b[y].seq))

    def _unordered(
        self,
        name: str,
        a: list[NormalEvent],
        b: list[NormalEvent],
        told: Alignment | None,
    ) -> None:
        """Events of one name, which come when they come. So many of those that only one has as
        are alone in `told` go without saying."""
        path: Path = ("events", name)
        fields = [canonical(e.fields) for e in a], [canonical(e.fields) for e in b]
        codes = [_code(e) for e in a], [_code(e) for e in b]
        found = align([fields, codes], lambda _i, _j: 0.5)
        for x in found.only_a[: -len(told.only_a) or None] if told else found.only_a:
            self._alone("removed", (*path, x), a[x].summary(), a[x].seq)
        for y in found.only_b[: -len(told.only_b) or None] if told else found.only_b:
            self._alone("added", (*path, y), b[y].summary(), b[y].seq)
        for x, y in found.both:
            self._fields(a[x].fields, b[y].fields, (*path, x), (a[x].seq, b[y].seq))

    def _alone(self, kind: str, path: Path, value: Fields, seq: int | None) -> None:
        """What only one of them has."""
        if kind == "added":
            self._ledger.put("structure", path, None, value, (None, seq), kind="added")
        else:
            self._ledger.put("structure", path, value, None, (seq, None), kind="removed")

    def _fields(
        self, a: Fields, b: Fields, path: Path, seqs: tuple[int | None, int | None]
    ) -> None:
        if a or b:
            self._ledger.values(a, b, path, seqs, one_sided=self._one_sided)


def _speaks(response: NormalResponse) -> bool:
    """Whether there is more to a response than tool calls."""
    return bool(response.items)


def _code(event: NormalEvent) -> str | None:
    """What tells an error from other errors."""
    error = event.fields.get("error")
    return str(error.get("code")) if isinstance(error, dict) else None


def _align_responses(a: Sequence[NormalResponse], b: Sequence[NormalResponse]) -> Alignment:
    done = [_done(response) for response in a], [_done(response) for response in b]

    def likeness(i: int, j: int) -> float:
        (said, calls), (other, others) = done[0][i], done[1][j]
        kinds = [item.type for item in a[i].items] == [item.type for item in b[j].items]
        names = [name for name, _ in calls] == [name for name, _ in others]
        return 0.3 + 0.2 * kinds + 0.2 * names + 0.3 * alikeness(said or "", other or "")

    whole = [[one if any(one) else None for one in side] for side in done]
    return align([(whole[0], whole[1])], likeness)


def _done(response: NormalResponse) -> tuple[str | None, tuple[tuple[str | None, str], ...]]:
    """What was said in a response, and which tools were called."""
    calls = ((call.name, canonical(call.arguments)) for call in response.calls)
    return response.text, tuple(calls)


def _align_calls(a: Sequence[NormalCall], b: Sequence[NormalCall]) -> Alignment:
    arguments = [canonical(c.arguments) for c in a], [canonical(c.arguments) for c in b]
    names = [c.name for c in a], [c.name for c in b]
    whole = (
        list(zip(names[0], arguments[0], strict=True)),
        list(zip(names[1], arguments[1], strict=True)),
    )

    def likeness(i: int, j: int) -> float:
        alike = arguments[0][i] == arguments[1][j]
        return (0.6 if names[0][i] == names[1][j] else 0.3) + 0.4 * alike

    return align([whole, names], likeness)


def _align_items(a: Sequence[NormalItem], b: Sequence[NormalItem]) -> Alignment:
    said = [item.text for item in a], [item.text for item in b]
    kinds = [(item.type, item.role) for item in a], [(item.type, item.role) for item in b]

    def likeness(i: int, j: int) -> float:
        words = alikeness(said[0][i] or "", said[1][j] or "")
        return 0.3 + 0.4 * (kinds[0][i] == kinds[1][j]) + 0.3 * words

    return align([said], likeness)
