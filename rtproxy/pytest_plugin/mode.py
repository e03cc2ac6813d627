"""Whether a run records, and from which server: command line, environment, ini file, in this order.

| mode | a test whose tape is there | a test without |
|---|---|---|
| none | replayed | an error |
| once | replayed | recorded |
| new_episodes | replayed; connections that no tape fits are recorded and added | recorded |
| all | recorded; replaces the old tape when the test has passed | recorded |
| rewrite | recorded; all of a run are replaced together, when all have passed | recorded |
"""

import os
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import pytest

Mode = Literal["none", "once", "new_episodes", "all", "rewrite"]
MODES: tuple[Mode, ...] = get_args(Mode)

RECORD_OPTION = "--rtproxy-record"
UPSTREAM_OPTION = "--rtproxy-upstream"
RECORD_VARIABLE = "RTPROXY_RECORD"
UPSTREAM_VARIABLE = "RTPROXY_UPSTREAM"
DEFAULT_UPSTREAM = "https://api.openai.com"


def choose_mode(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> Mode:
    """The mode of this run; raises pytest.UsageError for one that is none.

    With CI set, only what was typed counts: not addopts, not the environment, not the ini file.
    """
    chosen: str | None = config.getoption("rtproxy_record")
    if is_typed(config.invocation_params.args):
        return mode_of(chosen, RECORD_OPTION)
    if in_ci(environ):
        return "none"
    if chosen is not None:
        return mode_of(chosen, RECORD_OPTION)
    if environ.get(RECORD_VARIABLE):
        return mode_of(environ[RECORD_VARIABLE], RECORD_VARIABLE)
    return mode_of(config.getini("rtproxy_record") or "none", "rtproxy_record")


def choose_upstream(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> str | None:
    """The server to record from, as far as anybody has said; a test's marker goes before it."""
    return (
        config.getoption("rtproxy_upstream")
        or environ.get(UPSTREAM_VARIABLE)
        or config.getini("rtproxy_upstream")
        or None
    )


def is_typed(args: Sequence[str]) -> bool:
    """Whether the mode stands on the command line itself."""
    return any(arg == RECORD_OPTION or arg.startswith(f"{RECORD_OPTION}=") for arg in args)


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether the environment says that this is continuous integration."""
    return environ.get("CI", "").lower() not in ("", "0", "false", "no")


def mode_of(text: str | None, where: str) -> Mode:
    for mode in MODES:
        if mode == text:
            return mode
    raise pytest.UsageError(f"{where} is {text!r}; it may be {', '.join(MODES)}.")
