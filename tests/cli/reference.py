"""The command line's reference: `python -m tests.cli.reference > docs/cli.md`."""

from collections.abc import Iterator
from pathlib import Path

import click

from rtproxy.cli.main import rtproxy

FILE = Path(__file__).parent.parent.parent / "docs" / "cli.md"
INTRODUCTION = """\
# Command line

Made from `--help`; a test keeps it so.

Data goes to stdout, everything else to stderr. Every option can come from the environment
(`RTPROXY_RECORD_OUT=tapes`) and from `pyproject.toml`:

```toml
[tool.rtproxy.record]
out = "tapes"
```

| exit code | |
|---|---|
| 0 | as expected |
| 1 | something differs, is damaged or incomplete |
| 2 | a wrong option, or something that cannot be done: one sentence says what and why |

Errors show no traceback; `rtproxy --debug COMMAND …` shows it.

Completion in your shell: `eval "$(_RTPROXY_COMPLETE=bash_source rtproxy)"` in `~/.bashrc`,
`eval "$(_RTPROXY_COMPLETE=zsh_source rtproxy)"` in `~/.zshrc`, or
`_RTPROXY_COMPLETE=fish_source rtproxy | source` in `~/.config/fish/config.fish`.
"""


def commands(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """(full name, help) of a command and all below it."""
    settings = {**command.context_settings, "max_content_width": 88, "terminal_width": 88}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            inner = command.get_command(context, below)
            assert inner is not None
            yield from commands(inner, below, context)


def reference() -> str:
    """The whole document."""
    parts = [INTRODUCTION]
    parts += [f"## {name}\n\n```text\n{text}\n```\n" for name, text in commands(rtproxy, "rtproxy")]
    return "\n".join(parts)


if __name__ == "__main__":
    print(reference(), end="")
