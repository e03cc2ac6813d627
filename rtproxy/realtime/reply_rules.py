"""Findings about replies: none, too late, cut short; and about what the caller said."""

from collections.abc import Iterator

from rtproxy.realtime.call import Call
from rtproxy.realtime.finding import Finding, evidence
from rtproxy.realtime.metrics import Meter
from rtproxy.realtime.phrase import problem as problem_text
from rtproxy.realtime.playback_rules import nothing_said
from rtproxy.realtime.problem import EXPIRED, RATE_LIMITED
from rtproxy.realtime.response import Response
from rtproxy.realtime.thresholds import (
    ENDLESS_SPEECH_MS,
    HEARD_LITTLE_MS,
    LATE_TRANSCRIPT_MS,
    NO_REPLY_MS,
    NO_SPEECH_MS,
    NO_TRANSCRIPT_MS,
    RESUMED_MS,
    SLOW_TURN_MS,
)
from rtproxy.realtime.transcript import Transcript
from rtproxy.realtime.turn import Turn

NEXT_PART = {
    "endpoint": "Lower turn_detection.silence_duration_ms, or try semantic_vad.",
    "queue": "The server, or the client's response.create, is late: compare the times of the "
    "evidence, and look for work that the client does before it asks.",
    "model": "Try a faster model, shorter instructions and history, or let it say something short "
    "first.",
    "tool": "Make the tool faster, or let the assistant say that it is looking before it calls.",
}


def waited_ms(call: Call, turn: Turn, since_ms: float | None) -> float:
    """How long nothing came, until the next turn or the tape's end; 0 where nobody can know."""
    if since_ms is None or not call.times_known:
        return 0.0
    after = call.turns.number(turn.n + 1)
    return (call.now_ms if after is None else after.began_ms) - since_ms


def rate_limited(response: Response) -> bool:
    return bool({response.error.get("code"), response.error.get("type")} & RATE_LIMITED)


def was_dropped(call: Call) -> bool:
    """Whether the session ended before its time, which explains what did not come any more."""
    ending = call.ending
    expired = any(problem.code == EXPIRED for problem in call.problems)
    return expired or (ending is not None and ending.by_server)


def no_reply(meter: Meter) -> Iterator[Finding]:
    """A turn was over and nothing came: no audio, no text, no call."""
    call = meter.call
    if call.config.transcribes_only:
        return
    for turn in call.turns.all:
        expects = turn.has_caller or turn.kind == "timeout"
        refused = turn.refused is not None and turn.refused.still_active
        if not expects or turn.damaged or refused or turn.ended_ms is None:
            continue
        last = turn.responses[-1] if turn.responses else None
        said = any(r.first_ms is not None or r.text for r in turn.responses)
        calls = last is not None and not said and last.calls
        if last is None:
            found = _missing_reply(call, turn)
        elif not last.produced and (not said or _failed_after_calls(turn, last)):
            found = _failed_reply(call, turn)
        else:
            found = _left_calls(call, turn, last) if calls else None
        if found is not None:
            events, why, step = found
            yield Finding(
                "no-reply",
                "warning" if calls else "error",
                turn.n,
                events,
                f"Turn {turn.n} got no reply: {why}.",
                step,
            )
    yield from _nothing_heard(call)
    yield from _no_end_heard(call)


def _failed_after_calls(turn: Turn, last: Response) -> bool:
    """Whether what was to follow on functions never came, so that words before it were no reply."""
    return last.status == "failed" and len(turn.responses) > 1 and bool(turn.responses[-2].calls)


def _failed_reply(call: Call, turn: Turn) -> tuple[tuple[int, ...], str, str] | None:
    last = turn.responses[-1]
    events = evidence(turn.ended_seq, last.ask_seq, last.seq, last.done_seq)
    if last.status == "failed" and not rate_limited(last):
        why = problem_text(last.error) if last.error else "no reason is given"
        return events, f"the response failed, {why}", "Ask again with response.create."
    if last.status == "incomplete":
        why = f"the response ended early ({last.reason or 'no reason given'}) with nothing in it"
        return events, why, "Raise max_output_tokens, or look at what the filter objects to."
    if last.status == "completed":
        step = "Look at the instructions, tool_choice and the output modalities."
        return events, "the response is completed and empty", step
    if last.status is None and not was_dropped(call):
        waited = waited_ms(call, turn, last.created_ms)
        if waited >= NO_REPLY_MS:
            why = f"the response was created and gave nothing for {waited / 1000:.1f} s"
            return events, why, "Cancel the response and ask again; report its id to the provider."
    return None


