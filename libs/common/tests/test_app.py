"""The front door's tests: no input makes a 500, every refusal is a problem, and a part that is away is said so."""

import asyncio
import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI, Query
from fastapi.testclient import TestClient
from pydantic import Field
from sqlalchemy import text

from common.app import Service
from common.database import LostRace
from common.errors import Conflict, TooMany
from common.events.auth import UserRegistered
from common.fields import Body, Money
from common.knocking import Admin, CurrentUser, IdempotencyKey, SessionsDep, Visitor, called_by
from common.outbox import say
from common.pagination import ListQuery
from common.settings import Settings
from common.testing.badges import Badges
from common.testing.broker import Broker
from common.testing.proxy import Proxy
from common.testing.signing import Signer
from common.testing.sisters import FakeSister, fake_sister
from common.testing.waiting import eventually

Client = Callable[..., TestClient]
TOYS = "/api/toys/"


class NewToy(Body):
    name: Annotated[str, Field(min_length=1, max_length=100)]
    price: Money = Decimal(0)
    count: int = 0
    maker: Annotated[UUID, Field(strict=False)] | None = None
    attributes: dict[str, Any] = {}
    marks: list[int] = []
    tags: Annotated[list[str], Field(max_length=100)] = []


class ToysQuery(ListQuery):
    colour: str | None = None


router = APIRouter(prefix="/api/toys", tags=["toys"])
internal = APIRouter(prefix="/internal/toys", include_in_schema=False)


@router.get("/")
def list_toys(query: Annotated[ToysQuery, Query()]) -> dict[str, Any]:
    return {"size": query.size, "colour": query.colour}


@router.post("/", status_code=201)
def add_toy(toy: NewToy, key: IdempotencyKey) -> dict[str, Any]:
    return {"name": toy.name, "price": f"{toy.price:.2f}", "key": key}


@router.get("/mine/")
def my_toys(user: CurrentUser) -> dict[str, Any]:
    return {"user": user.username}


@router.get("/window/")
def toys_in_the_window(visitor: Visitor) -> dict[str, Any]:
    return {"visitor": None if visitor is None else visitor.username}


@router.post("/recall/")
def recall_toys(user: Admin, toy: NewToy) -> dict[str, Any]:
    return {"by": user.username, "toy": toy.name}


@router.get("/broken/")
def broken() -> None:
    raise ZeroDivisionError("the secret is 4711")


@router.get("/conflict/")
def conflicting() -> None:
    raise Conflict("the toy is in use", code="toy_in_use", toy=5)


@router.get("/busy/")
def busy() -> None:
    raise TooMany("slowly", retry_after_s=7)


@router.get("/stock/")
def count_stock(sessions: SessionsDep) -> dict[str, Any]:
    with sessions.begin() as session:
        return {"count": session.scalar(text("SELECT COUNT(*) FROM stock"))}


@router.get("/mistake/")
def mistake(sessions: SessionsDep) -> None:
    with sessions.begin() as session:
        session.execute(text("SELECT secret FROM nowhere"))


@router.get("/locked/")
def locked(sessions: SessionsDep) -> None:
    with sessions.begin() as session:
        session.execute(text("SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'deadlock'"))


@router.get("/overtaken/")
def overtaken() -> None:
    raise LostRace("somebody was faster, again")


@router.get("/{toy_id}/")
def read_toy(toy_id: UUID) -> dict[str, Any]:
    return {"id": str(toy_id)}


@router.delete("/{toy_id}/", status_code=204)
def scrap_toy(toy_id: UUID) -> None:
    pass


@router.get("/numbered/{number}/")
def read_numbered(number: Annotated[int, Field(ge=1, le=2**31)]) -> dict[str, Any]:
    return {"number": number}


@internal.post("/box/", dependencies=[called_by("games")])
def box(toy: NewToy) -> dict[str, Any]:
    return {"boxed": toy.name}


