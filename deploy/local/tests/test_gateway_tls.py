"""The gateway by https: its own certificate or a given one, modern TLS only, and nothing served in clear."""

import asyncio
import re
import socket
import ssl
import subprocess
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import yaml
from cryptography import x509
from websockets.asyncio.client import connect

from stoa import encryption
from stoa.encryption import files, make_certificate, trusted, variables
from stoa.settings import ROOT, Settings
from stoa.welcome import first_calls

from .fronting import FILES, fronting, problem


def _settings(folder, **more):
    return Settings(run=folder, tls="on", _env_file=None, **more)


def _read(settings):
    return x509.load_pem_x509_certificate(files(settings).certificate.read_bytes())


def _names(settings):
    return {
        str(name.value)
        for name in _read(settings).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    }


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The settings of a stack that has made a certificate."""
    settings = _settings(tmp_path_factory.mktemp("tls"), public_url="https://shop.example")
    make_certificate(settings)
    return settings


@pytest.fixture(scope="module")
def encrypted(own):
    """A gateway with that certificate."""
    with fronting(own.folder, trusted=trusted(own), **variables(own)) as front:
        yield front


def _shake_hands(front, **options):
    """What is agreed with a client that trusts anybody and has these options."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in options.items():
        context.set_ciphers(value) if name == "ciphers" else setattr(context, name, value)
    line = socket.create_connection(("127.0.0.1", front.gateway.port), timeout=20)
    with context.wrap_socket(line, server_hostname="localhost") as secure:
        return secure.version(), secure.cipher()[0]


def test_the_shop_is_served_by_https_to_whoever_trusts_its_certificate(encrypted):
    assert encrypted.gateway.faults() == []
    assert encrypted.http.get("/api/cart/").json()["headers"]["x-forwarded-proto"] == "https"
    problem(encrypted.http.get("/nowhere"), 404, "not_found")
    problem(encrypted.http.get("/internal/reservations/"), 404, "not_found")
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"{encrypted.url}/api/cart/", trust_env=False)


def test_sockets_pass_by_wss(encrypted, own):
    """By a client of one thread: of a thousand that read and write TLS in two, one waits for ever for an answer."""

    async def echoed():
        async with connect(f"{encrypted.sockets}/ws/products/", proxy=None, ssl=trusted(own)) as secure:
            await secure.send("hello")
            return await secure.recv()

    assert asyncio.run(echoed()) == "hello"


def test_only_then_browsers_are_told_to_come_by_https(encrypted, front):
    for path in ("/api/cart/", "/nowhere"):
        assert encrypted.http.get(path).headers["strict-transport-security"] == "max-age=31536000"
        assert "strict-transport-security" not in front.http.get(path).headers


@pytest.mark.parametrize("path", ["/api/cart/", "/nowhere", "/internal/reservations/"])
def test_the_same_port_in_clear_serves_nothing_but_the_advice(encrypted, path):
    encrypted.forget()
    in_clear = encrypted.url.replace("https", "http")
    for method in ("GET", "POST"):
        problem(httpx.request(method, f"{in_clear}{path}", trust_env=False), 426, "tls_required")
    assert encrypted.heard() == {}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_two_versions_that_are_still_good_are_spoken(encrypted, version):
    name, cipher = _shake_hands(encrypted, minimum_version=version, maximum_version=version)
    assert name == version.name.replace("_", ".")
    assert "GCM" in cipher or "POLY1305" in cipher


