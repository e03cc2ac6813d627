"""What is going on in a session at this moment, for who watches it while it goes on."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rtproxy.realtime.session import Session
    from rtproxy.realtime.turn import Turn

Stage = Literal["over", "caller", "assistant", "tool", "waiting", "quiet"]
"""Who has the word.

over: the connection has ended · caller: is heard to speak · assistant: is to be heard, or is
writing · tool: the client's answer to a call is awaited · waiting: the assistant's first sound is
awaited · quiet: nobody has it.
"""

WORDS: dict[Stage, str] = {
    "over": "over",
    "caller": "caller speaks",
    "assistant": "assistant speaks",
    "tool": "waiting for a tool",
    "waiting": "waiting for an answer",
    "quiet": "quiet",
}


def stage_of(session: "Session") -> Stage:
    """What is going on after the last record that the session has taken."""
    turns, answers = session.turns, session.answers
    if session.ending is not None:
        return "over"
    if turns.open is not None:
        return "caller"
    if session.plays and answers.player.playing(session.now_ms):
        return "assistant"
    response = answers.responses.in_conversation
    if response is not None:
        return "waiting" if response.first_ms is None else "assistant"
    current = turns.current
    if current is not None and _awaits_tool(current):
        return "tool"
    asked = current is not None and current.asked and not current.responses
    return "waiting" if asked or turns.promised is not None else "quiet"


def _awaits_tool(turn: "Turn") -> bool:
    return any(call.done_ms is not None and call.output_ms is None for call in turn.calls)
