"""What clients notice when routes change, a replica dies, or an answer breaks off: as little as can be."""

from collections import Counter

import pytest

from common.testing.waiting import eventually
from stoa.servers.server import write

from .fronting import FILES, fronting, problem
from .hammering import CLIENTS, hammering

MORE = 300
"""Requests before, between and after what happens to the gateway."""


@pytest.fixture
def changeable(tmp_path):
    """A gateway with files of its own."""
    for name in ("traefik.yaml", "routes.yaml"):
        (tmp_path / name).write_text((FILES / name).read_text())
    with fronting(tmp_path / "run", files=tmp_path, STOA_RATE_LIMITS="off") as front:
        yield front


@pytest.fixture
def doubled(tmp_path):
    """A gateway before two replicas of catalog."""
    with fronting(tmp_path, replicas={"catalog-2": "catalog"}, STOA_RATE_LIMITS="off") as front:
        yield front


def _routers(front):
    return {router["name"] for router in front.reported("routers")}


def _replicas_up(front):
    services = {service["name"]: service for service in front.reported("services")}
    return sum(state == "UP" for state in services["catalog-replicas@file"]["serverStatus"].values())


def _change(front, old, new):
    """Write the routes anew, whole or not at all, as an editor or a deployment does."""
    routes = front.gateway.files / "routes.yaml"
    text = routes.read_text()
    assert old in text
    write(routes, text.replace(old, new), 0o644)


def test_no_request_is_lost_when_the_routes_change(changeable):
    with hammering(changeable, ("GET", "/api/cart/"), ("POST", "/api/orders/")) as hammer:
        hammer.wait_for_more(MORE)
        _change(changeable, "    health:\n", "    well:\n")
        eventually(lambda: "well@file" in _routers(changeable), 60)
        hammer.wait_for_more(MORE)
        _change(changeable, "    well:\n", "    fit:\n")
        eventually(lambda: "fit@file" in _routers(changeable), 60)
        assert "well@file" not in _routers(changeable)
        hammer.wait_for_more(MORE)
    assert hammer.failed == {}
    assert hammer.seen["GET 200"] > MORE
    assert hammer.seen["POST 200"] > MORE
    assert changeable.services["orders"].heard["POST /api/orders/"] == hammer.seen["POST 200"]


def test_routes_that_make_no_sense_change_nothing(changeable):
    with hammering(changeable, ("GET", "/api/cart/"), clients=2) as hammer:
        _change(changeable, "    health:\n", "    health: [\n")
        eventually(lambda: "watcher callback error" in changeable.gateway.log.read_text(), 60)
        hammer.wait_for_more(MORE)
        assert "health@file" in _routers(changeable)
    assert hammer.failed == {}
    assert changeable.gateway.faults() == []


def test_two_replicas_share_the_work(doubled):
    for _ in range(20):
        assert doubled.http.get("/api/products/").status_code == 200
    assert {name: len(heard) for name, heard in doubled.heard().items()} == {"catalog": 10, "catalog-2": 10}


def test_reads_survive_the_death_of_a_replica_and_it_is_asked_again_when_it_is_back(doubled):
    second = doubled.services["catalog-2"]
    with hammering(doubled, ("GET", "/api/products/{n}/")) as hammer:
        hammer.wait_for_more(MORE)
        second.kill()
        eventually(lambda: _replicas_up(doubled) == 1, 60)
        hammer.wait_for_more(MORE)
        second.heard.clear()
        second.start()
        eventually(lambda: _replicas_up(doubled) == 2, 60)
        eventually(lambda: second.heard.total() > MORE, 60)
    assert hammer.failed == {}


def test_a_write_is_never_sent_twice_when_a_replica_dies(doubled):
    first, second = doubled.services["catalog"], doubled.services["catalog-2"]
    with hammering(doubled, ("POST", "/api/products/{n}/")) as hammer:
        hammer.wait_for_more(MORE)
        second.kill()
        eventually(lambda: _replicas_up(doubled) == 1, 60)
        hammer.wait_for_more(MORE)
    second.start()
    heard = Counter(first.heard) + Counter(second.heard)
    assert set(heard.values()) == {1}
    assert hammer.seen["POST 200"] > 2 * MORE
    assert set(hammer.failed) <= {"POST 503", "POST 500"}  # 500 where a connection was closed just as it was written to
    assert sum(hammer.failed.values()) <= CLIENTS  # those that were being worked on; the others are sent elsewhere


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}], ids=str)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_write_whose_answer_breaks_off_is_not_sent_again(front, method, headers):
    front.http.post("/api/orders/warm/")
    front.forget()
    answer = front.http.request(method, "/api/orders/?break", json={"quantity": 1}, headers=headers)
    problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert front.heard() == {"orders": [f"{method} /api/orders/"]}


def test_a_read_whose_answer_breaks_off_is_sent_again_but_not_for_ever(front):
    front.forget()
    problem(front.http.get("/api/orders/?break"), 503, "unavailable")
    assert len(front.heard()["orders"]) == 6


def test_a_service_that_says_no_is_not_asked_again(front):
    for code in (500, 503, 504):
        front.forget()
        front.http.get(f"/api/orders/?code={code}")
        assert front.heard() == {"orders": ["GET /api/orders/"]}
