"""Signing in at a mail server: over an encrypted connection that is trusted, or not at all."""

import datetime
import ssl
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from common.clock import now
from common.database import Sessions
from common.ids import new_id
from notifier.models import State

from .desk import all_mails, queue, send
from .postoffice import PostOffice
from .telling import registered


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Certificate and key of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now() - datetime.timedelta(days=1))
        .not_valid_after(now() + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM) + secret)
    return path


@pytest.fixture
def guarded(office: PostOffice, certificate: Path) -> PostOffice:
    office.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    office.tls.load_cert_chain(certificate)
    return office


def _send(sessions: Sessions, office: PostOffice) -> None:
    queue(sessions, registered(new_id()))
    url = office.url.replace("//", "//shop:s%2Fecret@")
    send(sessions, office, url=url)


def test_the_password_goes_after_starttls(
    sessions: Sessions, guarded: PostOffice, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    _send(sessions, guarded)
    assert [mail.state for mail in all_mails(sessions)] == [State.SENT]
    assert guarded.said.index(b"STAR") < guarded.said.index(b"AUTH")


def test_no_password_for_a_server_that_nobody_vouches_for(sessions: Sessions, guarded: PostOffice) -> None:
    _send(sessions, guarded)
    assert [mail.state for mail in all_mails(sessions)] == [State.QUEUED]
    assert b"AUTH" not in guarded.said


def test_no_password_over_a_connection_that_cannot_be_encrypted(sessions: Sessions, office: PostOffice) -> None:
    _send(sessions, office)
    assert [mail.state for mail in all_mails(sessions)] == [State.QUEUED]
    assert b"AUTH" not in office.said
