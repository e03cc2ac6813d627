"""Finding the words for a mismatch: what was expected, what is nearest to it, what to do."""

from collections.abc import Callable, Sequence
from itertools import islice

from rtproxy.replay.excerpt import shortened
from rtproxy.replay.ids import IdMap
from rtproxy.replay.likeness import Likeness
from rtproxy.replay.matching import ABSENT, Comparison, Difference, Rules, compare
from rtproxy.replay.message import COMMIT, TRUNCATE, is_servers, parse_message, type_of
from rtproxy.replay.progress import Progress
from rtproxy.replay.report import BROKEN, Candidate, Place, Report
from rtproxy.replay.script import ClientStep, Script, ServerStep

Elsewhere = Callable[[object], str]
"""On which other tape the client says a value: its name, or none."""

_NEAREST = 3
_PATHS = 3
"""Differences that are named in a sentence."""
_SEARCHED = 100
"""Steps looked at for the nearest, open and done each."""
_ALMOST = 0.9
"""Similarity from which on a message is taken for a spoilt one of those still to come."""
_RECORD = "Record the tape again, if the client was changed on purpose (rtproxy record)."
_LENIENT = "Use --match lenient to be warned and go on."
_WAIT = "Give the client longer with --stall, if it is only slow."
_BY_THE_CLOCK = (
    "Interrupt the answer as early as on the tape: a client that takes it for played to its end "
    "does not truncate it, and some go by the clock."
)


def place(step: ClientStep | ServerStep) -> Place:
    """Where a step is on the tape, with what it says if it is the client's."""
    kind = step.type or (step.kind if isinstance(step, ServerStep) and not step.type else "")
    kind = "" if kind == "message" else kind
    value = step.value if isinstance(step, ClientStep) else ABSENT
    return Place(step.seq, step.t_ns, kind, value)


def refused(
    progress: Progress,
    value: object,
    rules: Rules,
    likeness: Likeness,
    twin: Comparison | None,
    reordered: Sequence[tuple[int, int]] = (),
    elsewhere: Elsewhere | None = None,
) -> Report:
    """Why a received message stands for nothing that is expected now.

    `twin` is the comparison with the `closest` step; `reordered` are the events that were taken
    ahead of their place before; `elsewhere` knows of the other tapes.
    """
    whole_kind = type_of(value)
    kind = shortened(whole_kind)
    nearest = _nearest(progress, likeness)
    if progress.script.realtime and is_servers(whole_kind):
        return Report(
            "wrong role",
            f"{kind} came from the client, but only servers send it.",
            received=value,
            advice=("Connect a client here; the tape is the server (rtproxy drive is a client).",),
        )
    again = any(one for one in _done(progress) if _same(progress, one, value, rules))
    later = next((one for one in _open(progress) if _same(progress, one, value, rules)), None)
    if later is not None and later.index != progress.window.first and not again:
        return _skipped(progress, later, value)
    if again and twin is not None and likeness.score(twin.step) < _ALMOST:
        twin = None  # one more of what has been matched, rather than another thing spoilt
    if twin is not None and twin.differences:
        return _differing(twin, value, nearest, elsewhere)
    expected = _expected(progress)
    instead = f"where {expected.type or 'a message'} (#{expected.seq}) is next" if expected else (
        "where nothing more is expected from the client"
    )  # fmt: skip
    return Report(
        "unexpected",
        f"{kind or _form(value)} came {instead}.",
        expected,
        value,
        candidates=nearest,
        advice=(*map(_suspicion, reordered[-1:]), *_by_the_clock(kind), _RECORD, _LENIENT),
    )


def _differing(
    twin: Comparison,
    value: object,
    nearest: tuple[Candidate, ...],
    elsewhere: Elsewhere | None,
) -> Report:
    """The message is that of the step that it was compared with, but for some values."""
    kind = shortened(type_of(value)) or "the message"
    swapped = _swapped(elsewhere(value) if elsewhere else "")
    if twin.matcher:
        return Report(
            "differing",
            f"{kind} differs from the tape, says the matcher {twin.matcher}.",
            place(twin.step),
            value,
            candidates=nearest,
            advice=(*swapped, _RECORD, _LENIENT),
        )
    paths = ", ".join(shortened(one.path) for one in twin.differences[:_PATHS])
    if twin.cut:
        paths += f" and in more than {len(twin.differences) - _PATHS} other places"
    return Report(
        "differing",
        f"{kind} differs from the tape at {paths}.",
        place(twin.step),
        value,
        tuple(twin.differences),
        nearest,
        advice=(*swapped, leave_out(twin.differences), _RECORD, _LENIENT),
    )


