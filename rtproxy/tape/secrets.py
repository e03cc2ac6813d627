"""Where credentials stand in realtime sessions, and what they look like.

Two kinds of finder, each a function from a text to the spans of the secrets in it: by place
(headers, queries, subprotocols, keys in JSON) and by shape (`sk-…`, JWTs, …). Every pattern here
is linear in the text: bounded or possessive repetition, and a start that cannot overlap itself.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_plus

from rtproxy.tape.encoded import from_base64
from rtproxy.tape.readings import JSON, Reading, Span, shifted

# --- headers -------------------------------------------------------------------------------------

SECRET_HEADER = re.compile(
    r"(?:.*[-_])?(?:auth|authentication|key)"
    r"|.*(?:apikey|authorization|token|secret|passw(?:or)?d|signature|credential)"
)
VERBATIM_HEADERS = {"sec-websocket-key", "sec-websocket-accept", "idempotency-key"}
"""Named or made like secrets, but numbers used once that a replay wants as they were."""

SUBPROTOCOL = re.compile(
    r"(?:openai-organization|openai-project|[^.]*(?:api-?key|token|bearer|authorization|secret))\.",
    re.IGNORECASE,
)
SUBPROTOCOL_PAIRS = {"token", "bearer", "authorization", "access_token"}
"""Offered as an entry of its own, it announces that the next entry is the credential."""

SCHEME = re.compile(
    r"(?:bearer|basic|token|api-?key|digest|negotiate)(?:\s|%20|\+)++", re.IGNORECASE
)

# --- queries and forms ---------------------------------------------------------------------------

QUERY_NAMES = {"auth", "key", "sig", "signature", "ticket", "token", "xamzsignature"}
"""Names in queries, as SECRET_KEYS are written, that are said in addition to those."""
_PARAMETER = re.compile(r"(?:^|[?&#])([^?&#=\s]{1,128})=([^&#\s\"'<>]+)")

_FIELD = re.compile(
    r"^content-disposition:[ ]?form-data;(?>[^\r\n]{0,200}?\bname=)\"?([^\"\r\n;]{1,128}+)\"?"
    r"[^\r\n]{0,500}+(?:\r\n[^\r\n]{1,500}+){0,8}+\r\n\r\n((?:(?!\r\n--).){1,8192}+)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)  # a part's head, up to its empty line, and what follows up to a boundary (RFC 7578)

# --- JSON ----------------------------------------------------------------------------------------

SECRET_KEYS = {"authorization", "credential", "idtoken", "proxyauthorization", "secret"}
"""Keys, in lower case without `-` and `_`, whose string value is a secret wherever they stand.