def _left_calls(call: Call, turn: Turn, last: Response) -> tuple[tuple[int, ...], str, str] | None:
    """The model called tools instead of saying something, and nobody saw to the rest."""
    calls = [tool for tool in last.calls.values() if tool.done_ms is not None]
    if not calls or last.status == "cancelled":
        return None  # who interrupts does not wait for it
    left = [tool for tool in calls if tool.output_ms is None]
    outputs = [tool.output_ms for tool in calls if tool.output_ms is not None]
    waited = waited_ms(call, turn, last.done_ms if left else max(outputs, default=None))
    if waited < NO_REPLY_MS or was_dropped(call):
        return None
    seconds = waited / 1000
    if left:
        ours = [tool for tool in left if tool.kind == "function_call"]
        names = ", ".join(tool.name or "a tool" for tool in ours or left)
        if ours:
            why = f"the client left the call of {names} without an output for {seconds:.1f} s"
            step = "Send a function_call_output, be it that it failed, and then response.create."
        else:
            why = f"the MCP server has not answered the call of {names} for {seconds:.1f} s"
            step = "Look at the MCP server: is it up, is it slow?"
        return evidence(*(tool.done_seq for tool in ours or left)), why, step
    events = evidence(*(tool.output_seq for tool in calls))
    if turn.refused is not None and turn.refused.t_ms >= max(outputs):
        why = f"its response.create was refused, {turn.refused.message or turn.refused.code}"
        return (*events, turn.refused.seq), why, "Correct the request."
    asked = [ask.seq for ask in call.answers.responses.asks if ask.turn == turn.n]
    if asked:
        why = f"the client asked, and the server created no response for {seconds:.1f} s"
        return (*events, *asked), why, "Report the session id and these events to the provider."
    why = f"its calls got their outputs, and no response.create followed for {seconds:.1f} s"
    what = "response.mcp_call.completed" if calls[-1].kind == "mcp_call" else "function_call_output"
    step = f"Send response.create after the last {what}, unless silence is meant."
    return events, why, step


def _missing_reply(call: Call, turn: Turn) -> tuple[tuple[int, ...], str, str] | None:
    if turn.refused is not None:
        refused = turn.refused
        why = f"its response.create was refused, {refused.message or refused.code or 'no reason'}"
        return evidence(turn.ended_seq, refused.cause_seq, refused.seq), why, "Correct the request."
    waited = waited_ms(call, turn, turn.due_ms if turn.due_ms is not None else turn.ended_ms)
    if waited < NO_REPLY_MS or was_dropped(call):
        return None
    events, seconds = evidence(turn.seq, turn.ended_seq, turn.committed_seq), waited / 1000
    if turn.asked or turn.creates:
        who = "the client asked" if turn.asked else "turn detection found its end"
        why = f"{who}, and the server created no response for {seconds:.1f} s"
        return events, why, "Report the session id and these events to the provider."
    if turn.creates is False or turn.kind != "speech":
        why = f"nobody asked for one in {seconds:.1f} s: the client sent no response.create, and "
        why += "the server creates none by itself"
        return events, why, "Send response.create, or set turn_detection.create_response."
    return None  # how the session is set is not on the tape


def _nothing_heard(call: Call) -> Iterator[Finding]:
    """Audio went in and no speech was found in it, all session long."""
    if not call.config.detects or not call.input_complete or call.gaps:
        return
    total = call.clock.total_ms
    if total < NO_SPEECH_MS or any(turn.has_caller for turn in call.turns.all):
        return
    yield Finding(
        "no-reply",
        "warning",
        None,
        evidence(call.config.seq),
        f"Turn detection found no speech in {total / 1000:.0f} s of audio.",
        "Listen to what was sent: is the microphone muted, is the audio in the format that the "
        "session has, is turn_detection.threshold too high?",
    )


