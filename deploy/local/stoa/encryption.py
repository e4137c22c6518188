"""The gateway's certificate: the one that is given, or one made here, and whom the stack's own calls trust."""

import hashlib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stoa.servers.server import write
from stoa.settings import Settings

VALID = timedelta(days=397)
"""Browsers take at most 398 (CA/Browser Forum, Baseline Requirements 6.3.2)."""
RENEWED = timedelta(days=30)
"""This long before its end a certificate is made anew."""


@dataclass(frozen=True)
class Files:
    """Where a certificate and its key are."""

    certificate: Path
    key: Path


def files(settings: Settings) -> Files:
    """The given ones, or where ours are kept."""
    if settings.tls_cert:
        return Files(Path(settings.tls_cert).absolute(), Path(settings.tls_key).absolute())
    folder = settings.folder / "gateway"
    return Files(folder / "certificate.pem", folder / "certificate-key.pem")


def make_certificate(settings: Settings) -> None:
    """Make ours if it is needed and there is none, or none that still holds for these names."""
    at = files(settings)
    if settings.tls != "on" or settings.tls_cert or _holds(at, _names(settings)):
        return
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    at.certificate.unlink(missing_ok=True)  # so that an interruption between the two leaves no pair that does not fit
    write(at.key, text)
    write(at.certificate, _certificate(key, _names(settings)).public_bytes(Encoding.PEM).decode(), 0o644)


def variables(settings: Settings) -> dict[str, str]:
    """What routes.yaml reads; a new certificate is a new variable, so that the gateway is started again with it."""
    if settings.tls == "off":
        return {"STOA_TLS": "off"}
    if settings.tls == "acme":
        return {"STOA_TLS": "acme", "STOA_TLS_HOST": settings.public_host}
    at = files(settings)
    mark = hashlib.sha256(at.certificate.read_bytes()).hexdigest()[:12] if at.certificate.exists() else ""
    return {
        "STOA_TLS": "on",
        "STOA_TLS_CERT": str(at.certificate),
        "STOA_TLS_KEY": str(at.key),
        "STOA_TLS_MARK": mark,
    }


def trusted(settings: Settings) -> ssl.SSLContext | bool:
    """What the stack's own calls to the gateway on this machine accept: its very certificate."""
    if settings.tls == "off":
        return True
    context = ssl.create_default_context()
    if settings.tls == "acme":  # the name is the public one, and at first there is none
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    context = ssl.create_default_context(cafile=files(settings).certificate)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = not settings.tls_cert
    return context


def _names(settings: Settings) -> set[str]:
    wildcards = {"0.0.0.0", "::", ""}  # noqa: S104 - left out, not bound
    return {"127.0.0.1", "localhost", settings.host, settings.public_host} - wildcards


def _holds(at: Files, names: set[str]) -> bool:
    if not (at.certificate.exists() and at.key.exists()):
        return False
    try:
        old = x509.load_pem_x509_certificate(at.certificate.read_bytes())
    except ValueError:
        return False
    known = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    same = {str(name.value) for name in known} == names
    return same and old.not_valid_after_utc - RENEWED > datetime.now(UTC)


def _certificate(key: ec.EllipticCurvePrivateKey, names: set[str]) -> x509.Certificate:
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Stoa, made on this machine")])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # for clocks that go after
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in sorted(names)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
