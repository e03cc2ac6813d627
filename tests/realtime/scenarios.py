"""Simulated calls with scheduled delays: what is measured of them is known beforehand."""

from dataclasses import dataclass, field

from rtproxy.realtime.session import Session
from tests.realtime.simulated import call_records

SILENCE = 200.0
"""`silence_duration_ms` of the simulated server, unless a scenario sets another."""

Metrics = dict[str, float | None]


@dataclass(frozen=True)
class Case:
    """A scenario, and what must come out: metrics by turn, and findings as (code, turn)."""

    name: str
    toml: str
    turns: list[Metrics]
    findings: set[tuple[str, int | None]] = field(default_factory=set)

    def session(self) -> Session:
        return Session.fold(call_records(self.toml))


def spoken(
    endpoint: float = 0.0, queue: float = 30.0, model: float = 430.0, **more: float | None
) -> Metrics:
    """A turn that was spoken and answered aloud; the delays are those of the scenario."""
    return {
        "endpoint_ms": SILENCE + endpoint,
        "queue_ms": queue,
        "model_ms": model,
        "v2v_ms": SILENCE + endpoint + queue + model,
        "tool_ms": None,
        "prebuffer_ms": 0.0,
        "barge_in_ms": None,
        **more,
    }


def typed(queue: float = 30.0, model: float | None = 300.0, **more: float | None) -> Metrics:
    """A turn that was typed and answered in writing."""
    return {
        "v2v_ms": None,
        "endpoint_ms": None,
        "queue_ms": queue,
        "model_ms": model,
        "tool_ms": None,
        "audio_ms": 0.0,
        "heard_ms": 0.0,
        "prebuffer_ms": None,
        "barge_in_ms": None,
        **more,
    }


ASK = """
[[caller.step]]
say = "Hello, is anybody there?"
[[caller.step]]
wait = "reply"
"""
ANSWER = """
[[reply]]
text = "Yes, I am here."
audio_ms = 1500
"""
INTERRUPT = """
[audio]
rate = 5
[[reply]]
text = "Let me tell you all about it."
audio_ms = 6000
[[reply]]
text = "Fine."
audio_ms = 800
[caller]
truncate = "%s"
[[caller.step]]
say = "What is new?"
[[caller.step]]
say = "Thank you, that will do."
interrupt_after_ms = 2000
[[caller.step]]
wait = "reply"
[[caller.step]]
wait = 3000
"""
ONSET = 60.0
"""From the caller's first sound to speech_started: 40 ms of it, to the end of the chunk."""

