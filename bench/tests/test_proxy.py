"""The proxy does to connections what it is told, and nothing else."""

import socket
import threading
from collections.abc import Iterator

import pytest

from common.testing.waiting import eventually
from wrecking.proxy import Proxy, Toxic, Way, proxied

pytestmark = pytest.mark.unit

PATIENCE_S = 20


class Echo:
    """A server that says everything again, and remembers it."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                threading.Thread(target=self._answer, args=[self._listener.accept()[0]], daemon=True).start()
        except OSError:
            return

    def _answer(self, client: socket.socket) -> None:
        with client:
            try:
                while data := client.recv(1000):
                    self.heard += data
                    client.sendall(data)
            except OSError:
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with proxied({"echo": echo.port}) as proxies:
        yield proxies["echo"]


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_S) as client:
        yield client


def said(client: socket.socket, words: bytes) -> bytes:
    """What comes back of these words, all of them."""
    client.sendall(words)
    back = b""
    while len(back) < len(words) and (more := client.recv(1000)):
        back += more
    return back


def said_before_the_end(client: socket.socket) -> bytes:
    """What comes until the connection is closed, in whatever way."""
    try:
        return client.recv(10)
    except ConnectionResetError:
        return b""


def test_what_is_not_spoilt_passes_whole_and_so_does_its_end(echo: Echo, client: socket.socket) -> None:
    words = b"all of it" * 1000
    assert said(client, words) == words
    client.shutdown(socket.SHUT_WR)
    assert client.recv(10) == b""


def test_an_answer_is_cut_in_its_middle(proxy: Proxy, echo: Echo, client: socket.socket) -> None:
    assert said(client, b"before") == b"before"
    proxy.spoil(Way.DOWN, Toxic(limit_data=4))
    client.sendall(b"answered")
    eventually(lambda: echo.heard == b"beforeanswered", PATIENCE_S)
    assert client.recv(4) == b"answ"
    with pytest.raises(ConnectionResetError):
        client.recv(10)
    proxy.clean()
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_S) as other:
        assert said(other, b"longer than four") == b"longer than four"


def test_an_answer_vanishes_and_its_connection_is_reset_when_that_is_over(
    proxy: Proxy, echo: Echo, client: socket.socket
) -> None:
    proxy.spoil(Way.DOWN, Toxic(timeout=True))
    client.sendall(b"is it done?")
    eventually(lambda: echo.heard == b"is it done?", PATIENCE_S)
    client.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.recv(10)
    client.settimeout(PATIENCE_S)
    proxy.clean()
    with pytest.raises(ConnectionResetError):
        client.recv(10)


def test_a_question_vanishes_and_nobody_hears_of_it(proxy: Proxy, echo: Echo, client: socket.socket) -> None:
    proxy.spoil(Way.UP, Toxic(timeout=True))
    client.sendall(b"lost")
    client.shutdown(socket.SHUT_WR)
    assert client.recv(10) == b""
    assert echo.heard == b""


def test_a_late_answer_comes_whole(proxy: Proxy, client: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []

    def draw(low: float, _: float) -> float:
        drawn.append(low)
        return low

    monkeypatch.setattr("wrecking.proxy.random.uniform", draw)
    proxy.spoil(Way.DOWN, Toxic(latency_s=0.01))
    assert said(client, b"late") == b"late"
    assert drawn, "it was delayed"


def test_everybody_is_reset_and_welcome_again(proxy: Proxy, client: socket.socket) -> None:
    assert said(client, b"hello") == b"hello"
    proxy.reset_peer()
    with pytest.raises(ConnectionResetError):
        client.recv(10)
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_S) as other:
        assert said(other, b"again") == b"again"


def test_who_is_down_refuses_until_it_is_up_on_the_same_port(proxy: Proxy, client: socket.socket) -> None:
    assert said(client, b"hello") == b"hello"
    proxy.down()
    with pytest.raises(ConnectionResetError):
        client.recv(10)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_S)
    proxy.up()
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_S) as other:
        assert said(other, b"back") == b"back"


def test_a_server_that_is_not_there_is_not_there_through_the_proxy_either(free_port: int) -> None:
    with (
        proxied({"nobody": free_port}) as proxies,
        socket.create_connection(("127.0.0.1", proxies["nobody"].port), PATIENCE_S) as client,
    ):
        assert said_before_the_end(client) == b""
