"""The page's parts put together to one HTML file, as pieces of bytes.

Markup, style and script are ours and fixed; what comes from a tape stands in data blocks that no
browser runs, and gets on the screen as text alone. The Content-Security-Policy allows the one
script and the one style by their hashes, and no connection to anywhere.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rtproxy.view.embed import as_json, as_text, block, hash_of

SCRIPTS = (
    "element", "signal", "words", "data", "theme", "span", "peaks", "reel", "audio", "stretch",
    "player", "lanes", "drawing", "overview", "timeline", "transport", "summary", "transcript",
    "turns", "findings", "eventlist", "search", "events", "json", "detail", "about", "tabs",
    "address", "keys", "start",
)  # fmt: skip
"""The script's files in the order in which they stand; each is one noun."""
STYLES = ("page", "timeline", "panels", "print")

_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%231f6fb2'/%3E"
    "%3Cpath d='M3 8h1M6 5v6M9 3v10M12 6v4' stroke='%23fff' stroke-width='1.6' "
    "stroke-linecap='round'/%3E%3C/svg%3E"
)


@dataclass(frozen=True, slots=True)
class Assets:
    """The page's own files: markup, style and script."""

    markup: str
    style: str
    script: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a page holds. `blocks` are (id, content) of packed data, `beside` says whether audio
    lies in files beside it."""

    title: str
    call: dict[str, Any]
    audio: dict[str, Any]
    blocks: Iterable[tuple[str, bytes]]
    beside: bool


def policy(assets: Assets, *, beside: bool) -> str:
    """The Content-Security-Policy.

    Pieces of audio beside the page are scripts, as a page that was opened as a file can read
    nothing else; those of the same folder are allowed then. Nothing may make markup of text
    (Trusted Types).
    """
    script = [hash_of(assets.script), *(["'self'", "file:"] if beside else [])]
    return "; ".join((
        "default-src 'none'",
        f"script-src {' '.join(script)}",
        f"style-src {hash_of(assets.style)}",
        "img-src data:",
        "connect-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        f"trusted-types {'rtproxy' if beside else chr(39) + 'none' + chr(39)}",
    ))  # fmt: skip


def page(assets: Assets, contents: Contents) -> Iterator[bytes]:
    """The file, piece by piece."""
    head = (
        "<!doctype html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" '
        f'content="{policy(assets, beside=contents.beside)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="generator" content="rtproxy">\n'
        f"<title>{as_text(contents.title)} · rtproxy</title>\n"
        f'<link rel="icon" href="{_ICON}">\n'
        f"<style>{assets.style}</style>\n</head>\n<body>\n"
    )
    yield head.encode()
    yield assets.markup.encode()
    yield block("call", as_json(contents.call))
    yield block("audio", as_json(contents.audio))
    for name, content in contents.blocks:
        yield block(name, b'"' + content + b'"')
    yield f"<script>{assets.script}</script>\n</body>\n</html>\n".encode()


def joined(script: Sequence[str]) -> str:
    """The script's files as one, in a scope of its own."""
    return "(() => {\n'use strict';\n" + "\n".join(script) + "\n})();\n"
