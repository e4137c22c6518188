"""What a service could not handle is found, mended and heard again through the gateway, and the numbers add up."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, text

from common.testing.waiting import eventually
from stoa.faring import PREFIXES

from .people import Json, Person, Visitor, new_product, numbers_of, ok, problem, wait_for_numbers
from .site import PATIENCE_S, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SAYING = {"auth", "catalog", "orders"}
HEARING = {"catalog", "cart", "notifier", "realtime"}
LETTERS = "/api/realtime/operations/dead-letters/"


@contextmanager
def indigestible(site: Site, product: int) -> Iterator[None]:
    """Make the sales of a product something that realtime's database does not take, until the block ends."""
    refuse = (
        "CREATE TRIGGER indigestible BEFORE INSERT ON sold FOR EACH ROW BEGIN"
        f" IF NEW.product_id = {product} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not edible'; END IF; END"
    )
    engine = create_engine(site.root_url("realtime"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(refuse))
        yield
    finally:
        with engine.connect() as connection:
            connection.execute(text("DROP TRIGGER IF EXISTS indigestible"))
        engine.dispose()


def dead(admin: Person) -> int:
    """How many letters realtime could not deliver."""
    return int(ok(admin.get("/api/realtime/operations/"))["dead_letters"])


def letters(admin: Person, count: int) -> list[Json]:
    """Realtime's dead letters once there are so many."""
    eventually(lambda: dead(admin) == count, PATIENCE_S)
    told = ok(admin.get(LETTERS))
    assert told["count"] == count
    found: list[Json] = told["results"]
    return found


def test_every_service_tells_administrators_how_it_fares(admin: Person, ada: Person, stranger: Visitor) -> None:
    for service, prefix in PREFIXES.items():
        problem(stranger.get(f"{prefix}/operations/"), 401)
        problem(ada.get(f"{prefix}/operations/"), 403)
        told = ok(admin.get(f"{prefix}/operations"))
        assert (told["service"], told["broker"]) == (service, "ok")
        assert (told["outbox"] is not None, told["dead_letters"] is not None) == (service in SAYING, service in HEARING)


def test_what_died_is_mended_and_replayed_and_the_numbers_agree(
    site: Site, admin: Person, ben: Person, stranger: Visitor
) -> None:
    product, other = new_product(admin), new_product(admin)
    with indigestible(site, product):
        orders = [ok(ben.order(product, 2), 201)["id"] for _ in range(3)]
        ok(ben.order(other), 201)
        died = letters(admin, 3)
        assert {letter["envelope"]["data"]["order_id"] for letter in died} == set(orders)
        assert {(letter["type"], letter["attempts"]) for letter in died} == {("order.placed", 1)}
        assert all("not edible" in letter["detail"] for letter in died)
        wait_for_numbers(stranger, other, stock=9, sold=1)
        eventually(lambda: numbers_of(stranger, product) == (4, 6, 0), PATIENCE_S)
        first = died[0]["id"]
        assert ok(admin.post(f"{LETTERS}replay/", {"ids": [first]})) == {"replayed": 1, "left": 2}
        again = letters(admin, 3)
        assert [letter["id"] for letter in again] == [*(letter["id"] for letter in died[1:]), first]
    problem(ben.post(f"{LETTERS}replay/", {}), 403)
    problem(admin.post(f"{LETTERS}drop/", {}), 400)
    assert ok(admin.post(f"{LETTERS}replay/", {})) == {"replayed": 3, "left": 0}
    wait_for_numbers(stranger, product, stock=4, sold=6)
    assert ok(admin.post(f"{LETTERS}replay/", {})) == {"replayed": 0, "left": 0}
    assert letters(admin, 0) == []
