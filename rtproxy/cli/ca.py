"""`rtproxy ca`: the local certificate authority, and how programs are made to trust it."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rtproxy.net.authority import Authority

STANDARD_OUTPUT = "-"
BEGINNING = b"-----BEGIN CERTIFICATE-----"

GUIDE = """\
{name}
  certificate  {path}
  sha-256      {fingerprint}
  expires      {expires}

record and replay make a COMMAND trust it; nothing else needs to be done:

  rtproxy record --tls -- npm start
  rtproxy record --forward -- python agent.py

For programs that you start yourself, until the shell is closed:

  CA="$(rtproxy ca --path)"

  Node, Bun         export NODE_EXTRA_CA_CERTS="$CA"
  Python, Go, Ruby  rtproxy ca --bundle roots.pem    # this one and all others
                    export SSL_CERT_FILE="$PWD/roots.pem"
                    # for openai, httpx, aiohttp, websockets; Go: not on macOS
  requests          export REQUESTS_CA_BUNDLE="$PWD/roots.pem"
  curl              curl --cacert "$CA" …

For all programs of a kind, until it is undone:

  macOS             security add-trusted-cert -r trustRoot \\
                      -k ~/Library/Keychains/login.keychain-db "$CA"
         undo       security delete-certificate -c {quoted_name}
  Debian, Ubuntu    sudo cp "$CA" /usr/local/share/ca-certificates/rtproxy-ca.crt
                    sudo update-ca-certificates
         undo       sudo rm /usr/local/share/ca-certificates/rtproxy-ca.crt
                    sudo update-ca-certificates --fresh
  Fedora, RHEL      sudo trust anchor "$CA"
         undo       sudo trust anchor --remove "$CA"
  Java              keytool -importcert -cacerts -storepass changeit -noprompt \\
                      -alias rtproxy -file "$CA"
         undo       keytool -delete -cacerts -storepass changeit -alias rtproxy
  Chromium, Linux   certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n {quoted_name} -i "$CA"
         undo       certutil -d sql:$HOME/.pki/nssdb -D -n {quoted_name}
  Firefox           Settings → Privacy & Security → View Certificates → Authorities → Import

For one Chromium, with a profile of its own:

  chromium --user-data-dir=DIR \\
    --ignore-certificate-errors-spki-list={pin}

Whoever has the key that lies beside the certificate can pass for any server with programs that
trust it. It is readable by you alone, and rtproxy sends it nowhere.
"""


@click.command()
@click.option(
    "--export",
    is_flag=False,
    flag_value=STANDARD_OUTPUT,
    metavar="[FILE]",
    help="Write the certificate, and no key, to a file or to standard output.",
)
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a file with the certificates that the system trusts, and this one.",
)
@click.option("--path", "show_path", is_flag=True, help="Print only where the certificate is.")
def ca(export: str | None, bundle: Path | None, show_path: bool) -> None:
    """Show the local CA that --tls and --forward use, and how programs are made to trust it.

    It is made when it is first needed, and kept in your data folder; RTPROXY_CA_DIR names
    another.

        export NODE_EXTRA_CA_CERTS="$(rtproxy ca --path)"

        rtproxy ca --export rtproxy-ca.pem
    """
    from rtproxy.net.authority import Authority
    from rtproxy.net.trust import system_roots

    authority = Authority.open()
    if export == STANDARD_OUTPUT:
        sys.stdout.buffer.write(authority.pem)
    elif export is not None:
        write(authority.pem, Path(export))
        click.echo(f"rtproxy: the certificate is in {export}", err=True)
    if bundle is not None:
        write(system_roots() + b"\n" + authority.pem, bundle)
        click.echo(f"rtproxy: all certificates are in {bundle}", err=True)
    if show_path:
        click.echo(authority.path)
    elif export is None and bundle is None:
        click.echo(guide(authority), nl=False)


def guide(authority: "Authority") -> str:
    """What the CA is, and what to type where."""
    return GUIDE.format(
        name=authority.name,
        path=authority.path,
        fingerprint=authority.fingerprint,
        expires=f"{authority.expires:%Y-%m-%d}",
        quoted_name=shlex.quote(authority.name),
        pin=authority.pin,
    )


def write(pem: bytes, path: Path) -> None:
    """Write certificates to a file; one that holds something else is not overwritten."""
    from rtproxy.errors import TlsError

    try:
        if path.exists() and BEGINNING not in path.read_bytes():
            raise TlsError(f"{path} is there and is no certificate; remove it, or name another.")
        path.write_bytes(pem)
    except OSError as error:
        raise TlsError(f"{path} cannot be written: {error.strerror}.") from None