@internal.get("/shelf/", dependencies=[called_by()])
def shelf() -> dict[str, Any]:
    return {"inside": True}


@internal.get("/")
def inside() -> dict[str, Any]:
    return {"inside": True}


@pytest.fixture
def build(stacked: ExitStack, settings: Settings, auth_sister: FakeSister) -> Client:
    """A client of the toy service; a setting may be given another value."""

    def make(raise_errors: bool = False, parts: Callable[[Service], None] = lambda _: None, **more: Any) -> TestClient:
        service = Service("toys", settings.model_copy(update={"auth_url": auth_sister.url} | more))
        parts(service)
        app: FastAPI = service.app([router, internal], {"shelf": "top"})
        return stacked.enter_context(TestClient(app, raise_server_exceptions=raise_errors))

    return make


@pytest.fixture(scope="module")
def client(schema: str, house_broker: Broker, redis_url: str, signer: Signer, badges: Badges) -> Iterator[TestClient]:
    """A client of the toy service as it is, for all who only ask it something."""
    with fake_sister() as auth:
        signer.publish_on(auth)
        settings = Settings(
            env="test",
            database_url=schema,
            broker_url=house_broker.url,
            redis_url=redis_url,
            auth_url=auth.url,
            sister_keys=badges.public("games", "shop"),
        )
        with TestClient(Service("toys", settings).app([router, internal]), raise_server_exceptions=False) as client:
            yield client


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The answer's body, which must be a whole problem."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body: dict[str, Any] = answer.json()
    assert body["code"] == code, body
    assert body["type"] == f"urn:stoa:problem:{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


JSON = {"Content-Type": "application/json"}


def test_an_unknown_path_and_a_wrong_method_are_problems(client: TestClient) -> None:
    problem(client.get("/api/nothing/"), 404, "not_found")
    problem(client.get("/"), 404, "not_found")
    refused = client.delete(TOYS)
    problem(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == "GET, POST"


def test_a_path_of_its_own_beside_ids_says_which_methods_it_takes(client: TestClient) -> None:
    for path, method, allowed in ((TOYS + "mine/", "DELETE", "GET"), (TOYS + f"{UUID(int=1)}/", "POST", "DELETE, GET")):
        refused = client.request(method, path)
        problem(refused, 405, "method_not_allowed")
        assert refused.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path", ["/api/toys/5/", "/api/toys/%00/", "/api/toys/..%2f/", "/api/toys/" + "a" * 3000 + "/"]
)
def test_an_id_that_cannot_be_one_is_not_found(client: TestClient, path: str) -> None:
    problem(client.get(path), 404, "not_found")


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "9" * 30, "9" * 5000, "٣", "%20"])
def test_a_number_that_cannot_be_an_id_is_not_found(client: TestClient, number: str) -> None:
    problem(client.get(f"/api/toys/numbered/{number}/"), 404, "not_found")


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "not json": b"{",
    "words": b"name=car",
    "null": b"null",
    "a list": b"[]",
    "a number": b"5",
    "nan": b"NaN",
    "an empty object": b"{}",
    "an unknown field": b'{"name":"car","nmae":1}',
    "a number for a text": b'{"name":5}',
    "null for a text": b'{"name":null}',
    "an empty text": b'{"name":"  "}',
    "a long text": b'{"name":"' + b"a" * 101 + b'"}',
    "a truth for a number": b'{"name":"car","count":false}',
    "a text for a number": b'{"name":"car","count":"5"}',
    "a fraction for a whole number": b'{"name":"car","count":1.5}',
    "nan for a number": b'{"name":"car","count":NaN}',
    "infinity for a number": b'{"name":"car","count":Infinity}',
    "nan for money": b'{"name":"car","price":NaN}',
    "infinity for money": b'{"name":"car","price":-Infinity}',
    "a huge float for money": b'{"name":"car","price":1e999}',
    "a huge whole number for money": b'{"name":"car","price":' + b"9" * 4000 + b"}",
    "a number of more digits than python reads": b'{"name":"car","count":' + b"9" * 5000 + b"}",
    "an id that is none": b'{"name":"car","maker":"5"}',
    "a lone surrogate": b'{"name":"\\ud800"}',
    "a lone surrogate as a field's name": b'{"name":"car","\\ud800":1}',
    "a lone surrogate within attributes": b'{"name":"car","attributes":{"a":"\\udfff"},"x":1}',
    "bad utf-8": b'{"name":"\xff\xfe"}',
    "a byte order mark": b'\xef\xbb\xbf{"name":1}',
    "nul bytes": b"\x00\x00\x00",
    "depth 10,000 of lists": b"[" * 10_000,
    "depth 10,000 of lists, closed": b"[" * 10_000 + b"]" * 10_000,
    "depth 10,000 of objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "depth within a field": b'{"name":"car","attributes":{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}}",
    "a hundred thousand wrong elements": b'{"name":"car","tags":[' + b",".join([b"1"] * 100_000) + b"]}",
    "ten thousand unknown fields": b'{"name":"car"' + b"".join(b',"x%d":1' % n for n in range(10_000)) + b"}",
    "a thousand wrong marks": b'{"name":"car","marks":[' + b",".join([b'""'] * 1000) + b"]}",
    "a long unknown name": b'{"name":"car","' + b"x" * 200_000 + b'":1}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_bad_body_is_a_400_and_never_a_500(client: TestClient, body: bytes) -> None:
    answer = client.post(TOYS, content=body, headers=JSON)
    problem(answer, 400, "invalid")
    assert len(answer.content) < 20_000


