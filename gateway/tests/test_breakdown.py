"""What clients notice of a process that dies, and what they do not."""

from collections.abc import Callable

import pytest

from common.testing.waiting import eventually

from .people import Person, Visitor, new_product, ok, problem, wait_for_numbers
from .site import PATIENCE_S, Site
from .test_sessions import PERSONAL
from .wreckage import Wreckage

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SERVICES = {"auth", "catalog", "cart", "orders", "notifier", "realtime"}


def test_work_was_really_torn(wreckage: Wreckage) -> None:
    assert 0 < wreckage.post.sent < len(wreckage.post.numbers)
    assert 0 < wreckage.upload.status["processed"] < wreckage.upload.status["total"]
    first = wreckage.burst.first.values()
    assert 201 in first
    assert {0, 503} & set(first)
    assert set(first) <= {0, 201, 503}


def test_killed_processes_come_back_by_themselves_and_are_served_again(
    wreckage: Wreckage, site: Site, stranger: Visitor, ada: Person
) -> None:
    assert wreckage.killed.keys() == SERVICES | {"catalog-worker", "notifier-worker"}
    now = site.numbers(*wreckage.killed)
    for name, number in wreckage.killed.items():
        assert now[name] not in (0, number)
    ok(stranger.get("/api/health/"))
    for path in ("/api/auth/me/", "/api/cart/", "/api/orders/", "/api/notifications/"):
        ok(ada.get(path))
    for path in ("/api/products/", "/api/realtime/products/"):
        ok(stranger.get(path))


def test_without_catalog_carts_go_on_and_orders_wait_without_anything_half_done(
    site: Site, admin: Person, stranger: Visitor, ada: Person, ben: Person
) -> None:
    product = new_product(admin, stock=5)
    ok(ada.post("/api/cart/clear/"))
    ok(ada.post("/api/cart/add_item/", {"product_id": product, "quantity": 2}))
    before = ok(ada.get("/api/orders/"))["count"]
    site.stop("catalog")
    try:
        eventually(lambda: stranger.get("/api/products/").status_code == 503, PATIENCE_S)
        for answer in (
            stranger.get("/api/products/"),
            admin.post("/api/products/", {}),
            ada.order(product, key="dark"),
        ):
            problem(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
        assert (
            ok(ada.post("/api/cart/update_item/", {"product_id": product, "quantity": 3}))["items"][0]["quantity"] == 3
        )
        ok(ben.post("/api/cart/add_item/", {"product_id": product}))
        assert ok(ada.get("/api/orders/"))["count"] == before
        ok(ada.get("/api/notifications/"))
        ok(ada.get("/api/auth/me/"))
        ok(stranger.get("/api/realtime/products/"))
        health = ok(stranger.get("/api/health/"), 503)["services"]
        assert {name for name, state in health.items() if state != "up"} == {"catalog"}
    finally:
        site.start("catalog")
    eventually(lambda: ada.order(product, key="dark").status_code == 201, PATIENCE_S)
    assert ok(ada.get("/api/orders/"))["count"] == before + 1
    wait_for_numbers(stranger, product, stock=4, sold=1)


def test_without_redis_auth_is_asked_and_without_both_nobody_guesses(
    site: Site, stranger: Visitor, newcomer: Callable[[], Person]
) -> None:
    stayer, leaver = newcomer(), newcomer()
    stopped = ["redis"]
    site.stop("redis")
    try:
        for path in PERSONAL:
            ok(stayer.get(path))
        ok(leaver.post("/api/auth/logout/"))
        for path in PERSONAL:
            problem(leaver.get(path), 401, "session_ended")
        stopped.append("auth")
        site.stop("auth")
        for path in PERSONAL[1:]:
            eventually(lambda path=path: stayer.get(path).status_code == 503, PATIENCE_S)  # type: ignore[misc]
            assert int(stayer.get(path).headers["retry-after"]) > 0
        assert int(stranger.post("/api/auth/login/", {}).headers["retry-after"]) > 0
        ok(stranger.get("/api/products/"))
        ok(stranger.get("/api/realtime/products/"))
    finally:
        site.start(*stopped)
    for path in PERSONAL:
        ok(stayer.get(path))
        problem(leaver.get(path), 401, "session_ended")
