"""The files that the page of a difference is made with."""

from importlib.resources import files

from rtproxy.diff.page.document import Assets


def read_assets() -> Assets:
    """The page's own files, from the package; colours are those of every page."""
    folder, theme = files("rtproxy.diff.page") / "assets", files("rtproxy.view") / "theme.css"
    style = theme.read_text("utf-8") + (folder / "page.css").read_text("utf-8")
    return Assets(style, (folder / "page.js").read_text("utf-8"))