def leave_out(differences: Sequence[Difference]) -> str:
    """Advice: how to say that these values may differ, all at once if they are few."""
    options = " ".join(f"--ignore '{shortened(one.path)}'" for one in differences[:_PATHS])
    more = " and so on" if len(differences) > _PATHS else ""
    if len(differences) == 1:
        return f"Leave the value out with {options}, if it may differ."
    return f"Leave the values out with {options}{more}, if they may differ."


def too_quiet(progress: Progress, step: ClientStep, value: object) -> Report:
    """A commit came before all the audio that it commits on the tape."""
    wanted, heard = (_amount(progress.script, n) for n in (progress.recorded, progress.heard))
    return Report(
        "too little audio",
        f"{step.type} came after {heard} of audio, on the tape it comes after {wanted}.",
        place(step),
        value,
        (Difference("audio", wanted, heard),),
        advice=("Send the audio that was recorded, or longer.", _RECORD, _LENIENT),
    )


def other_audio(progress: Progress, value: object) -> Report:
    """Under exact matching: audio that is not the recorded audio."""
    return Report(
        "differing",
        f"the audio differs from the tape after {_amount(progress.script, progress.heard)}.",
        _expected(progress),
        value,
        (Difference("audio", "the recorded bytes", "other bytes"),),
        advice=("Use --match strict, where only the amount of audio counts.", _RECORD),
    )


def matcher_failed(progress: Progress, value: object, why: str) -> Report:
    """A matcher of the user has raised an exception over a received message."""
    return broken_matcher(_expected(progress), value, why)


def broken_matcher(expected: Place | None, value: object, why: str) -> Report:
    """A matcher of the user has raised an exception: nobody can say what it was to judge."""
    return Report(
        BROKEN,
        why,
        expected,
        value,
        advice=("Mend the matcher; for what it does not know it returns None.",),
    )


def stalled(progress: Progress, step: ServerStep, waited_s: float) -> Report:
    """The rest of the tape waits for something that does not come."""
    missing = [one for one in progress.window.open_steps() if one.index < step.after]
    held = f"{step.type or step.kind} (#{step.seq}) and all after it wait for"
    if missing:
        return Report(
            "missing",
            f"{missing[0].type or 'a message'} (#{missing[0].seq}) has not come in "
            f"{waited_s:g} s; {held} it.",
            place(missing[0]),
            waiting=tuple(map(place, missing)),
            advice=(*_by_the_clock(missing[0].type), _WAIT, _RECORD, _LENIENT),
        )
    wanted, heard = (_amount(progress.script, n) for n in (step.audio, progress.heard))
    return Report(
        "too little audio",
        f"only {heard} of audio has come; {held} {wanted}.",
        place(step),
        differences=(Difference("audio", wanted, heard),),
        advice=("Send the audio that was recorded, or longer.", _WAIT, _RECORD, _LENIENT),
    )


def left_early(
    unsent: tuple[Place, ...], undelivered: tuple[Place, ...], code: int | None, peer: str
) -> Report:
    """The peer has gone, and this much of the tape was not played."""
    how = f"closed with {code}" if code is not None else "left"
    return Report(
        "early disconnect",
        f"the {peer} {how} before the tape was at its end: {len(unsent)} client and "
        f"{len(undelivered)} server events were still to come.",
        (*unsent, *undelivered)[0] if unsent or undelivered else None,
        waiting=unsent + undelivered,
        advice=("Wait for these events, or allow them to be left out as trailing.", _RECORD),
    )


def rest_counted(so_far: int, more: int = 0) -> Report:
    """So much is wrong with a session that passes that no more is told of it than a number."""
    if more:
        said = f"{more:,} more mismatches were passed over; they were only counted."
    else:
        said = f"this is mismatch {so_far + 1} of the session; from here on they are only counted."
    return Report("more", said)


