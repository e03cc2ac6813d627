"""The caller's side of a session: where each turn begins and is over, and what was understood."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from rtproxy.realtime.audio_clock import AudioClock
from rtproxy.realtime.config import Config
from rtproxy.realtime.transcript import Transcript
from rtproxy.realtime.turn import Kind, Speech, Turn

MAX_WAITING = 256


@dataclass(slots=True)
class Created:
    """An item that the client made and the server has not confirmed yet."""

    seq: int
    item_id: str | None
    type: str | None
    role: str | None
    turn: Turn | None


class Turns:
    """All turns, in the order in which they began."""

    def __init__(self, clock: AudioClock) -> None:
        self.all: list[Turn] = []
        self.open: Turn | None = None
        """The turn in which the caller is speaking."""
        self.current: Turn | None = None
        """The latest turn in which the caller has had its say."""
        self.promised: Turn | None = None
        """The turn that the server is going to answer by itself."""
        self.transcripts: dict[str, Transcript] = {}
        self._of_item: dict[str, Turn] = {}
        self._clock = clock
        self._commits: deque[Turn] = deque(maxlen=MAX_WAITING)
        self._created: deque[Created] = deque(maxlen=MAX_WAITING)

    def __iter__(self) -> Iterator[Turn]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def __getitem__(self, index: int) -> Turn:
        return self.all[index]

    def number(self, n: int | None) -> Turn | None:
        """The nth turn, from 1."""
        return self.all[n - 1] if n is not None and 0 < n <= len(self.all) else None

    def of_item(self, item_id: str | None) -> Turn | None:
        return self._of_item.get(item_id) if item_id else None

    def begin(self, kind: Kind, t_ms: float, seq: int) -> Turn:
        """A new turn; what was typed before it and never asked about was context for it."""
        self.forget_typed()
        turn = Turn(len(self.all) + 1, kind, t_ms, seq)
        self.all.append(turn)
        return turn

    def forget_typed(self) -> None:
        """What was typed last was not a turn, unless somebody asked for an answer to it."""
        last = self.all[-1] if self.all else None
        if last is None or last.kind != "text" or last.asked or last.responses:
            return
        self.all.pop()
        for item_id in last.item_ids:
            self._of_item.pop(item_id, None)
        if self.current is last:
            self.current = next((t for t in reversed(self.all) if t is not self.open), None)

    def speak(
        self, item_id: str | None, start_ms: float | None, t_ms: float, seq: int, config: Config
    ) -> Turn:
        """The server hears the caller speak."""
        turn = self.of_item(item_id)
        if turn is None:
            turn = self.begin("speech", t_ms, seq)
            self._name(turn, item_id)
        speech = Speech(t_ms, seq, start_ms, config.padding_ms)
        if start_ms is not None:
            self._clock.check(start_ms)
        if speech.onset_position_ms is not None:
            speech.onset_ms = self._clock.wall(speech.onset_position_ms)
        turn.speech.append(speech)
        self.open = turn
        return turn

    def fall_silent(
        self, item_id: str | None, end_ms: float | None, t_ms: float, seq: int, config: Config
    ) -> Turn:
        """The server finds that the caller has finished."""
        turn = self.of_item(item_id) or self.open
        if turn is None:  # its beginning is not on the tape
            turn = self.speak(item_id, None, t_ms, seq, config)
        if not turn.speech:
            turn.speech.append(Speech(t_ms, seq, None, None))
        speech = turn.speech[-1]
        speech.stopped_ms, speech.stopped_seq, speech.end_ms = t_ms, seq, end_ms
        speech.silence_ms = config.silence_ms
        if end_ms is not None:
            self._clock.check(end_ms)
        if speech.end_position_ms is not None:
            speech.fell_silent_ms = self._clock.wall(speech.end_position_ms)
        if self.open is turn:
            self.open = None
        self._over(turn, t_ms, seq, config.creates_response)
        return turn

    def commit(self, t_ms: float, seq: int) -> None:
        """The client commits what it has appended."""
        turn = self.open or self.begin("commit", t_ms, seq)
        self.open = None
        self._over(turn, t_ms, seq, False)
        self._commits.append(turn)

    def clear(self, seq: int) -> None:
        """The client drops what it has appended, and with it what is being said."""
        if self.open is not None:
            self.open.cleared_seq = seq
            self.open = None

    def refuse_commit(self) -> None:
        """The client's last commit was refused: it was no turn."""
        if not self._commits:
            return
        turn = self._commits.pop()
        if turn.kind == "commit" and self.all and self.all[-1] is turn and not turn.responses:
            self.all.pop()
            self.current = self.all[-1] if self.all else None

    def committed(self, item_id: str | None, t_ms: float, seq: int, config: Config) -> Turn:
        """The server made an item of the audio."""
        turn = self.of_item(item_id)
        if turn is not None and turn in self._commits:
            self._commits.remove(turn)
        elif turn is None and self._commits:
            turn = self._commits.popleft()
        elif turn is None:
            turn = self.begin("commit", t_ms, seq)
        if turn.ended_ms is None:
            self._over(turn, t_ms, seq, turn.kind != "commit" and config.creates_response)
        turn.committed_seq = seq
        self._name(turn, item_id)
        if item_id:
            transcript = self.transcript(item_id)
            transcript.committed_ms, transcript.committed_seq = t_ms, seq
            transcript.expected = config.transcription is not None or config.transcribes_only
        return turn

    def time_out(self, item_id: str | None, t_ms: float, seq: int) -> None:
        """The caller said nothing for too long; the silence is committed and answered."""
        turn = self.begin("timeout", t_ms, seq)
        self._name(turn, item_id)
        self._over(turn, t_ms, seq, True)

    def type(self, text: str, t_ms: float, seq: int) -> Turn:
        """The caller typed something; it is a turn once an answer is asked for."""
        turn = self.all[-1] if self.all else None
        if turn is None or turn.kind != "text" or turn.asked or turn.responses:
            turn = self.begin("text", t_ms, seq)
        if text:
            turn.typed.append(text)
        turn.ended_ms, turn.ended_seq = t_ms, seq
        self.current = turn
        return turn

    def made(self, created: Created) -> None:
        """The client made an item."""
        self._created.append(created)

    def confirm(self, item_id: str, type_: str | None, role: str | None) -> bool:
        """The server has a new item; whether it is one that the client made."""
        for created in self._created:
            alike = (created.type, created.role) == (type_, role)
            if created.item_id == item_id if created.item_id else alike:
                self._created.remove(created)
                if created.turn is not None:
                    self._name(created.turn, item_id)
                return True
        return False

    def refuse_item(self, seq: int | None) -> None:
        """The item that the client made with the event `seq` was refused."""
        for created in self._created:
            if created.seq == seq:
                self._created.remove(created)
                return

    def knows(self, item_id: str) -> bool:
        return item_id in self._of_item

    def greet(self, t_ms: float, seq: int, *, known: bool) -> Turn:
        """The assistant speaks before the caller has, as far as it is `known`."""
        turn = self.begin("greeting" if known else "unknown", t_ms, seq)
        self.current = turn
        return turn

    def transcript(self, item_id: str) -> Transcript:
        """The transcript of an item, new if there was none; it belongs to the item's turn."""
        known = self.transcripts.get(item_id)
        if known is None:
            known = self.transcripts[item_id] = Transcript(item_id)
            turn = self._of_item.get(item_id)
            if turn is not None:
                turn.transcripts.append(known)
        return known

    def damage(self) -> None:
        """Records are missing: what is under way may be other than it seems."""
        for turn in (self.open, self.current, self.all[-1] if self.all else None):
            if turn is not None:
                turn.damaged = True

    def _over(self, turn: Turn, t_ms: float, seq: int, creates: bool | None) -> None:
        turn.ended_ms, turn.ended_seq, turn.creates = t_ms, seq, creates
        self.current = turn
        if creates is not False:
            turn.due_ms = t_ms
            self.promised = turn

    def _name(self, turn: Turn, item_id: str | None) -> None:
        if item_id and item_id not in self._of_item:
            self._of_item[item_id] = turn
            turn.item_ids.append(item_id)