def test_validation_names_the_fields_and_says_what_is_wrong(client: TestClient) -> None:
    body = problem(client.post(TOYS, json={"price": "1e2", "count": 1.5}), 400, "invalid")
    assert set(body["errors"]) == {"name", "price", "count"}
    assert body["errors"]["price"] == ['send the amount in plain decimal notation, such as "12.50"']
    assert "1e2" not in json.dumps(body), "what was sent is not repeated"
    assert problem(client.post(TOYS, content=b"{", headers=JSON), 400, "invalid")["errors"] == {
        "body": ["the body is not valid JSON"]
    }


def test_a_good_body_is_taken(client: TestClient) -> None:
    answer = client.post(TOYS, json={"name": " car ", "price": 12.5}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()) == (201, {"name": "car", "price": "12.50", "key": "k"})


@pytest.mark.parametrize("key", ["", "k" * 256, "käse".encode("latin-1"), "a\tb"])
def test_a_bad_idempotency_key_is_refused(client: TestClient, key: str | bytes) -> None:
    answer = client.post(TOYS, json={"name": "car"}, headers=[(b"Idempotency-Key", key)])  # type: ignore[list-item]
    problem(answer, 400, "invalid_idempotency_key")


def test_a_body_that_is_too_large_is_a_413(build: Client) -> None:
    client = build(max_body_bytes=1000)
    assert client.post(TOYS, content=b'{"name":"car"}' + b" " * 900, headers=JSON).status_code == 201
    problem(client.post(TOYS, content=b" " * 1001, headers=JSON), 413, "too_large")

    def chunks() -> Iterator[bytes]:
        yield from [b" " * 100] * 20

    problem(client.post(TOYS, content=chunks(), headers=JSON), 413, "too_large")


def test_an_unknown_query_parameter_has_a_code_of_its_own(client: TestClient) -> None:
    assert client.get(TOYS, params={"colour": "red", "limit": 5, "cursor": ""}).json() == {"size": 5, "colour": "red"}
    body = problem(client.get(TOYS, params={"color": "red"}), 400, "unknown_parameter")
    assert set(body["errors"]) == {"color"}
    problem(client.get(TOYS, params={"page_size": "1000"}), 400, "invalid")
    problem(client.get(f"{TOYS}?colour=%ff%fe&page=%00"), 400, "invalid")
    problem(client.get(f"{TOYS}?page={'9' * 5000}"), 400, "invalid")


