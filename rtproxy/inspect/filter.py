"""The language of `--filter`: which records to show.

    expression  = group { group }                      all of them hold
    group       = [ "!" | "not" ] term { or term }     any of them holds
    or          = "," | "|"
    term        = "(" expression ")" | direction | time | seq | turn | text | name

`or` binds closer than the blank between groups: `client error,response.*` is what the client sent
that is an error or a response event. `!` is about its whole group.

Which turns a record belongs to is no matter of the record alone: who reads a filter with `turn:`
gives a function that knows, such as a `TurnIndex`.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fnmatch import translate
from operator import eq, ge, gt, le, lt
from typing import Protocol

from rtproxy.errors import FilterError
from rtproxy.tape.moment import LOOKS, moment_ns


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
TurnsOf = Callable[[Subject], Collection[int]]
"""Numbers of the turns that a record belongs to."""

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
_RANGE = re.compile(r"(?P<low>[\d.]*[a-z\d]*?)\.\.(?P<high>.*)")
_OPERATORS = {">": gt, "<": lt, ">=": ge, "<=": le, "=": eq}
_TURN = "turn:"
_CLIENT = {"client", ">", "→"}
_SERVER = {"server", "<", "←"}
_KNOWN_TYPES = 4096
MAX_TOKENS = 200

_TIME_LOOKS = f"a time looks like {LOOKS}"
_SEQ_LOOKS = "a number of a record is a whole number"
_TURN_LOOKS = "turns look like turn:2, turn:2..4, turn:2.. or turn>2"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    match: re.Match[str]


def parse_filter(expression: str, turns: TurnsOf | None = None) -> Predicate:
    """What `expression` asks for, as a function of a record.

    `turns` answers for `turn:` terms. Raises FilterError, one sentence that names the word that
    cannot be read, or that asks for turns where nobody knows of any.
    """
    tokens = _tokens(expression)
    if not tokens:
        raise FilterError("The filter is empty; leave it out to see everything.")
    predicate, end = _Parser(tokens, turns).expression(0)
    if end < len(tokens):
        raise _unreadable(tokens[end].text, "there is no ( that it closes")
    return predicate


def names_turns(expression: str) -> bool:
    """Whether a filter asks for turns. Raises FilterError where its words cannot be told apart."""
    return any(
        (token.kind == "word" and token.text.startswith(_TURN))
        or (token.kind == "compare" and token.match["what"] == "turn")
        for token in _tokens(expression)
    )  # fmt: skip


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


class _Parser:
    """Reads tokens from a place on; each method returns a predicate and the place after it."""

    def __init__(self, tokens: list[_Token], turns: TurnsOf | None) -> None:
        self._tokens = tokens
        self._turns = turns

    def _is_mark(self, at: int, marks: str) -> bool:
        tokens = self._tokens
        return at < len(tokens) and tokens[at].kind == "mark" and tokens[at].text in marks

    def expression(self, at: int) -> tuple[Predicate, int]:
        """Groups up to a ) or the end; all of them must hold."""
        groups: list[Predicate] = []
        while at < len(self._tokens) and not self._is_mark(at, ")"):
            group, at = self._group(at)
            groups.append(group)
        if not groups:
            raise _unreadable(self._tokens[at - 1].text, "nothing follows it")
        if len(groups) == 1:
            return groups[0], at
        return lambda subject: all(holds(subject) for holds in groups), at

    def _group(self, at: int) -> tuple[Predicate, int]:
        """Terms joined by or, perhaps turned around."""
        negated = False
        while self._is_mark(at, "!"):
            negated, at = not negated, at + 1
        term, at = self._term(at)
        terms = [term]
        while self._is_mark(at, ",|"):
            term, at = self._term(at + 1)
            terms.append(term)
        holds = term if len(terms) == 1 else lambda subject: any(term(subject) for term in terms)
        return (lambda subject: not holds(subject)) if negated else holds, at

    def _term(self, at: int) -> tuple[Predicate, int]:
        if at >= len(self._tokens):
            raise _unreadable(self._tokens[-1].text, "nothing follows it")
        token = self._tokens[at]
        match token.kind, token.text:
            case "mark", "(":
                inner, at = self.expression(at + 1)
                if not self._is_mark(at, ")"):
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
                return self._comparison(token), at + 1
        return self._word(token.text), at + 1

    def _word(self, word: str) -> Predicate:
        if word in _CLIENT:
            return lambda subject: not subject.from_server
        if word in _SERVER:
            return lambda subject: subject.from_server
        if word.startswith("text:"):
            return _contains(word.removeprefix("text:"))
        if word.startswith("#"):
            return _seq_range(word)
        if word.startswith(_TURN):
            return self._turn_range(word)
        span = _RANGE.fullmatch(word)
        if span is not None:
            return _time_range(word, span["low"], span["high"])
        if _GLOB.fullmatch(word) is None:
            raise _unreadable(word, "it is no type, direction, time, number or text; see --help")
        return _named(word)

    def _comparison(self, token: _Token) -> Predicate:
        what, value = token.match["what"], token.match["value"]
        compare = _OPERATORS[token.match["operator"]]
        if what == "t":
            t_ns = _time(token.text, value)
            return lambda subject: bool(compare(subject.t_ns, t_ns))
        if what == "seq":
            seq = _whole(token.text, value, _SEQ_LOOKS)
            return lambda subject: bool(compare(subject.seq, seq))
        if what == "turn":
            turn, turns = _whole(token.text, value, _TURN_LOOKS), self._known_turns(token.text)
            return lambda subject: any(compare(n, turn) for n in turns(subject))
        raise _unreadable(token.text, "only t (time), seq (number) and turn can be compared")

    def _turn_range(self, word: str) -> Predicate:
        start, end = _whole_range(word, word.removeprefix(_TURN), _TURN_LOOKS)
        turns = self._known_turns(word)
        return lambda subject: any(start <= n and (end is None or n <= end) for n in turns(subject))

    def _known_turns(self, word: str) -> TurnsOf:
        if self._turns is None:
            raise _unreadable(word, "turns are not known here")
        return self._turns


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


def _time_range(word: str, low: str, high: str) -> Predicate:
    if not re.search("[a-z]", word):
        raise _unreadable(word, "write 2s..5s for a time or #2..5 for numbers of records")
    start = _time(word, low) if low else 0
    end = _time(word, high) if high else None
    return lambda subject: start <= subject.t_ns and (end is None or subject.t_ns <= end)


def _seq_range(word: str) -> Predicate:
    start, end = _whole_range(word, word[1:], _SEQ_LOOKS)
    return lambda subject: start <= subject.seq and (end is None or subject.seq <= end)


def _whole_range(word: str, text: str, looks: str) -> tuple[int, int | None]:
    """First and last of a range of whole numbers such as 5, 2..4, 2.. or ..4."""
    low, dots, high = text.partition("..")
    if not low and not high:
        raise _unreadable(word, looks)
    start = _whole(word, low, looks) if low else 0
    return start, start if not dots else _whole(word, high, looks) if high else None


def _time(word: str, text: str) -> int:
    """Nanoseconds from text such as 2.5, 800ms or 1m30s; a number alone is seconds."""
    try:
        return moment_ns(text)
    except ValueError:
        raise _unreadable(word, _TIME_LOOKS) from None


def _whole(word: str, text: str, looks: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise _unreadable(word, looks)
    return int(text)


def _unreadable(word: str, why: str) -> FilterError:
    return FilterError(f"The filter cannot be read at {word!r}: {why}.")