def closest(
    progress: Progress, value: object, rules: Rules, ids: IdMap, likeness: Likeness
) -> Comparison | None:
    """Comparison with the most similar step that the message may stand for, of its own type."""
    kind = type_of(value)
    alike = [
        step
        for step in progress.window.candidates(progress.opened)
        if step.type == kind and isinstance(step.value, type(value))
    ]
    if not alike:
        return None
    step = max(alike, key=lambda one: (likeness.score(one), -one.index))
    return compare(progress.script, step, value, rules, ids)


def _skipped(progress: Progress, later: ClientStep, value: object) -> Report:
    """The message is on the tape, but only after another that has not come."""
    missing = progress.window.before(later)
    name, kind = (one.type or "a message" for one in (missing, later))
    return Report(
        "missing",
        f"{name} (#{missing.seq}) has not come, but {kind} (#{later.seq}) has, which rests on it.",
        place(missing),
        value,
        waiting=(place(missing),),
        advice=(
            *_by_the_clock(missing.type),
            "Send the events in the order of the tape.",
            _RECORD,
            _LENIENT,
        ),
    )


def _same(progress: Progress, step: ClientStep, value: object, rules: Rules) -> bool:
    """True if the message is that of `step`, whatever the ids in it are bound to."""
    return step.type == type_of(value) and compare(
        progress.script, step, value, rules, IdMap(), most=1
    ).equal  # fmt: skip


def _expected(progress: Progress) -> Place | None:
    """What the tape waits for now: a client event, or audio."""
    first = next(progress.window.open_steps(), None)
    step = progress.next
    wanted = 0
    if first is not None and first.type == COMMIT:
        wanted = progress.recorded
    elif step is not None and step.after <= progress.window.first and not progress.is_heard(step):
        wanted = step.audio
    if progress.heard < wanted:
        for append in progress.script.appends:
            if append.segment == progress.segment:
                whole, heard = (_amount(progress.script, n) for n in (wanted, progress.heard))
                note = f"{whole} of audio, of which {heard} has come"
                return Place(append.seq, append.t_ns, type_of(parse_message(append.payload)), note)
    return place(first) if first else None


def _nearest(progress: Progress, likeness: Likeness) -> tuple[Candidate, ...]:
    """The recorded events most like a message, those already matched among them."""
    found = [
        (-likeness.score(step), done, step.seq, step)
        for steps, done in ((_open(progress), False), (reversed(_done(progress)), True))
        for step in steps
        if likeness.is_of_type(step)
    ]
    found.sort(key=lambda one: one[:3])
    return tuple(
        Candidate(place(step), -score, done)
        for score, done, _, step in found[:_NEAREST]
        if -score > 0.3
    )


def _open(progress: Progress) -> list[ClientStep]:
    return list(islice(progress.window.open_steps(), _SEARCHED))


def _done(progress: Progress) -> list[ClientStep]:
    window, client = progress.window, progress.script.client
    last = min(window.first + window.size, len(client))
    done = (client[index] for index in range(last - 1, -1, -1) if not window.is_open(index))
    return list(islice(done, _SEARCHED))[::-1]


def _suspicion(reordered: tuple[int, int]) -> str:
    taken, ahead_of = reordered
    return (
        f"See whether the event taken for #{taken}, ahead of #{ahead_of}, was already one too many."
    )


def _by_the_clock(kind: str) -> Sequence[str]:
    return (_BY_THE_CLOCK,) if kind == TRUNCATE else ()


def _swapped(name: str) -> Sequence[str]:
    if not name:
        return ()
    return (
        f"See in which order the connections begin: {name} has this event, and each of them "
        f"gets the next tape. One that asks for ?rtproxy_tape={name} gets that.",
    )


def _form(value: object) -> str:
    if isinstance(value, bytes):
        return "a binary message"
    return "text that is not JSON" if isinstance(value, str) else "a message"


def _amount(script: Script, size: int) -> str:
    """An amount of input audio in words; `size` in bytes."""
    return f"{script.audio_format.duration_ms(size) / 1000:.2f} s"
