"""Findings about what was played: interruptions, and audio that came too slowly."""

import re
from collections.abc import Iterator

from rtproxy.realtime.finding import Finding, evidence
from rtproxy.realtime.metrics import Meter
from rtproxy.realtime.player import Track
from rtproxy.realtime.thresholds import (
    CHOPPY_MS,
    DESYNC_MS,
    ECHO_WORDS,
    SHORT_SPEECH_MS,
    TRUNCATE_WAIT_MS,
)
from rtproxy.realtime.turn import Interruption, Turn

_WORD = re.compile(r"\w+")


def barge_in_desync(meter: Meter) -> Iterator[Finding]:
    """After an interruption the server believes that more, or less, was heard than was."""
    if not meter.call.plays:
        return
    tracks, items = meter.call.answers.player.tracks, meter.call.answers.conversation.items
    refusals = {problem.cause_seq: problem for problem in meter.call.problems}
    queued = _queued(meter)
    for turn in meter.call.turns.all:
        if turn.damaged or not all(response.whole for response in turn.responses):
            continue
        cuts = [c for cut in turn.interruptions for c in (cut, *_dropped(cut, queued))]
        for cut in cuts:
            if cut.heard_ms is None:
                continue
            heard = cut.heard_ms
            track = tracks.get(cut.item_id or "")
            received = track.received_ms if track is not None else cut.received_ms
            told = cut.truncated_ms if cut.truncated_seq is not None else None
            refused = refusals.get(cut.truncated_seq) if told is not None else None
            item = items.get(cut.item_id or "")
            what = ""
            if item is not None and item.deleted:
                what = "it deleted the whole item" if heard > DESYNC_MS else ""
            elif refused is not None and received - heard > DESYNC_MS:
                what = f"the server refused its truncation to {told:.0f} ms"
            elif told is not None and abs(told - heard) > DESYNC_MS:
                what = f"it told the server {told:.0f} ms"
            elif told is None and received - heard > DESYNC_MS and _forgotten(meter, cut):
                what = f"it never told the server, which sent {received:.0f} ms"
            if what:
                seqs = (cut.seq, cut.reaction_seq, cut.truncated_seq)
                yield Finding(
                    "barge-in-desync",
                    "warning",
                    turn.n,
                    evidence(*seqs, refused.seq if refused else None),
                    f"The caller had heard about {heard:.0f} ms of what the assistant was saying "
                    f"when the client stopped it, but {what}.",
                    "On speech_started stop playing, and send conversation.item.truncate with "
                    "audio_end_ms = what was played of the item.",
                )


def _queued(meter: Meter) -> dict[float, list[Track]]:
    """Items that were to be played after what was stopped, by when that was."""
    noted = {cut.item_id for cut in meter.call.answers.interruptions.all}
    found: dict[float, list[Track]] = {}
    for track in meter.call.answers.player.tracks.values():
        if track.cut_ms is not None and track.item_id not in noted:
            found.setdefault(track.cut_ms, []).append(track)
    return found


def _dropped(cut: Interruption, queued: dict[float, list[Track]]) -> Iterator[Interruption]:
    """What an interruption was to the items that waited; the client told nothing about them."""
    for track in queued.pop(cut.at_ms, ()):
        yield Interruption(
            cut.at_ms,
            cut.seq,
            track.item_id,
            track.response_id,
            cut.by,
            cut.started_ms,
            track.heard_ms(cut.at_ms),
            track.received_ms,
        )


def _forgotten(meter: Meter, cut: Interruption) -> bool:
    """Whether a truncation should have come by now, and from the client."""
    waited = meter.call.now_ms - cut.at_ms
    return waited > TRUNCATE_WAIT_MS and not meter.call.config.truncates


def false_barge_in(meter: Meter) -> Iterator[Finding]:
    """The assistant was cut off, and nobody had said anything: a noise, or its own echo."""
    told = set()
    for turn in meter.call.turns.all:
        for cut in turn.interruptions:
            by = cut.by
            why = nothing_said(by, turn) if by is not None and not by.damaged else None
            if by is None or why is None or (by.n, cut.started_ms) in told:
                continue
            told.add((by.n, cut.started_ms))  # one speech may cut several items
            speech = by.speech[0]
            done = [r.done_seq for r in turn.responses if r.id == cut.response_id]
            yield Finding(
                "false-barge-in",
                "warning",
                turn.n,
                evidence(speech.started_seq, speech.stopped_seq, *done),
                f"The reply of turn {turn.n} was interrupted by {why}.",
                "Raise turn_detection.threshold, use noise_reduction and echo cancellation, or "
                "set interrupt_response to false and decide in the client.",
            )


def nothing_said(by: Turn, turn: Turn) -> str | None:
    """What it was, if not speech; None for speech, and while nobody knows."""
    if not by.speech or by.ended_ms is None:
        return None
    done = [said for said in by.transcripts if said.whole is not None]
    if done:
        heard = _words(" ".join(said.whole or "" for said in done))
        if not heard:
            return "a noise: there are no words in it"
        if len(heard) >= ECHO_WORDS and _contains(_words(turn.assistant or ""), heard):
            return "an echo of itself: the caller's words are its own"
        return None
    if any(said.expected and said.done_ms is None for said in by.transcripts):
        return None
    spoken = by.speech[0].spoken_ms
    if len(by.speech) == 1 and spoken is not None and spoken < SHORT_SPEECH_MS:
        return f"a noise of {spoken:.0f} ms, too short to be a word"
    return None


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _contains(words: list[str], part: list[str]) -> bool:
    return f" {' '.join(part)} " in f" {' '.join(words)} "


def choppy_audio(meter: Meter) -> Iterator[Finding]:
    """A reply came more slowly than it plays, so that it had holes."""
    if not meter.call.plays:
        return
    for turn in meter.call.turns.all:
        needed = meter.value(turn, "prebuffer_ms")
        if needed is None or needed <= CHOPPY_MS:
            continue
        dry = [hole for track in meter.audio_of(turn) for hole in track.underruns]
        total, times = (
            sum(hole.ms for hole in dry),
            "once" if len(dry) == 1 else f"{len(dry)} times",
        )
        worst = sorted(dry, key=lambda hole: -hole.ms)
        yield Finding(
            "choppy-audio",
            "warning",
            turn.n,
            evidence(*(hole.seq for hole in worst[:8])),
            f"The reply of turn {turn.n} ran dry {times}, {total:.0f} ms in all.",
            f"Hold playback back by {needed:.0f} ms, or look for what slows the connection.",
        )
