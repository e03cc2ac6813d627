"""Everything that is found in a call: a table of rules, each a function."""

from collections.abc import Callable, Iterator

from rtproxy.realtime.error_rules import untold_errors
from rtproxy.realtime.finding import SEVERITIES, Finding
from rtproxy.realtime.input_rules import wrong_rate
from rtproxy.realtime.metrics import Meter
from rtproxy.realtime.playback_rules import barge_in_desync, choppy_audio, false_barge_in
from rtproxy.realtime.reply_rules import late_transcript, no_reply, slow_turn, words_cut
from rtproxy.realtime.service_rules import config_refused, response_active, session_dropped

Rule = Callable[[Meter], Iterator[Finding]]

RULES: dict[str, Rule] = {
    "no-reply": no_reply,
    "slow-turn": slow_turn,
    "words-cut": words_cut,
    "barge-in-desync": barge_in_desync,
    "response-active": response_active,
    "false-barge-in": false_barge_in,
    "late-transcript": late_transcript,
    "choppy-audio": choppy_audio,
    "wrong-rate": wrong_rate,
    "config-refused": config_refused,
    "session-dropped": session_dropped,
}
"""Code of a finding → the rule that finds it."""
CODES = (*RULES, "request-refused", "server-error")
"""The codes of all findings; the last two are of errors that no rule has found a place for."""


def find(meter: Meter) -> list[Finding]:
    """The findings of a call in the order in which they show on the tape."""
    found = [finding for rule in RULES.values() for finding in rule(meter)]
    found += untold_errors(meter, {seq for finding in found for seq in finding.events})
    return sorted(found, key=_place)


def _place(finding: Finding) -> tuple[int, int]:
    first = finding.events[0] if finding.events else -1
    return first, -SEVERITIES.index(finding.severity)
