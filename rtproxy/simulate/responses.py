"""The responses of a session: who may start one, what it says, how it is cut short."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from rtproxy.simulate import checks, settings
from rtproxy.simulate.invalid_request import InvalidRequest, wrong_type
from rtproxy.simulate.items import Item, Items, read_item
from rtproxy.simulate.outlet import Outlet
from rtproxy.simulate.plan import Pace, Plan, default_reply, plan
from rtproxy.simulate.response import Final, Response
from rtproxy.simulate.scenario import Reply, Scenario
from rtproxy.simulate.settings import Settings
from rtproxy.simulate.timeline import Entry
from rtproxy.simulate.usage import Budget, usage


@dataclass(slots=True)
class Waiting:
    """A response that was asked for and is not created yet."""

    response: Response
    plan: Plan
    final: Final | None
    entry: Entry | None = None


class Responses:
    """At most one response at a time in the conversation; any number outside of it."""

    def __init__(self, scenario: Scenario, outlet: Outlet, conversation: Items) -> None:
        self._scenario = scenario
        self._outlet = outlet
        self._conversation = conversation
        self._unused = list(scenario.replies)
        self._budget = Budget(scenario.rate_limit.tokens, scenario.rate_limit.reset_ms)
        self._waiting: Waiting | None = None
        self._running: dict[str, Response] = {}
        self._count = 0
        self._cached_tokens = 0
        self.on_false_speech: Callable[[float], None] | None = None
        """Called when the scenario deceives the detector, with how long it does in ms."""
        self.on_spoken: Callable[[float], None] | None = None
        """Called when the assistant has said something, with how long that plays in ms."""
        self.has_spoken = False

    @property
    def active(self) -> Response | None:
        """The conversation's response, if one is asked for or in progress."""
        if self._waiting:
            return self._waiting.response
        in_conversation = (r for r in self._running.values() if r.conversation is not None)
        return next(in_conversation, None)

    def create(self, current: Settings, asked: Mapping[str, Any] | None = None) -> None:
        """Start a response after the queue's delay. `asked` is response.create's `response`.

        Raises InvalidRequest for a parameter that is wrong, and when one is active already.
        """
        given = dict(asked or {})
        conversation = given.pop("conversation", None)
        metadata = given.pop("metadata", None)
        extra = given.pop("input", None)
        if conversation is not None:
            checks.text(conversation, "response.conversation", None)
        if metadata is not None:
            checks.table(metadata, "response.metadata", None)
        dialect = self._outlet.dialect
        current = settings.update(current, dialect.response_create, given, "response")
        inside = conversation != "none"
        if inside and self.active:
            raise InvalidRequest(
                "conversation_already_has_active_response",
                "Conversation already has an active response in progress: "
                f"{self.active.id}. Wait until the response is finished before creating a new one.",
            )
        context = self._context(extra)
        self._count += 1
        response = Response(
            self._outlet,
            current,
            self._conversation if inside else None,
            metadata=metadata,
            ended=self._ended,
            first_delta=partial(self._first_delta, self._count),
            usage=lambda done: self._usage(done, context),
        )
        reply = self._reply(current, context)
        waiting = Waiting(response, self._plan(reply, current), final(reply))
        delay = reply.delays.queue or self._scenario.delays.queue
        due = self._outlet.timeline.now + self._outlet.draw("queue", delay)
        if inside:
            self._waiting = waiting
        waiting.entry = self._outlet.timeline.at(due, partial(self._start, waiting))

    def cancel(self, response_id: Any = None) -> None:
        """Cancel as a client asked to; InvalidRequest when there is nothing to cancel."""
        if response_id is not None and not isinstance(response_id, str):
            raise wrong_type("response_id", "a string", response_id)
        response = self._running.get(response_id) if response_id else self.active
        if self._waiting and response_id == self._waiting.response.id:
            response = self._waiting.response
        if response is None:
            raise InvalidRequest(
                "response_cancel_not_active", "Cancellation failed: no active response found"
            )
        self._cut(response, "client_cancelled")

    def interrupt(self) -> None:
        """Somebody speaks: the conversation's response is cancelled."""
        if self.active:
            self._cut(self.active, "turn_detected")

    def _cut(self, response: Response, reason: str) -> None:
        if self._waiting and self._waiting.response is response:
            # It was promised: it is created, if only to be cancelled.
            if self._waiting.entry:
                self._waiting.entry.cancel()
            self._waiting = None
            response.start(Plan((), (), 0.0), None)
        response.interrupt(reason)

    def _context(self, extra: Any) -> list[Item]:
        """What the model looks at: the conversation, or what response.create brings along."""
        if extra is None:
            return list(self._conversation.all)
        if not isinstance(extra, list):
            raise wrong_type("response.input", "an array of objects", extra)
        context = []
        for body in extra:
            checks.table(body, "response.input", None)
            if body.get("type") == "item_reference":
                context.append(self._conversation.get(body.get("id"), "retrieve"))
            else:
                names = self._outlet.dialect.content_names
                context.append(read_item(body, self._outlet.chance, names))
        return context

    def _reply(self, current: Settings, context: list[Item]) -> Reply:
        """The next reply of the scenario whose `when` fits what was said last, or a default."""
        last = next(
            (i for i in reversed(context) if i.role != "assistant" and i.role != "system"), None
        )
        prompt = last.prompt if last else ""
        for want in (True, False):
            for reply in self._unused:
                fits = reply.when is not None and reply.when.lower() in prompt.lower()
                if fits if want else reply.when is None:
                    if not reply.repeat:
                        self._unused.remove(reply)
                    return reply
        return default_reply(prompt, last.audio_ms if last else 0.0, forced_tool(current))

    def _start(self, waiting: Waiting) -> None:
        if self._waiting is waiting:
            self._waiting = None
        self._running[waiting.response.id] = waiting.response
        now = self._outlet.timeline.now
        if self._budget.exhausted(now):
            waiting.response.start(Plan((), (), 0.0), self._rate_limited(now))
        else:
            waiting.response.start(waiting.plan, waiting.final)

    def _plan(self, reply: Reply, current: Settings) -> Plan:
        delays = self._scenario.delays
        pace = Pace(
            self._outlet.draw("first_text", reply.delays.first_text or delays.first_text),
            self._outlet.draw("first_audio", reply.delays.first_audio or delays.first_audio),
            self._scenario.audio,
        )
        return plan(
            reply,
            speaks=current.speaks,
            audio=current.output_format,
            pace=pace,
            seed=self._scenario.seed,
        )

    def _rate_limited(self, now_ms: float) -> Final:
        wait = self._budget.wait_ms(now_ms) / 1000
        error = {
            "type": "tokens",
            "code": "rate_limit_exceeded",
            "message": f"Rate limit reached for {self._scenario.model} on tokens per min (TPM): "
            f"Limit {self._scenario.rate_limit.tokens}. Please try again in {wait:.3f}s.",
        }
        return "failed", {"type": "failed", "error": error}

    def _first_delta(self, number: int, response: Response) -> None:
        self.has_spoken = self.has_spoken or response.settings.speaks
        for false_speech in self._scenario.vad.false_speech:
            if false_speech.response == number and self.on_false_speech:
                act = partial(self.on_false_speech, false_speech.lasts_ms)
                self._outlet.timeline.after(false_speech.after_ms, act)

    def _usage(self, response: Response, context: list[Item]) -> dict[str, Any]:
        counted = usage(response.settings, context, response.items, self._cached_tokens)
        self._cached_tokens = counted["input_tokens"]
        return counted

    def _ended(self, response: Response) -> None:
        self._running.pop(response.id, None)
        timeline = self._outlet.timeline
        if response.usage:
            self._budget.spend(response.usage["total_tokens"], timeline.now)
        spoken_ms = sum(item.audio_ms for item in response.items)
        if spoken_ms and response.conversation is not None and self.on_spoken:
            self.on_spoken(spoken_ms)
        delay = self._outlet.draw("rate_limits", self._scenario.delays.rate_limits)
        report = self._budget.report(timeline.now)
        timeline.after(delay, partial(self._outlet.send, "rate_limits.updated", rate_limits=report))


def final(reply: Reply) -> Final | None:
    """How the response of a reply ends; None if it never does."""
    if reply.status == "stalled":
        return None
    if reply.status == "completed":
        return "completed", None
    if reply.status == "incomplete":
        return "incomplete", {"type": "incomplete", "reason": reply.reason}
    error = {
        "type": reply.error.type,
        "code": reply.error.code,
        "message": reply.error.message,
    }
    return "failed", {"type": "failed", "error": error}


def forced_tool(current: Settings) -> Mapping[str, Any] | None:
    """The function that tool_choice makes the model call."""
    functions = [tool for tool in current.tools if tool.get("type") == "function"]
    if isinstance(current.tool_choice, Mapping):
        name = current.tool_choice.get("name")
        return next((tool for tool in functions if tool.get("name") == name), None)
    return functions[0] if functions and current.tool_choice == "required" else None
