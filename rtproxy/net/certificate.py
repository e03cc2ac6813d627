"""Certificates: that of a local authority, and those that it signs for hosts (RFC 5280).

Elliptic keys on P-256, which every TLS library has and which cost a server next to nothing.
"""

import base64
import hashlib
import ipaddress
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey
Certificate = x509.Certificate

AUTHORITY_LIFE = timedelta(days=5 * 365)
LEAF_LIFE = timedelta(days=14)
BACKDATED = timedelta(days=1)
"""Certificates begin in the past: a client's clock may be behind ours."""

_DNS_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_][a-z0-9_-]*(\.[a-z0-9_-]+)*", re.ASCII)
_LONGEST_COMMON_NAME = 64


def make_key() -> Key:
    """A new private key."""
    return ec.generate_private_key(ec.SECP256R1())


def make_authority(key: Key, name: str, now: datetime) -> Certificate:
    """A self-signed certificate that may sign those of hosts, and no other authority's."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "rtproxy, for this machine only"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    ours = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(ours, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ours), critical=False
        )
        .sign(key, hashes.SHA256())
    )


def make_leaf(
    hosts: Sequence[str], key: Key, authority: Certificate, authority_key: Key, now: datetime
) -> Certificate:
    """A certificate for a server that goes by `hosts`: DNS names and IP addresses."""
    names = [_general_name(host) for host in hosts]
    issuer = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    subject = x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:_LONGEST_COMMON_NAME])
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([subject]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(min(now + LEAF_LIFE, authority.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )


def normal_host(host: str) -> str | None:
    """A host as certificates name it: in lower case, without a final dot; None if it is none."""
    name = host.lower().removesuffix(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name if _DNS_NAME.fullmatch(name) else None


def certificate_pem(certificate: Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def fingerprint(certificate: Certificate) -> str:
    """SHA-256 of a certificate, as browsers and openssl print it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def pin(certificate: Certificate) -> str:
    """SHA-256 of the public key in base64 (RFC 7469 §2.4), as Chromium's options take it."""
    public_key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(hashlib.sha256(public_key).digest()).decode()


def common_name(certificate: Certificate) -> str:
    """What certificate stores list it under."""
    (attribute,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(attribute.value)


def read_authority(pem: bytes) -> tuple[Key, Certificate]:
    """Key and certificate from one PEM text. Raises ValueError if they are not an authority's."""
    key = serialization.load_pem_private_key(pem, password=None)
    certificate = x509.load_pem_x509_certificate(pem)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    if not isinstance(key, Key) or not constraints.ca:
        raise ValueError("no authority's key")
    if key.public_key() != certificate.public_key():
        raise ValueError("key and certificate do not belong together")
    return key, certificate


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
