"""Redaction: takes the credentials out of everything that goes onto a tape.

What stands at a known place (`tape.secrets`) is replaced and learned; what was learned is replaced
wherever it turns up again, in whatever escapes; what has the shape of a key is replaced as well.
All else stays byte for byte. Messages without secrets, audio above all, are told by substring
searches alone.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2s
from typing import Any

from rtproxy.tape.encoded import in_base64
from rtproxy.tape.readings import JSON, Reading, Span, is_plain, put_back, readings
from rtproxy.tape.secrets import (
    ENCODED_JSON_STARTS,
    NOT_IN_SHAPELESS,
    PLACE_MARKS,
    SHAPES,
    VERBATIM_HEADERS,
    by_shape,
    in_header,
    in_json,
    in_member,
    in_multipart,
    in_query,
    in_url,
)

MIN_LENGTH = 8
"""Shortest value, in characters, that is removed everywhere once it is known."""
MIN_COOKIE_LENGTH = 16
"""The same for cookies: not every one is a credential, and `theme=dark-blue` is a common text."""
MAX_LEARNED = 256
"""Most values that one tape learns; a peer that makes up more cannot slow down every message."""
STAND_INS = {
    "accepted", "anonymous", "anything", "assistant", "cancelled", "completed", "disabled",
    "function", "incomplete", "incorrect", "none", "optional", "placeholder", "realtime",
    "redacted", "rejected", "required", "unchanged", "undefined", "verified",
}  # fmt: skip
"""What clients send for want of a key, and tools say of a password: words, not secrets, and they
mean other things elsewhere."""

FORMS = {"application/x-www-form-urlencoded": in_query, "multipart/form-data": in_multipart}
"""What finds credentials in bodies whose fields have names, by content type."""

_ALL_MARKS = (*dict.fromkeys((*(mark for marks, _ in SHAPES for mark in marks), *PLACE_MARKS)),)
_RARE = "-*@ "
_MARKS = tuple(mark for mark in _ALL_MARKS if not set(mark) & set(_RARE))
_MARKS_WITH = tuple((char, tuple(m for m in _ALL_MARKS if char in m)) for char in _RARE)
"""What every secret by place or shape comes with; some by a character that few messages have."""
_PLACEHOLDER = re.compile(r"REDACTED:[0-9a-f]{8}")
_NUMBER = re.compile(r"[0-9.eE+-]+")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BASE64 = re.compile(r"[A-Za-z0-9+/]*+={0,2}")
_ASCII_RUN = re.compile(r"[\t\n\r -~]{16,}+")
_WIDE = re.compile(r"charset\s{0,9}=\s{0,9}[\"']?utf-?(16|32)", re.IGNORECASE)
_CUT_FROM = 512
_PIECE = 32


class Redactor:
    """Removes the credentials of one tape.

    A secret becomes `REDACTED:` and eight hex digits of blake2s(key, secret): the same secret the
    same digits on one tape, others on another. `key` is random, 16 bytes, and never stored.
    `patterns` name more secrets: a match is replaced, or its first group where it has one.
    """

    def __init__(self, key: bytes, patterns: Sequence[re.Pattern[str]] = ()) -> None:
        self._key = key
        self._patterns = tuple(patterns)
        self._learned: dict[str, str] = {}  # as it stands in a text → the secret
        self._secrets = 0
        self._pieces: tuple[str, ...] = ()
        self._shapeless_pieces: tuple[str, ...] = ()
        self._quotes = False

    def learn(self, secret: str) -> None:
        """From now on, `secret` is removed from everything, if it has MIN_LENGTH characters."""
        if (
            len(secret) < MIN_LENGTH
            or secret in self._learned
            or self._secrets >= MAX_LEARNED
            or secret.lower() in STAND_INS
            or secret in "REDACTED:"
            or _PLACEHOLDER.fullmatch(secret)
        ):
            return
        self._secrets += 1
        self._learned[secret] = secret
        for form in in_base64(secret):
            self._learned.setdefault(form, secret)
        if " " in secret:
            self._learned[secret.replace(" ", "+")] = secret  # as forms write it
        # Longest first: where one secret contains another, the whole is what stands there. The end
        # of a secret stands for it in searches: keys begin alike but end at random, and where all
        # characters are as frequent as in base64, str.find skips furthest with 30 to 60 of them.
        known = sorted(self._learned, key=len, reverse=True)
        self._learned = {value: self._learned[value] for value in known}
        self._pieces = tuple(dict.fromkeys(value[-_PIECE:] for value in known))
        shapeless = (v for v in known if not any(char in v for char in NOT_IN_SHAPELESS))
        self._shapeless_pieces = tuple(dict.fromkeys(value[-_PIECE:] for value in shapeless))
        self._quotes = any('"' in value for value in known)

    def request(
        self, target: str, headers: Sequence[tuple[str, str]]
    ) -> tuple[str, list[list[str]]]:
        """Target and headers of a request, redacted; learns every secret that it finds in them."""
        places = list(in_url(target))
        self._learn_all(places)
        redacted = self.headers(headers)
        return self._replace(target, places)[0], redacted

    def headers(self, headers: Sequence[tuple[str, str]]) -> list[list[str]]:
        """Headers as [[name, value]…], redacted; learns every secret that it finds in them."""
        places = [list(in_header(name, value)) for name, value in headers]
        for (name, _), spans in zip(headers, places, strict=True):
            is_cookie = name.lower() in ("cookie", "set-cookie")
            self._learn_all(spans, MIN_COOKIE_LENGTH if is_cookie else MIN_LENGTH)
        return [
            [
                self._replace(name)[0],
                value if name.lower() in VERBATIM_HEADERS else self._replace(value, spans)[0],
            ]
            for (name, value), spans in zip(headers, places, strict=True)
        ]

    def text(self, payload: str) -> tuple[str, bool]:
        """A text message and whether something in it was replaced; if not, it is the same object.

        Learns what stands at the places where JSON messages carry credentials.
        """
        if not self._is_suspect(payload):
            return payload, False
        return self._learn_and_replace(payload, in_json(payload))

    def binary(self, payload: bytes) -> tuple[bytes, bool]:
        """A binary message or a ping's payload; as `text` where it is UTF-8."""
        return self._bytes(payload, self.text)

    def body(self, content_type: str, payload: bytes) -> tuple[bytes, bool]:
        """An HTTP body, its content encoding undone: forms by name, anything else as `text`.

        JSON is recognised wherever it stands, so server-sent events are covered. Encodings are of
        interest only where ASCII is not a part of them.
        """
        find = FORMS.get(content_type.partition(";")[0].strip().lower())
        if wide := _WIDE.search(content_type):
            for order in ("le", "be"):  # in the wrong one it says nothing
                clean, changed = self._wide(f"utf-{wide[1]}-{order}", payload, find or in_json)
                if changed:
                    return clean, True
        if find is None:
            return self.binary(payload)
        return self._bytes(payload, lambda text: self._learn_and_replace(text, find(text)), find)

    def data(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """A control's map, redacted in depth: text, bytes, keys, lists of headers."""
        redacted: dict[str, Any] = {}
        changed = False
        for key, value in data.items():
            name, name_changed = self._replace(key)
            redacted[name], value_changed = self._member(key, value)
            changed = changed or name_changed or value_changed
        return redacted, changed

    def placeholder(self, secret: str) -> str:
        """What stands on the tape in place of `secret`."""
        digest = blake2s(secret.encode("utf-8", "surrogatepass"), key=self._key, digest_size=4)
        return f"REDACTED:{digest.hexdigest()}"

    def _member(self, key: str, value: Any) -> tuple[Any, bool]:
        if isinstance(value, str):
            return self._learn_and_replace(value, in_member(key, value))
        if isinstance(value, bytes):
            return self.binary(value)
        if isinstance(value, Mapping):
            return self.data(value)
        if isinstance(value, list | tuple):
            if key == "headers" and all(_is_header(item) for item in value):
                lines = self.headers([(name, text) for name, text in value])
                return lines, any(new != list(old) for new, old in zip(lines, value, strict=True))
            items = [self._member(key, item) for item in value]
            return [item for item, _ in items], any(changed for _, changed in items)
        return value, False

    def _bytes(
        self,
        payload: bytes,
        redact: Callable[[str], tuple[str, bool]],
        find: Callable[[str], Iterator[Span]] = in_json,
    ) -> tuple[bytes, bool]:
        try:
            text, changed = redact(payload.decode("utf-8"))
            return (text.encode("utf-8"), True) if changed else (payload, False)
        except UnicodeDecodeError:
            pass
        return self._opaque(payload, find)

    def _wide(
        self, encoding: str, payload: bytes, find: Callable[[str], Iterator[Span]]
    ) -> tuple[bytes, bool]:
        """Bytes in an encoding in which no character of ASCII stands for itself."""
        try:
            text = payload.decode(encoding, "surrogatepass")
        except UnicodeDecodeError:
            return payload, False
        clean, changed = self._learn_and_replace(text, find(text))
        return clean.encode(encoding, "surrogatepass"), changed

    def _opaque(self, payload: bytes, find: Callable[[str], Iterator[Span]]) -> tuple[bytes, bool]:
        """Bytes that are no text, or text in another encoding: what is found in them as they stand,
        and in their stretches of ASCII, which are all that can hold escapes."""
        # Latin-1 maps every byte to one character and back, but leaves secrets beyond ASCII torn.
        rest = payload
        for value, secret in self._learned.items():
            if not value.isascii():
                needle = value.encode("utf-8", "surrogatepass")
                rest = rest.replace(needle, self.placeholder(secret).encode())
        text = rest.decode("latin-1")
        lowered = text.lower()
        # Of the marks of places, a form has none but its names.
        is_marked = find is not in_json or any(mark in lowered for mark in PLACE_MARKS)
        places = list(find(text)) if is_marked else []
        self._learn_all(places)
        spans = self._spans(text, (), places)
        runs = [run for run in _ASCII_RUN.finditer(text) if not is_plain(run[0])]
        lines = "\n".join(run[0] for run in runs)  # at once: each text costs some searches
        spans += put_back(self._spans(lines, readings(lines)), [run.span() for run in runs])
        spans += self._spans(text, [Reading(text)])
        if spans:
            return self._cut(text, spans).encode("latin-1"), True
        return (payload, False) if rest == payload else (rest, True)

    def _is_suspect(self, text: str) -> bool:
        """False if the text certainly has no secret: what nearly every message comes to."""
        body = self._shapeless(text)
        if body is not None:
            start, end, decoded = body
            for piece in self._shapeless_pieces:
                if piece in decoded:
                    return True
            rest = text[:start] + text[end:]
        else:
            rest = text
        if is_plain(rest):
            return self._is_marked(rest)
        return any(self._is_marked(reading.text) for reading in readings(rest))

    def _is_marked(self, text: str) -> bool:
        for piece in self._pieces:
            if piece in text:
                return True
        lowered = text.lower()
        for mark in _MARKS:
            if mark in lowered:
                return True
        for char, marks in _MARKS_WITH:
            if char in lowered:  # many times quicker to find than several characters
                for mark in marks:
                    if mark in lowered:
                        return True
        return bool(self._patterns) and any(pattern.search(text) for pattern in self._patterns)

    def _shapeless(self, text: str) -> tuple[int, int, str] | None:
        """The string in the middle of the text, if it can hold nothing but a shapeless secret.

        Audio is such a string: it makes up most of its message, whatever the key and the event.
        Returns its start and end, between the quotes, and what it says.
        """
        if len(text) < _CUT_FROM or self._quotes:
            return None
        middle = len(text) // 2
        start, end = text.rfind('"', 0, middle), text.find('"', middle)
        if start < 1 or end - start < _CUT_FROM // 2 or text[start - 1] == "\\":
            return None
        body = text[start + 1 : end]
        if "\\" in body:  # some serialisers write `\/` or `\u002B` for base64's `/` and `+`
            body = JSON.decode(body)
        for char in NOT_IN_SHAPELESS:
            if char in body:
                return None
        if body.startswith(ENCODED_JSON_STARTS) or body.find("=", 0, -2) >= 0:
            return None
        if self._patterns and not _BASE64.fullmatch(body):
            return None
        return start + 1, end, body

    def _learn_all(self, spans: Iterable[Span], shortest: int = MIN_LENGTH) -> None:
        for span in spans:
            for secret in (span.secret, *span.kin):
                if len(secret) >= shortest:
                    self.learn(secret)

    def _learn_and_replace(self, text: str, places: Iterable[Span]) -> tuple[str, bool]:
        spans = list(places)
        self._learn_all(spans)
        return self._replace(text, spans)

    def _replace(self, text: str, places: Iterable[Span] = ()) -> tuple[str, bool]:
        """The text without the secrets at `places`, the learned ones and those with a shape."""
        spans = self._spans(text, readings(text), places)
        return (self._cut(text, spans), True) if spans else (text, False)

    def _spans(self, text: str, read: Iterable[Reading], places: Iterable[Span] = ()) -> list[Span]:
        values: list[Span] = []
        shapes: list[Span] = []
        for reading in read:
            values += reading.locate(list(self._values(reading.text)))
            shapes += reading.locate(list(by_shape(reading.text)))
            shapes += self._matches(text, reading)
        shapes.sort(key=lambda span: len(span.secret), reverse=True)
        return [
            span
            for span in (*places, *values, *shapes)
            if span.start < span.end and not _PLACEHOLDER.fullmatch(span.secret)
        ]

    def _cut(self, text: str, spans: Sequence[Span]) -> str:
        """The text with a placeholder in place of each span."""
        parts, at = [], 0
        for span in _merge(spans):
            mark = self.placeholder(span.secret)
            parts += [text[at : span.start], f'"{mark}"' if span.bare else mark]
            at = span.end
        return "".join((*parts, text[at:]))

    def _values(self, text: str) -> Iterator[Span]:
        for value, secret in self._learned.items():
            if value in text:
                hits = _occurrences(text, value, secret)
                yield from _whole_numbers(text, hits) if _NUMBER.fullmatch(value) else hits

    def _matches(self, text: str, reading: Reading) -> list[Span]:
        """What the user's patterns find, outside audio: base64 may match anything by chance."""
        found = []
        for pattern in self._patterns:
            group = 1 if pattern.groups else 0
            matches = (match for match in pattern.finditer(reading.text) if match[group])
            found += [Span(*match.span(group), match[group]) for match in matches]
        start, end, _ = (found and self._shapeless(text)) or (0, 0, "")
        spans = reading.locate(found)
        return [span for span in spans if not (start <= span.start and span.end <= end)]


def _merge(spans: Sequence[Span]) -> Iterator[Span]:
    """Spans in order, those that overlap as one, whose secret is that of the first given."""
    merged: tuple[int, Span] | None = None
    for rank, span in sorted(enumerate(spans), key=lambda ranked: ranked[1].start):
        if merged is None or span.start >= merged[1].end:
            if merged is not None:
                yield merged[1]
            merged = rank, span
        else:
            first = span if rank < merged[0] else merged[1]
            merged = (
                min(rank, merged[0]),
                first._replace(
                    start=merged[1].start,
                    end=max(span.end, merged[1].end),
                    bare=span.bare or merged[1].bare,
                ),
            )
    if merged is not None:
        yield merged[1]


def _occurrences(text: str, value: str, secret: str) -> Iterator[Span]:
    at = text.find(value)
    while at >= 0:
        yield Span(at, at + len(value), secret)
        at = text.find(value, at + len(value))


def _whole_numbers(text: str, hits: Iterable[Span]) -> Iterator[Span]:
    """A secret of digits may turn up in a JSON number: then the number goes, and a string comes."""
    strings, numbers = _STRING.finditer(text), _NUMBER.finditer(text)
    string, number = next(strings, None), next(numbers, None)
    for hit in hits:
        while string and string.end() <= hit.start:
            string = next(strings, None)
        while number and number.end() <= hit.start:
            number = next(numbers, None)
        if (string and string.start() <= hit.start) or number is None:
            yield hit
            continue
        start, end = number.span()
        before, after = text[max(0, start - 64) : start].rstrip(), text[end : end + 64].lstrip()
        bare = before.endswith((":", "[", ",")) and after.startswith((",", "]", "}"))
        yield Span(start, end, hit.secret, bare=True) if bare else hit


def _is_header(item: Any) -> bool:
    return (
        isinstance(item, list | tuple)
        and len(item) == 2
        and all(isinstance(part, str) for part in item)
    )
