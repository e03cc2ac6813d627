"""What our listeners show to clients: a certificate for each host, made when it is asked for."""

import ssl
import tempfile
import time
from collections import OrderedDict
from dataclasses import dataclass

from rtproxy.net.authority import Authority
from rtproxy.net.certificate import LEAF_LIFE, key_pem, make_key, normal_host
from rtproxy.net.trust import ALPN

KEPT = 256
"""Hosts whose certificates are kept; a client that makes up more of them gains nothing."""

_FRESH_S = LEAF_LIFE.total_seconds() / 2


@dataclass(frozen=True, slots=True)
class _Leaf:
    context: ssl.SSLContext
    made_s: float


class Leaves:
    """Server-side TLS contexts by host, signed by one authority. All of them share one key."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self._key = make_key()
        self._leaves: OrderedDict[tuple[str, ...], _Leaf] = OrderedDict()

    def context(self, *hosts: str) -> ssl.SSLContext:
        """A context for a server that goes by these hosts.

        A client that names another one (RFC 6066 §3) is shown a certificate for that.
        """
        leaf = self._leaves.get(hosts)
        if leaf is None or time.monotonic() - leaf.made_s > _FRESH_S:
            leaf = self._leaves[hosts] = _Leaf(self._make(hosts), time.monotonic())
            while len(self._leaves) > KEPT:
                self._leaves.popitem(last=False)
        self._leaves.move_to_end(hosts)
        return leaf.context

    def _make(self, hosts: tuple[str, ...]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(ALPN)
        # Clients that read in one thread and write in another, as blocking WebSocket libraries do,
        # lose what they write while OpenSSL reads a ticket: their request is never sent.
        context.num_tickets = 0
        # OpenSSL's Python binding reads keys from files only: this one is there for a moment.
        with tempfile.NamedTemporaryFile(prefix="rtproxy-") as file:
            file.write(self.authority.issue(hosts, self._key) + key_pem(self._key))
            file.flush()
            context.load_cert_chain(file.name)

        def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
            if name is None:
                return None
            host = normal_host(name)
            if host is None:
                return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
            if host not in hosts:
                connection.context = self.context(host)
            return None

        context.sni_callback = choose
        return context
