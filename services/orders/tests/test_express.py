"""The express lane: what it takes is answered as the route would, what it hands on comes there untouched."""

import asyncio
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient
from redis import Redis
from sqlalchemy import Engine, func, select
from starlette.types import Message, Receive, Scope, Send

from common.revocation import revoked_key
from common.testing.signing import SignedUser
from common.testing.sisters import FakeSister
from common.tokens import Tokens
from orders.express import ExpressLane
from orders.models import Order
from orders.till import Till

from .conftest import Shelves

PATH = "/api/orders/"
BY_THE_ROUTE = f"{PATH}?by=route"
"""No query is plain; the route takes none and does not mind."""
LONGEST = 1000
LINE = b'{"items":[{"product_id":1,"quantity":1}]}'
JSON = {"content-type": "application/json"}

BODIES: dict[str, bytes] = {
    "an order": LINE,
    "one that is short": b'{"items":[{"product_id":3,"quantity":2}]}',
    "one of what is unknown": b'{"items":[{"product_id":999,"quantity":2}]}',
    "another total": b'{"items":[{"product_id":1,"quantity":1}],"expected_total":"1.00"}',
    "too many pieces": b'{"items":[{"product_id":1,"quantity":999},{"product_id":1,"quantity":1}]}',
    "no body": b"",
    "null": b"null",
    "no JSON": b"{items",
    "no UTF-8": b'{"note":"\xff"}',
    "nested without end": b"[" * 900,
    "a wrong type": b'{"items":[{"product_id":"1","quantity":1}]}',
    "an unknown field": b'{"items":[{"product_id":1,"quantity":1}],"price":"0.01"}',
    "half a character": b'{"items":[{"product_id":1,"quantity":1}],"note":"\\ud800"}',
    "not a number": b'{"items":[{"product_id":1,"quantity":NaN}]}',
    "a list": b"[]",
}


def comparable(answer: Any) -> Any:
    """The answer without what each request has of its own."""
    body = answer.json()
    for name in ("id", "number", "created_at", "updated_at", "request_id"):
        body.pop(name, None)
    headers = {name: value for name, value in answer.headers.items() if name not in OWN}
    return answer.status_code, body, headers


OWN = ("x-request-id", "location", "content-length", "etag")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_is_answered_as_the_route_does(
    client: TestClient, shelves: Shelves, cart: FakeSister, ada: SignedUser, body: bytes
) -> None:
    lane, route = (client.post(path, content=body, headers=ada.headers | JSON) for path in (PATH, BY_THE_ROUTE))
    assert comparable(lane) == comparable(route)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Basic YWRh"},
        {"authorization": "Bearer nonsense"},
        {"authorization": "Bearer"},
        {"idempotency-key": ""},
        {"idempotency-key": "k" * 256},
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=utf-8"},
        {"content-type": "application/merge-patch+json"},
    ],
    ids=str,
)
def test_headers_are_answered_as_the_route_does(
    client: TestClient, shelves: Shelves, ada: SignedUser, headers: dict[str, str]
) -> None:
    sent = ada.headers | JSON if "authorization" not in headers and headers else JSON
    lane, route = (client.post(path, content=LINE, headers={**lower(sent), **headers}) for path in (PATH, BY_THE_ROUTE))
    assert comparable(lane) == comparable(route)


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def test_a_key_means_the_same_on_both_ways(
    client: TestClient, shelves: Shelves, ada: SignedUser, engine: Engine
) -> None:
    headers = ada.headers | JSON | {"Idempotency-Key": "both-ways"}
    lane, route = (client.post(path, content=LINE, headers=headers) for path in (PATH, BY_THE_ROUTE))
    assert (lane.status_code, route.status_code) == (201, 201)
    assert route.json() == lane.json()
    assert route.headers["idempotent-replayed"] == "true"
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).where(Order.user_id == ada.id)) == 1


def test_a_session_that_has_ended_orders_nothing(
    client: TestClient, shelves: Shelves, ada: SignedUser, redis_url: str
) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.set(revoked_key(ada.session), 1)
    answer = client.post(PATH, content=LINE, headers=ada.headers | JSON)
    assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")
    assert shelves.calls == 0


