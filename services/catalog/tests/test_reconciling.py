"""Whether the books add up: every difference is named, and sales that go on meanwhile are none."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from random import Random
from threading import Event
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Table, event, func, select, update

from catalog.commands import main
from catalog.models import catalogue_versions, products
from catalog.reconciling import MOST_DIFFERENCES, Findings, reconcile
from catalog.settling import settle
from catalog.stock_schemas import Difference
from common.database import Sessions
from common.ids import new_id

from .test_settling import cancelled, placed

LOOKS = 4
MOST = 200
"""Orders of one trader at most, while the looks go on."""


def raise_by(sessions: Sessions, table: Table, which: ColumnElement[bool], by: dict[str, int]) -> None:
    """Write the table's counters behind the back of the house."""
    with sessions.begin() as session:
        session.execute(update(table).where(which).values({name: table.c[name] + n for name, n in by.items()}))


@contextmanager
def corrupted(sessions: Sessions, table: Table, which: ColumnElement[bool], **by: int) -> Iterator[None]:
    """Counters that are too high by so much, for a while."""
    raise_by(sessions, table, which, by)
    try:
        yield
    finally:
        raise_by(sessions, table, which, {name: -n for name, n in by.items()})


def with_wrong(sessions: Sessions, product_id: int, **by: int) -> AbstractContextManager[None]:
    """A product's counters are wrong."""
    return corrupted(sessions, products, products.c.id == product_id, **by)


def miscounted(sessions: Sessions, **by: int) -> AbstractContextManager[None]:
    """The numbers of products by status are wrong."""
    return corrupted(sessions, catalogue_versions, catalogue_versions.c.shard == 3, **by)