def test_a_refusal_below_the_door_keeps_its_code_its_extras_and_its_headers(client: TestClient) -> None:
    assert problem(client.get("/api/toys/conflict/"), 409, "toy_in_use")["toy"] == 5
    busy = client.get("/api/toys/busy/")
    problem(busy, 429, "too_many_requests")
    assert busy.headers["retry-after"] == "7"


def test_what_was_not_foreseen_is_a_500_that_tells_nothing(client: TestClient) -> None:
    for path in ("broken", "mistake"):
        answer = client.get(f"/api/toys/{path}/", headers={"X-Request-ID": "trace-me"})
        assert problem(answer, 500, "internal_error")["request_id"] == "trace-me"
        assert not any(word in answer.text for word in ("4711", "ZeroDivision", "secret", "nowhere", "Traceback"))


def test_a_request_id_is_accepted_or_made(client: TestClient) -> None:
    assert client.get(TOYS, headers={"X-Request-ID": "abc-1.2:3_4"}).headers["x-request-id"] == "abc-1.2:3_4"
    made = {client.get(TOYS).headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    for odd in ("", "a b", "a" * 65, "<script>", "ä".encode("latin-1"), 'a"b'):
        answer = client.get("/api/nothing/", headers=[(b"X-Request-ID", odd)])  # type: ignore[list-item]
        assert UUID(problem(answer, 404, "not_found")["request_id"])


def test_internal_routes_are_for_sisters_with_a_token_of_their_own(
    client: TestClient, badges: Badges, signer: Signer
) -> None:
    toy, games, shop = {"name": "car"}, badges.headers("games", to="toys"), badges.headers("shop", to="toys")
    for shown in ({}, signer.admin().headers, badges.headers("games", to="shop"), badges.headers("poker", to="toys")):
        answer = client.post("/internal/toys/box/", json=toy, headers=shown)
        problem(answer, 401, "invalid_token")
        assert answer.headers["www-authenticate"] == "Bearer"
        problem(client.get("/internal/toys/shelf/", headers=shown), 401, "invalid_token")
    problem(client.post("/internal/toys/box/", json=toy, headers=shop), 403, "not_for_this_service")
    assert client.post("/internal/toys/box/", json=toy, headers=games).json() == {"boxed": "car"}
    assert client.get("/internal/toys/shelf/", headers=shop).json() == {"inside": True}


@pytest.mark.usefixtures("client")
def test_what_a_service_was_loaded_with_is_no_more_looked_at_by_the_collector() -> None:
    assert gc.get_freeze_count() > 0


def test_what_is_answered_to_somebody_is_kept_by_nobody_else(client: TestClient, signer: Signer) -> None:
    for path in ("/api/toys/mine/", "/api/toys/", "/api/nothing/"):
        assert client.get(path, headers=signer.user().headers).headers["cache-control"] == "private, no-cache"
        assert "cache-control" not in client.get(path).headers


def test_redis_is_not_taken_for_gone_because_the_loop_was_busy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_s = 2.0  # long enough for the second try, however busy the machine
    monkeypatch.setattr("common.redis.REDIS_S", wait_s)
    service = Service("toys", settings)

    async def story() -> list[Any]:
        asked = [asyncio.create_task(service.redis.mget("one", "another")) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the questions are on their way
        time.sleep(wait_s * 1.1)  # and nobody looks for the answers until the wait is over
        try:
            return await asyncio.gather(*asked)
        finally:
            await service.redis.aclose()
            await service.auth.close()

    assert asyncio.run(story()) == [[None, None]] * 5


def test_a_service_token_is_no_users_token(client: TestClient, badges: Badges) -> None:
    problem(client.get("/api/toys/mine/", headers=badges.headers("games", to="toys")), 401, "invalid_token")


def test_a_path_without_its_slash_is_served_without_a_redirect(client: TestClient) -> None:
    toy = "0190d9a0-0000-7000-8000-000000000000"
    assert client.get("/api/toys", params={"colour": "red"}, follow_redirects=False).json()["colour"] == "red"
    assert client.post("/api/toys", json={"name": "car"}, follow_redirects=False).status_code == 201
    assert client.get(f"/api/toys/{toy}", follow_redirects=False).json() == {"id": toy}
    assert client.get("/internal/toys", follow_redirects=False).json() == {"inside": True}
    problem(client.get("/api/toysx"), 404, "not_found")
    problem(client.get("/healthz/"), 404, "not_found")


def test_who_may_knock(client: TestClient, signer: Signer) -> None:
    user, admin = signer.user("ada"), signer.admin()
    stranger = client.get("/api/toys/mine/")
    problem(stranger, 401, "not_authenticated")
    assert stranger.headers["www-authenticate"] == "Bearer"
    assert client.get("/api/toys/mine/", headers=user.headers).json() == {"user": "ada"}
    assert client.get("/api/toys/mine", headers={"Authorization": f"token  {user.token}"}).json() == {"user": "ada"}
    problem(client.post("/api/toys/recall/", json={"nonsense": 1}), 401, "not_authenticated")
    problem(client.post("/api/toys/recall/", json={"nonsense": 1}, headers=user.headers), 403, "forbidden")
    problem(client.post("/api/toys/recall/", json={"nonsense": 1}, headers=admin.headers), 400, "invalid")
    assert client.post("/api/toys/recall/", json={"name": "car"}, headers=admin.headers).status_code == 200


def test_a_token_that_is_sent_must_be_good_on_a_public_page_too(client: TestClient, signer: Signer) -> None:
    assert client.get("/api/toys/window/").json() == {"visitor": None}
    assert client.get("/api/toys/window/", headers=signer.user("ada").headers).json() == {"visitor": "ada"}
    for word in (
        "Bearer nonsense",
        "Bearer",
        "Bearer ",
        "Basic YWRhOng=",
        "nonsense",
        "",
        f"Basic {signer.user().token}",
    ):
        problem(client.get("/api/toys/window/", headers={"Authorization": word}), 401, "invalid_token")
    twice = [("Authorization", f"Bearer {signer.user().token}")] * 2
    problem(client.get("/api/toys/window/", headers=twice), 401, "invalid_token")


def test_a_revoked_session_is_refused_everywhere(client: TestClient, signer: Signer, redis_url: str) -> None:
    user = signer.user()
    assert client.get("/api/toys/mine/", headers=user.headers).status_code == 200
    import redis

    with redis.Redis.from_url(redis_url) as store:
        store.set(f"revoked:{user.session}", "1", ex=60)
    problem(client.get("/api/toys/mine/", headers=user.headers), 401, "session_ended")


@pytest.mark.parametrize("state", ["shut", "jammed"])
def test_without_redis_the_sessions_are_checked_with_auth(
    build: Client, redis_url: str, door: Callable[[str], Proxy], signer: Signer, state: str
) -> None:
    way = door(redis_url)
    client = build(redis_url=way.through(redis_url))
    one, other = signer.user(), signer.user()
    assert client.get("/api/toys/mine/", headers=one.headers).status_code == 200
    if state == "shut":
        way.shut()
    else:
        way.jam()
    signer.ended.add(str(other.session))
    assert client.get("/api/toys/mine/", headers=one.headers).status_code == 200
    problem(client.get("/api/toys/mine/", headers=other.headers), 401, "session_ended")
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]) == (200, {"database": "ok", "redis": "unavailable"})


