"""Findings about the caller's audio as the client sends it."""

from collections.abc import Iterator

from rtproxy.realtime.audio import G711_ULAW, AudioFormat
from rtproxy.realtime.finding import Finding, evidence
from rtproxy.realtime.metrics import Meter
from rtproxy.realtime.thresholds import PACE_SLACK, STREAM_MS

USUAL = (G711_ULAW, *(AudioFormat("pcm16", rate) for rate in (8000, 16000, 24000, 44100, 48000)))
"""What microphones and telephones give; A-law is as quick as µ-law."""


def wrong_rate(meter: Meter) -> Iterator[Finding]:
    """What is sent comes at another pace than speech, and at just that of another format."""
    call = meter.call
    if not call.times_known or not call.input_complete or call.gaps or len(call.clock.rates) != 1:
        return
    paces = call.clock.paces(STREAM_MS)
    taken_for = call.answers.formats.input
    sent = _sent(taken_for, paces) if paces is not None else None
    if paces is None or sent is None:
        return
    pace = _bytes_per_second(sent) / _bytes_per_second(taken_for)
    heard = "it too high and too fast" if pace < 1 else "it too low and too slow"
    if (sent.encoding == "pcm16") != (taken_for.encoding == "pcm16"):
        heard = "noise"
    yield Finding(
        "wrong-rate",
        "warning",
        None,
        evidence(call.config.seq),
        f"The caller's audio came at {pace:.2g} times the pace of speech, as {_name(sent)} does in "
        f"a session of {_name(taken_for)}: then the model hears {heard}.",
        f"Listen to it. If it is wrong, send {_name(taken_for)}, mono, or name another input "
        "format in session.update; if a recording is sent at another pace on purpose, all is well.",
    )


def _sent(taken_for: AudioFormat, paces: tuple[float, float]) -> AudioFormat | None:
    """The usual format whose bytes come at these paces when they are taken for another."""
    for usual in USUAL:
        pace = _bytes_per_second(usual) / _bytes_per_second(taken_for)
        if pace != 1 and all(abs(one / pace - 1) <= PACE_SLACK for one in paces):
            return usual
    return None


def _bytes_per_second(audio: AudioFormat) -> int:
    return audio.rate * audio.bytes_per_sample


def _name(audio: AudioFormat) -> str:
    return f"{audio.rate / 1000:g} kHz pcm16" if audio.encoding == "pcm16" else "G.711"
