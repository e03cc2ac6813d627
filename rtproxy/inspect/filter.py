"""The language of `--filter`: which records to show.

    expression  = group { group }                      all of them hold
    group       = [ "!" | "not" ] term { or term }     any of them holds
    or          = "," | "|"
    term        = "(" expression ")" | direction | time | seq | text | name

`or` binds closer than the blank between groups: `client error,response.*` is what the client sent
that is an error or a response event. `!` is about its whole group.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import translate
from operator import eq, ge, gt, le, lt
from typing import Protocol

from rtproxy.errors import FilterError


class Subject(Protocol):
    """What a filter looks at."""

    @property
    def seq(self) -> int: ...
    @property
    def t_ns(self) -> int: ...
    @property
    def from_server(self) -> bool: ...
    @property
    def type(self) -> str: ...
    @property
    def name(self) -> str: ...
    def text(self) -> str: ...


Predicate = Callable[[Subject], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>(?:text:)?"(?P<words>(?:[^"\\]|\\.)*)")
      | (?P<compare>(?P<what>[A-Za-z]+)\s*(?P<operator>>=|<=|>|<|=)\s*(?P<value>[^\s,|()"!]+))
      | (?P<mark>[(),|!])
      | (?P<word>[^\s,|()"!]+)
    )""",
    re.VERBOSE,
)
_GLOB = re.compile(r"[\w.*?\[\]-]+")
_AMOUNT = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ms|s|m|h)?")
_RANGE = re.compile(r"(?P<low>[\d.]*[a-z\d]*?)\.\.(?P<high>.*)")
_UNIT_NS = {"ms": 1e6, "s": 1e9, "": 1e9, "m": 60e9, "h": 3600e9}
_OPERATORS = {">": gt, "<": lt, ">=": ge, "<=": le, "=": eq}
_CLIENT = {"client", ">", "→"}
_SERVER = {"server", "<", "←"}
_KNOWN_TYPES = 4096
MAX_TOKENS = 200

_TIME_LOOKS = "a time looks like 2.5, 2.5s, 800ms or 1m30s"
_SEQ_LOOKS = "a number of a record is a whole number"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    match: re.Match[str]


def parse_filter(expression: str) -> Predicate:
    """What `expression` asks for, as a function of a record.

    Raises FilterError, one sentence that names the word that cannot be read.
    """
    tokens = _tokens(expression)
    if not tokens:
        raise FilterError("The filter is empty; leave it out to see everything.")
    predicate, end = _expression(tokens, 0)
    if end < len(tokens):
        raise _unreadable(tokens[end].text, "there is no ( that it closes")
    return predicate


