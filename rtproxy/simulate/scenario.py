"""A scenario: how a simulated server behaves, read from TOML. `docs/simulate.md` has every key.

All times are milliseconds. A delay may vary: {ms = 430, jitter = 50} lies between 380 and 480,
where exactly is decided by the seed.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from rtproxy.errors import ScenarioError
from rtproxy.simulate.table import read
from rtproxy.tape.escape import visible

NOT_NEGATIVE = {"least": 0}
POSITIVE = {"least": 1}
_DEEP = re.compile(r"""(?:\.[ \t]*+(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+){32}""", re.ASCII)
"""A key of more parts than anything in a scenario has."""
MAX_REPLIES = 1_000
MAX_AUDIO_MS = 600_000
"""The longest reply."""
MAX_SPOKEN_MS = 3_600_000
"""All replies together: they are kept ready."""


@dataclass(frozen=True, slots=True)
class Delay:
    """A time in ms that may vary by ± `jitter` ms."""

    NUMBER: ClassVar = "ms"

    ms: float = field(metadata=NOT_NEGATIVE)
    jitter: float = field(default=0.0, metadata=NOT_NEGATIVE)


@dataclass(frozen=True, slots=True)
class Delays:
    """How long the server takes. Defaults are typical of the live service.

    endpoint:        the silence is over → speech_stopped
    queue:           speech_stopped or response.create → response.created
    first_text:      response.created → first delta of text, transcript or arguments
    first_audio:     response.created → first delta of audio
    session_update:  session.update → session.updated
    transcription:   committed → input transcription completed
    rate_limits:     response.done → rate_limits.updated
    """

    endpoint: Delay = Delay(0)
    queue: Delay = Delay(30)
    first_text: Delay = Delay(300)
    first_audio: Delay = Delay(430)
    session_update: Delay = Delay(65)
    transcription: Delay = Delay(700)
    rate_limits: Delay = Delay(30)


@dataclass(frozen=True, slots=True)
class ReplyDelays:
    """Delays of one reply that differ from the scenario's."""

    queue: Delay | None = None
    first_text: Delay | None = None
    first_audio: Delay | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A pause of `pause_ms` in the delivery of audio after `after_ms` of it were sent."""

    after_ms: float = field(metadata=NOT_NEGATIVE)
    pause_ms: float = field(metadata=NOT_NEGATIVE)


@dataclass(frozen=True, slots=True)
class Audio:
    """How audio is delivered: `rate` times as fast as it plays, 0 is all at once."""

    chunk_ms: int = field(default=200, metadata={"least": 10, "most": 2_000})
    rate: float = field(default=10.0, metadata=NOT_NEGATIVE)
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a client's tool. `arguments` is a table, or a string that is sent verbatim."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """The error of a response or a transcription that failed."""

    code: str = "server_error"
    message: str = "The server had an error while processing your request."
    type: str = "server_error"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says to one prompt. Text and function calls may come together.

    `when`: used only for a prompt (what the user said, or a tool's output) that contains this.
    `audio_ms`: the speech is cut or padded with silence to this length.
    `status`: stalled means that the response starts and never ends.
    `repeat`: may be used again and again.
    """

    text: str = ""
    when: str | None = None
    audio_ms: float | None = field(default=None, metadata={"least": 0, "most": MAX_AUDIO_MS})
    function_call: tuple[FunctionCall, ...] = ()
    status: Literal["completed", "failed", "incomplete", "stalled"] = "completed"
    reason: Literal["max_output_tokens", "content_filter"] = "max_output_tokens"
    error: Failure = Failure()
    delays: ReplyDelays = ReplyDelays()
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Transcription:
    """What the server hears: one text per spoken turn, in order; afterwards what `default` says.

    `fails` makes every transcription fail with this error.
    """

    texts: tuple[str, ...] = ()
    default: str = ""
    fails: Failure | None = None


@dataclass(frozen=True, slots=True)
class FalseSpeech:
    """The detector hears speech where there is none: `after_ms` after a response's first delta.

    `response` counts the session's responses from 1. Speech stops again after `lasts_ms`.
    """

    response: int = field(metadata=POSITIVE)
    after_ms: float = field(metadata=NOT_NEGATIVE)
    lasts_ms: float = field(default=250, metadata=NOT_NEGATIVE)


@dataclass(frozen=True, slots=True)
class Vad:
    """Voice detection beyond what the client configures."""

    semantic_silence_ms: int = field(default=500, metadata={"least": 10})
    false_speech: tuple[FalseSpeech, ...] = ()


@dataclass(frozen=True, slots=True)
class Expiry:
    """The session's longest life: then an error session_expired and CLOSE 1001."""

    after_ms: float = field(default=3_600_000, metadata=POSITIVE)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The token budget that rate_limits.updated reports.

    A response that starts when nothing remains fails with rate_limit_exceeded. Tokens come back
    evenly, `tokens` of them within `reset_ms`.
    """

    tokens: int = field(default=15_000_000, metadata=POSITIVE)
    reset_ms: float = field(default=60_000, metadata=POSITIVE)


REFUSALS = {
    None: ("invalid_api_key", "Incorrect API key provided: {key}."),
    401: ("invalid_api_key", "Incorrect API key provided."),
    403: ("access_denied", "This key may not use the Realtime API."),
    404: ("model_not_found", "The model does not exist or you do not have access to it."),
    429: ("rate_limit_exceeded", "Too many requests: please try again later."),
}
"""HTTP status (None: after the 101) → code and message of the error."""
OTHER_REFUSAL = ("server_error", "The server cannot take requests at the moment.")


@dataclass(frozen=True, slots=True)
class Refuse:
    """Connections are turned away: with an HTTP `status` before the 101, or else after it.

    After the 101: an error event with `code` and `message`, then CLOSE `close_code` with
    `close_reason`. `times`: only so many connections; 0 is all. In `message`, {key} stands for the
    client's API key, masked. What is not given is what usually comes with the status.
    """

    status: int | None = field(default=None, metadata={"least": 400, "most": 599})
    code: str | None = None
    message: str | None = None
    type: str = "invalid_request_error"
    param: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    close_code: int = field(default=3000, metadata={"least": 1000, "most": 4999})
    close_reason: str = "invalid_request_error.invalid_api_key"
    times: int = field(default=0, metadata=NOT_NEGATIVE)

    def words(self, key: str = "") -> tuple[str, str]:
        """Code and message; `key` is the client's API key, of which only a mask is shown."""
        code, message = REFUSALS.get(self.status, OTHER_REFUSAL)
        masked = f"{key[:8]}{'*' * 8}{key[-4:]}" if len(key) > 16 else "*" * len(key)
        said = message if self.message is None else self.message
        return self.code or code, said.replace("{key}", masked)


@dataclass(frozen=True, slots=True)
class RefuseConfig:
    """A session.update that sets `param` (such as "session.audio.output.voice") is refused."""

    param: str
    code: str = "invalid_value"
    message: str = "Invalid value for '{param}'."


@dataclass(frozen=True, slots=True)
class CloseAt:
    """The server closes the connection so many ms after its start."""

    ms: float = field(metadata=NOT_NEGATIVE)
    code: int = field(default=1011, metadata={"least": 1000, "most": 4999})
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Faults:
    """Trouble: a TCP reset instead of the server's nth event, a close, a refused setting."""

    reset_at_event: int | None = field(default=None, metadata=POSITIVE)
    close: CloseAt | None = None
    refuse_config: RefuseConfig | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """The WebSocket: permessage-deflate if the client offers it, pings, largest message."""

    compress: bool = True
    ping_every_ms: float | None = field(default=None, metadata=POSITIVE)
    max_message_bytes: int = field(default=32 * 1024 * 1024, metadata=POSITIVE)


@dataclass(frozen=True, slots=True)
class Scenario:
    """All of it. `caller` is the script of a simulated caller, as it stands in the file."""

    name: str = "default"
    about: str = ""
    seed: int = 0
    dialect: Literal["ga", "beta", "both"] = "both"
    model: str = "gpt-realtime"
    delays: Delays = Delays()
    audio: Audio = Audio()
    replies: tuple[Reply, ...] = field(default=(), metadata={"key": "reply"})
    transcription: Transcription = Transcription()
    vad: Vad = Vad()
    expiry: Expiry = Expiry()
    rate_limit: RateLimit = RateLimit()
    refuse: Refuse | None = None
    faults: Faults = Faults()
    connection: Connection = Connection()
    caller: Mapping[str, Any] = field(default_factory=dict)

    def check_length(self, source: str) -> None:
        """Raise ScenarioError if it has more to say than can be kept ready."""
        if len(self.replies) > MAX_REPLIES:
            raise ScenarioError(
                f"{source}: there are {len(self.replies):,} replies; at most {MAX_REPLIES:,} are "
                'allowed, and "repeat = true" uses one again and again.'
            )
        from rtproxy.simulate.voice import speech_ms

        spoken_ms = sum(
            speech_ms(reply.text) if reply.audio_ms is None else reply.audio_ms
            for reply in self.replies
        )
        if spoken_ms > MAX_SPOKEN_MS:
            raise ScenarioError(
                f"{source}: its replies take about {spoken_ms / 60_000:,.0f} minutes to say; at "
                f"most {MAX_SPOKEN_MS // 60_000} are allowed."
            )

    @classmethod
    def parse(cls, text: str, source: str) -> "Scenario":
        """A scenario from TOML; `source` (a file's name) is its name unless the text gives one.

        Raises ScenarioError with one sentence that names the file, the key and what is allowed.
        """
        try:
            if _DEEP.search(text):  # tomllib takes the square of its length for such a key
                raise RecursionError
            table = tomllib.loads(text)
        except RecursionError:
            raise ScenarioError(f"{source} is nested too deep.") from None
        except tomllib.TOMLDecodeError as error:
            raise ScenarioError(f"{source} is not TOML: {visible(str(error))}.") from None
        except ValueError:
            raise ScenarioError(f"{source} has a number of thousands of digits.") from None
        scenario = read(cls, table, source)
        scenario.check_length(source)
        if "name" not in table:
            stem = source.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".toml")
            scenario = replace(scenario, name=stem)
        if not scenario.name.isprintable() or not scenario.name.isascii() or ";" in scenario.name:
            raise ScenarioError(
                f"{source}: name must be printable ASCII without a semicolon, "
                f"not {scenario.name!r}."
            )
        return scenario
