"""The environment of the command after `--`: where its server is, and whom it trusts."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rtproxy.net.trust import system_roots
from rtproxy.wire.no_proxy import without

if TYPE_CHECKING:
    from rtproxy.net.authority import Authority

LOOPBACK = "127.0.0.1,localhost,::1"

DUMMY_KEY = "sk-rtproxy-replay"
"""For programs that will not start without a key, and need none for a tape."""
KEYLESS = "sk-rtproxy-record"
"""The same for those whose key we add."""

ROOTS = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name the one file with all certificates that a program trusts."""
MORE_ROOTS = "NODE_EXTRA_CA_CERTS"

TUNNELLED = ("HTTPS_PROXY", "WSS_PROXY", "WS_PROXY")
ABSOLUTE = ("HTTP_PROXY", "ALL_PROXY")
OTHERS = ("SOCKS_PROXY",)
"""Some libraries prefer this one to all others."""


def current_environment() -> Mapping[str, str]:
    return os.environ


def pointed_at(url: str, base: Mapping[str, str]) -> dict[str, str]:
    """For a program whose base URL is taken from the environment, with no proxy in between."""
    env = dict(base)
    env["RTPROXY_URL"] = url
    env["OPENAI_BASE_URL"] = f"{url}/v1"
    return env | directly_reached(base)


def sent_through(
    url: str, base: Mapping[str, str], hosts: Sequence[str], *, plain: bool = True
) -> dict[str, str]:
    """For a program that connects to its usual servers, by way of a forward proxy at `url`.

    `hosts` are patterns of those that NO_PROXY must not keep from it. `plain` is for http:// too.
    """
    env = dict(base)
    env["RTPROXY_URL"] = url
    env["NODE_USE_ENV_PROXY"] = "1"
    for name in (*TUNNELLED, *ABSOLUTE, *OTHERS):
        for spelling in (name, name.lower()):
            env.pop(spelling, None)
            if name in TUNNELLED or (plain and name in ABSOLUTE):
                env[spelling] = url
    return env | {name: without(listed, hosts) for name, listed in directly_reached(base).items()}


def directly_reached(base: Mapping[str, str]) -> dict[str, str]:
    """NO_PROXY in both spellings, one standing in for the other, with loopback added."""
    names = ("NO_PROXY", "no_proxy")
    either = next((base[name] for name in names if base.get(name)), "")
    return {name: ",".join(filter(None, [base.get(name) or either, LOOPBACK])) for name in names}


def without_key(key: str, base: Mapping[str, str]) -> dict[str, str]:
    """For a program that is not to have a key: it gets one that stands for none."""
    env = {name: value.replace(key, KEYLESS) for name, value in base.items()}
    env.setdefault("OPENAI_API_KEY", KEYLESS)
    return env


@contextmanager
def trusting(authority: "Authority | None", base: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """For a program that is to trust our certificates besides those that it trusts anyway.

    The files that it is pointed at are there within the block.
    """
    env = dict(base)
    if authority is None:
        yield env
        return
    with TemporaryDirectory(prefix="rtproxy-") as folder:
        known = [system_roots(env), *(_pem(env.get(name)) for name in ROOTS[1:])]
        bundle = Path(folder, "roots.pem")
        bundle.write_bytes(b"\n".join([*dict.fromkeys(filter(None, known)), authority.pem]))
        env |= dict.fromkeys(ROOTS, str(bundle))
        more = _pem(env.get(MORE_ROOTS))
        env[MORE_ROOTS] = str(authority.path)
        if more:
            extra = Path(folder, "more-roots.pem")
            extra.write_bytes(more + b"\n" + authority.pem)
            env[MORE_ROOTS] = str(extra)
        yield env


def _pem(path: str | None) -> bytes:
    """What a file of certificates holds; nothing if there is none that can be read."""
    try:
        return Path(path).read_bytes() if path else b""
    except OSError:
        return b""