def asked(shop: Any) -> dict[str, Any]:
    """What an administrator is answered."""
    answer = shop.client.get("/api/products/stock/reconcile/", headers=shop.admin.headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def number_of_products(sessions: Sessions) -> int:
    with sessions.begin() as session:
        return session.scalar(select(func.count()).select_from(products)) or 0


@pytest.fixture
def traded(shop: Any, sessions: Sessions) -> dict[str, Any]:
    """A product of which pieces are held, sold, taken back and lost."""
    product: dict[str, Any] = shop.add(stock=50)
    lines = {product["id"]: 3}
    orders = [new_id() for _ in range(4)]
    shop.hold(*(shop.wish(lines, order_id) for order_id in orders))
    with sessions.begin() as session:
        told = [placed(order_id, lines) for order_id in orders[1:]]
        settle(session, [*told, cancelled(orders[2], lines), cancelled(orders[3], lines, restock=False)], "EUR")
    assert shop.counters(product["id"]) == (44, 3, 3)
    return product


def test_books_that_add_up_have_no_differences(shop: Any, sessions: Sessions, traded: dict[str, Any]) -> None:
    shop.add(status="draft", stock=0)

    assert asked(shop) == {"checked": number_of_products(sessions), "differences": [], "more": False}


@pytest.mark.parametrize(("counter", "expected"), [("on_hand", 44), ("sold", 3), ("reserved", 3)])
def test_a_counter_that_is_wrong_is_named(
    shop: Any, sessions: Sessions, traded: dict[str, Any], counter: str, expected: int
) -> None:
    with with_wrong(sessions, traded["id"], **{counter: 2}):
        found = asked(shop)

    assert found["differences"] == [
        {
            "product_id": traded["id"],
            "sku": traded["sku"],
            "what": counter,
            "expected": expected,
            "found": expected + 2,
        }
    ]


def test_each_wrong_counter_of_each_product_is_named_in_chunks_of_any_size(
    shop: Any, sessions: Sessions, traded: dict[str, Any]
) -> None:
    untouched, last = shop.add(stock=0), shop.add(stock=0)
    with with_wrong(sessions, traded["id"], on_hand=1, sold=1, reserved=1), with_wrong(sessions, last["id"], on_hand=1):
        for chunk in (20, 21, 1000):  # other tests have left thousands of products here
            found = reconcile(sessions, chunk)
            named = [(it.product_id, it.what, it.found - it.expected) for it in found.differences]

            assert named == [
                (traded["id"], "on_hand", 1),
                (traded["id"], "sold", 1),
                (traded["id"], "reserved", 1),
                (last["id"], "on_hand", 1),
            ]
            assert found.checked == number_of_products(sessions)
    assert untouched["id"] not in {it.product_id for it in found.differences}


@pytest.mark.parametrize("status", ["draft", "active", "archived"])
def test_a_number_of_products_that_is_wrong_is_named(shop: Any, sessions: Sessions, status: str) -> None:
    shop.add(status=status)
    with miscounted(sessions, **{status: 2}):
        (difference,) = asked(shop)["differences"]

    assert (difference["product_id"], difference["sku"], difference["what"]) == (None, None, f"count:{status}")
    assert difference["found"] - difference["expected"] == 2


def test_a_product_that_comes_between_two_looks_is_no_difference(shop: Any, sessions: Sessions) -> None:
    engine = sessions.kw["bind"]
    came: list[int] = []

    def add(_: Any, __: Any, statement: str, *more: Any) -> None:
        if "GROUP BY products.status" in statement:
            came.append(shop.add()["id"])

    event.listen(engine, "after_cursor_execute", add)
    try:
        found = reconcile(sessions)
    finally:
        event.remove(engine, "after_cursor_execute", add)

    assert (len(came), found.differences) == (1, [])


@pytest.mark.unit
def test_only_so_many_differences_are_listed() -> None:
    wrong = Difference(product_id=1, sku=None, what="sold", expected=1, found=2)
    found = Findings()
    for _ in range(MOST_DIFFERENCES):
        found.add(wrong)
    assert (len(found.differences), found.more) == (MOST_DIFFERENCES, False)

    found.add(wrong)

    assert (len(found.differences), found.more) == (MOST_DIFFERENCES, True)


# The race


def test_what_goes_on_meanwhile_is_no_difference(shop: Any, sessions: Sessions, deadlocks: list[Any]) -> None:
    lamps = [shop.add(stock=1000)["id"] for _ in range(6)]
    dice = Random(12)
    enough = Event()

    def trade() -> None:
        order = new_id(), dict.fromkeys(dice.sample(lamps, 2), 1)
        shop.hold(shop.wish(order[1], order[0]))
        ends = [placed(*order)], [cancelled(*order, restock=dice.random() < 0.5)]
        for events in ends[: dice.randint(0, 2)]:
            with sessions.begin() as session:
                settle(session, events, "EUR")
        if dice.random() < 0.2:
            shop.adjust(dice.choice(lamps), dice.choice((-1, 2)))
            shop.add(stock=1, status=dice.choice(("active", "draft")))

    def go_on() -> int:
        traded = 0
        while not enough.is_set() and traded < MOST:
            trade()
            traded += 1
        return traded

    with ThreadPoolExecutor(8) as crowd:
        going_on = [crowd.submit(go_on) for _ in range(8)]
        looks = [reconcile(sessions, chunk=200) for _ in range(LOOKS)]
        enough.set()
        traded = sum(work.result() for work in going_on)

    assert [look.differences for look in looks] == [[]] * LOOKS
    assert traded > 0
    assert reconcile(sessions).differences == []
    assert deadlocks == []


# The command


def test_the_command_says_that_all_is_in_order(shop: Any) -> None:
    command = [sys.executable, "-m", "catalog.commands", "reconcile"]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" products checked, 0 differences\n")


def test_the_command_names_what_differs(
    shop: Any, sessions: Sessions, traded: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with with_wrong(sessions, traded["id"], sold=1), miscounted(sessions, draft=1):
        assert main(["reconcile"]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert f"product {traded['id']} ({traded['sku']}): sold is 4, expected 3" in lines
    assert lines[0].startswith("all products: count:draft is ")
    assert lines[-1].endswith(" products checked, 2 differences")


def test_the_command_says_when_it_could_not_look(
    shop: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STOA_DATABASE_URL", "mysql+pymysql://nobody:nothing@127.0.0.1:1/nowhere")

    assert main(["reconcile"]) == 2
    assert "the database cannot be asked" in capsys.readouterr().err