`token` is not among them: in the logprobs of a transcription it is a piece of what was said.
"""
SECRET_ENDINGS = (
    "accesskey", "accesstoken", "apikey", "apisecret", "apitoken", "authtoken", "bearertoken",
    "clientsecret", "ephemeralkey", "password", "privatekey", "refreshtoken", "secretkey",
    "securitytoken", "sessiontoken", "signingsecret", "subscriptionkey", "webhooksecret",
)  # fmt: skip
"""What such keys may end in, whatever stands before it: `xi-api-key`, `OPENAI_API_KEY`."""
URL_KEYS = {"serverurl", "url"}
PLACE_MARKS = (
    "secret", "authoriz", 'key"', 'token"', "headers", "expires_at", 'password"', 'credential"',
    'url"',
)  # fmt: skip
"""In lower case: a JSON text with none of these in it has no secret by place."""

_OPENING = re.compile(r"[{\[]")
_TOKEN = re.compile(r'"((?:[^"\\]++|\\.)*+)(?:"(\s*+:)?|\\?\Z)|[{}\[\]]', re.DOTALL)
_STACK_LIMIT = 100
_NESTING = 3
_SHORTEST_JSON = len(r"{\"url\":\"x\"}")

# --- shapes --------------------------------------------------------------------------------------

_MASKED = re.compile(r"(?<![\w.*\\-])([\w.-]*+)(\*{3,}+)([\w.*-]*+)")
_PROVIDED = re.compile(r"(?:key|token) provided:?[ ]{1,4}([^\s\\\"'<>]{1,512})", re.IGNORECASE)
_KEY = re.compile(r"(?<![A-Za-z0-9])(?:sk[-_]|ek_|xai-|gsk_|ghp_)[A-Za-z0-9_-]{12,}+")
_BEARER = re.compile(r"(?<![A-Za-z0-9])bearer[ ]{1,4}([A-Za-z0-9._~+/=-]{16,}+)", re.IGNORECASE)
_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]*+")
_ENCODED_JSON = re.compile(r"(?<![A-Za-z0-9+/_-])(?:eyJ|ewo|W3s)[A-Za-z0-9+/_-]{20,}+={0,2}")
ENCODED_JSON_STARTS = ("eyJ", "ewo", "W3s")
"""What base64 of JSON begins with: of `{"`, of an indented object, of a list of objects."""
_USERINFO = re.compile(r"://([^\s\\/?#@:\"'<>]{0,256}):([^\s\\/?#@\"'<>]{0,512})@")
_LONG_RUN = re.compile(r"[A-Za-z0-9]{16}")


def in_header(name: str, value: str) -> Iterator[Span]:
    """Secrets of one header line, of a request or a response."""
    low = name.lower()
    if low == "cookie":
        yield from _cookies(value)
    elif low == "set-cookie":
        yield from _cookies(value.partition(";")[0])
    elif low == "sec-websocket-protocol":
        yield from _subprotocols(value)
    elif low not in VERBATIM_HEADERS and SECRET_HEADER.fullmatch(low):
        yield from _credential(value, 0, value)
    else:
        yield from in_url(value)


def in_url(text: str) -> Iterator[Span]:
    """Userinfo and query values of a URL, a request target or a line with URLs in it."""
    yield from _userinfo(text)
    yield from in_query(text)


def in_query(text: str) -> Iterator[Span]:
    """Values of the secret names in a query or a form (`application/x-www-form-urlencoded`)."""
    for match in _PARAMETER.finditer(text):
        name = _key(unquote_plus(match[1]))
        if name in QUERY_NAMES or _is_secret(name):
            yield from _credential(match[2], match.start(2), unquote_plus(match[2]))


def in_multipart(text: str) -> Iterator[Span]:
    """Values of the secret names in a form with parts (`multipart/form-data`), and its JSON."""
    for match in _FIELD.finditer(text):
        name = _key(match[1])
        if name in QUERY_NAMES or _is_secret(name):
            yield from _credential(match[2], match.start(2), match[2])
    yield from in_json(text)


def in_json(text: str, nesting: int = _NESTING) -> Iterator[Span]:
    """Secrets by their key, in a JSON document or in the JSON fragments of any text.

    Fragments make it work for server-sent events and multipart bodies too; strings that hold JSON
    (a tool's arguments and output) are walked as well, `nesting` levels deep.
    """
    at = 0
    while opening := _OPENING.search(text, at):
        walk = _Walk(text, nesting)
        yield from walk.spans(opening.start())
        at = walk.end


def in_member(key: str, value: str) -> Iterator[Span]:
    """Secrets of one string in a map, by its key, as a URL or as JSON."""
    if _is_secret(_key(key)):
        yield from _credential(value, 0, value)
    yield from in_url(value)
    yield from in_json(value)


def by_shape(text: str) -> Iterator[Span]:
    """Secrets that look like one, wherever they stand."""
    lowered = text.lower()
    for marks, find in SHAPES:
        if any(mark in lowered for mark in marks):
            yield from find(text)


@dataclass(slots=True)
class _Frame:
    """An object or array that is open: the key it stands under and what was seen in it."""

    name: str
    is_array: bool
    secret: bool
    tool: bool
    key: str = ""
    keys: set[str] = field(default_factory=set)
    value: Span | None = None


class _Walk:
    """One pass over the JSON fragment that starts at an opening bracket; tolerates anything."""

    def __init__(self, text: str, nesting: int) -> None:
        self.text = text
        self.nesting = nesting
        self.end = len(text)
        self._stack: list[_Frame] = []
        self._beyond = 0  # brackets open above the limit of the stack

    def spans(self, start: int) -> Iterator[Span]:
        for token in _TOKEN.finditer(self.text, start):
            if token[1] is not None:
                frame = self._stack[-1]
                if token[2] is not None:
                    frame.key = _key(token[1])
                    frame.keys.add(frame.key)
                else:
                    yield from self._string(frame, token)
                    frame.key = ""
            elif token[0] in "{[":
                self._open(token[0] == "[")
            elif self._beyond:
                self._beyond -= 1
            else:
                yield from self._close()
                if not self._stack:
                    self.end = token.end()
                    return
        while self._stack:
            yield from self._close()

    def _open(self, is_array: bool) -> None:
        if len(self._stack) == _STACK_LIMIT:
            self._beyond += 1
            return
        outer = self._stack[-1] if self._stack else _Frame("", True, False, False)
        self._stack.append(
            _Frame(
                name=outer.key,
                is_array=is_array,
                secret=outer.secret
                or (is_array and _is_secret(outer.key))
                or (outer.tool and outer.key == "headers"),
                tool=not is_array and (outer.name == "tools" or "mcp" in outer.key),
            )
        )
        outer.key = ""

    def _close(self) -> Iterator[Span]:
        frame = self._stack.pop()
        if frame.value and (
            frame.name == "clientsecret" or (not self._stack and "expiresat" in frame.keys)
        ):
            yield frame.value

    def _string(self, frame: _Frame, token: re.Match[str]) -> Iterator[Span]:
        raw, start = token[1], token.start(1)
        if frame.secret or _is_secret(frame.key):
            yield from _credential(raw, start, JSON.decode(raw))
        elif frame.key == "value":
            frame.value = Span(start, start + len(raw), JSON.decode(raw))
        elif frame.key in URL_KEYS:
            reading = Reading(JSON.decode(raw), Reading(raw), JSON)
            yield from shifted(reading.locate(list(in_url(reading.text))), start)
        elif self.nesting and len(raw) >= _SHORTEST_JSON and raw.lstrip()[:1] in ("{", "["):
            reading = Reading(JSON.decode(raw), Reading(raw), JSON)
            found = in_json(reading.text, self.nesting - 1)
            yield from shifted(reading.locate(list(found)), start)


def _key(raw: str) -> str:
    return JSON.decode(raw).lower().replace("_", "").replace("-", "")


def _is_secret(key: str) -> bool:
    return key in SECRET_KEYS or key.endswith(SECRET_ENDINGS)


def _credential(raw: str, start: int, value: str) -> Iterator[Span]:
    """The secret part of a credential: all of it, or what follows its scheme.

    `raw` is the text at `start`, `value` the same with its escapes undone.
    """
    kept, scheme = SCHEME.match(raw), SCHEME.match(value)
    secret = value[scheme.end() :].strip() if scheme else value.strip()
    if not secret:
        return
    kin = _basic_parts(secret) if scheme and scheme[0].lower().startswith("basic") else ()
    yield Span(start + (kept.end() if kept else 0), start + len(raw.rstrip()), secret, kin)


def _basic_parts(token: str) -> tuple[str, ...]:
    """User, password and both of Basic credentials (RFC 7617 §2)."""
    try:
        pair = base64.b64decode(token + "=" * (-len(token) % 4)).decode("utf-8")
    except (binascii.Error, ValueError):
        return ()
    user, _, password = pair.partition(":")
    return (pair, user, password)


def _cookies(value: str) -> Iterator[Span]:
    at = 0
    for pair in value.split(";"):
        name, equals, _ = pair.partition("=")
        start, end = at + len(name + equals) if equals else at, at + len(pair)
        secret = value[start:end].strip().strip('"')
        if secret:
            start = value.index(secret, start)
            yield Span(start, start + len(secret), unquote(secret))
        at += len(pair) + 1


def _subprotocols(value: str) -> Iterator[Span]:
    at, announced = 0, False
    for entry in value.split(","):
        text = entry.strip()
        start = at + len(entry) - len(entry.lstrip())
        prefix = SUBPROTOCOL.match(text)
        if prefix and prefix.end() < len(text):
            yield Span(start + prefix.end(), start + len(text), text[prefix.end() :])
        elif announced and text:
            yield Span(start, start + len(text), text)
        announced = text.lower() in SUBPROTOCOL_PAIRS
        at += len(entry) + 1


def _keys(text: str) -> Iterator[Span]:
    for match in _KEY.finditer(text):
        if _is_random(match[0]):
            yield Span(match.start(), match.end(), match[0])


def _bearers(text: str) -> Iterator[Span]:
    for match in _BEARER.finditer(text):
        token = match[1].rstrip(".")
        if _is_random(token):
            yield Span(match.start(1), match.start(1) + len(token), token)


def _is_random(token: str) -> bool:
    """Tells a key from hyphenated words: it has a digit, or sixteen letters in a row."""
    return any(char.isdigit() for char in token) or _LONG_RUN.search(token) is not None


def _jwts(text: str) -> Iterator[Span]:
    return (Span(match.start(), match.end(), match[0]) for match in _JWT.finditer(text))


def _encoded_json(text: str) -> Iterator[Span]:
    """JSON in base64 that holds a secret; all of it goes."""
    for match in _ENCODED_JSON.finditer(text):
        inner = from_base64(match[0]).decode("utf-8", "replace")
        if any(in_json(inner)) or any(_keys(inner)) or any(_bearers(inner)):
            yield Span(match.start(), match.end(), match[0])


def _userinfo(text: str) -> Iterator[Span]:
    for match in _USERINFO.finditer(text):
        if "REDACTED:" in match[0]:
            continue
        for group in (1, 2):
            if match[group]:
                yield Span(match.start(group), match.end(group), unquote(match[group]))


def _key_fragments(text: str) -> Iterator[Span]:
    """Keys as error messages print them: `Incorrect API key provided: sk-proj-****abcd.`"""
    for match in _PROVIDED.finditer(text):
        fragment = match[1].rstrip(".,;:)")
        if fragment:
            yield Span(match.start(1), match.start(1) + len(fragment), fragment)
    for match in _MASKED.finditer(text):
        left, stars, right = match.groups()
        if not (len(left) >= 2 or (len(stars) >= 4 and right and not right.endswith("*"))):
            continue  # emphasis, ***not*** a masked key
        before = text[max(0, match.start() - 64) : match.start()].lower()
        if "key" in before or "token" in before:
            fragment = match[0].rstrip(".")
            yield Span(match.start(), match.start() + len(fragment), fragment)


SHAPES: tuple[tuple[tuple[str, ...], Callable[[str], Iterator[Span]]], ...] = (
    (("sk-", "sk_", "ek_", "xai-", "ghp_"), _keys),
    (("bearer ",), _bearers),
    (("eyj",), _jwts),
    (("eyj", "ewo", "w3s"), _encoded_json),
    (("@",), _userinfo),
    ((" provided", "***"), _key_fragments),
)
"""Shapes, each with what it cannot do without, in lower case."""

NOT_IN_SHAPELESS = tuple('-_ .@*%"\\,:;&')
"""A string with none of these has no secret by shape or place, and no escapes, unless it begins as
JSON in base64: audio is one."""
