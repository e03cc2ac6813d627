"""What a test gets: the address of its server, and what is known of the replay."""

from pathlib import Path
from typing import TYPE_CHECKING

from rtproxy.pytest_plugin.mode import Mode
from rtproxy.pytest_plugin.tapeset import tapes_in

if TYPE_CHECKING:
    from rtproxy.realtime.session import Session
    from rtproxy.replay.outcome import Outcome
    from rtproxy.serve import RecordProxy, ReplayServer


class Rtproxy:
    """The server that a test talks to: its tapes, or the upstream while they are recorded.

    It runs in a thread of its own, so that it serves tests that block as well as any event loop.
    """

    def __init__(
        self,
        server: "ReplayServer | RecordProxy",
        *,
        mode: Mode,
        played: tuple[Path, ...] = (),
        stage: Path | None = None,
    ) -> None:
        self._server = server
        self._played = played
        self._stage = stage
        self.mode: Mode = mode
        """The run's mode: none, once, new_episodes, all or rewrite."""

    @property
    def url(self) -> str:
        """Where HTTP is served, such as http://127.0.0.1:41234."""
        return self._server.url

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its `base_url`: http://127.0.0.1:41234/v1."""
        return self._server.base_url

    @property
    def ws_url(self) -> str:
        """Where sessions are, without the query: ws://127.0.0.1:41234/v1/realtime."""
        return self._server.ws_url

    @property
    def recording(self) -> bool:
        """True if connections that are not on tape go to the upstream, and onto new tapes."""
        return self._stage is not None

    @property
    def tapes(self) -> list[Path]:
        """The tapes that are replayed, then those that are being recorded (not for long there)."""
        new = tapes_in(self._stage) if self._stage and self._stage.is_dir() else []
        return [*self._played, *new]

    @property
    def session(self) -> "Session":
        """What the test has exchanged with its server so far: turns, tools, metrics, findings.

        In a replay its times are those of the tape. Raises RuntimeError unless it is one session.
        """
        sessions = self.sessions
        if len(sessions) != 1:
            how_many = f"{len(sessions)} sessions; see rtproxy.sessions" if sessions else "none yet"
            raise RuntimeError(
                f"rtproxy.session is for a test with one session; it has {how_many}."
            )
        return sessions[0]

    @property
    def sessions(self) -> "list[Session]":
        """The same of each session, in the order in which they began; HTTP requests are none."""
        return self._server.sessions

    @property
    def outcomes(self) -> "tuple[Outcome, ...]":
        """How each replayed connection has gone so far, in the order in which they came."""
        outcomes: tuple[Outcome, ...] = getattr(self._server, "outcomes", ())
        return outcomes

    def __repr__(self) -> str:
        return f"<rtproxy {'recording' if self.recording else 'replaying'} at {self.url}>"
