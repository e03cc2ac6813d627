"""The help: every key and what it does."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from rtproxy.inspect.tui.bars import Bar
from rtproxy.inspect.tui.keys import GROUPS, LIST_KEYS, MOUSE
from rtproxy.inspect.tui.line import BLANK, Line, line

KEY_CELLS = 12
COLUMN_CELLS = 53
BESIDE_FROM = 110


def help_lines() -> list[list[Line]]:
    """The help in groups of lines: the keys, and the mouse."""
    groups = [
        (name, [(key.shown, key.does) for key in keys], name == "Lists") for name, keys in GROUPS
    ]
    found = []
    for name, keys, lists in groups:
        shown = [*(LIST_KEYS if lists else ()), *keys]
        found.append([line((name, "heading")), *(_key(*key) for key in shown), BLANK])
    found.append([line(("Mouse", "heading")), *(_key(*part) for part in MOUSE), BLANK])
    return found


def _key(shown: str, does: str) -> Line:
    return line((f"  {shown:<{KEY_CELLS}}", "strong"), (does, ""))


def columns(width: int) -> list[Line]:
    """The help in one column, or in two where there is room."""
    groups = help_lines()
    if width < BESIDE_FROM - 6:
        return [found for group in groups for found in group]
    half = sum(map(len, groups)) // 2 + 2
    left: list[Line] = []
    while len(left) + len(groups[0]) <= half:
        left += groups.pop(0)
    right = [found for group in groups for found in group]
    rows = max(len(left), len(right))
    left += [BLANK] * (rows - len(left))
    right += [BLANK] * (rows - len(right))
    return [
        line(*a.pieces, (" " * (COLUMN_CELLS - len(a.text)), ""), *b.pieces)
        for a, b in zip(left, right, strict=True)
    ]


class Help(ModalScreen[None]):
    """Lies over everything until it is closed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss_help", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
    ]
    DEFAULT_CSS = """
    Help { align: center middle; }
    Help VerticalScroll {
        width: 112; max-width: 96%; height: auto; max-height: 96%;
        border: round $primary; padding: 0 2; scrollbar-size-vertical: 1;
        background: $background;
    }
    """

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Bar(columns, id="help-lines")

    def action_dismiss_help(self) -> None:
        self.dismiss()

    def action_scroll(self, by: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)
