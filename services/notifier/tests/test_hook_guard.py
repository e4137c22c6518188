"""Where a webhook may go: as its address is written, and as the name turns out to be when it is asked."""

import socket
import ssl
import struct
import threading
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import pytest

from common.testing.waiting import eventually
from notifier.hooks import courier as courier_room
from notifier.hooks.courier import Courier
from notifier.hooks.guard import Policy, Refused, addresses_of, checked_url, is_public, look_up

from .integrator import NAME, Integrator, certified, says

pytestmark = pytest.mark.unit

STRICT = Policy()
HERE = Policy(allow_clear=True, allow_private=True)
BODY = b'{"type":"webhook.test"}'


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254"),
        *("0.0.0.0", "255.255.255.255", "240.0.0.1", "224.0.0.1", "198.18.0.1", "192.0.2.1", "192.88.99.1"),  # noqa: S104 - looked at, not bound
        *("::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1"),
        *("fec0::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001::1"),
        *("2001:db8::1", "3fff::1", "5f00::1", "100::1", "4000::1"),
    ],
)
def test_what_is_nobodys_server_on_the_internet_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_what_is_is(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://example.com/", "https://"),
        ("ftp://example.com/", "https://"),
        ("//example.com/", "https://"),
        ("example.com", "https://"),
        ("https://", "name of a host"),
        ("https:///x", "name of a host"),
        ("https://user@example.com/", "user name"),
        ("https://user:word@example.com/", "user name"),
        ("https://example.com@127.0.0.1/", "user name"),
        ("https://example.com/#part", "fragment"),
        ("https://127.0.0.1/", "public"),
        ("https://127.0.0.1./", "public"),
        ("https://[::1]/", "public"),
        ("https://[::ffff:127.0.0.1]/", "public"),
        ("https://[fe80::1%25eth0]/", "public"),
        ("https://169.254.169.254/latest/", "public"),
        ("https://2130706433/", "usual form"),
        ("https://0x7f000001/", "usual form"),
        ("https://0x7f.1/", "usual form"),
        ("https://0177.0.0.1/", "usual form"),
        ("https://127.1/", "usual form"),
        ("https://127.0.0.0x1/", "usual form"),
        ("https://example.com:22/", "port"),
        ("https://example.com:0/", "port"),
        ("https://example.com:99999/", "not a URL"),
        ("https://example.com:x/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://exa mple.com/", "ASCII"),
        ("https://example.com\\@127.0.0.1/", "ASCII"),
        ("https://example.com/\r\nHost: x", "ASCII"),
        ("https://bücher.example/", "ASCII"),
        ("https://exa%6dple.com/", "name of a host"),
        ("https://example..com/", "name of a host"),
        ("https://-x.example.com/", "name of a host"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_what_to_do(url: str, complaint: str) -> None:
    with pytest.raises(Refused, match=complaint):
        checked_url(url, STRICT)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://Example.COM./a;b?c=d", "https://example.com/a;b?c=d"),
        ("https://example.com:8443/x", "https://example.com:8443/x"),
        ("https://example.com:443/", "https://example.com:443/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700::1111]:8443/", "https://[2606:4700::1111]:8443/"),
    ],
)
def test_a_good_address_is_kept_as_it_will_be_asked(url: str, kept: str) -> None:
    assert checked_url(url, STRICT) == kept


def test_a_name_with_one_address_that_is_not_public_is_refused_whole() -> None:
    for private in ("10.0.0.1", "::1", "::ffff:192.168.0.1"):
        with pytest.raises(Refused):
            addresses_of("x", 443, STRICT, lambda *_, private=private: ["8.8.8.8", private], 1)
    assert addresses_of("x", 443, STRICT, lambda *_: ["8.8.8.8", "2606:4700::1111"], 1) == [
        "8.8.8.8",
        "2606:4700::1111",
    ]


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1", "0177.0.0.1"])
def test_however_this_machine_is_named_the_resolver_gives_it_away(host: str) -> None:
    with pytest.raises(Refused):
        addresses_of(host, 443, STRICT, look_up, 10)


def test_a_name_that_turns_inward_after_it_was_checked_is_refused_and_nobody_is_called(integrator: Integrator) -> None:
    """DNS rebinding: it was public when the webhook was made; what counts is where it leads now."""
    url = f"http://{NAME}:{integrator.port}/"
    assert checked_url(url, Policy(allow_clear=True)) == url
    with Courier(Policy(allow_clear=True), ssl.create_default_context(), lambda *_: ["127.0.0.1"]) as courier:
        outcome = courier.post(url, {}, BODY)
    assert (outcome.status_code, integrator.connections) == (None, 0)
    assert "not public" in outcome.error


