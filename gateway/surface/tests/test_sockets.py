"""The public sockets welcome everybody, but for those who send a token that is not good."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from .callers import Headers
from .doors import Who
from .house import Platform
from .knocking import CALLERS, bad_tokens
from .table import SOCKETS

SIGN_IN = 4401
LONGEST_HEADER = 8192
"""The web server hears no longer one in a handshake, and answers nothing at all (websockets, `MAX_LINE_LENGTH`)."""
SAID = '{"message": "anybody there?"}'


@contextmanager
def call(platform: Platform, service: str, path: str, shown: Headers) -> Iterator[ClientConnection]:
    """A connection over which something has been said already."""
    url = platform.urls[service].replace("http", "ws", 1) + path
    with connect(url, additional_headers=shown, proxy=None, open_timeout=30) as connection:
        with suppress(ConnectionClosed):
            connection.send(SAID)
        yield connection


@pytest.mark.parametrize(("service", "path"), SOCKETS)
def test_a_socket_speaks_to_everybody(service: str, path: str, platform: Platform, cells: Counter[str]) -> None:
    for who in Who:
        caller = CALLERS[who](platform.people[service])
        with call(platform, service, path, caller.headers if caller else []) as connection:
            assert connection.recv(timeout=30)
        cells["sockets"] += 1


@pytest.mark.parametrize(("service", "path"), SOCKETS)
def test_a_socket_closes_on_a_bad_token(service: str, path: str, platform: Platform, cells: Counter[str]) -> None:
    for name, shown in bad_tokens(platform, service).items():
        if any(len(value) > LONGEST_HEADER for _, value in shown):
            continue
        with call(platform, service, path, shown) as connection, pytest.raises(ConnectionClosed) as closed:
            connection.recv(timeout=30)
        cells["sockets"] += 1
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == SIGN_IN, name