def test_without_redis_and_auth_signing_in_is_not_possible_and_the_rest_is(build: Client, signer: Signer) -> None:
    client = build(redis_url="redis://127.0.0.1:1/0", auth_url="http://127.0.0.1:1")
    answer = client.get("/api/toys/mine/", headers=signer.user().headers)
    problem(answer, 503, "auth_unavailable")
    assert answer.headers["retry-after"]
    assert client.get(TOYS).status_code == 200


@pytest.mark.parametrize("state", ["shut", "jammed"])
def test_without_its_database_a_service_says_503_and_when_to_come_back(
    build: Client, database_url: str, door: Callable[[str], Proxy], state: str
) -> None:
    way = door(database_url)
    client = build(database_url=way.through(database_url))
    assert client.get("/api/toys/stock/").json() == {"count": 0}
    assert client.get("/readyz").json() == {"status": "ok", "checks": {"database": "ok", "redis": "ok"}}
    if state == "shut":
        way.shut()
        answer = client.get("/api/toys/stock/")
        problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "2"
    else:
        way.jam()
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    assert client.get("/healthz").status_code == 200
    assert client.get(TOYS).status_code == 200
    way.open() if state == "shut" else way.release()
    eventually(lambda: client.get("/readyz").status_code == 200)
    eventually(lambda: client.get("/api/toys/stock/").json() == {"count": 0})