def _no_end_heard(call: Call) -> Iterator[Finding]:
    """Speech began, and turn detection still waits for its end."""
    turn, last_ms = call.turns.open, call.clock.last_ms
    if turn is None or last_ms is None or turn.damaged or turn.responses or call.gaps:
        return
    if not (call.config.detects and call.input_complete and call.times_known) or was_dropped(call):
        return
    speech = turn.speech[-1]
    waited = call.now_ms - max(last_ms, speech.started_ms)
    lasted = call.clock.total_ms - (speech.start_ms or 0.0)
    if waited >= NO_REPLY_MS:
        why = f"no audio came for {waited / 1000:.1f} s, and turn detection must hear the silence "
        why += "after speech to find its end"
        step = "Go on appending audio while nobody speaks, or send input_audio_buffer.commit."
    elif lasted >= ENDLESS_SPEECH_MS:
        why = f"turn detection has found no end to {lasted / 1000:.0f} s of speech"
        step = "Listen to what was sent: noise or an echo that goes on keeps a turn open. Raise "
        step += "turn_detection.threshold, or use noise reduction and echo cancellation."
    else:
        return
    message = f"Turn {turn.n} got no reply: {why}."
    yield Finding("no-reply", "warning", turn.n, evidence(speech.started_seq), message, step)


def slow_turn(meter: Meter) -> Iterator[Finding]:
    """The caller waited too long; names the part that took longest."""
    for turn in meter.call.turns.all:
        first = meter.first_said(turn)
        total = meter.value(turn, "v2v_ms")
        if total is None and first is not None:
            total = _until_words(meter, turn, first)
        if total is None or total <= SLOW_TURN_MS or first is None:
            continue
        parts = breakdown(meter, turn, first, total)
        worst = max(parts, key=lambda name: parts[name])
        told = ", ".join(f"{name} {ms:.0f} ms" for name, ms in parts.items() if ms >= 1)
        seqs = [turn.ended_seq, first.ask_seq, first.seq, first.first_audio_seq]
        if worst == "tool":
            seqs += [s for call in turn.calls for s in (call.done_seq, call.output_seq)]
        yield Finding(
            "slow-turn",
            "warning",
            turn.n,
            evidence(*seqs, first.first_text_seq),
            f"Turn {turn.n} was answered after {total / 1000:.1f} s, mostly because of its "
            f"{worst} ({told}).",
            NEXT_PART[worst],
        )


def _until_words(meter: Meter, turn: Turn, first: Response) -> float | None:
    """How long at least the caller waited, where no audio came, or its speech has no known end."""
    if not turn.has_caller or turn.damaged or not meter.call.times_known:
        return None
    ended = turn.due_ms if turn.kind == "text" else meter.speech_end(turn) or turn.ended_ms
    return None if ended is None or first.first_ms is None else first.first_ms - ended


def breakdown(meter: Meter, turn: Turn, first: Response, total: float) -> dict[str, float]:
    """Where the time until the first words went; together it is `total`."""
    said_ms = first.first_ms if first.first_audio_ms is None else first.first_audio_ms
    endpoint, tool, model = meter.value(turn, "endpoint_ms") or 0.0, 0.0, 0.0
    if said_ms is not None and first.created_ms is not None:
        model = said_ms - first.created_ms
    for response in turn.responses[: turn.responses.index(first)]:
        calls = response.calls.values()
        over = max((c.done_ms for c in calls if c.done_ms is not None), default=response.done_ms)
        if over is None or response.created_ms is None:
            continue
        model += over - response.created_ms
        # Calls of one response run side by side: the last output is waited for.
        outputs = (call.output_ms for call in calls if call.output_ms is not None)
        tool += max(0.0, max(outputs, default=over) - over)
    # What is left nobody worked in: also what the client waited before it asked.
    queue = max(0.0, total - endpoint - tool - model)
    return {"endpoint": endpoint, "queue": queue, "tool": tool, "model": model}