@pytest.mark.parametrize(
    "options",
    [
        {
            "ciphers": "ALL:@SECLEVEL=0",
            "minimum_version": ssl.TLSVersion.TLSv1,
            "maximum_version": ssl.TLSVersion.TLSv1_1,
        },
        {"ciphers": "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA", "maximum_version": ssl.TLSVersion.TLSv1_2},
        {"ciphers": "AES128-GCM-SHA256:AES256-GCM-SHA384", "maximum_version": ssl.TLSVersion.TLSv1_2},
    ],
    ids=["TLS 1.1", "CBC", "no forward secrecy"],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_what_is_no_longer_good_is_not(encrypted, options):
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        _shake_hands(encrypted, **options)


def test_curl_and_the_first_calls_accept_the_certificate(encrypted, own):
    command = ["curl", "-s", "--cacert", str(files(own).certificate), f"{encrypted.url}/api/cart/"]
    assert '"service": "cart"' in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_first_calls_name_the_certificate(own, monkeypatch):
    monkeypatch.setattr("stoa.welcome.first_product", lambda _: 1)
    calls = first_calls(own)
    assert all(f"--cacert {files(own).certificate} " in call and "https://127.0.0.1:8080" in call for call in calls)
    assert not any("cacert" in call for call in first_calls(Settings(_env_file=None)))


@pytest.mark.unit
def test_a_certificate_is_made_once_for_all_names_and_its_key_is_its_owners_alone(tmp_path):
    settings = _settings(tmp_path, host="192.0.2.7", public_url="https://shop.example:8443/x")
    make_certificate(settings)
    assert _names(settings) == {"127.0.0.1", "localhost", "192.0.2.7", "shop.example"}
    assert files(settings).key.stat().st_mode & 0o077 == 0
    first = variables(settings)
    make_certificate(settings)
    assert variables(settings) == first


@pytest.mark.unit
@pytest.mark.parametrize("change", ["names", "end", "rubbish", "no key"])
def test_a_certificate_is_made_anew_when_it_no_longer_serves(tmp_path, monkeypatch, change):
    settings = _settings(tmp_path)
    if change == "end":
        monkeypatch.setattr(encryption, "VALID", timedelta(days=29))
    make_certificate(settings)
    monkeypatch.undo()
    before = variables(settings)
    if change == "names":
        settings = _settings(tmp_path, public_url="https://other.example")
    elif change == "rubbish":
        files(settings).certificate.write_text("rubbish")
    elif change == "no key":
        files(settings).key.unlink()
    make_certificate(settings)
    assert variables(settings) != before  # which also has the gateway started again
    assert _read(settings).not_valid_after_utc > datetime.now(UTC) + timedelta(days=390)


def test_a_given_certificate_is_used_as_it_is(tmp_path, own):
    given = _settings(tmp_path, tls_cert=str(files(own).certificate), tls_key=str(files(own).key))
    make_certificate(given)
    assert not (tmp_path / "gateway").exists()
    with fronting(tmp_path, trusted=trusted(given), **variables(given)) as front:
        assert front.http.get("/api/cart/").status_code == 200
        shown = ssl.get_server_certificate(("127.0.0.1", front.gateway.port))
    assert shown.split() == files(own).certificate.read_text().split()


def test_the_lines_that_the_documents_add_for_acme_are_accepted(tmp_path):
    document = (ROOT / "deploy" / "README.md").read_text()
    lines = re.search(r"```yaml\n(certificatesResolvers:.*?)```", document, re.DOTALL)
    added = yaml.safe_load(lines[1])
    acme = added["certificatesResolvers"]["acme"]["acme"]
    acme |= {"storage": str(tmp_path / "acme.json"), "caServer": "http://127.0.0.1:1/directory"}
    static = yaml.safe_load((FILES / "traefik.yaml").read_text()) | added
    (tmp_path / "traefik.yaml").write_text(yaml.safe_dump(static))
    (tmp_path / "routes.yaml").write_text((FILES / "routes.yaml").read_text())
    settings = Settings(run=tmp_path, tls="acme", public_url="https://shop.example", _env_file=None)
    with fronting(tmp_path / "run", files=tmp_path, trusted=trusted(settings), **variables(settings)) as front:
        assert front.gateway.faults() == []
        public = [router for router in front.reported("routers") if router["entryPoints"] == ["web"]]
        asked = [router["tls"] for router in public if router["name"] != "in-clear@file"]
        assert all(tls["certResolver"] == "acme" and tls["domains"] == [{"main": "shop.example"}] for tls in asked)
        assert "nonexistent certificate resolver" not in front.gateway.log.read_text()