def test_without_a_free_connection_a_service_says_503(build: Client) -> None:
    service: list[Service] = []
    client = build(parts=service.append, threads=1)
    held = [service[0].engine.connect() for _ in range(5)]
    problem(client.get("/api/toys/stock/"), 503, "unavailable")
    for connection in held:
        connection.close()
    assert client.get("/api/toys/stock/").status_code == 200


def test_a_deadlock_that_outlived_its_retries_is_a_503(client: TestClient) -> None:
    problem(client.get("/api/toys/locked/"), 503, "unavailable")
    problem(client.get("/api/toys/overtaken/"), 503, "unavailable")


def test_metrics_tell_the_outbox_and_stay_there_without_the_database(
    build: Client, database_url: str, door: Callable[[str], Proxy], registered: Callable[[], UserRegistered]
) -> None:
    way = door(database_url)
    service: list[Service] = []

    def parts(built: Service) -> None:
        service.append(built)
        built.settings = built.settings.model_copy(update={"broker_url": "amqp://nobody@127.0.0.1:1/"})
        built.says()

    client = build(database_url=way.through(database_url), parts=parts)
    assert 'stoa_outbox_unsent{service="toys"} 0.0' in client.get("/metrics").text
    with service[0].sessions.begin() as session:
        say(session, registered(), registered())
    page = client.get("/metrics").text
    assert 'stoa_outbox_unsent{service="toys"} 2.0' in page
    assert 'stoa_outbox_parked{service="toys"} 0.0' in page
    oldest = next(line for line in page.splitlines() if line.startswith("stoa_outbox_oldest_seconds{"))
    assert 0 <= float(oldest.split()[-1]) < 60
    way.shut()
    page = client.get("/metrics")
    assert page.status_code == 200
    assert "stoa_outbox_unsent" not in page.text
    assert "stoa_events_heard_total" in page.text


def test_a_service_that_speaks_and_hears_does_both_and_stops(
    build: Client, stacked: ExitStack, registered: Callable[..., UserRegistered]
) -> None:
    heard: list[str] = []
    last: list[str] = []

    def parts(service: Service) -> None:
        service.says()
        service.hears(lambda _, events: heard.extend(event.subject for event in events))
        service.closes(lambda: last.append("closed"))

    client = build(parts=parts)
    event = registered()
    with client.app.state.sessions.begin() as session:  # type: ignore[attr-defined]
        say(session, event)
    eventually(lambda: heard == [str(event.user_id)])
    assert client.app.state.shelf == "top"  # type: ignore[attr-defined]
    stacked.close()
    assert last == ["closed"]


def test_the_api_page_hides_what_is_inside(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert "/api/toys/" in paths
    assert not any(path.startswith(("/internal", "/healthz", "/readyz", "/metrics")) for path in paths)
    assert "/api/toys/mine/" in paths
