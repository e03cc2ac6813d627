"""A dialogue as a transcript: plain text, Markdown, or JSON.

Times are those of the tape. One that is approximate, because it is when something arrived and not
when it sounded, has ~ before it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap
from typing import Any

from rtproxy.realtime.dialogue import Line
from rtproxy.tape.escape import visible

SCHEMA = "rtproxy.transcript/1"
WIDTH = 100
LONGEST_OUTPUT = 200
"""Of a tool's output so many characters are shown."""


def clock(ms: float) -> str:
    """1:02:03.4 or 2:03.4: hours only where there are some."""
    tenths = round(ms / 100)
    minutes, seconds = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    shown = f"{minutes:02}:{seconds // 10:02}.{seconds % 10}"
    return f"{hours}:{shown}" if hours else shown.removeprefix("0")


def span(line: Line) -> str:
    """From when to when a line sounded; empty where that is unknown."""
    if line.start_ms is None:
        return ""
    about = "~" if line.approximate else ""
    end = line.end_ms if line.end_ms is not None else line.start_ms
    if end - line.start_ms < 100:
        return f"{about}{clock(line.start_ms)}"
    return f"{about}{clock(line.start_ms)}–{clock(end)}"


def words(line: Line) -> str:
    """What a line says, in one line, with what became of it in [ ]."""
    parts = [visible(" ".join(line.text.split())) if line.text is not None else ""]
    if line.call is not None:
        if line.call.output is not None:
            parts.append(f"→ {_shortened(line.call.output)}")
        if line.call.tool_ms is not None:
            parts.append(f"[{line.call.tool_ms / 1000:.2f} s]")
    if line.note is not None:
        parts.append(f"[{line.note}]")
    if line.cut:
        parts.append(cut(line))
    return " ".join(part for part in parts if part)


def cut(line: Line) -> str:
    """How much was heard of a line that was cut off."""
    heard, of = (line.heard_ms or 0.0) / 1000, (line.audio_ms or 0.0) / 1000
    return f"[cut off: {heard:.1f} s of {of:.1f} s heard]"


def text(lines: Iterable[Line]) -> Iterator[str]:
    """Plain text: time, speaker, words, in columns of which the last is wrapped."""
    lines = list(lines)
    left = max((len(span(line)) for line in lines), default=0)
    indent = left + 2 if left else 0
    for line in lines:
        head = f"{span(line):{left}}  " if left else ""
        room = WIDTH - indent - 11
        for n, part in enumerate(wrap(words(line), room, break_on_hyphens=False) or [""]):
            yield f"{head}{line.speaker:<9}  {part}" if n == 0 else f"{'':{indent + 11}}{part}"


def markdown(lines: Iterable[Line], title: str) -> Iterator[str]:
    """Markdown: a heading and a paragraph a line. Nothing of the tape's text is markup."""
    yield f"# {_unmarked(title)}"
    for line in lines:
        when = f" · {span(line)}" if span(line) else ""
        yield ""
        if line.call is not None:
            yield f"**tool**{when}  "
            yield f"{_code(words(line))}"
            continue
        said = f"*{words(line)}*" if line.text is None else _unmarked(words(line))
        if line.cut and line.text is not None:
            said = _struck(line)
        yield f"**{line.speaker}**{when}  "
        yield said


def document(lines: Iterable[Line], about: Mapping[str, Any]) -> dict[str, Any]:
    """The transcript as JSON: `{"schema", …about, "lines": […]}`, times in ms."""
    return {"schema": SCHEMA, **about, "lines": [_as_json(line) for line in lines]}


def _as_json(line: Line) -> dict[str, Any]:
    return {
        "speaker": line.speaker,
        "text": line.text,
        "start_ms": _rounded(line.start_ms),
        "end_ms": _rounded(line.end_ms),
        "approximate": line.approximate,
        "spoken": line.spoken,
        "turn": line.turn,
        "seq": line.seq,
        "item_id": line.item_id,
        "note": line.note,
        "heard_text": line.heard,
        "heard_ms": _rounded(line.heard_ms),
        "audio_ms": _rounded(line.audio_ms),
        "tool": line.call.to_json() if line.call is not None else None,
    }


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 3)


def _shortened(output: str) -> str:
    shown = visible(" ".join(output.split()))
    return shown if len(shown) <= LONGEST_OUTPUT else f"{shown[:LONGEST_OUTPUT]}…"


def _struck(line: Line) -> str:
    """What was heard, and what was not struck through."""
    whole, heard = " ".join((line.text or "").split()), " ".join((line.heard or "").split())
    rest = visible(whole[len(heard) :].strip())
    kept = _unmarked(visible(heard))
    struck = f" ~~{_unmarked(rest)}~~" if rest else ""
    return f"{kept}{struck} *{cut(line)}*".strip()


MARKUP = re.compile(r"[\\`*_\[\]<>~&|]|^(?:[#+=-]|\d+(?=[.)]))")
"""What Markdown would act on: anywhere, or at the beginning of a line."""


def _unmarked(said: str) -> str:
    shown = MARKUP.sub(lambda found: f"\\{found[0]}", visible(said))
    return re.sub(r"^\\(\d+)", r"\1\\", shown)


def _code(said: str) -> str:
    fence = "`"
    while fence in said:
        fence += "`"
    pad = " " if said.startswith("`") or said.endswith("`") else ""
    return f"{fence}{pad}{said}{pad}{fence}"
