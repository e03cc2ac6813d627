"""Values written into an HTML page, where nothing in them can be taken for markup.

In a script element the only thing that means anything to an HTML parser is `<`: `</script` ends it,
`<!--` and `<script` change how its end is found. JSON needs no `<` outside of its strings, and can
write one as an escape. What is long is compressed, and its base64 has no such character at all.
"""

import html
import zlib
from base64 import b64encode
from hashlib import sha256
from typing import Any

import orjson

from rtproxy.tape.escape import visible


def as_json(value: Any) -> bytes:
    """JSON of a plain value, safe inside a script element."""
    json = orjson.dumps(value).replace(b"<", b"\\u003c")
    # These two end a line in older JavaScript, where JSON was no part of the language.
    return json.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")


def packed(data: bytes, level: int = 6) -> bytes:
    """Bytes as base64 of their zlib form; the page takes them apart when it needs them."""
    return b64encode(zlib.compress(data, level))


def as_text(text: str) -> str:
    """Text as the content of an element or of a quoted attribute; what is invisible is escaped."""
    return html.escape(visible(text.encode("utf-8", "backslashreplace").decode()))


def block(name: str, content: bytes) -> bytes:
    """A script element that holds data; browsers run none of it. `content` has no `<`."""
    return b'<script type="application/json" id="data-%s">%s</script>\n' % (name.encode(), content)


def hash_of(source: str) -> str:
    """An inline script or style as a Content-Security-Policy names it (CSP 3 §2.3.1)."""
    return f"'sha256-{b64encode(sha256(source.encode()).digest()).decode()}'"
