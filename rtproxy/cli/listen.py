"""The `HOST:PORT` that a server is told to listen on."""

import click

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8787


class Listen(click.ParamType[tuple[str, int]]):
    """HOST:PORT, [IPV6]:PORT, :PORT or PORT; port 0 is any free one. Gives (host, port)."""

    name = "HOST:PORT"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        text = str(value)
        host, colon, port = text.rpartition(":")
        if not colon:
            host, port = ("", text) if text.isdigit() else (text, "")
        if not port.isdigit() or int(port) > 65535:
            self.fail(f"{text!r} is no HOST:PORT, such as 127.0.0.1:8787.", param, ctx)
        return host.strip("[]") or "127.0.0.1", int(port)


def address_for(listen: tuple[str, int] | None, *, with_command: bool) -> tuple[str, int]:
    """Where to listen: as asked, else where everybody looks, or on a free port for a command."""
    if listen is not None:
        return listen
    return DEFAULT_HOST, 0 if with_command else DEFAULT_PORT
