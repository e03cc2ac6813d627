"""One response of the simulated model, from response.created to response.done."""

import base64
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rtproxy.simulate.items import Item, Items
from rtproxy.simulate.outlet import Outlet
from rtproxy.simulate.plan import Plan, Step
from rtproxy.simulate.settings import Settings
from rtproxy.simulate.timeline import Entry

Final = tuple[str, dict[str, Any] | None]
"""How a response ends: its status and status_details."""

PART = {"audio": "output_audio", "text": "output_text"}
WORDS = {"audio": "transcript", "text": "text"}


class Response:
    """Carries out a plan. `conversation` is None for a response outside of it.

    `ended` is called when response.done has been sent; `first_delta` when the first delta goes out.
    """

    def __init__(
        self,
        outlet: Outlet,
        settings: Settings,
        conversation: Items | None,
        *,
        metadata: Mapping[str, Any] | None,
        ended: Callable[["Response"], None],
        first_delta: Callable[["Response"], None],
        usage: Callable[["Response"], dict[str, Any]],
    ) -> None:
        self.id = outlet.chance.id("resp")
        self.settings = settings
        self.conversation = conversation
        self.items: list[Item] = []
        self.usage: dict[str, Any] | None = None
        self.active = False
        self._outlet = outlet
        self._metadata = metadata
        self._ended = ended
        self._first_delta = first_delta
        self._count_usage = usage
        self._status = "in_progress"
        self._details: dict[str, Any] | None = None
        self._plan = Plan((), (), 0.0)
        self._open: int | None = None
        self._said_something = False
        self._entries: list[Entry] = []

    def start(self, plan: Plan, final: Final | None) -> None:
        """Send response.created and schedule the rest.

        `final` is the status and its details at the end; None: the response never ends.
        """
        self.active = True
        self._plan = plan
        self._outlet.send("response.created", response=self._object())
        timeline = self._outlet.timeline
        start = timeline.now
        for step in plan.steps:
            take = partial(self._take, step, final)
            self._entries.append(timeline.at(start + step.at_ms, take))
        if final is not None:
            finish = partial(self._finish, *final)
            self._entries.append(timeline.at(start + plan.end_ms, finish))

    def interrupt(self, reason: str) -> None:
        """Stop here: what is open is closed as incomplete, and the response is cancelled."""
        for entry in self._entries:
            entry.cancel()
        if self._open is not None:
            self._close(self._open, "incomplete")
        self._finish("cancelled", {"type": "cancelled", "reason": reason})

    def _take(self, step: Step, final: Final | None) -> None:
        match step.kind:
            case "open":
                self._add(step.output)
            case "close":
                if final is not None:
                    whole = final[0] == "completed" or step.output < len(self._plan.outputs) - 1
                    self._close(step.output, "completed" if whole else "incomplete")
            case "audio":
                self._say_audio(step)
            case _:
                self._say(step)

    def _add(self, output: int) -> None:
        self._open = output
        planned = self._plan.outputs[output]
        item = Item(self._outlet.chance.id("item"), {})
        if planned.kind == "function_call":
            item.body |= {
                "type": "function_call",
                "status": "in_progress",
                "name": planned.name,
                "call_id": self._outlet.chance.id("call"),
                "arguments": "",
            }
        else:
            item.body |= {
                "type": "message",
                "status": "in_progress",
                "role": "assistant",
                "content": [],
            }
        self.items.append(item)
        shape = self._outlet.dialect.item(item)
        self._send("response.output_item.added", output_index=output, item=shape)
        if self.conversation is not None:
            before = self.conversation.append(item)
            self._outlet.send("conversation.item.added", previous_item_id=before, item=shape)
        if planned.kind != "function_call":
            item.body["content"] = [{"type": PART[planned.kind], WORDS[planned.kind]: ""}]
            part = {"type": planned.kind, WORDS[planned.kind]: ""}
            self._send_part("response.content_part.added", output, part=part)

    def _say(self, step: Step) -> None:
        item = self.items[step.output]
        if step.kind == "arguments":
            item.body["arguments"] += step.piece
            self._send_piece(
                "response.function_call_arguments.delta",
                step.piece,
                item_id=item.id,
                output_index=step.output,
                call_id=item.body["call_id"],
            )
        else:
            part = item.body["content"][0]
            part[step.kind] = part.get(step.kind, "") + step.piece
            name = "text" if step.kind == "text" else "audio_transcript"
            self._send_piece(
                f"response.output_{name}.delta",
                step.piece,
                item_id=item.id,
                output_index=step.output,
                content_index=0,
            )

    def _say_audio(self, step: Step) -> None:
        item = self.items[step.output]
        item.audio_ms += self.settings.output_format.duration_ms(len(step.audio))
        delta = base64.b64encode(step.audio).decode()
        self._send_part("response.output_audio.delta", step.output, delta=delta)
        self._notice_first_delta()

    def _send_piece(self, kind: str, piece: str, **fields: Any) -> None:
        self._outlet.send_delta(kind, piece, response_id=self.id, **fields)
        self._notice_first_delta()

    def _notice_first_delta(self) -> None:
        if not self._said_something:
            self._said_something = True
            self._first_delta(self)

    def _close(self, output: int, status: str) -> None:
        self._open = None
        item = self.items[output]
        item.body["status"] = status
        kind = self._plan.outputs[output].kind
        if kind == "function_call":
            self._send(
                "response.function_call_arguments.done",
                item_id=item.id,
                output_index=output,
                call_id=item.body["call_id"],
                name=item.body["name"],
                arguments=item.body["arguments"],
            )
        else:
            words = item.body["content"][0].get(WORDS[kind], "")
            if kind == "audio":
                self._send_part("response.output_audio.done", output)
                self._send_part("response.output_audio_transcript.done", output, transcript=words)
            else:
                self._send_part("response.output_text.done", output, text=words)
            part = {"type": kind, WORDS[kind]: words}
            self._send_part("response.content_part.done", output, part=part)
        shape = self._outlet.dialect.item(item)
        if self.conversation is not None and self.conversation.find(item.id):
            self._outlet.send(
                "conversation.item.done",
                previous_item_id=self._previous_when_done(item),
                item=shape,
            )
        self._send("response.output_item.done", output_index=output, item=shape)

    def _previous_when_done(self, item: Item) -> str | None:
        """The item before; as on the wire, null also when that is the conversation's first."""
        assert self.conversation is not None
        before = self.conversation.previous_id(item)
        return None if before == self.conversation.all[0].id else before

    def _finish(self, status: str, details: dict[str, Any] | None) -> None:
        self.active = False
        self._status = status
        self._details = details
        if self.items or status != "failed":
            self.usage = self._count_usage(self)
        self._outlet.send("response.done", response=self._object())
        self._ended(self)

    def _object(self) -> dict[str, Any]:
        head = {
            "object": "realtime.response",
            "id": self.id,
            "status": self._status,
            "status_details": self._details,
            "output": [self._outlet.dialect.item(item) for item in self.items],
            "conversation_id": self.conversation.id if self.conversation else None,
        }
        return self._outlet.dialect.response(head, self.settings, self.usage, self._metadata)

    def _send(self, kind: str, **fields: Any) -> None:
        self._outlet.send(kind, response_id=self.id, **fields)

    def _send_part(self, kind: str, output: int, **fields: Any) -> None:
        item_id = self.items[output].id
        self._send(kind, item_id=item_id, output_index=output, content_index=0, **fields)
