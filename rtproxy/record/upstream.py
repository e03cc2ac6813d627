"""The server behind the proxy: its address, and where a request for it goes."""

from dataclasses import dataclass

from yarl import URL

from rtproxy.errors import UpstreamError

SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class Upstream:
    """Origin of a server and the path prefix that goes before every request's path."""

    origin: str
    prefix: str = ""
    advice: str = "Check the network."
    """What a user can do when it cannot be reached."""

    @classmethod
    def parse(cls, text: str) -> "Upstream":
        """Read a URL such as `https://api.openai.com` or `wss://host:8443/base`.

        Raises UpstreamError when it is no http, https, ws or wss URL with a host.
        """
        try:
            url = URL(text)
            scheme = SCHEMES[url.scheme]
            if not url.host:
                raise ValueError
            authority = url.host_port_subcomponent
        except (ValueError, KeyError):
            raise UpstreamError(
                f"{text!r} is no URL of a server; give --upstream as https://HOST or wss://HOST."
            ) from None
        if url.raw_query_string or url.raw_fragment:
            raise UpstreamError(f"{text!r} has a query; give --upstream as scheme, host and path.")
        if url.raw_user or url.raw_password:
            raise UpstreamError(
                "The URL of --upstream holds a user name or password; credentials come from the "
                "client and are passed on."
            )
        advice = "Check --upstream and the network."
        return cls(f"{scheme}://{authority}", url.raw_path.rstrip("/"), advice)

    @property
    def scheme(self) -> str:
        return URL(self.origin).scheme

    @property
    def host(self) -> str:
        """Its name, or its address without brackets."""
        return URL(self.origin).host or ""

    @property
    def port(self) -> int:
        return URL(self.origin).port or 0

    def url_for(self, target: str) -> URL:
        """Where a request for `target` (path and query, as the client sent it) goes.

        A prefix that the target already starts with is not put before it twice, so that
        `--upstream https://host/v1` serves clients whose base URL ends in /v1 and those whose
        does not.
        """
        path = target.split("?", 1)[0]
        repeated = path == self.prefix or path.startswith(self.prefix + "/")
        prefix = "" if repeated else self.prefix
        return URL(f"{self.origin}{prefix}{target}", encoded=True)
