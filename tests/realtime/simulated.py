"""A simulated call on values: caller and server in virtual time, over a transport that takes none.

Nothing waits: a call of minutes takes milliseconds, and every delay is exactly as scheduled.
"""

from dataclasses import replace
from math import inf
from typing import Any, Literal

import orjson

from rtproxy.simulate.conduct import Conduct, HangUp
from rtproxy.simulate.outlet import Close, Reset, Send
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.script import Script
from rtproxy.simulate.session import Session
from rtproxy.tape.record import FROM_SERVER, Control, Event, Header, Record

LONGEST_MS = 120_000
_PLAYED: dict[str, tuple[Record, ...]] = {}


def call_records(scenario: Scenario | str) -> list[Record]:
    """The records of a call. The same scenario makes the same ones, so that it is played once."""
    key = scenario if isinstance(scenario, str) else repr(scenario)
    if key not in _PLAYED:
        _PLAYED[key] = tuple(SimulatedCall(scenario).play().records)
    return list(_PLAYED[key])


class SimulatedCall:
    """Plays a scenario; `records` is what a tape of it would hold."""

    def __init__(self, scenario: Scenario | str) -> None:
        if isinstance(scenario, str):
            scenario = Scenario.parse(scenario, "test.toml")
        self.script = Script.parse(scenario.caller, "test.toml")
        dialect: Literal["ga", "beta"] = "ga"
        if scenario.dialect == "beta" or self.script.dialect == "beta":
            dialect = "beta"
        self.server = Session(scenario, dialect=dialect)
        self.caller = Conduct(replace(self.script, patience_ms=LONGEST_MS))
        self.now = 0.0
        self.over = False
        self.records: list[Record] = [
            Header({"id": "1", "connection": "websocket", "origin": "simulated"})
        ]

    def play(self) -> "SimulatedCall":
        """From the connection to its end."""
        self._serve(self.server.start(0.0))
        self._call(self.caller.advance(0.0))
        while not self.over and self.now < LONGEST_MS:
            due = self.server.next_due()
            self.now = max(self.now, min(inf if due is None else due, self.caller.due()))
            self._serve(self.server.advance(self.now))
            if not self.over:
                self._call(self.caller.advance(self.now))
        return self

    def _serve(self, actions: list[Any]) -> None:
        for action in actions:
            if self.over:
                return
            match action:
                case Send(event=event):
                    self._tape(event, FROM_SERVER)
                    self._call(self.caller.receive(event, self.now))
                case Close(code=code, reason=reason):
                    self._end("close", FROM_SERVER, {"code": code, "reason": reason})
                case Reset():
                    self._end("reset", FROM_SERVER, {})

    def _call(self, actions: list[Any]) -> None:
        for action in actions:
            if self.over:
                return
            if isinstance(action, HangUp):
                self._end("close", 0, {"code": action.code, "reason": action.reason})
            else:
                self._tape(action.event, 0)
                self._serve(self.server.receive(action.event, self.now))

    def _tape(self, event: dict[str, Any], flags: int) -> None:
        text = orjson.dumps(event).decode()
        self.records.append(Event(len(self.records) - 1, round(self.now * 1e6), flags, text))

    def _end(self, name: str, flags: int, data: dict[str, Any]) -> None:
        seq, t_ns = len(self.records) - 1, round(self.now * 1e6)
        self.records.append(Control(seq, t_ns, flags, name, data))
        self.over = True
