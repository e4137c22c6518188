"""Every invariant holds for sound books, and tells of the fault that it is for."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import pytest

from catalog.models import COMMITTED, HELD, RELEASED
from replaying.accounts import Account
from wrecking.books import Books, Entry, Said, Stand
from wrecking.invariants import INVARIANTS, elsewhere, violations
from wrecking.ledger import Ledger, Placing
from wrecking.picture import Outside, Picture, Window
from wrecking.wire import NO_ANSWER, Attempt

pytestmark = pytest.mark.unit

BUYER = Mock(spec=Account)
PLACED, TAKEN_BACK, GIVEN_UP = "placed-id", "taken-back-id", "given-up-id"
ORDERS_WINDOW = Window("kill orders", 10, 20, frozenset({"orders"}))


def said(number: int, kind: str, subject: str, sequence: int) -> Said:
    return Said(bytes([number]), kind, subject, sequence, is_sent=True)


EVENTS = [
    said(1, "order.placed", PLACED, 1),
    said(2, "order.placed", TAKEN_BACK, 1),
    said(3, "order.cancelled", TAKEN_BACK, 2),
    said(4, "order.cancelled", GIVEN_UP, 1),
]
HEARD = frozenset(event.id for event in EVENTS)


def entry(number: str, placement: str, status: str, lines: dict[int, int], *steps: tuple[str | None, str]) -> Entry:
    total = Decimal(2) * sum(lines.values())
    return Entry(number, "user", number.encode(), placement, status, total, lines, list(steps))


def placing(key: str, lines: dict[int, int], **more: Any) -> Placing:
    return Placing(BUYER, key, lines, **more)


def sound() -> Picture:
    """Of ten pieces three are sold; one order was taken back, and one was never finished."""
    cancelled = ((None, "pending"), ("pending", "cancelled"))
    books = Books(
        products={1: Stand(7, 0, 3)},
        orders={
            PLACED: entry("A", "placed", "pending", {1: 3}, (None, "pending")),
            TAKEN_BACK: entry("B", "placed", "cancelled", {1: 2}, *cancelled),
            GIVEN_UP: entry("C", "cancelled", "pending", {}),
        },
        reservations={PLACED: (COMMITTED, {1: 3}), TAKEN_BACK: (RELEASED, {1: 2}), GIVEN_UP: (RELEASED, {1: 1})},
        realtime={1: 3},
        followed={PLACED: "pending", TAKEN_BACK: "cancelled"},
        said={"orders": list(EVENTS)},
        heard=dict.fromkeys(("catalog", "cart", "realtime", "notifier"), HEARD),
        mails={
            ("A", "order_confirmation"): ["sent"],
            ("B", "order_confirmation"): ["sent"],
            ("B", "order_cancellation"): ["sent"],
        },
        open_keys={"orders": 0},
    )
    outside = Outside(
        stock={1: (7, 0, 3)},
        realtime={1: 3},
        pushed={1: 3},
        orders={PLACED: (False, {1: 3}), TAKEN_BACK: (True, {1: 2})},
        mails={key: {f"<{key}>": 1} for key in books.mails},
        queued={"queues": 0},
    )
    ledger = Ledger(
        [
            placing("a", {1: 3}, order_ids={PLACED}, number="A", total=Decimal(6)),
            placing("b", {1: 2}, order_ids={TAKEN_BACK}, total=Decimal(4), wants_cancel=True, cancel_told="cancelled"),
            placing("c", {1: 1}, refusal="order_expired"),
        ]
    )
    put_off = Attempt("orders", "POST /api/orders/", 9, 12, 503, "catalog_unavailable")
    return Picture(books, outside, ledger, {1: 10}, {1: Decimal(2)}, [put_off], [ORDERS_WINDOW])


def test_sound_books_are_sound() -> None:
    assert violations(sound()) == {}


def books(**changed: Any) -> Callable[[Picture], Picture]:
    """The picture with other books."""
    return lambda picture: replace(picture, books=replace(picture.books, **changed))


def outside(**changed: Any) -> Callable[[Picture], Picture]:
    """The picture with the shop saying something else."""
    return lambda picture: replace(picture, outside=replace(picture.outside, **changed))


def order(order_id: str, **changed: Any) -> Callable[[Picture], Picture]:
    """The picture with one order being otherwise."""

    def change(picture: Picture) -> Picture:
        orders = {**picture.books.orders, order_id: replace(picture.books.orders[order_id], **changed)}
        return books(orders=orders)(picture)

    return change


def client(number: int, **changed: Any) -> Callable[[Picture], Picture]:
    """The picture with one client having been told something else."""

    def change(picture: Picture) -> Picture:
        for name, value in changed.items():
            setattr(picture.ledger.placings[number], name, value)
        return picture

    return change


def answer(status: int, begun: float = 12, door: str = "orders", seconds: float = 1) -> Callable[[Picture], Picture]:
    """The picture with one more answer."""
    attempt = Attempt(door, "GET /somewhere/", begun, begun + seconds, status, "")
    return lambda picture: replace(picture, attempts=[attempt])


def mails(where: str, **changed: Any) -> Callable[[Picture], Picture]:
    """The picture with other mails about order A."""

    def change(picture: Picture) -> Picture:
        known = getattr(getattr(picture, where), "mails")  # noqa: B009 - both have them
        more = {("A", f"order_{kind}"): told for kind, told in changed.items()}
        return (books if where == "books" else outside)(mails={**known, **more})(picture)

    return change


STOCK, SOLD, EFFECTS, HEAR, KEYS, TOLD, STEPS, TOTALS, MAIL, COPIES, LEFT, CARTS, PUT_OFF, TIME, LOGS = INVARIANTS
EXTRA = said(9, "order.placed", "another", 1)
OUT_OF_TURN = said(9, "order.cancelled", PLACED, 3)

FAULTS: dict[str, tuple[Callable[[Picture], Picture], set[str]]] = {
    "a piece is gone": (lambda p: outside(stock={1: (6, 0, 3)})(books(products={1: Stand(6, 0, 3)})(p)), {STOCK}),
    "more is sold than there was": (
        lambda p: outside(stock={1: (-1, 0, 11)})(books(products={1: Stand(-1, 0, 11)})(p)),
        {STOCK, SOLD},
    ),
    "the shop tells another stock": (outside(stock={1: (8, 0, 3)}), {STOCK}),
    "a product is gone": (books(products={}), {STOCK, SOLD}),
    "realtime has counted twice": (books(realtime={1: 6}), {SOLD}),
    "realtime tells another count": (outside(realtime={1: 2}), {SOLD}),
    "a push is missing": (outside(pushed={}), {SOLD}),
    "an order has sold nothing": (
        lambda p: books(reservations={**p.books.reservations, PLACED: (HELD, {1: 3})})(p),
        {EFFECTS},
    ),
    "an order has sold other lines": (
        lambda p: books(reservations={**p.books.reservations, PLACED: (COMMITTED, {1: 2})})(p),
        {EFFECTS},
    ),
    "what was given up is sold": (
        lambda p: books(reservations={**p.books.reservations, GIVEN_UP: (COMMITTED, {1: 1})})(p),
        {EFFECTS},
    ),
    "something is held for nobody": (
        lambda p: books(reservations={**p.books.reservations, "nobody": (HELD, {1: 1})})(p),
        {EFFECTS},
    ),
    "realtime has missed a step": (books(followed={PLACED: "pending", TAKEN_BACK: "pending"}), {EFFECTS}),
    "an inbox lacks an event": (
        lambda p: books(heard={**p.books.heard, "notifier": HEARD - {EVENTS[0].id}})(p),
        {HEAR},
    ),
    "an event was never said": (
        lambda p: books(
            said={"orders": [*EVENTS, OUT_OF_TURN]}, heard=dict.fromkeys(p.books.heard, HEARD | {OUT_OF_TURN.id})
        )(p),
        {HEAR},
    ),
    "one key has two orders": (order(TAKEN_BACK, scope=b"A"), {KEYS}),
    "a key was answered with two orders": (client(0, order_ids={PLACED, TAKEN_BACK}), {KEYS, TOLD}),
    "a key was answered both ways": (client(0, refusal="insufficient_stock"), {KEYS}),
    "an answered order is gone": (order(PLACED, placement="rejected", steps=[]), {TOLD, SOLD, EFFECTS, MAIL}),
    "an order holds other lines than its buyer knows": (client(0, lines={1: 2}), {TOLD, TOTALS}),
    "a cancellation is gone": (
        order(TAKEN_BACK, status="pending", steps=[(None, "pending")]),
        {TOLD, SOLD, EFFECTS, MAIL},
    ),
    "a cancellation was refused": (client(1, cancel_told="not_cancellable"), {TOLD}),
    "nobody was told of an order": (client(0, order_ids=set(), refusal="insufficient_stock"), {TOLD}),
    "a refusal without a reason": (client(2, refusal="product_not_found"), {TOLD}),
    "an outcome cannot be found out": (client(2, refusal=""), {TOLD}),
    "an order is not listed": (outside(orders={TAKEN_BACK: (True, {1: 2})}), {TOLD}),
    "an order has left out a step": (order(TAKEN_BACK, steps=[(None, "cancelled")]), {STEPS}),
    "an order has gone a step that there is not": (
        order(PLACED, status="pending", steps=[(None, "pending"), ("pending", "shipped"), ("shipped", "pending")]),
        {STEPS},
    ),
    "a total is wrong": (order(PLACED, total=Decimal(5)), {TOTALS}),
    "a mail is written down twice": (mails("books", confirmation=["sent", "sent"]), {MAIL}),
    "a mail was never sent": (mails("books", confirmation=["failed"]), {MAIL}),
    "a mail came twice": (mails("outside", confirmation={"<1>": 1, "<2>": 1}), {MAIL}),
    "a mail never came": (mails("outside", confirmation={}), {MAIL}),
    "a mail came for nothing": (mails("outside", cancellation={"<3>": 1}), {MAIL}),
    "a copy that no worker explains": (mails("outside", confirmation={"<1>": 2}), {COPIES}),
    "an event is unsent": (
        lambda p: books(said={"orders": [*EVENTS[:-1], replace(EVENTS[-1], is_sent=False)]})(p),
        {LEFT},
    ),
    "a key is open": (books(open_keys={"cart": 1}), {LEFT}),
    "a message lies in a queue": (outside(queued={"dead-letter queues": 1}), {LEFT}),
    "an intent is left": (lambda p: replace(p, still_moving={"orders": 1}), {LEFT}),
    "a cart kept something": (outside(full_carts=["x"]), {CARTS}),
    "a 500 while something was broken": (answer(500), {PUT_OFF}),
    "a 503 in calm": (answer(503, begun=30), {PUT_OFF}),
    "no answer of a gateway that was there": (answer(NO_ANSWER), {PUT_OFF}),
    "a late answer": (answer(200, seconds=67), {TIME}),
    "a traceback": (outside(log_lines=["orders.log: unforeseen"]), {LOGS}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_by_the_invariants_that_it_breaks(fault: str) -> None:
    change, names = FAULTS[fault]
    assert violations(change(sound())).keys() == names


def test_no_invariant_is_without_a_fault_that_breaks_it() -> None:
    assert {name for _, names in FAULTS.values() for name in names} == INVARIANTS.keys()


def test_a_copy_under_one_message_id_is_no_second_mail_where_a_worker_was_killed() -> None:
    picture = mails("outside", confirmation={"<1>": 2})(sound())
    assert violations(replace(picture, copies_allowed=1)) == {}


def test_a_mail_that_is_not_due_yet_may_be_on_its_way_but_not_twice() -> None:
    picture = replace(mails("books", confirmation=["queued"])(sound()), mails_are_due=False)
    assert violations(mails("outside", confirmation={})(picture)) == {}
    assert violations(mails("outside", confirmation={"<1>": 1, "<2>": 1})(picture)).keys() == {MAIL}
    assert violations(mails("books", confirmation=["failed"])(picture)).keys() == {MAIL}
    assert violations(mails("books", confirmation=["queued", "sent"])(picture)).keys() == {MAIL}


def test_who_has_not_been_told_yet_may_have_an_order() -> None:
    picture = client(0, order_ids=set(), refusal="insufficient_stock")(sound())
    assert violations(replace(picture, others=frozenset({"user"}))) == {}


def test_who_is_put_off_by_a_part_that_was_there_is_counted() -> None:
    attempts = [Attempt(door, "GET /somewhere/", 12, 13, 503, "") for door in ("orders", "catalog", "cart")]
    assert elsewhere(attempts, [ORDERS_WINDOW]) == 2


def test_while_the_gateway_is_away_nobody_need_be_answered() -> None:
    away = Window("kill gateway", 10, 20, frozenset({"gateway"}))
    assert violations(replace(answer(NO_ANSWER)(sound()), windows=[away])) == {}
