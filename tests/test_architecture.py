"""The rules of the house, read from the imports.

Foundations import nothing above them, rooms do not import one another, pure modules do no I/O,
and nothing imports in a circle. A rule that is in the way is changed here, with a reason.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent / "rtproxy"

# `net` is what the aiohttp shells of three rooms share, and `view` what is looked at in several:
# rooms may not import one another.
FOUNDATIONS = {
    "wire": set[str](),
    "tape": set[str](),
    "realtime": {"tape"},
    "net": {"wire"},
    "view": {"tape"},
}
ROOMS = {"record", "replay", "inspect", "diff", "convert", "simulate"}
TOP = {"cli", "pytest_plugin", "serve", "__main__", "__init__"}

# Modules that may touch the world. Everything else is pure: values in, values out.
SHELLS = {
    "__init__",
    "__main__",
    "diff.beside",
    "diff.entry",
    "convert.audio_folder",
    "convert.imported_tape",
    "convert.importing",
    "convert.otlp_sender",
    "convert.output",
    "convert.parquet",
    "convert.rewrite",
    "convert.wav_file",
    "convert.wav_writer",
    "inspect.following",
    "inspect.live_view",
    "inspect.page.audio_files",
    "inspect.page.writer",
    "inspect.printing",
    "inspect.tui.app",
    "inspect.tui.bars",
    "inspect.tui.board",
    "inspect.tui.event_row",
    "inspect.tui.help",
    "inspect.tui.lanes",
    "inspect.tui.lines",
    "inspect.tui.painting",
    "inspect.tui.sources",
    "inspect.tui.speaker",
    "inspect.tui.tour",
    "inspect.turn_table",
    "diff.columns",
    "diff.page.writer",
    "diff.tapes",
    "diff.terminal",
    "inspect.screen",
    "inspect.terminal",
    "inspect.view",
    "replay.connection",
    "replay.drive",
    "replay.exchange",
    "replay.loader",
    "replay.server",
    "serve",
    "simulate.caller",
    "simulate.connection",
    "simulate.library",
    "simulate.server",
    "tape.library",
    "tape.packing",
    "tape.placing",
    "tape.reader",
    "tape.repair",
    "tape.tail",
    "tape.unpacking",
    "tape.writer",
    "view.file",
    "view.screen",
}
SHELL_ROOMS = {"cli", "net", "pytest_plugin", "record"}

IO_MODULES = {
    "aiohttp", "asyncio", "click", "rich", "textual", "websockets", "uvloop",
    "io", "os", "pathlib", "shutil", "socket", "ssl", "selectors", "fcntl", "mmap", "tempfile",
    "subprocess", "threading", "multiprocessing", "concurrent", "signal", "sys", "logging",
    "time", "secrets", "urllib.request", "http.client",
}  # fmt: skip
IO_BUILTINS = {"open", "print", "input"}

MODULE_LINES = 420
FUNCTION_LINES = 66


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__") if name != "__init__" else name] = path
    return found


MODULES = modules()


@cache
def nodes_of(name: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse(MODULES[name].read_text("utf-8"))))


def imported(name: str) -> Iterator[str]:
    """Every module that `name` imports, absolute and dotted, wherever the import stands."""
    for node in nodes_of(name):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively; write the whole name"
            base = node.module or ""
            for alias in node.names:
                inner = f"{base}.{alias.name}".removeprefix("rtproxy.")
                yield f"rtproxy.{inner}" if inner in MODULES else base


def ours(name: str) -> set[str]:
    """The modules of this package that `name` imports, without the package's name."""
    return {
        module.removeprefix("rtproxy.") if module != "rtproxy" else "__init__"
        for module in imported(name)
        if module == "rtproxy" or module.startswith("rtproxy.")
    }


def room(name: str) -> str:
    return name.split(".")[0]


def is_pure(name: str) -> bool:
    return name not in SHELLS and room(name) not in SHELL_ROOMS


def test_a_module_imports_only_what_its_room_may() -> None:
    assert [breach for name in MODULES for breach in trespasses(name)] == []


def trespasses(name: str) -> Iterator[str]:
    here = room(name)
    for other in sorted(ours(name)):
        there = room(other)
        if there in (here, "errors", "__init__"):
            continue
        if here in FOUNDATIONS:
            allowed = FOUNDATIONS[here]
        elif here in ROOMS:
            allowed = set(FOUNDATIONS)
        elif here in TOP:
            allowed = set(FOUNDATIONS) | ROOMS | {"cli", "serve"}
        else:
            allowed = set()
        if there not in allowed:
            yield f"{name} may not import {other}"


def test_pure_modules_do_no_io() -> None:
    assert [breach for name in filter(is_pure, MODULES) for breach in deeds(name)] == []


def deeds(name: str) -> Iterator[str]:
    for module in imported(name):
        parts = module.split(".")
        prefixes = {".".join(parts[: n + 1]) for n in range(len(parts))}
        if prefixes & IO_MODULES:
            yield f"{name} is pure but imports {module}"
    for node in nodes_of(name):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name) and called.id in IO_BUILTINS:
            yield f"{name} is pure but calls {called.id}()"


def test_a_pure_module_imports_no_shell() -> None:
    for name in filter(is_pure, MODULES):
        if name.count(".") == 0 and MODULES[name].name == "__init__.py":
            continue  # a room's front door may show its shells
        for other in ours(name):
            assert is_pure(other) or other == "__init__", f"{name} is pure but imports {other}"


def test_nothing_imports_in_a_circle() -> None:
    graph = {name: ours(name) & set(MODULES) - {name} for name in MODULES}
    graph["__init__"] = set()  # the front door imports what is asked for, when it is asked for
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join((*path[path.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_modules_and_functions_stay_short() -> None:
    assert [breach for name in MODULES for breach in lengths(name)] == []


def lengths(name: str) -> Iterator[str]:
    lines = MODULES[name].read_text("utf-8").count("\n")
    if lines > MODULE_LINES:
        yield f"{name} has {lines} lines: it holds more than one noun"
    for node in nodes_of(name):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{name}.{node.name} has {length} lines"


def test_no_module_is_a_drawer_of_odds_and_ends() -> None:
    for name in MODULES:
        assert name.split(".")[-1] not in {"utils", "util", "helpers", "common", "misc"}, name


def test_every_room_is_known() -> None:
    known = set(FOUNDATIONS) | ROOMS | TOP | {"errors"}
    assert {room(name) for name in MODULES} <= known


def test_the_rules_catch_what_they_forbid() -> None:
    """The checks above can fail: each sees a violation that is put before it."""
    assert "asyncio" in IO_MODULES
    assert not is_pure("tape.writer")
    assert is_pure("wire.frame")
    assert is_pure("tape.codec")
    assert not is_pure("net.tap")
