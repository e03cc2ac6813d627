"""Writes the page of a difference."""

from importlib.resources import files
from pathlib import Path

from rtproxy.diff.page.document import Assets
from rtproxy.errors import PageError
from rtproxy.view.file import write_file


def read_assets() -> Assets:
    """The page's own files, from the package; colours are those of every page."""
    folder, theme = files("rtproxy.diff.page") / "assets", files("rtproxy.view") / "theme.css"
    style = theme.read_text("utf-8") + (folder / "page.css").read_text("utf-8")
    return Assets(style, (folder / "page.js").read_text("utf-8"))


def write_page(path: Path, page: bytes) -> None:
    """Write a page; one that is there is replaced when all is written.

    Raises PageError where it cannot be written, or where `path` is some other file.
    """
    refuse(path)
    try:
        write_file(path, page)
    except OSError as error:
        raise PageError(f"{path} cannot be written: {error.strerror or error}.") from None


def refuse(path: Path) -> None:
    """Raise PageError for what must not be overwritten."""
    if path.is_dir():
        raise PageError(f"{path} is a folder; name a file in it.")
    try:
        with path.open("rb") as file:
            start = file.read(1024).lstrip().lower()
    except FileNotFoundError:
        return
    except OSError as error:
        raise PageError(f"{path} cannot be written: {error.strerror or error}.") from None
    if start and not start.startswith((b"<!doctype html", b"<html")):
        raise PageError(f"{path} exists and is no HTML page; name another file.")