CASES = [
    Case("clean", ANSWER + "[caller]" + ASK, [spoken(audio_ms=1500, heard_ms=1500)]),
    Case(
        "two turns, transcribed",
        ANSWER
        + """
[[reply]]
text = "Good bye."
audio_ms = 900
[transcription]
texts = ["Hello, is anybody there?", "Good bye!"]
[caller]
session = { transcription = "gpt-realtime-whisper" }
"""
        + ASK
        + """
[[caller.step]]
say = "Good bye!"
[[caller.step]]
wait = "reply"
""",
        [spoken(audio_ms=1500, heard_ms=1500), spoken(audio_ms=900, heard_ms=900)],
    ),
    Case(
        "slow endpoint",
        ANSWER + "[delays]\nendpoint = 1600\n[caller]" + ASK,
        [spoken(endpoint=1600, audio_ms=1500, heard_ms=1500)],
        {("slow-turn", 1)},
    ),
    Case(
        "slow model",
        ANSWER + "[delays]\nqueue = 150\nfirst_audio = 3000\n[caller]" + ASK,
        [spoken(queue=150, model=3000, audio_ms=1500, heard_ms=1500)],
        {("slow-turn", 1)},
    ),
    Case(
        "slow tool",
        """
[[reply]]
when = "weather"
function_call = { name = "get_weather", arguments = { city = "London" } }
[[reply]]
text = "It is foggy."
audio_ms = 1000
[transcription]
texts = ["How is the weather?"]
[[caller.tool]]
name = "get_weather"
output = "Fog."
delay_ms = 2500
[[caller.step]]
say = "How is the weather?"
[[caller.step]]
wait = "reply"
""",
        # The call's arguments come in five pieces, 15 ms apart, after 300 ms.
        [
            spoken(
                tool_ms=2500,
                v2v_ms=SILENCE + 30 + (300 + 60) + 2500 + 30 + 430,
                audio_ms=1000,
                heard_ms=1000,
            )
        ],
        {("slow-turn", 1)},
    ),
    Case(
        "barge-in, truncated right",
        INTERRUPT % "heard",
        [
            spoken(heard_ms=2000 + ONSET, barge_in_ms=0, barge_in_detection_ms=ONSET),
            spoken(audio_ms=800, heard_ms=800, overlap_ms=ONSET),
        ],
    ),
    Case(
        "barge-in, truncated wrong",
        INTERRUPT % "wrong",
        [spoken(heard_ms=2000 + ONSET, barge_in_ms=0), spoken(audio_ms=800, heard_ms=800)],
        {("barge-in-desync", 1)},
    ),
    Case(
        "barge-in, not truncated",
        INTERRUPT % "none",
        [spoken(heard_ms=2000 + ONSET), spoken(audio_ms=800, heard_ms=800)],
        {("barge-in-desync", 1)},
    ),
    Case(
        "false barge-in",
        """
[audio]
rate = 2
[[reply]]
text = "This is a long answer that a noise cuts off."
audio_ms = 4000
[[reply]]
text = "Where was I?"
audio_ms = 700
[[vad.false_speech]]
response = 1
after_ms = 1200
[caller]
"""
        + ASK
        + """
[[caller.step]]
wait = 3000
""",
        # The first delta is of the transcript, 130 ms before the audio.
        [
            spoken(heard_ms=1200 - 130, barge_in_ms=0),
            {"queue_ms": 30, "model_ms": 430, "heard_ms": 700},
        ],
        {("false-barge-in", 1)},
    ),
    Case(
        "active response",
        ANSWER
        + """
[caller]
[[caller.step]]
say = "Hello, is anybody there?"
[[caller.step]]
wait = "response.created"
[[caller.step]]
send = { type = "response.create", event_id = "too_early" }
[[caller.step]]
wait = "reply"
[[caller.step]]
wait = 2000
""",
        [spoken(audio_ms=1500, heard_ms=1500)],
        {("response-active", 1)},
    ),
    Case(
        "rate limit",
        """
[rate_limit]
tokens = 20
reset_ms = 600000
[[reply]]
text = "That was all that I can afford to say."
[caller]
session = { output = "text" }
[[caller.step]]
text = "Tell me something."
[[caller.step]]
wait = "reply"
[[caller.step]]
text = "Tell me more."
[[caller.step]]
wait = "response.done"
[[caller.step]]
wait = 8000
""",
        [typed(), typed(model=None)],
        {("session-dropped", 2)},
    ),
    Case(
        "failed transcription",
        ANSWER
        + """
[transcription]
fails = { code = "audio_unintelligible", message = "The audio could not be transcribed." }
[caller]
session = { transcription = "whisper-1" }
"""
        + ASK,
        [spoken(audio_ms=1500, heard_ms=1500)],
        {("late-transcript", 1)},
    ),
    Case(
        "choppy arrival",
        """
[audio]
chunk_ms = 100
rate = 1.25
gaps = [{ after_ms = 500, pause_ms = 700 }, { after_ms = 1500, pause_ms = 900 }]
[[reply]]
text = "This comes in pieces."
audio_ms = 3000
[caller]
"""
        + ASK,
        # Before the second hole 1500 ms were received, and 300 gained by being faster.
        [spoken(audio_ms=3000, heard_ms=3000, prebuffer_ms=700 + 900 - 300)],
        {("choppy-audio", 1)},
    ),
    Case(
        "expired session",
        ANSWER
        + """
[expiry]
after_ms = 6000
[caller]
"""
        + ASK
        + """
[[caller.step]]
wait = 20000
""",
        [spoken(audio_ms=1500, heard_ms=1500)],
        {("session-dropped", None)},
    ),
    Case(
        "G.711",
        ANSWER
        + """
[audio]
rate = 2
[caller]
session = { input_format = "g711_ulaw", output_format = "g711_alaw" }
"""
        + ASK,
        [spoken(audio_ms=1500, heard_ms=1500)],
    ),
    Case(
        "text only",
        """
[delays]
first_text = 150
[[reply]]
text = "It is mild today."
[caller]
session = { output = "text" }
[[caller.step]]
text = "How is the weather?"
[[caller.step]]
wait = "reply"
""",
        [typed(model=150)],
    ),
    Case(
        "beta",
        'dialect = "beta"\n'
        + ANSWER
        + """
[transcription]
texts = ["Hello, is anybody there?"]
[caller]
dialect = "beta"
session = { transcription = "whisper-1" }
"""
        + ASK,
        [spoken(audio_ms=1500, heard_ms=1500)],
    ),
    Case(
        "push to talk",
        ANSWER
        + """
[caller]
session = { turn_detection = "none" }
[[caller.step]]
say = "Hello, is anybody there?"
[[caller.step]]
commit = true
[[caller.step]]
respond = true
[[caller.step]]
wait = "reply"
""",
        [
            {
                "endpoint_ms": None,
                "queue_ms": 30,
                "model_ms": 430,
                "v2v_ms": 460,
                "audio_ms": 1500,
                "heard_ms": 1500,
            }
        ],
    ),
    Case(
        "failed response",
        '[[reply]]\nstatus = "failed"\n[caller]'
        + """
[[caller.step]]
say = "Hello, is anybody there?"
[[caller.step]]
wait = "response.done"
[[caller.step]]
wait = 500
""",
        [{"endpoint_ms": SILENCE, "queue_ms": 30, "model_ms": None, "v2v_ms": None}],
        {("no-reply", 1)},
    ),
    Case(
        "refused setting",
        """
[faults]
refuse_config = { param = "session.audio.output.voice", message = "No such voice." }
"""
        + ANSWER
        + '[caller]\nsession = { voice = "marin" }\n'
        + ASK,
        [spoken(audio_ms=1500, heard_ms=1500)],
        {("config-refused", None)},
    ),
    Case(
        "reply cut short",
        '[[reply]]\ntext = "This is as far as I"\naudio_ms = 1200\nstatus = "incomplete"\n[caller]'
        + ASK,
        [spoken(audio_ms=1200, heard_ms=1200)],
        {("words-cut", 1)},
    ),
    Case(
        "the client cancels",
        """
[audio]
rate = 5
[[reply]]
text = "Let me tell you all about it."
audio_ms = 6000
[[reply]]
text = "Fine."
audio_ms = 800
[caller]
session = { turn_detection = { interrupt_response = false, silence_duration_ms = 200 } }
[[caller.step]]
say = "What is new?"
[[caller.step]]
say = "Thank you, that will do."
interrupt_after_ms = 2000
[[caller.step]]
wait = "reply"
""",
        [
            spoken(heard_ms=2000 + ONSET, barge_in_ms=0, barge_in_detection_ms=ONSET),
            spoken(audio_ms=800, heard_ms=800),
        ],
    ),
    Case(
        "two tools",
        """
[[reply]]
text = "Let me look."
audio_ms = 600
function_call = [{ name = "first" }, { name = "second" }]
[[reply]]
text = "Done."
audio_ms = 400
[[caller.tool]]
name = "first"
delay_ms = 300
[[caller.tool]]
name = "second"
delay_ms = 900
[[caller.step]]
say = "How is it?"
[[caller.step]]
wait = "reply"
""",
        [spoken(tool_ms=300 + 900, audio_ms=1000, heard_ms=1000)],
    ),
    Case(
        "greeting",
        """
[[reply]]
text = "Welcome!"
audio_ms = 500
[[reply]]
text = "Yes, I am here."
audio_ms = 1500
[caller]
[[caller.step]]
respond = true
[[caller.step]]
wait = "reply"
"""
        + ASK,
        [
            typed(model=430, audio_ms=500, heard_ms=500, prebuffer_ms=0),
            spoken(audio_ms=1500, heard_ms=1500),
        ],
    ),
    Case(
        "the client asks, late",
        ANSWER
        + """
[caller]
session = { turn_detection = { create_response = false, silence_duration_ms = 200 } }
[[caller.step]]
say = "Hello, is anybody there?"
[[caller.step]]
wait = "input_audio_buffer.committed"
[[caller.step]]
wait = 700
[[caller.step]]
respond = true
[[caller.step]]
wait = "reply"
""",
        [spoken(v2v_ms=SILENCE + 700 + 30 + 430, audio_ms=1500, heard_ms=1500)],
    ),
    Case(
        "the caller is silent",
        ANSWER
        + """
[[reply]]
text = "Are you still there?"
audio_ms = 900
[caller]
session = { turn_detection = { idle_timeout_ms = 5000, silence_duration_ms = 200 } }
"""
        + ASK
        + """
[[caller.step]]
wait = 8000
""",
        [
            spoken(audio_ms=1500, heard_ms=1500),
            typed(model=430, audio_ms=900, heard_ms=900, prebuffer_ms=0),
        ],
    ),
    Case(
        "a stalled response",
        """
[delays]
first_text = 60000
[[reply]]
function_call = { name = "never" }
status = "stalled"
[caller]
[[caller.step]]
say = "Hello, is anybody there?"
[[caller.step]]
wait = 9000
""",
        [{"endpoint_ms": SILENCE, "queue_ms": 30, "model_ms": None, "v2v_ms": None}],
        {("no-reply", 1)},
    ),
]
