"""Who may come, as the commands that serve are told."""

import pytest

from rtproxy.cli.serving import token_for


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_others_let_in_where_only_this_machine_is_heard_is_said(
    capsys: pytest.CaptureFixture[str], host: str
) -> None:
    assert token_for(host, allow_remote=True, environ={}) is None
    assert f"--allow-remote lets nobody in: {host} is " in capsys.readouterr().err


@pytest.mark.parametrize(("host", "remote"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_nothing_is_said_of_what_is_meant(
    capsys: pytest.CaptureFixture[str], host: str, remote: bool
) -> None:
    token = token_for(host, allow_remote=remote, environ={"RTPROXY_TOKEN": "a" * 16})
    assert (token is not None) is remote
    assert capsys.readouterr().err == ""
