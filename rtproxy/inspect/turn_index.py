"""Which turns a record belongs to, for `--turn` and `turn:` in a filter.

A record belongs to a turn

- when it came during it: from the turn's first event up to the next turn's first event;
- when it names one of its responses, items or calls, whenever it came. So a transcript that is
  late, or the end of a response that the next turn cut off, is there in both.

What came before the first turn, and names nothing of any, belongs to none.
"""

from bisect import bisect_right
from collections.abc import Collection

from rtproxy.inspect.entry import Entry
from rtproxy.inspect.filter import Subject
from rtproxy.realtime.event import RealtimeEvent
from rtproxy.realtime.session import Session


class TurnIndex:
    """Answers by a session: one that is folded, or one that takes each record before it is asked.

    What the second kind says is what is known by then: text that a client puts into the
    conversation is a turn until it turns out to be history.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, subject: Subject) -> Collection[int]:
        """The numbers of the turns that a record belongs to, two at most."""
        during = bisect_right(self._session.turns.all, subject.seq, key=lambda turn: turn.seq)
        event = subject.event if isinstance(subject, Entry) else None
        about = None if event is None else self._about(event)
        return {n for n in (during, about) if n}

    def _about(self, event: RealtimeEvent) -> int | None:
        """The turn whose response, item or call an event names."""
        answers = self._session.answers
        item_id, response_id = event.item_id, event.response_id
        turn = answers.turn_of(response_id) or answers.turns.of_item(item_id)
        if turn is None and item_id is not None:
            item = answers.conversation.items.get(item_id)
            turn = answers.turn_of(item.response_id) if item is not None else None
        if turn is None and event.call_id is not None:
            call = answers.conversation.calls.get(event.call_id)
            turn = answers.turn_of(call.response_id) if call is not None else None
        return None if turn is None else turn.n
