"""Where the assistant was cut off, and how the client told the server about it."""

from collections.abc import Callable

from rtproxy.realtime.player import Player, Track
from rtproxy.realtime.turn import Interruption, Turn

ROUNDING_MS = 1.0
"""Clients tell whole milliseconds."""


class Interruptions:
    """Stops the virtual player where a client stops its own, and notes what was cut.

    `speaking` is the turn in which the caller is heard to speak at the time. While `blind()`, for
    want of times or of whole audio, nobody knows what was still playing: then only what the server
    or the client says itself is an interruption.
    """

    def __init__(self, player: Player, blind: Callable[[], bool]) -> None:
        self.all: list[Interruption] = []
        self._player = player
        self._blind = blind
        self._of_item: dict[str, Interruption] = {}
        self._of_response: dict[str, Interruption] = {}
        self._told = 0

    def fresh(self) -> list[Interruption]:
        """Those since the last time."""
        fresh, self._told = self.all[self._told :], len(self.all)
        return fresh

    def speak(self, t_ms: float, seq: int, speaking: Turn) -> None:
        """The caller speaks, and the assistant falls silent."""
        if not self._blind():
            self._cut(self._player.flush(t_ms), t_ms, seq, speaking)

    def cancel(self, response_id: str | None, t_ms: float, seq: int, speaking: Turn | None) -> None:
        """The client stops the assistant: one response, or (None) whatever is to be heard."""
        stopped = None if self._blind() else self._player.flush(t_ms, response_id)
        cut = self._cut(stopped, t_ms, seq, speaking)
        if cut is None and self.all:
            last = self.all[-1]
            if last.by is speaking or (response_id and last.response_id == response_id):
                cut = last
        if cut is not None:
            cut.react(t_ms, seq)

    def truncate(
        self,
        item_id: str | None,
        audio_end_ms: float | None,
        t_ms: float,
        seq: int,
        speaking: Turn | None,
        *,
        by_server: bool,
    ) -> None:
        """The client says how much of an item was heard, or the server decides or confirms it."""
        if item_id is None:
            return
        stopped = self._player.drop(item_id, t_ms)
        cut = self._of_item.get(item_id)
        if stopped is not None:
            cut = self._cut(stopped, t_ms, seq, speaking)
        if cut is None:
            track = self._player.tracks.get(item_id)
            if track is None or by_server or self._played_all(track, audio_end_ms, t_ms):
                return
            cut = self._note(track, t_ms, seq, speaking)  # by the player it was over
        if not by_server:
            cut.react(t_ms, seq)
        if cut.truncated_by != "client":
            cut.truncated_ms, cut.truncated_seq = audio_end_ms, seq
            cut.truncated_by = "server" if by_server else "client"

    def stopped(
        self, response_id: str, item_id: str, t_ms: float, seq: int, by: Turn | None
    ) -> None:
        """The server cancelled a response, in the middle of this item, as the caller spoke."""
        track = self._player.tracks.get(item_id)
        if track is not None and response_id not in self._of_response:
            self._player.flush(t_ms, response_id)
            self._note(track, t_ms, seq, by)

    def _cut(
        self, track: Track | None, t_ms: float, seq: int, speaking: Turn | None
    ) -> Interruption | None:
        return None if track is None else self._note(track, t_ms, seq, speaking)

    def _note(self, track: Track, t_ms: float, seq: int, speaking: Turn | None) -> Interruption:
        started = speaking.speech[-1].started_ms if speaking and speaking.speech else None
        cut = Interruption(
            t_ms,
            seq,
            track.item_id,
            track.response_id,
            speaking,
            started,
            None if self._blind() else track.heard_ms(t_ms),
            track.received_ms,
        )
        self.all.append(cut)
        self._of_item[track.item_id] = cut
        if track.response_id is not None:
            self._of_response[track.response_id] = cut
        return cut

    def _played_all(self, track: Track, told_ms: float | None, t_ms: float) -> bool:
        """Whether an item was heard to its end, as the client says; it truncates that, too."""
        heard = track.received_ms if self._blind() else track.heard_ms(t_ms)
        return told_ms is not None and min(told_ms, heard) >= track.received_ms - ROUNDING_MS