@pytest.mark.parametrize(("part", "work"), [("tokens", "user"), ("till", "place")])
def test_what_fails_unforeseen_is_a_problem_too(
    client: TestClient, shelves: Shelves, ada: SignedUser, monkeypatch: pytest.MonkeyPatch, part: str, work: str
) -> None:
    async def fails(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(getattr(client.app.state, part), work, fails)  # type: ignore[attr-defined]
    answer = client.post(PATH, content=LINE, headers=ada.headers | JSON)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


class Beyond:
    """The application behind the lane: keeps what comes to it."""

    def __init__(self) -> None:
        self.scope: Scope = {}
        self.body = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        more = True
        while more:
            message = await receive()
            self.body += message.get("body", b"")
            more = message.get("more_body", False)


def through(scope: Scope, *messages: Message, tokens: Any = None) -> Beyond:
    """Send a request through a lane that nobody may order in."""
    beyond, coming = Beyond(), list(messages)

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    asyncio.run(ExpressLane(beyond, cast(Tokens, tokens), cast(Till, None), LONGEST)(scope, receive, send))
    return beyond


def request(*headers: tuple[bytes, bytes], **differently: Any) -> Scope:
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": [*headers]}
    return scope | differently


AUTHORIZED = (b"authorization", b"Bearer x")
PLAIN = (AUTHORIZED, (b"content-type", b"application/json"))


@pytest.mark.unit
@pytest.mark.parametrize(
    "scope",
    [
        request(*PLAIN, (b"content-length", b"2"), method="GET"),
        request(*PLAIN, (b"content-length", b"2"), path="/api/orders/stats/"),
        request(*PLAIN, (b"content-length", b"2"), query_string=b"a=b"),
        request(*PLAIN, (b"content-length", b"1001")),
        request(*PLAIN, (b"content-length", b"two")),
        request(*PLAIN, (b"transfer-encoding", b"chunked")),
        request(*PLAIN, AUTHORIZED, (b"content-length", b"2")),
        request(*PLAIN, (b"idempotency-key", b"a"), (b"idempotency-key", b"b"), (b"content-length", b"2")),
        request(AUTHORIZED, (b"content-type", b"text/plain"), (b"content-length", b"2")),
        request(PLAIN[1], (b"content-length", b"2")),
    ],
    ids=str,
)
def test_what_is_not_plain_is_handed_on_unread(scope: Scope) -> None:
    beyond = through(scope, {"type": "http.request", "body": b"{}", "more_body": False})
    assert (beyond.scope, beyond.body) == (scope, b"{}")


@pytest.mark.unit
def test_a_body_that_was_read_in_vain_is_handed_on_whole() -> None:
    parts: list[Message] = [
        {"type": "http.request", "body": b'{"no', "more_body": True},
        {"type": "http.request", "body": b"te", "more_body": False},
    ]

    class Strangers:
        async def user(self, _: str) -> None:
            raise ValueError("nobody")

    beyond = through(request(*PLAIN, (b"content-length", b"6")), *parts, tokens=Strangers())
    assert beyond.body == b'{"note'


@pytest.mark.unit
def test_of_a_client_who_leaves_before_the_end_nothing_is_made() -> None:
    parts: list[Message] = [
        {"type": "http.request", "body": b'{"no', "more_body": True},
        {"type": "http.disconnect"},
    ]
    assert through(request(*PLAIN, (b"content-length", b"6")), *parts).scope == {}


def test_a_plain_order_never_comes_to_the_route(
    client: TestClient, shelves: Shelves, ada: SignedUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all of the above would hold without a lane."""
    monkeypatch.setattr("orders.api.reply", None)
    placed = client.post(PATH, content=LINE, headers=ada.headers | JSON)
    assert placed.status_code == 201
    assert client.post(BY_THE_ROUTE, content=LINE, headers=ada.headers | JSON).status_code == 500
