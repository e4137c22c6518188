"""The public sockets welcome everybody, but for those who send a token that is not good; others those who sign in."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from common.ids import new_id

from .callers import Headers
from .doors import Who
from .house import Platform
from .knocking import CALLERS, bad_tokens
from .table import ADMINS_SOCKETS, OWN_SOCKETS, SOCKETS

SIGN_IN, NOT_HERE = 4401, 4403
LONGEST_HEADER = 8192
"""The web server hears no longer one in a handshake, and answers nothing at all (websockets, `MAX_LINE_LENGTH`)."""
SAID = '{"message": "anybody there?"}'


@contextmanager
def call(platform: Platform, service: str, path: str, shown: Headers, said: str = SAID) -> Iterator[ClientConnection]:
    """A connection over which something has been said already."""
    url = platform.urls[service].replace("http", "ws", 1) + path.format(task_id=new_id())
    with connect(url, additional_headers=shown, proxy=None, open_timeout=30) as connection:
        with suppress(ConnectionClosed):
            connection.send(said)
        yield connection


def signing_in(token: str) -> str:
    """The first message that shows a token."""
    return json.dumps({"action": "auth", "token": token})


def code_or_word(connection: ClientConnection) -> object:
    """The type of the first message that does not answer, or the code that the connection is closed with instead."""
    try:
        while (word := json.loads(connection.recv(timeout=30))["type"]) == "error":
            continue
        return word
    except ConnectionClosed as closed:
        return closed.rcvd and closed.rcvd.code


@pytest.mark.parametrize(("service", "path"), SOCKETS)
def test_a_socket_speaks_to_everybody(service: str, path: str, platform: Platform, cells: Counter[str]) -> None:
    for who in Who:
        caller = CALLERS[who](platform.people[service])
        with call(platform, service, path, caller.headers if caller else []) as connection:
            assert connection.recv(timeout=30)
        cells["sockets"] += 1


def answer_to(who: Who, path: str) -> object:
    """The first message, or the close code, of a socket that is not for everyone."""
    if who is Who.ANONYMOUS:
        return SIGN_IN
    if path in ADMINS_SOCKETS:
        return "import_progress" if who is Who.ADMIN else NOT_HERE
    return "hello"


@pytest.mark.parametrize(("service", "path"), OWN_SOCKETS)
def test_a_socket_of_ones_own_speaks_to_whoever_has_signed_in(
    service: str, path: str, platform: Platform, cells: Counter[str]
) -> None:
    for who in Who:
        caller = CALLERS[who](platform.people[service])
        with call(platform, service, path, caller.headers if caller else []) as connection:
            assert code_or_word(connection) == answer_to(who, path), who
        if caller is not None:
            with call(platform, service, path, [], signing_in(caller.token)) as connection:
                assert code_or_word(connection) == answer_to(who, path), who
        cells["sockets"] += 1


@pytest.mark.parametrize(("service", "path"), OWN_SOCKETS)
def test_a_socket_opens_to_no_bad_token_that_is_only_said(
    service: str, path: str, platform: Platform, cells: Counter[str]
) -> None:
    for name, shown in bad_tokens(platform, service).items():
        scheme, _, token = shown[0][1].partition(" ")
        if len(shown) > 1 or scheme != "Bearer":
            continue
        said = signing_in(token)
        with call(platform, service, path, [], said) as connection:
            assert code_or_word(connection) == SIGN_IN, name
        cells["sockets"] += 1


@pytest.mark.parametrize(("service", "path"), [*SOCKETS, *OWN_SOCKETS])
def test_a_socket_closes_on_a_bad_token(service: str, path: str, platform: Platform, cells: Counter[str]) -> None:
    for name, shown in bad_tokens(platform, service).items():
        if any(len(value) > LONGEST_HEADER for _, value in shown):
            continue
        with call(platform, service, path, shown) as connection, pytest.raises(ConnectionClosed) as closed:
            connection.recv(timeout=30)
        cells["sockets"] += 1
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == SIGN_IN, name