def words_cut(meter: Meter) -> Iterator[Finding]:
    """Somebody's words ended in the middle."""
    for turn in meter.call.turns.all:
        yield from _caller_cut(meter, turn)
        for response in turn.responses:
            if response.status == "incomplete" and response.produced:
                yield Finding(
                    "words-cut",
                    "warning",
                    turn.n,
                    evidence(response.seq, response.done_seq),
                    f"The reply of turn {turn.n} breaks off: {response.reason or 'incomplete'}.",
                    "Raise max_output_tokens, or look at what the filter objects to.",
                )
        if turn.cleared_seq is not None and turn.committed_seq is None:
            yield Finding(
                "words-cut",
                "warning",
                turn.n,
                evidence(turn.seq, turn.cleared_seq),
                "The client cleared the input buffer while the caller was speaking; what was said "
                "is lost.",
                "Clear the buffer only while nobody speaks.",
            )


def _caller_cut(meter: Meter, turn: Turn) -> Iterator[Finding]:
    after = meter.call.turns.number(turn.n + 1)
    if not turn.speech or after is None or not after.speech or turn.damaged or after.damaged:
        return
    end, onset = turn.speech[-1].end_position_ms, after.speech[0].onset_position_ms
    if end is None or onset is None or onset - end > RESUMED_MS:
        return
    heard = meter.value(turn, "heard_ms")
    spoke = any(response.first_audio_ms is not None for response in turn.responses)
    known = spoke or any(said.whole is not None for said in after.transcripts)
    if known and nothing_said(after, turn) is not None:
        return  # a noise was heard, or an echo: the caller had finished
    if spoke and (heard is None or heard > HEARD_LITTLE_MS):
        return
    stopped = turn.speech[-1].stopped_seq
    yield Finding(
        "words-cut",
        "warning",
        turn.n,
        evidence(turn.seq, stopped, after.seq, *(r.done_seq for r in turn.responses)),
        f"Turn {turn.n} was ended in the middle of what the caller said, which went on "
        f"{max(0.0, onset - end):.0f} ms later as turn {after.n}.",
        "Raise turn_detection.silence_duration_ms, or try semantic_vad.",
    )


def late_transcript(meter: Meter) -> Iterator[Finding]:
    """The caller's words came late, in another order than they were said, or not at all."""
    call = meter.call
    committed = [
        (turn, said)
        for turn in call.turns.all
        for said in turn.transcripts
        if said.committed_ms is not None and not turn.damaged
    ]
    overtaken = _overtaken([said for _, said in committed])
    for turn, said in committed:
        found = _transcript_trouble(call, said, overtaken.get(said.item_id))
        if found is not None:
            severe, what, step = found
            events = evidence(said.committed_seq, said.done_seq)
            yield Finding(
                "late-transcript", "warning" if severe else "info", turn.n, events, what, step
            )


def _overtaken(transcripts: list[Transcript]) -> dict[str, bool]:
    """Items whose transcript came after that of an item committed later."""
    found, earliest = {}, None
    for said in reversed(transcripts):
        if said.order is not None:
            found[said.item_id] = earliest is not None and said.order > earliest
            earliest = said.order if earliest is None else min(earliest, said.order)
    return found


def _transcript_trouble(
    call: Call, said: Transcript, overtaken: bool | None
) -> tuple[bool, str, str] | None:
    """Whether it is severe, what is wrong, what to do; None if all is well."""
    if said.error is not None:
        why = problem_text(said.error) if said.error else "no reason is given"
        return (
            True,
            f"The caller's words could not be transcribed: {why}.",
            ("The model has heard the audio all the same; do not wait for its transcript."),
        )
    delay = said.delay_ms if call.times_known else None
    if delay is not None and delay > LATE_TRANSCRIPT_MS:
        return (
            False,
            f"The caller's words were transcribed {delay / 1000:.1f} s after them.",
            ("Do not wait for the transcript, or try a faster transcription model."),
        )
    if overtaken:
        return (
            False,
            "The transcript of these words came after that of later ones.",
            ("Order transcripts by item, not by arrival."),
        )
    missing = said.expected and said.done_ms is None and call.times_known
    if missing and call.now_ms - (said.committed_ms or 0.0) > NO_TRANSCRIPT_MS:
        return (
            True,
            "The caller's words were never transcribed.",
            ("Do not wait for the transcript; report the item's id to the provider."),
        )
    return None