def _tokens(expression: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    stripped = expression.rstrip()
    while at < len(stripped):
        match = _TOKEN.match(stripped, at)
        if match is None:
            raise _unreadable(stripped[at:].strip(), "a closing quote is missing")
        kind = match.lastgroup if match.lastgroup in ("mark", "word") else None
        kind = kind or ("text" if match["text"] is not None else "compare")
        text = match[kind]
        if kind == "word" and text == "not":
            kind, text = "mark", "!"
        if kind == "word" and text in ("and", "or"):
            raise _unreadable(text, "a blank stands for and, a comma or | for or")
        if len(tokens) == MAX_TOKENS:
            raise _unreadable(text, f"a filter has at most {MAX_TOKENS} words")
        tokens.append(_Token(kind, text, match))
        at = match.end()
    return tokens


def _is_mark(tokens: list[_Token], at: int, marks: str) -> bool:
    return at < len(tokens) and tokens[at].kind == "mark" and tokens[at].text in marks


def _expression(tokens: list[_Token], at: int) -> tuple[Predicate, int]:
    """Groups up to a ) or the end; all of them must hold."""
    groups: list[Predicate] = []
    while at < len(tokens) and not _is_mark(tokens, at, ")"):
        group, at = _group(tokens, at)
        groups.append(group)
    if not groups:
        raise _unreadable(tokens[at - 1].text, "nothing follows it")
    if len(groups) == 1:
        return groups[0], at
    return lambda subject: all(holds(subject) for holds in groups), at


def _group(tokens: list[_Token], at: int) -> tuple[Predicate, int]:
    """Terms joined by or, perhaps turned around."""
    negated = False
    while _is_mark(tokens, at, "!"):
        negated, at = not negated, at + 1
    term, at = _term(tokens, at)
    terms = [term]
    while _is_mark(tokens, at, ",|"):
        term, at = _term(tokens, at + 1)
        terms.append(term)
    holds = term if len(terms) == 1 else lambda subject: any(term(subject) for term in terms)
    return (lambda subject: not holds(subject)) if negated else holds, at


def _term(tokens: list[_Token], at: int) -> tuple[Predicate, int]:
    if at >= len(tokens):
        raise _unreadable(tokens[-1].text, "nothing follows it")
    token = tokens[at]
    match token.kind, token.text:
        case "mark", "(":
            inner, at = _expression(tokens, at + 1)
            if not _is_mark(tokens, at, ")"):
                raise _unreadable("(", "there is no ) that closes it")
            return inner, at + 1
        case "mark", "!":
            raise _unreadable(
                "!", "it stands in front of a whole group, not inside one; use parentheses"
            )
        case "mark", _:
            raise _unreadable(token.text, "something is missing in front of it")
        case "text", _:
            return _contains(re.sub(r"\\(.)", r"\1", token.match["words"])), at + 1
        case "compare", _:
            return _comparison(token), at + 1
    return _word(token.text), at + 1


def _word(word: str) -> Predicate:
    if word in _CLIENT:
        return lambda subject: not subject.from_server
    if word in _SERVER:
        return lambda subject: subject.from_server
    if word.startswith("text:"):
        return _contains(word.removeprefix("text:"))
    if word.startswith("#"):
        return _seq_range(word)
    span = _RANGE.fullmatch(word)
    if span is not None:
        return _time_range(word, span["low"], span["high"])
    if _GLOB.fullmatch(word) is None:
        raise _unreadable(word, "it is no type, direction, time, number or text; see --help")
    return _named(word)


def _named(pattern: str) -> Predicate:
    """Types that fit a glob; without * ? [ a type that has the word as whole dotted parts."""
    if re.search(r"[*?\[]", pattern):
        fits = re.compile(translate(pattern)).match
        test: Callable[[str], bool] = lambda name: fits(name) is not None  # noqa: E731
    else:
        inside = f".{pattern.strip('.')}."
        test = lambda name: inside in f".{name}."  # noqa: E731
    known: dict[tuple[str, str], bool] = {}

    def holds(subject: Subject) -> bool:
        key = (subject.type, subject.name)
        found = known.get(key)
        if found is None:
            found = test(key[0]) or test(key[1])
            if len(known) < _KNOWN_TYPES:
                known[key] = found
        return found

    return holds


def _contains(words: str) -> Predicate:
    if not words:
        raise _unreadable('""', "there is no text to look for")
    wanted = words.casefold()
    return lambda subject: wanted in subject.text().casefold()


def _comparison(token: _Token) -> Predicate:
    what, value = token.match["what"], token.match["value"]
    compare = _OPERATORS[token.match["operator"]]
    if what == "t":
        t_ns = _time(token.text, value)
        return lambda subject: bool(compare(subject.t_ns, t_ns))
    if what == "seq":
        seq = _seq(token.text, value)
        return lambda subject: bool(compare(subject.seq, seq))
    raise _unreadable(token.text, "only t (time) and seq (number) can be compared")


def _time_range(word: str, low: str, high: str) -> Predicate:
    if not re.search("[a-z]", word):
        raise _unreadable(word, "write 2s..5s for a time or #2..5 for numbers of records")
    start = _time(word, low) if low else 0
    end = _time(word, high) if high else None
    return lambda subject: start <= subject.t_ns and (end is None or subject.t_ns <= end)


def _seq_range(word: str) -> Predicate:
    low, dots, high = word[1:].partition("..")
    if not low and not high:
        raise _unreadable(word, _SEQ_LOOKS)
    start = _seq(word, low) if low else 0
    end = start if not dots else _seq(word, high) if high else None
    return lambda subject: start <= subject.seq and (end is None or subject.seq <= end)


def _time(word: str, text: str) -> int:
    """Nanoseconds from text such as 2.5, 800ms or 1m30s; a number alone is seconds."""
    amounts = list(_AMOUNT.finditer(text))
    whole = "".join(amount[0] for amount in amounts) == text
    if not amounts or not whole or any(not amount[2] for amount in amounts[:-1]):
        raise _unreadable(word, _TIME_LOOKS)
    return round(sum(float(amount[1]) * _UNIT_NS[amount[2] or ""] for amount in amounts))


def _seq(word: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise _unreadable(word, _SEQ_LOOKS)
    return int(text)


def _unreadable(word: str, why: str) -> FilterError:
    return FilterError(f"The filter cannot be read at {word!r}: {why}.")