def test_the_name_is_looked_up_once_and_what_was_checked_is_what_is_called(
    integrator: Integrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver that gives a good answer to the check and a bad one to whoever asks again."""
    asked: list[str] = []

    def turning(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.66"]

    monkeypatch.setattr(socket, "getaddrinfo", _only_addresses)
    with Courier(HERE, ssl.create_default_context(), turning) as courier:
        outcome = courier.post(f"http://{NAME}:{integrator.port}/", {}, BODY)
    assert (outcome.status_code, asked) == (204, [NAME])
    assert integrator.requests[0].headers["host"] == f"{NAME}:{integrator.port}"


def test_an_ipv6_address_stands_in_brackets_in_the_host_header(integrator: Integrator) -> None:
    with Courier(HERE, ssl.create_default_context(), lambda *_: ["127.0.0.1"]) as courier:
        assert courier.post(f"http://[2606:4700::1111]:{integrator.port}/", {}, BODY).status_code == 204
    assert integrator.requests[0].headers["host"] == f"[2606:4700::1111]:{integrator.port}"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://[2606:4700::1111]/", "[2606:4700::1111]"),
        ("https://[2606:4700::1111]:443/", "[2606:4700::1111]"),
        ("https://example.com:443/", "example.com"),
        ("http://example.com:443/", "example.com:443"),
        ("http://8.8.8.8:80/", "8.8.8.8"),
        ("https://8.8.8.8:8443/", "8.8.8.8:8443"),
    ],
)
def test_the_host_header_names_no_usual_port(url: str, host: str) -> None:
    assert courier_room._host(url) == host


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [
        ("120", 120),
        ("99999999999", 99999999999),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 2977),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 2977),
        ("Sun Nov  6 08:49:37 1994", 2977),
        ("Sun, 06 Nov 1994 07:49:37 GMT", 0),
        *((odd, 0) for odd in ("soon", "-5", "1.5", "Sun, 06 Nov 99999999999999999 08:49:37 GMT", "9" * 21)),
    ],
)
def test_an_endpoint_may_wish_for_a_pause_in_seconds_or_by_a_date(
    integrator: Integrator, monkeypatch: pytest.MonkeyPatch, wish: str, seconds: int
) -> None:
    monkeypatch.setattr(courier_room, "now", lambda: datetime(1994, 11, 6, 8, tzinfo=UTC))
    integrator.answer = says(503, Retry_After=wish)
    with Courier(HERE, ssl.create_default_context()) as courier:
        assert courier.post(integrator.url, {}, BODY).wish_s == seconds


REAL = socket.getaddrinfo


def _only_addresses(host: str, *more: object, **others: object) -> object:
    """Whoever asks the system for a name, and not for an address, asks twice."""
    ip_address(host)
    return REAL(host, *more, **others)  # type: ignore[arg-type]


def test_the_certificate_must_be_for_the_name_and_from_somebody_trusted(tmp_path: Path) -> None:
    server, client = certified(tmp_path)
    with Integrator.opened(server) as integrator:

        def post(host: str, trusted: ssl.SSLContext) -> tuple[int | None, str]:
            with Courier(HERE, trusted, lambda *_: ["127.0.0.1"]) as courier:
                outcome = courier.post(f"https://{host}:{integrator.port}/x;y?z", {}, BODY)
                return outcome.status_code, outcome.error

        assert post(NAME, client) == (204, "")
        assert post("127.0.0.1", client) == (204, "")
        for host, trusted in (("other.example.com", client), (NAME, ssl.create_default_context())):
            status, error = post(host, trusted)
            assert status is None
            assert "CERTIFICATE_VERIFY_FAILED" in error
        assert [(request.path, request.body) for request in integrator.requests] == [("/x;y?z", BODY)] * 2


def test_a_redirect_is_a_failure_and_is_not_followed(integrator: Integrator) -> None:
    with Integrator.opened() as inner:
        integrator.answer = says(307, "over there", Location=inner.url)
        with Courier(HERE, ssl.create_default_context()) as courier:
            outcome = courier.post(integrator.url, {}, BODY)
        assert (outcome.status_code, outcome.succeeded, outcome.answer) == (307, False, "over there")
        assert "not followed" in outcome.error
        assert inner.connections == 0


def test_no_proxy_of_the_environment_is_asked(integrator: Integrator, monkeypatch: pytest.MonkeyPatch) -> None:
    with Integrator.opened() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("no_proxy", "")
        with Courier(HERE, ssl.create_default_context()) as courier:
            assert courier.post(integrator.url, {}, BODY).status_code == 204
        assert proxy.connections == 0


def test_of_an_endless_answer_the_first_words_are_read(integrator: Integrator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_room, "WHOLE_S", 3600.0)
    ended = threading.Event()

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        finally:
            ended.set()

    integrator.answer = endless
    with Courier(HERE, ssl.create_default_context()) as courier:
        outcome = courier.post(integrator.url, {}, BODY)
    assert (outcome.succeeded, outcome.answer) == (True, "x" * courier_room.MOST_KEPT)
    assert ended.wait(20), "it was hung up on"


def test_a_packed_answer_is_not_unpacked(integrator: Integrator) -> None:
    integrator.answer = says(200, "not gzip at all", Content_Encoding="gzip")
    with Courier(HERE, ssl.create_default_context()) as courier:
        outcome = courier.post(integrator.url, {}, BODY)
    assert (outcome.status_code, outcome.answer) == (200, "not gzip at all")


@pytest.mark.parametrize("drip", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: "], ids=["silent", "in drops"])
def test_an_answer_that_does_not_end_in_time_is_a_failure(
    integrator: Integrator, monkeypatch: pytest.MonkeyPatch, drip: bytes
) -> None:
    """Each drop comes soon after the last, so a limit between two reads would never be reached."""
    monkeypatch.setattr(courier_room, "WHOLE_S", 0.5)
    over = threading.Event()

    def dripping(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(drip)
        while not over.wait(0.05):
            if not drip.endswith(b"\n"):
                handler.wfile.write(b"x")

    integrator.answer = dripping
    with Courier(HERE, ssl.create_default_context()) as courier:
        outcome = courier.post(integrator.url, {}, BODY)
    over.set()
    assert outcome.status_code is None
    assert "no answer within" in outcome.error


def test_a_body_that_does_not_end_in_time_takes_nothing_from_a_success(
    integrator: Integrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier_room, "WHOLE_S", 3.0)
    over = threading.Event()

    def unfinished(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"thank")
        over.wait(20)

    integrator.answer = unfinished
    with Courier(HERE, ssl.create_default_context()) as courier:
        outcome = courier.post(integrator.url, {}, BODY)
    over.set()
    assert (outcome.succeeded, outcome.answer) == (True, "thank")


def test_a_resolver_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_room, "WHOLE_S", 0.2)
    over = threading.Event()

    def silent(*_: object) -> list[str]:
        over.wait(20)
        return []

    with Courier(HERE, ssl.create_default_context(), silent) as courier:
        outcome = courier.post(f"http://{NAME}/", {}, BODY)
    over.set()
    assert "no answer within" in outcome.error


def test_the_next_address_is_tried_when_one_does_not_answer(integrator: Integrator) -> None:
    """127.0.0.66 answers nobody: the server listens on 127.0.0.1 alone."""
    with Courier(HERE, ssl.create_default_context(), lambda *_: ["127.0.0.66", "127.0.0.1"]) as courier:
        assert courier.post(f"http://{NAME}:{integrator.port}/", {}, BODY).status_code == 204


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"this is no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 300_000,
        b"HTTP/1.1 999999 what\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
    ],
    ids=["nothing", "noise", "huge header", "odd status", "odd length"],
)
def test_whatever_comes_back_is_an_outcome(answer: bytes) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=_answer_once, args=(server, answer))
        thread.start()
        with Courier(HERE, ssl.create_default_context()) as courier:
            outcome = courier.post(f"http://127.0.0.1:{server.getsockname()[1]}/", {}, BODY)
        thread.join()
    assert outcome.status_code is None
    assert outcome.error


def _answer_once(server: socket.socket, answer: bytes) -> None:
    with closing(server.accept()[0]) as line:
        line.recv(65536)
        try:
            line.sendall(answer)
        except OSError:
            return
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))


def test_a_kept_connection_that_has_ended_is_made_anew(integrator: Integrator) -> None:
    with Courier(HERE, ssl.create_default_context()) as courier:
        assert courier.post(integrator.url, {}, BODY).status_code == 204
        assert courier.post(integrator.url, {}, BODY).status_code == 204
        assert integrator.connections == 1
        integrator.answer = says(204, Connection="close")
        for _ in range(3):
            eventually(lambda: courier.post(integrator.url, {}, BODY).status_code == 204)
    assert integrator.connections == 3
