"""Every key: what it does, where it is bound, and how the help tells it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """`keys` are names as textual has them, the first one shown; `action` is the app's."""

    keys: tuple[str, ...]
    shown: str
    action: str
    does: str


GROUPS: tuple[tuple[str, tuple[Key, ...]], ...] = (
    (
        "Turns and findings",
        (
            Key(("n", "right_square_bracket"), "n  ]", "turn(1)", "next turn"),
            Key(("p", "left_square_bracket"), "p  [", "turn(-1)", "turn before"),
            Key(("f",), "f", "finding(1)", "next finding"),
            Key(("F", "shift+f"), "F", "finding(-1)", "finding before"),
        ),
    ),
    (
        "Time",
        (
            Key(("left", "h"), "←  h", "step(-1)", "a cell back"),
            Key(("right", "l"), "→  l", "step(1)", "a cell on"),
            Key(("shift+left", "H"), "⇧← H", "step(-10)", "ten cells back"),
            Key(("shift+right", "L"), "⇧→ L", "step(10)", "ten cells on"),
            Key(("comma", "less_than_sign"), ",  <", "scroll(-0.5)", "half a screen back"),
            Key(("full_stop", "greater_than_sign"), ".  >", "scroll(0.5)", "half a screen on"),
            Key(("plus", "equals_sign"), "+  =", "zoom(1)", "zoom in"),
            Key(("minus", "underscore"), "-  _", "zoom(-1)", "zoom out"),
            Key(("0",), "0", "zoom_whole", "show the whole call"),
            Key(("z",), "z", "zoom_selection", "zoom to what is marked, or the turn"),
            Key(("g",), "g", "edge(0)", "start of the call"),
            Key(("G", "shift+g"), "G", "edge(1)", "end of the call"),
        ),
    ),
    (
        "Cause and effect",
        (
            Key(("c",), "c", "cause", "what led to this event"),
            Key(("e",), "e", "effect", "what this event led to"),
            Key(("b", "backspace"), "b  ⌫", "return", "back to where you were"),
        ),
    ),
    (
        "Lists",
        (
            Key(("1",), "1", "pane('turns')", "turns"),
            Key(("2",), "2", "pane('findings')", "findings"),
            Key(("3",), "3", "pane('events')", "events"),
            Key(("4",), "4", "pane('detail')", "detail"),
            Key(("tab",), "Tab", "next_pane(1)", "next list"),
            Key(("shift+tab",), "⇧Tab", "next_pane(-1)", "list before"),
            Key(("slash",), "/", "filter", "filter the events, as with --filter"),
            Key(("escape",), "Esc", "escape", "close, unmark, show all events again"),
            Key(("u",), "u", "fold", "unfold runs of deltas, or fold them"),
        ),
    ),
    (
        "Audio",
        (
            Key(("v",), "v", "mark", "mark from here, to here, or not at all"),
            Key(("space",), "Space", "play", "play what is marked, or the turn; stop"),
        ),
    ),
    (
        "Else",
        (
            Key(("y",), "y", "copy", "copy the event's JSON"),
            Key(("w",), "w", "write", "write the event's JSON to a file here"),
            Key(("t",), "t", "theme", "colours: the terminal's, dark, light"),
            Key(("question_mark",), "?", "help", "this help"),
            Key(("q", "ctrl+c"), "q", "quit", "quit"),
        ),
    ),
)
KEYS: tuple[Key, ...] = tuple(key for _, keys in GROUPS for key in keys)

LIST_KEYS: tuple[tuple[str, str], ...] = (
    ("↑ ↓  k j", "a line up or down"),
    ("PgUp PgDn", "a screen up or down"),
    ("Home End", "first or last line"),
    ("Enter", "detail, or where the line leads"),
)
MOUSE: tuple[tuple[str, str], ...] = (
    ("wheel", "over the lanes: zoom, with Shift scroll"),
    ("click", "go there"),
    ("drag", "over the lanes: mark"),
)
