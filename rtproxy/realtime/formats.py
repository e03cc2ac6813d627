"""Which audio format is in force at each moment of a session, by the server's word.

A client's request is no proof: the server may have refused it. What counts is what the latest
session.created or session.updated confirmed, and for a response what its response.created says.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rtproxy.realtime.audio import MAX_RATE, MIN_RATE, PCM16, AudioFormat, parse_format
from rtproxy.realtime.dialect import session_field
from rtproxy.realtime.event import DELTAS, RealtimeEvent, mapping, number

MAX_RESPONSES = 64
"""Responses whose own format is remembered; more are never under way at once."""

MAX_FORMATS = 64
"""Formats that a session may have, one after the other; no more are believed."""


class AudioFormats:
    """Follows a session's events in order and answers how its audio is to be read.

    Before the server has said anything it is 24 kHz pcm16, which is the protocol's default.
    """

    def __init__(self) -> None:
        self.input: AudioFormat = PCM16
        self.output: AudioFormat = PCM16
        self._responses: OrderedDict[str, AudioFormat] = OrderedDict()
        self._known: set[AudioFormat] = set()

    def observe(self, event: RealtimeEvent) -> None:
        """Take note of an event; most change nothing."""
        if not event.from_server:
            return
        if event.name in ("session.created", "session.updated"):
            session = mapping(event.data, "session")
            self.input = self._named(session, "input_audio_format") or self.input
            self.output = self._named(session, "output_audio_format") or self.output
        elif event.name == "response.created":
            named = self._named(mapping(event.data, "response"), "output_audio_format")
            if named is not None and event.response_id is not None:
                self._responses[event.response_id] = named
                if len(self._responses) > MAX_RESPONSES:
                    self._responses.popitem(last=False)

    def of(self, event: RealtimeEvent) -> AudioFormat:
        """The format of the audio that an append or an audio delta carries."""
        if DELTAS.get(event.name) == "input_audio":
            return self.input
        response_id = event.response_id
        return self._responses.get(response_id, self.output) if response_id else self.output

    def duration_ms(self, event: RealtimeEvent) -> float:
        """Milliseconds of audio in an append or an audio delta; 0 for any other event."""
        size = event.audio_size
        return self.of(event).duration_ms(size) if size else 0.0

    def _named(self, fields: Mapping[str, Any], beta_name: str) -> AudioFormat | None:
        """The format that is named, if it is known and not one of too many."""
        named = _named(fields, beta_name)
        if named is not None and len(self._known) < MAX_FORMATS:
            self._known.add(named)
        return named if named in self._known else None


def _named(fields: Mapping[str, Any], beta_name: str) -> AudioFormat | None:
    named = parse_format(session_field(fields, beta_name))
    if named == PCM16 and beta_name == "input_audio_format":
        # Azure Voice Live gives the rate of pcm16 in a field of its own.
        rate = number(fields, "input_audio_sampling_rate")
        if isinstance(rate, int) and MIN_RATE <= rate <= MAX_RATE:
            return replace(named, rate=rate)
    return named
