"""Compares what was said, what is on the tapes, and what was heard.

    heard  is the beginning of  taped as forwarded;  taped  is the beginning of  said

If a session was ended in peace by one end, all that it said was heard.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import INJECTED, NOT_FORWARDED, Control, Event
from rtproxy.tape.repair import verify
from rtproxy.wire.frame import Opcode
from tests.attacks.soak.end import Account
from tests.attacks.soak.plan import Plan, number_in
from tests.attacks.soak.speech import CONTROL, item

KINDS = {"ping": CONTROL[Opcode.PING], "pong": CONTROL[Opcode.PONG], "close": b"c"}
FORWARDED, TAPED = 0, 1


@dataclass
class Tape:
    """What a tape says of a session: the items of each direction, forwarded ones and all."""

    path: Path
    number: int | None
    said: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    size: int = 0


@dataclass
class Verdict:
    """What is wrong, in sentences, and how much there was."""

    problems: list[str] = field(default_factory=list)
    tapes: int = 0
    sessions: int = 0
    messages: int = 0
    heard: int = 0
    whole: int = 0
    """Directions of which everything that was said had to be heard, and was."""
    taped_bytes: int = 0
    heard_bytes: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)


def read_tape(path: Path) -> tuple[Tape, str]:
    """What is on a tape, and what is wrong with it."""
    report = verify(path)
    problem = "" if report.ok else f"{path.name}: {report}"
    with open_tape(path) as tape:
        request = tape.header.fields.get("request") or {}
        found = Tape(path, number_in(str(request.get("target", ""))), size=path.stat().st_size)
        if found.number is None:
            return found, problem
        found.said = {"client": ([], []), "server": ([], [])}
        for record in tape:
            if not isinstance(record, Event | Control) or record.flags & INJECTED:
                continue
            if isinstance(record, Event):
                payload = record.payload
                data = payload.encode() if isinstance(payload, str) else payload
                said = item(b"m", data)
            elif record.name in KINDS:
                data = record.data.get("payload", b"")
                said = item(KINDS[record.name], data)
            else:
                found.names.add(record.name)
                continue
            lists = found.said["server" if record.from_server else "client"]
            lists[TAPED].append(said)
            if not record.flags & NOT_FORWARDED:
                lists[FORWARDED].append(said)
    return found, problem


def judge(
    tapes: Iterable[tuple[Tape, str]],
    accounts: Iterable[Account],
    plan_of: dict[int, Plan],
    *,
    tls: bool,
) -> Verdict:
    """Compare all of it."""
    verdict = Verdict()
    by_number: dict[int, list[Tape]] = {}
    for tape, problem in tapes:
        verdict.tapes += 1
        verdict.taped_bytes += tape.size
        if problem:
            verdict.problems.append(problem)
        if tape.number is not None:
            by_number.setdefault(tape.number, []).append(tape)
    told: dict[int, dict[str, Account]] = {}
    for account in accounts:
        told.setdefault(account.number, {})[account.side] = account
        verdict.heard_bytes += account.size
        if account.error == "stuck":
            plan = plan_of[account.number]
            verdict.problems.append(
                f"{account.number}: the {account.side} never saw the end: {plan}"
            )
    for number, sides in told.items():
        plan = plan_of[number]
        verdict.sessions += 1
        verdict.faults.update(plan.faults())
        if "client" in sides:
            verdict.statuses[sides["client"].status] += 1
        verdict.problems += number_of_tapes(plan, sides, by_number.get(number, []))
        for tape in by_number.get(number, []):
            verdict.problems += compare(plan, sides, tape, verdict, tls=tls)
    strangers = by_number.keys() - told.keys()
    verdict.problems += [f"{number}: a tape of nobody" for number in strangers]
    return verdict


def number_of_tapes(plan: Plan, sides: dict[str, Account], tapes: Sequence[Tape]) -> list[str]:
    asked = "server" in sides or ("client" in sides and sides["client"].status > 0)
    wanted = int(asked and plan.is_taped)
    if len(tapes) == wanted or (not asked and plan.is_taped and len(tapes) == 1):
        return []
    return [f"{plan.number}: {len(tapes)} tapes, not {wanted}: {plan}"]


def compare(
    plan: Plan, sides: dict[str, Account], tape: Tape, verdict: Verdict, *, tls: bool
) -> list[str]:
    problems = []
    for speaker, listener in (("client", "server"), ("server", "client")):
        forwarded, taped = tape.said[speaker]
        verdict.messages += len(taped)
        heard = sides[listener].heard if listener in sides else []
        verdict.heard += len(heard)
        said = sides[speaker].said if speaker in sides else []
        where = f"{plan.number}, what the {speaker} said"
        if heard != forwarded[: len(heard)]:
            problems.append(f"{where}: {difference(heard, forwarded)} heard, not taped: {plan}")
        if taped != said[: len(taped)]:
            problems.append(f"{where}: {difference(taped, said)} taped, not said: {plan}")
        if is_whole(plan, sides, speaker, tls=tls):
            verdict.whole += 1
            if heard != said:
                problems.append(f"{where}: {difference(said, heard)} said, not heard: {plan}")
    return problems


def is_whole(plan: Plan, sides: dict[str, Account], speaker: str, *, tls: bool) -> bool:
    """Whether all that one side said must have been heard: the session was ended in peace."""
    if plan.kind != "session" or len(sides) < 2 or sides["client"].status != 101:
        return False
    if any(account.error for account in sides.values()):
        return False
    return plan.ending == "close" or (plan.ending == "eof" and not tls)


def difference(one: Sequence[str], other: Sequence[str]) -> str:
    """Where two lists part."""
    for at, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return f"number {at} of {len(one)} (there {len(other)})"
    return f"number {len(other)} of {len(one)}"


COMPLAINTS = re.compile(
    r"Traceback|never retrieved|never awaited|ResourceWarning|Exception ignored|Please report|"
    r"was destroyed|exception was|Unclosed"
)


def complaints(said: str) -> list[str]:
    """Lines that a program must not have said."""
    return [line for line in said.splitlines() if COMPLAINTS.search(line)]
