"""Transcripts as people and programs write them: who said what, in order.

txt          caller: Where is my order?
srt, vtt     a cue's text, with the speaker before it: "Caller: …", or <v Caller> in WebVTT
json         [{"role": "caller", "text": "…", "file": "01-caller.wav"?}, …], or an object with
             these under "lines", as rtproxy export transcript writes them
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rtproxy.convert.jsontext import parse
from rtproxy.convert.spoken import Role

ROLES: dict[str, Role] = {
    "caller": "caller", "client": "caller", "customer": "caller", "human": "caller",
    "input": "caller", "user": "caller",
    "agent": "assistant", "ai": "assistant", "assistant": "assistant", "bot": "assistant",
    "model": "assistant", "output": "assistant", "server": "assistant",
}  # fmt: skip
"""Words, in lower case, by which a side is named in transcripts and in files' names."""
TEXT_KEYS = ("text", "transcript", "content")
ROLE_KEYS = ("role", "speaker", "from")

_SPEAKER = re.compile(
    r"\s*(?:<v(?:\.[^ >]*)?\s+([^>]{1,40})>|([A-Za-z]{1,40})\s*:)\s*(.*)", re.DOTALL
)
_WORD = re.compile(r"[A-Za-z]+")
_ID = re.compile(r"[._-](?:item|resp)_.*", re.DOTALL)
_TAG = re.compile(r"</?[a-z][^>]{0,100}>|\{\\an?\d\}")
_TIMES = re.compile(r"[\d:.,]{5,16}\s+-->\s+[\d:.,]{5,16}")


@dataclass(frozen=True, slots=True)
class Said:
    """A line of a transcript; `file` names the audio that it belongs to, where it does."""

    role: Role
    text: str
    file: str | None = None


def read(text: str, suffix: str) -> list[Said]:
    """The lines of a transcript; `suffix` is .json, .srt, .vtt or .txt.

    Raises ValueError, in a clause, where one does not say who speaks.
    """
    if suffix == ".json":
        return list(_from_json(text))
    return list(_from_lines(_cues(text) if suffix in (".srt", ".vtt") else text.splitlines()))


def role_in(name: str) -> tuple[Role, str] | None:
    """The side that a file's name names, such as `call-02-assistant`, and what stands before it.

    The last word counts, but for those in an item's or a response's id.
    """
    named = _ID.sub("", name)
    words = [found for found in _WORD.finditer(named) if found[0].lower() in ROLES]
    return (ROLES[words[-1][0].lower()], named[: words[-1].start()]) if words else None


def _from_lines(lines: Sequence[str]) -> Iterator[Said]:
    """Lines or cues; one without a speaker goes on with what was said last."""
    said: Said | None = None
    for line in lines:
        if not line.strip():
            continue
        found = _SPEAKER.match(line)
        role = ROLES.get((found[1] or found[2]).strip().lower()) if found else None
        if found is not None and role is not None:
            if said is not None:
                yield said
            said = Said(role, _plain(found[3]))
        elif said is not None:
            said = Said(said.role, f"{said.text} {_plain(line)}".strip())
        else:
            raise ValueError(
                f"does not say who speaks in {line.strip()[:60]!r}: begin it with 'caller:' or "
                "'assistant:'"
            )
    if said is not None:
        yield said


def _cues(text: str) -> list[str]:
    """The text of each cue of SRT or WebVTT."""
    cues = []
    for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.split("\n")
        at = next((n for n, line in enumerate(lines[:3]) if _TIMES.search(line)), None)
        if at is not None:
            cues.append("\n".join(lines[at + 1 :]))
    return cues


def _plain(text: str) -> str:
    return " ".join(_TAG.sub("", text).split())


def _from_json(text: str) -> Iterator[Said]:
    try:
        lines = parse(text.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise ValueError(f"cannot be read: {error}") from None
    if isinstance(lines, dict):
        lines = next((lines[key] for key in ("lines", "turns") if key in lines), None)
    if not isinstance(lines, list):
        raise ValueError("is neither an array of lines nor an object with one")
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, dict):
            raise ValueError(f"has a line {number} that is no object")
        name = _first(line, ROLE_KEYS)
        if name.lower() == "tool":
            continue
        file, words = line.get("file"), _first(line, TEXT_KEYS)
        role = ROLES.get(name.lower())
        if role is None:
            raise ValueError(f"does not say who speaks in line {number}")
        yield Said(role, " ".join(words.split()), file if isinstance(file, str) else None)


def _first(line: dict[str, Any], keys: Sequence[str]) -> str:
    return next((line[key] for key in keys if isinstance(line.get(key), str)), "")
