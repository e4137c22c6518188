"""The operators' tests: dead letters are looked at without harm, sent again once, and dropped by name only."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from common import dead_letters, letters
from common.app import Service
from common.broker import DELIVERY_LIMIT, dead_letter_name, queue_name
from common.consumer import ATTEMPT, Consumer, one_by_one
from common.database import Sessions
from common.dead_letters import DeadLetters
from common.events import Envelope
from common.events.auth import UserRegistered
from common.leases import let_go, take
from common.outbox import mark_failed, say, unsent
from common.running import Background
from common.settings import Settings
from common.testing.broker import Broker, manage
from common.testing.proxy import Proxy
from common.testing.servers import Servers
from common.testing.signing import Signer
from common.testing.sisters import FakeSister
from common.testing.waiting import eventually

AT = "/api/toys/operations/"
LETTERS = f"{AT}dead-letters/"
REPLAY = f"{LETTERS}replay/"
DROP = f"{LETTERS}drop/"
RETRY = f"{AT}outbox/retry/"
QUEUE = queue_name("toys")
DEAD = dead_letter_name("toys")

Json = dict[str, Any]
Build = Callable[..., "Office"]
Registered = Callable[..., UserRegistered]
Bury = Callable[..., list[str]]


class Office:
    """The service's door as an administrator comes to it."""

    def __init__(self, client: TestClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    def get(self, path: str, **more: Any) -> Json:
        return self._ok(self.client.get(path, headers=self.headers, **more))

    def post(self, path: str, body: Json) -> Json:
        return self._ok(self.client.post(path, headers=self.headers, json=body))

    def _ok(self, answer: Any) -> Json:
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found


@pytest.fixture
def build(stacked: ExitStack, settings: Settings, auth_sister: FakeSister, broker: Broker, signer: Signer) -> Build:
    """An administrator at the door of a service, which may have parts and another broker URL."""

    def make(name: str = "toys", parts: Callable[[Service], None] = lambda _: None, url: str = broker.url) -> Office:
        service = Service(name, settings.model_copy(update={"auth_url": auth_sister.url, "broker_url": url}))
        parts(service)
        app = service.app([service.operations("/api/toys")])
        client = stacked.enter_context(TestClient(app, raise_server_exceptions=False))
        return Office(client, signer.admin().headers)

    return make


@pytest.fixture
def office(build: Build) -> Office:
    """The toys' door; nobody hears the queue behind it."""
    return build()


@pytest.fixture
def bury(office: Office, broker: Broker, registered: Registered) -> Bury:
    """Makes dead letters as the consumer does, one a second; their events' ids."""
    office.get(AT)  # now the queues are there

    def make(count: int, first: int = 0) -> list[str]:
        ids = []
        for number in range(first, first + count):
            envelope = Envelope.of(registered(name=str(number)))
            died = f"2026-01-01T00:{number // 60:02}:{number % 60:02}+00:00"
            headers = {"x-reason": "ZeroDivisionError", "x-detail": "not edible", "x-dead-at": died, ATTEMPT: 4}
            broker.send(DEAD, envelope.encode(), str(envelope.id), exchange="", headers=headers)
            ids.append(str(envelope.id))
        return ids

    return make


def shown(office: Office, limit: int = 100) -> list[str]:
    """The ids of the letters, in order."""
    return [letter["id"] for letter in office.get(LETTERS, params={"limit": limit})["results"]]


@pytest.fixture
def listening(sessions: Sessions, broker: Broker, keep: Callable[[Background], Any]) -> Callable[[], Any]:
    """Lets the toys hear their queue; each event makes one row."""

    def note(session: Session, event: UserRegistered) -> None:
        session.execute(text("INSERT INTO effects (what) VALUES (:what)"), {"what": event.username})

    return lambda: keep(Consumer("toys", broker.url, sessions, one_by_one({UserRegistered: note})))


def test_this_is_for_administrators(office: Office, signer: Signer) -> None:
    by_code = signer.user("admin", "admin", ("otp",))
    for method, path in (("GET", AT), ("GET", LETTERS), ("POST", REPLAY), ("POST", DROP), ("POST", RETRY)):
        assert office.client.request(method, path).status_code == 401
        for user in (signer.user(), by_code):
            assert office.client.request(method, path, headers=user.headers).status_code == 403


ASKED_BADLY: list[tuple[str, str, Json]] = [
    ("GET", LETTERS, {"params": {"limit": 0}}),
    ("GET", LETTERS, {"params": {"limit": 101}}),
    ("GET", LETTERS, {"params": {"page": 1}}),
    ("GET", LETTERS, {"params": {"offset": -1}}),
    ("GET", LETTERS, {"params": {"offset": 65_436}}),
    ("POST", REPLAY, {}),
    ("POST", REPLAY, {"json": {"ids": []}}),
    ("POST", REPLAY, {"json": {"ids": None}}),
    ("POST", REPLAY, {"json": {"ids": [1]}}),
    ("POST", REPLAY, {"json": {"id": "x"}}),
    ("POST", DROP, {}),
    ("POST", DROP, {"json": {}}),
    ("POST", DROP, {"json": {"ids": []}}),
    ("POST", DROP, {"json": {"ids": ["x"] * 501}}),
    ("POST", DROP, {"json": {"ids": [" " * 256]}}),
]


def test_what_is_asked_badly_is_refused_and_touches_nothing(office: Office, bury: Bury, broker: Broker) -> None:
    bury(1)
    for method, path, sent in ASKED_BADLY:
        answer = office.client.request(method, path, headers=office.headers, **sent)
        assert answer.status_code == 400, f"{path} {sent}"
    assert (broker.size(DEAD), broker.size(QUEUE)) == (1, 0)


def test_a_service_tells_what_waits_and_what_died(
    build: Build, bury: Bury, sessions: Sessions, registered: Registered, broker: Broker, proxy: Proxy
) -> None:
    bury(3)
    assert build().get(AT) == {"service": "toys", "outbox": None, "dead_letters": 3, "broker": "ok"}
    proxy.shut()
    office = build(parts=lambda service: service.says(), url=proxy.through(broker.url))
    assert office.get(AT)["outbox"] == {"waiting": 0, "oldest_s": None, "parked": 0}
    with sessions.begin() as session:
        say(session, registered(), registered())
    told = office.get(AT)
    assert (told["broker"], told["dead_letters"], told["outbox"]["waiting"]) == ("away", None, 2)
    assert told["outbox"]["oldest_s"] >= 0


def test_a_service_that_hears_nothing_has_no_dead_letters(build: Build) -> None:
    office = build("games")
    assert office.get(AT) == {"service": "games", "outbox": None, "dead_letters": None, "broker": "ok"}
    assert office.get(LETTERS) == {"count": 0, "left": 0, "results": []}
    assert office.post(REPLAY, {}) == {"replayed": 0, "left": 0}
    assert office.post(DROP, {"ids": ["x"]}) == {"dropped": 0, "left": 0}
    assert office.post(RETRY, {}) == {"retried": 0}


def test_letters_are_read_the_oldest_first_and_stay_however_often_they_are_read(
    office: Office, bury: Bury, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a nack gives back stands at the end on RabbitMQ 3.10, what a closed channel gives back at the begin."""
    monkeypatch.setattr(dead_letters, "CHUNK", 5)
    monkeypatch.setattr(dead_letters, "RENEW_AT", 10**9)
    ids = bury(12)
    for limit in (2, 5, 3, 5):
        told = office.get(LETTERS, params={"limit": limit})
        assert (told["count"], told["left"]) == (12, 12 - limit)
        assert [letter["id"] for letter in told["results"]] == ids[:limit]
        assert broker.size(DEAD) == 12
    assert office.post(DROP, {"ids": ids[1:3]}) == {"dropped": 2, "left": 10}
    assert shown(office) == [ids[0], *ids[3:]]


def test_a_broker_that_counts_late_what_it_got_back_is_waited_for(
    office: Office, bury: Bury, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks next would miss them. It closes a channel first, and gives its letters back a moment later."""
    bury(3)
    counts = [3, 0, 2, 3]

    async def late(*_: Any) -> int:
        return counts.pop(0)

    monkeypatch.setattr(DeadLetters, "_waiting", late)
    assert office.get(LETTERS)["count"] == 3
    assert counts == []


def test_a_letter_tells_what_died_why_and_when(office: Office, bury: Bury, broker: Broker) -> None:
    (event,) = bury(1)
    (letter,) = office.get(LETTERS)["results"]
    envelope = letter.pop("envelope")
    assert letter == {
        "id": event,
        "type": "user.registered",
        "time": letter["time"],
        "reason": "ZeroDivisionError",
        "detail": "not edible",
        "attempts": 5,
        "died_at": "2026-01-01T00:00:00.000Z",
    }
    assert (envelope["id"], envelope["data"]["username"]) == (event, "0")
    assert letter["time"].endswith("Z")


ODD: dict[str, bytes] = {
    "nothing": b"",
    "bytes": b"\xff\xfe\x00",
    "a list": b"[1]",
    "nan": b'{"a":NaN}',
    "a lone surrogate": b'{"a":"\\ud800"}',
    "depth": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "a long number": b'{"a":' + b"9" * 5000 + b"}",
    "a long text": b"x" * 100_000,
    "an object": b'{"a":1}',
}


def test_whatever_has_died_can_be_read_and_dropped(office: Office, bury: Bury, broker: Broker) -> None:
    bury(0)
    for name, body in ODD.items():
        headers = {"x-dead-at": "yesterday", "x-death": ["nonsense"], ATTEMPT: "many"}
        broker.send(DEAD, body, name if name != "bytes" else "", exchange="", headers=headers)
    letters = {letter["id"]: letter for letter in office.get(LETTERS)["results"]}
    (unnamed,) = letters.keys() - ODD.keys()
    assert unnamed.startswith("sha256:")
    assert letters["an object"]["envelope"] == {"a": 1}
    assert letters["a long text"]["envelope"] == "x" * 1000
    assert {(each["reason"], each["died_at"], each["attempts"]) for each in letters.values()} == {("unknown", None, 1)}
    assert office.post(DROP, {"ids": list(letters)}) == {"dropped": len(ODD), "left": 0}
    assert broker.size(DEAD) == 0


def test_what_the_broker_itself_gave_up_tells_so(
    office: Office, bury: Bury, broker: Broker, registered: Registered
) -> None:
    """A consumer that dies with a message in its hands again and again leaves it to the delivery limit."""
    bury(0)
    envelope = Envelope.of(registered())
    broker.send(QUEUE, envelope.encode(), str(envelope.id), exchange="")
    with broker._connection() as connection:
        channel = connection.channel()
        for _ in range(DELIVERY_LIMIT + 1):
            got = eventually(lambda: channel.basic_get(QUEUE))
            channel.basic_reject(got.delivery_tag, requeue=True)
    eventually(lambda: broker.size(DEAD) == 1)
    (letter,) = office.get(LETTERS)["results"]
    assert (letter["id"], letter["reason"]) == (str(envelope.id), "delivery_limit")
    assert letter["died_at"]


@pytest.fixture
def impatient(broker: Broker, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """RabbitMQ 4 limits deliveries to 20 where nothing else is said; here a policy does so, to 5, on any version."""
    vhost = urlsplit(broker.url).path.strip("/")
    policy = {"pattern": "dead$", "definition": {"delivery-limit": 5}, "apply-to": "queues"}
    manage(servers.broker, servers.management, "PUT", f"policies/{vhost}/impatient", policy)
    monkeypatch.setattr(dead_letters, "RENEW_AT", 3)


@pytest.mark.usefixtures("impatient")
def test_a_letter_is_not_thrown_away_by_the_broker_because_it_was_looked_at_often(
    office: Office, bury: Bury, broker: Broker
) -> None:
    ids = bury(3)
    first = office.get(LETTERS)
    for _ in range(9):
        assert office.get(LETTERS) == first, "a copy tells the same"
    assert ([letter["id"] for letter in first["results"]], broker.size(DEAD)) == (ids, 3)


@pytest.mark.usefixtures("small", "impatient")
def test_nor_because_others_were_looked_at_often(office: Office, bury: Bury, broker: Broker) -> None:
    """Those behind the last one that is shown were handed out with it."""
    ids = bury(40)
    for _ in range(9):
        assert shown(office, 1) == ids[:1]
    assert (shown(office), broker.size(DEAD)) == (ids, 40)


def test_a_dead_letter_that_is_replayed_has_its_effect_once(
    office: Office, bury: Bury, broker: Broker, listening: Callable[[], Any], effects: Callable[[], list[str]]
) -> None:
    ids = bury(4)
    assert office.post(REPLAY, {"ids": [ids[2], "never-heard-of"]}) == {"replayed": 1, "left": 3}
    ((headers, body),) = broker.letters(QUEUE, 1)
    assert (json.loads(body)["id"], {name for name in headers if not name.startswith("x-delivery")}) == (ids[2], set())
    broker.send(QUEUE, body, ids[2], exchange="")
    bury(4)  # others
    broker.send(DEAD, body, ids[2], exchange="")  # the same event once more
    listening()
    assert office.post(REPLAY, {}) == {"replayed": 8, "left": 0}
    eventually(lambda: len(effects()) == 8 and broker.size(QUEUE) == 0)
    assert sorted(effects()) == ["0", "0", "1", "1", "2", "2", "3", "3"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of five letters, windows of two."""
    monkeypatch.setattr(dead_letters, "CHUNK", 5)
    monkeypatch.setattr(dead_letters, "WINDOW", 2)


@pytest.mark.usefixtures("small")
def test_more_letters_than_one_chunk_are_listed_page_by_page(office: Office, bury: Bury, broker: Broker) -> None:
    ids, found = bury(13), []
    for offset in range(0, 15, 3):
        page = office.get(LETTERS, params={"limit": 3, "offset": offset})
        found += [letter["id"] for letter in page["results"]]
        assert (page["count"], page["left"]) == (13, 13 - len(found))
    assert (found, broker.size(DEAD)) == (ids, 13)
    assert shown(office) == ids
    assert office.get(LETTERS, params={"offset": 99}) == {"count": 13, "left": 0, "results": []}


@pytest.mark.usefixtures("small")
def test_more_letters_than_one_chunk_are_replayed_in_one_call(office: Office, bury: Bury, broker: Broker) -> None:
    ids = bury(13)
    assert office.post(REPLAY, {}) == {"replayed": 13, "left": 0}
    assert [told["id"] for told in broker.take(QUEUE, 13)] == ids


@pytest.mark.usefixtures("small")
def test_the_order_stays_whatever_was_looked_for(office: Office, bury: Bury) -> None:
    ids = bury(60)
    for limit in (100, 3, 2, 100):
        assert office.post(DROP, {"ids": ["never-heard-of"]}) == {"dropped": 0, "left": 60}
        assert shown(office, limit) == ids[:limit]


@pytest.mark.usefixtures("small")
def test_a_letter_far_behind_is_found_by_its_id(office: Office, bury: Bury, broker: Broker) -> None:
    ids = bury(13)
    assert office.post(DROP, {"ids": [ids[12], ids[1]]}) == {"dropped": 2, "left": 11}
    assert office.post(REPLAY, {"ids": [ids[11]]}) == {"replayed": 1, "left": 10}
    assert [told["id"] for told in broker.take(QUEUE, 1)] == ids[11:12]
    assert shown(office) == [ids[0], *ids[2:11]]


@pytest.mark.usefixtures("small")
def test_when_the_time_is_over_the_answer_says_how_many_are_left(
    office: Office, bury: Bury, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "WORK_S", 0.0)
    ids = bury(7)
    assert office.post(REPLAY, {}) == {"replayed": 5, "left": 2}
    assert office.post(REPLAY, {}) == {"replayed": 2, "left": 0}
    assert [told["id"] for told in broker.take(QUEUE, 7)] == ids


def test_administrators_who_work_at_once_lose_nothing_and_send_nothing_twice(
    office: Office, bury: Bury, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("TURN_S", "CALL_S"):  # the last of fifteen must get their turn on a slow machine, too
        monkeypatch.setattr(dead_letters, limit, 60.0)
    ids = bury(30)
    works: list[tuple[str, Json]] = [(REPLAY, {}), (REPLAY, {"ids": ids[:20]}), (DROP, {"ids": ids[10:15]})] * 3
    with ThreadPoolExecutor(12) as pool:
        looks = [pool.submit(office.get, path) for path in (LETTERS, AT) * 3]
        told = list(pool.map(lambda work: office.post(*work), works))
    assert all(look.result() for look in looks)
    replayed, dropped = (sum(each.get(name, 0) for each in told) for name in ("replayed", "dropped"))
    assert (replayed + dropped, broker.size(DEAD), broker.size(QUEUE)) == (30, 0, replayed)
    heard = [each["id"] for each in broker.take(QUEUE, replayed)]
    assert len(set(heard)) == replayed
    assert dropped in (0, 5)


def test_who_dropped_what_stands_in_the_log(office: Office, bury: Bury, caplog: pytest.LogCaptureFixture) -> None:
    ids = bury(2)
    assert office.post(DROP, {"ids": [ids[1], "never-heard-of"]}) == {"dropped": 1, "left": 1}
    told = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    (line,) = [line for line in told if line["event"] == "dead_letter_dropped"]
    assert (line["id"], line["type"], line["service"]) == (ids[1], "user.registered", "toys")
    assert UUID(line["by"])
    assert shown(office) == ids[:1]


@pytest.mark.parametrize(("path", "told"), [(DROP, "dead_letter_dropped"), (REPLAY, "dead_letters_replayed")])
def test_what_may_still_come_back_is_not_in_the_log(
    office: Office, bury: Bury, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, path: str, told: str
) -> None:
    """A channel that does not close may never have brought the broker what it was to forget."""
    ids = bury(1)

    async def break_off(*_: Any) -> None:
        raise ConnectionError("the broker went away")

    with monkeypatch.context() as patch:
        patch.setattr(DeadLetters, "_renew", break_off)
        assert office.client.post(path, headers=office.headers, json={"ids": ids}).status_code == 503
    assert told not in [record.msg["event"] for record in caplog.records if isinstance(record.msg, dict)]


def test_without_the_broker_nothing_can_be_done_and_nothing_is_lost(
    build: Build, bury: Bury, broker: Broker, proxy: Proxy
) -> None:
    ids = bury(2)
    office = build(url=proxy.through(broker.url))
    proxy.shut()
    for method, path, sent in (("GET", LETTERS, None), ("POST", REPLAY, {}), ("POST", DROP, {"ids": ids})):
        answer = office.client.request(method, path, headers=office.headers, json=sent)
        assert (answer.status_code, answer.json()["code"], "retry-after" in answer.headers) == (
            503,
            "unavailable",
            True,
        )
    proxy.open()
    assert shown(office) == ids


@pytest.mark.parametrize("fall", ["cut", "shut", "jam"])
def test_a_broker_that_goes_away_in_the_middle_loses_nothing(
    build: Build, bury: Bury, broker: Broker, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, fall: str
) -> None:
    monkeypatch.setattr(dead_letters, "WINDOW", 2)
    ids, sent = bury(7), 0
    publish = dead_letters.publish

    async def fails_in_the_third_window(*args: Any, **more: Any) -> None:
        nonlocal sent
        sent += 1
        if sent == 5:
            await asyncio.to_thread(getattr(proxy, fall))
        await publish(*args, **more)

    office = build(url=proxy.through(broker.url))
    with monkeypatch.context() as patch:
        patch.setattr(dead_letters, "publish", fails_in_the_third_window)
        patch.setattr(dead_letters, "CALL_S", 4.0)
        answer = office.client.post(REPLAY, headers=office.headers, json={})
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    proxy.release()
    proxy.shut()
    proxy.open()
    eventually(lambda: broker.size(DEAD) + broker.size(QUEUE) >= 7)
    assert office.post(REPLAY, {})["left"] == 0
    heard = [told["id"] for told in broker.take(QUEUE, broker.size(QUEUE))]
    assert set(heard) == set(ids)
    assert len(heard) <= 7 + 4, "doubled are at most two whose copies and two whose acks were on their way"


def test_a_broker_that_goes_away_while_it_is_asked_is_a_503(
    build: Build, bury: Bury, broker: Broker, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, ask = bury(2), DeadLetters._waiting

    async def cut_once_asked() -> None:
        while not proxy.held:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(proxy.cut)

    async def ask_in_vain(*who: Any) -> int:
        proxy.jam()
        cutting = asyncio.create_task(cut_once_asked())
        try:
            return await ask(*who)
        finally:
            await cutting

    office = build(url=proxy.through(broker.url))
    with monkeypatch.context() as patch:
        patch.setattr(DeadLetters, "_waiting", ask_in_vain)
        answer = office.client.post(DROP, headers=office.headers, json={"ids": ids})
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        proxy.release()
        assert office.get(AT)["broker"] == "away"
    proxy.release()
    eventually(lambda: shown(office) == ids)


def test_a_cancellation_that_comes_from_a_dying_connection_is_a_503(
    office: Office, bury: Bury, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a thing shows to who waits for a confirm (reliability, fact 3)."""
    bury(1)

    async def die(*_: Any) -> int:
        raise asyncio.CancelledError

    monkeypatch.setattr(DeadLetters, "_waiting", die)
    assert office.client.get(LETTERS, headers=office.headers).status_code == 503
    assert office.get(AT)["broker"] == "away"


def test_a_letter_goes_only_when_its_copy_is_confirmed(
    office: Office, bury: Bury, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = bury(3)

    async def refuses_one(*args: Any, **more: Any) -> None:
        if more["message_id"] == ids[1]:
            raise ConnectionError("not confirmed")

    monkeypatch.setattr(dead_letters, "publish", refuses_one)
    assert office.client.post(REPLAY, headers=office.headers, json={}).status_code == 503
    eventually(lambda: broker.size(DEAD) == 1)
    assert shown(office) == ids[1:2]


def test_letters_are_read_beside_the_event_loop(office: Office, bury: Bury, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundred megabytes of them would hold up everybody else whom the process answers."""
    bury(2)
    found: list[bool] = []

    def on_a_loop(work: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*args: Any) -> Any:
            found.append(asyncio._get_running_loop() is not None)
            return work(*args)

        return noting

    for name in ("_read", "_shown"):
        monkeypatch.setattr(letters, name, on_a_loop(getattr(letters, name)))
    office.get(LETTERS)
    assert found == [False] * 4
    office.post(REPLAY, {})
    assert found == [False] * 6, "nobody wants to see what is only sent on"


def test_a_look_needs_no_turn_and_no_connection_of_the_pool(
    build: Build, bury: Bury, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is when a service is stuck that somebody looks."""
    bury(3)
    made: list[Service] = []
    office = build(parts=lambda service: (service.says(), made.append(service))[0])
    with engine.connect() as other, ExitStack() as held:
        assert take(other, f"stoa.dead.{engine.url.database}")
        with suppress(PoolTimeout):
            while True:
                held.enter_context(made[0].engine.connect())
        told = office.get(AT)
        let_go(other)
        assert len(shown(office)) == 3
    assert (told["dead_letters"], told["outbox"]["waiting"], told["broker"]) == (3, 0, "ok")


def test_what_is_parked_is_told_and_sent_again_when_somebody_says_so(
    build: Build,
    bury: Bury,
    sessions: Sessions,
    registered: Registered,
    broker: Broker,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bury(0)
    tap = broker.tap("user.registered")
    event = registered()
    with sessions.begin() as session:
        say(session, event, event)
        mark_failed(session, [min(row.seq for row in unsent(session, 2))], park_after=1)
    office = build(parts=lambda service: service.says())
    told = office.get(AT)["outbox"]
    assert (told["waiting"], told["parked"]) == (2, 1)
    assert office.post(RETRY, {}) == {"retried": 1}
    assert len(broker.take(tap, 2)) == 2
    eventually(lambda: office.get(AT)["outbox"] == {"waiting": 0, "oldest_s": None, "parked": 0})
    assert office.post(RETRY, {}) == {"retried": 0}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "outbox_retried" in line]
    assert [(line["count"], line["service"]) for line in lines] == [(1, "toys"), (0, "toys")]
    assert UUID(lines[0]["by"])


def test_a_lock_that_does_not_come_free_is_said_so(
    office: Office, bury: Bury, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "TURN_S", 0.1)
    bury(1)
    with engine.connect() as other:
        assert take(other, f"stoa.dead.{engine.url.database}")
        answer = office.client.get(LETTERS, headers=office.headers)
        assert (answer.status_code, "somebody else" in answer.json()["detail"]) == (503, True)
        let_go(other)
    assert len(shown(office)) == 1
