"""`rtproxy` with arguments, in this process: what its `main` prints, and what it exits with.

To start Python and import everything costs more than most commands do. Whatever is about
processes (signals, pipes that break, terminals, what is imported) starts one all the same.
"""

import io
import os
import sys
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryFile
from unittest.mock import patch

from rtproxy.cli.main import main


def call(
    *arguments: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
) -> CompletedProcess[bytes]:
    """Run a command to its end; `env` is the whole environment, if it is given."""
    words = ["rtproxy", *map(str, arguments)]
    with (
        io.TextIOWrapper(TemporaryFile(), "utf-8") as given,
        io.TextIOWrapper(TemporaryFile(), "utf-8") as out,
        io.TextIOWrapper(TemporaryFile(), "utf-8", errors="backslashreplace") as err,
    ):
        given.buffer.write(stdin)
        given.seek(0)
        with (
            chdir(cwd or Path.cwd()),
            patch.dict(os.environ, env or {}, clear=env is not None),
            patch.object(sys, "argv", words),
            patch.object(sys, "stdin", given),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = _exit_code()
        return CompletedProcess(words, code, _printed(out), _printed(err))


def call_for_text(
    *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> CompletedProcess[str]:
    """The same, with what was printed as text."""
    done = call(*arguments, cwd=cwd, env=env)
    return CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def _exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _printed(stream: io.TextIOWrapper) -> bytes:
    stream.flush()
    stream.seek(0)
    return bytes(stream.buffer.read())
