"""Which format a file has, told by its first bytes; its name says nothing."""

import re
from typing import Literal

from rtproxy.convert.jsontext import Cursor
from rtproxy.tape.record import MAGIC

Format = Literal["har", "mitmproxy", "jsonl"]

BOM = b"\xef\xbb\xbf"
COMPRESSED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
"""gzip, and zlib at its usual levels: `.har.gz`, and the `.zhar` of mitmproxy."""
KNOWN = "a HAR, a flow file of mitmproxy, JSON lines, or a folder of WAV files"

_FLOWS = re.compile(rb"\d{1,12}:\d{1,12}:")
_OTHERS = {
    b"\x28\xb5\x2f\xfd": "packed with zstd: unpack it first",
    b"RIFF": "a WAV file: import the folder that it is in",
    b"[": "a JSON array: write it with one object a line (jq -c '.[]')",
    b"PK": "a zip archive: unpack it first",
    b"<": "HTML or XML",
    b"\xff\xfe": "UTF-16 text: convert it to UTF-8",
    b"\xfe\xff": "UTF-16 text: convert it to UTF-8",
}


def is_compressed(data: memoryview) -> bool:
    """Whether the file is to be decompressed first."""
    return bytes(data[:2]) in COMPRESSED


def detect(data: memoryview) -> tuple[Format, memoryview]:
    """The file's format, and its bytes from where the first recording begins.

    Raises ValueError, in a clause, for a file that cannot be imported.
    """
    if bytes(data[:3]) == BOM:
        data = data[3:]
    start = bytes(data[:64])
    if MAGIC.encode() in start:
        raise ValueError("is a tape already")
    if not start.strip():
        raise ValueError("is empty" if not len(data) else f"is not {KNOWN}")
    if _FLOWS.match(start):
        return "mitmproxy", data
    if start.lstrip()[:1] == b"{":
        return ("har" if _is_har(data) else "jsonl"), data
    looks = next((what for magic, what in _OTHERS.items() if start.lstrip().startswith(magic)), "")
    raise ValueError(f"is {looks}" if looks else f"is not {KNOWN}")


def _is_har(data: memoryview) -> bool:
    """Whether the first JSON object in the file has a "log", as a HAR has and a line has not."""
    cursor = Cursor(data)
    try:
        return any(key == "log" and cursor.peek() == ord("{") for key in cursor.members())
    except ValueError:
        return False
