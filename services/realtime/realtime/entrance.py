"""The entrance's room: who may come in at a socket, from which page, with what, and how many at once.

Whoever has come in with a token stays as long as that is good: a watch looks each second whether its session goes on.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from ipaddress import IPv6Address, ip_address

from fastapi import WebSocket

from common.errors import Unauthorized, Unavailable
from common.knocking import sent_token
from common.tokens import Tokens, User
from realtime.listener import TRY_LATER, Dismissed, Gone, Guest
from realtime.schemas import Auth
from realtime.tickets import Tickets
from realtime.wire import TOO_MANY, Misunderstood, sender, understood

SIGN_IN = 4401
"""Close code: no token, or one that is not good or no longer so."""
NOT_HERE = 4403
"""Close code: a page of another origin, or somebody who is no administrator."""
FIRST_WORD_S = 5.0
"""How long a client may take to sign in by its first message (design: public surface, section 7)."""
WATCH_S = 1.0
WATCHED_AT_ONCE = 64
"""What Redis is asked in one question (`Coalescer`), so that whoever knocks meanwhile waits for no more than that."""
IN_URLS = ("token", "access_token")
"""A token there would be written into logs; it is refused even if it is good."""
CUSTOMER_BITS = 64
"""What an IPv6 customer is given whole; the gateway counts alike (gateway/routes.yaml)."""


class Entrance:
    """Lets clients in; `origins` are the pages that may open the sockets of signed-in users, beside our own."""

    name = "realtime watch"

    def __init__(self, tokens: Tokens, tickets: Tickets, origins: str, per_address: int, per_user: int) -> None:
        self._tokens = tokens
        self._tickets = tickets
        self._origins = frozenset(origin.strip().lower() for origin in origins.split(",") if origin.strip())
        self._addresses = Crowd(per_address)
        self._users = Crowd(per_user)
        self._guests: set[Guest] = set()

    @asynccontextmanager
    async def anyone(self, websocket: WebSocket) -> AsyncIterator[None]:
        """Let anybody in; a token that is sent must be good. Raises Dismissed."""
        with self._addresses.one_more(_address(websocket)):
            token = await self._shown(websocket)
            if token is not None:
                await self._user(token)
            yield

    @asynccontextmanager
    async def signed_in(self, websocket: WebSocket, timeout_s: float, *, admin: bool = False) -> AsyncIterator[Guest]:
        """Let a user in, or only an administrator, for as long as the token is good. Raises Dismissed or Gone."""
        with self._addresses.one_more(_address(websocket)):
            if not self._is_ours(websocket):
                raise Dismissed(NOT_HERE)
            token = await self._shown(websocket) or await _first_word(websocket)
            guest = Guest(sender(websocket), timeout_s, await self._user(token), token)
            if admin and not guest.user.is_admin:
                raise Dismissed(NOT_HERE)
            with self._users.one_more(str(guest.user.id)), self._watched(guest):
                yield guest

    async def renew(self, guest: Guest, token: str) -> None:
        """Let the guest stay for as long as this token is good. Raises Misunderstood, and then nothing has changed."""
        try:
            user = await self._tokens.user(token)
        except Unauthorized as error:
            raise Misunderstood(error.problem_code, error.detail) from None
        except Unavailable as error:
            raise Misunderstood("unavailable", error.detail) from None
        if (user.id, user.is_admin) != (guest.user.id, guest.user.is_admin):
            raise Misunderstood(
                "another_user", "this token is of another user or has other rights; open another socket"
            )
        guest.user, guest.token = user, token

    async def run(self) -> None:
        """Send away whose token is no longer good; while that cannot be found out, everybody stays until it expires."""
        while True:
            await asyncio.sleep(WATCH_S)
            tokens = list({guest.token for guest in self._guests})
            for begin in range(0, len(tokens), WATCHED_AT_ONCE):
                await self._look_at(tokens[begin : begin + WATCHED_AT_ONCE])

    async def _look_at(self, tokens: Sequence[str]) -> None:
        good = await asyncio.gather(*map(self._is_good, tokens))
        over = {token for token, is_good in zip(tokens, good, strict=True) if not is_good}
        for guest in self._guests:
            if guest.token in over:
                guest.dismiss(SIGN_IN)

    async def _is_good(self, token: str) -> bool:
        try:
            await self._tokens.user(token)
        except Unauthorized:
            return False
        except Unavailable:
            pass
        return True

    async def _user(self, token: str) -> User:
        try:
            return await self._tokens.user(token)
        except Unauthorized:
            raise Dismissed(SIGN_IN) from None
        except Unavailable:
            raise Dismissed(TRY_LATER) from None

    async def _shown(self, websocket: WebSocket) -> str | None:
        """The token in the header, or the one that a ticket stands for; never both, and none in the address."""
        if any(name in websocket.query_params for name in IN_URLS):
            raise Dismissed(SIGN_IN)
        tickets = websocket.query_params.getlist("ticket")
        try:
            token = await sent_token(websocket)
            if not tickets:
                return token
            if token is not None or len(tickets) > 1:
                raise Dismissed(SIGN_IN)
            return await self._tickets.take(tickets[0])
        except Unauthorized:
            raise Dismissed(SIGN_IN) from None
        except Unavailable:
            raise Dismissed(TRY_LATER) from None

    def _is_ours(self, websocket: WebSocket) -> bool:
        """Whether the page that opens the socket may; what is no page says no origin (RFC 6455, section 10.2)."""
        origin = websocket.headers.get("origin")
        if origin is None:
            return True
        host = websocket.headers.get("host")
        own = {f"http://{host}".lower(), f"https://{host}".lower()} if host else set()
        return origin.lower() in self._origins | own

    @contextmanager
    def _watched(self, guest: Guest) -> Iterator[None]:
        self._guests.add(guest)
        try:
            yield
        finally:
            self._guests.discard(guest)


class Crowd:
    """Counts sockets, of this process alone; `most` of one address or user, without a limit if it is 0."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._there: Counter[str] = Counter()

    @contextmanager
    def one_more(self, whose: str) -> Iterator[None]:
        """One more for as long as the block lasts. Raises Dismissed."""
        if self._most and self._there[whose] >= self._most:
            raise Dismissed(TOO_MANY)
        self._there[whose] += 1
        try:
            yield
        finally:
            self._there[whose] -= 1
            if not self._there[whose]:
                del self._there[whose]


async def _first_word(websocket: WebSocket) -> str:
    """The token in the first message, if that comes in time and is a sign-in. Raises Dismissed or Gone."""
    try:
        async with asyncio.timeout(FIRST_WORD_S):
            message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise Gone
        said = understood(dict(message), {"auth": Auth})
    except (TimeoutError, Misunderstood):
        raise Dismissed(SIGN_IN) from None
    assert isinstance(said, Auth)  # noqa: S101 - nothing else was to be understood
    return said.token


def _address(websocket: WebSocket) -> str:
    """Whose connection it is: an IPv4 address, or the network that an IPv6 customer has."""
    host = websocket.client.host if websocket.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> CUSTOMER_BITS << CUSTOMER_BITS))
