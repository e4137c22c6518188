"""Every check is green on a sound picture and red on the fault that it is for."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from replaying.checks import Picture, check_all
from replaying.ledger import Ledger, Placed
from replaying.mails import Mails
from replaying.quiet import Traffic
from replaying.shop import Order, Stand

pytestmark = pytest.mark.unit


def sound() -> Picture:
    """Two products, two orders, the second of them cancelled; product 1 had been sold twice before."""
    ledger = Ledger()
    ledger.note(Placed("a", "ST-1", "x", {1: 3, 2: 1}))
    ledger.note(Placed("b", "ST-2", "x", {2: 4}, cancelled=True))
    mails = Mails(Counter({"ST-1": 1, "ST-2": 1}), Counter({"ST-2": 1}))
    return Picture(
        ledger=ledger,
        before={1: Stand("A", 10, 0, 2), 2: Stand("B", 5, 0, 0)},
        after={1: Stand("A", 7, 0, 5), 2: Stand("B", 4, 0, 1)},
        known_orders=frozenset({"old"}),
        orders={
            "old": Order("ST-0", "u", False, {1: 2}),
            "a": Order("ST-1", "u", False, {1: 3, 2: 1}),
            "b": Order("ST-2", "u", True, {2: 4}),
        },
        users={"u": "x"},
        realtime={1: 5, 2: 1},
        pushed={1: 5, 2: 1},
        traffic=Traffic(0, 0, 0, 0),
        log=mails,
        mailbox=Mails(Counter(mails.confirmation), Counter(mails.cancellation)),
        answers=Counter({201: 2, 503: 1}),
    )


def red(picture: Picture) -> list[str]:
    """The names of the checks that are red."""
    return [check.name for check in check_all(picture) if not check.ok]


def test_a_sound_picture_is_green() -> None:
    assert red(sound()) == []


def with_stand(product: int, stand: Stand) -> Callable[[Picture], Picture]:
    """The picture with one product standing otherwise at the end."""
    return lambda picture: replace(picture, after={**picture.after, product: stand})


def with_order(key: str, order: Order) -> Callable[[Picture], Picture]:
    """The picture with one order being otherwise."""
    return lambda picture: replace(picture, orders={**picture.orders, key: order})


def with_mails(where: str, kind: str, number: str, count: int) -> Callable[[Picture], Picture]:
    """The picture with so many mails of a kind for an order."""

    def change(picture: Picture) -> Picture:
        getattr(getattr(picture, where), kind)[number] = count
        return picture

    return change


def refused(code: str) -> Callable[[Picture], Picture]:
    """The picture with one refusal."""

    def change(picture: Picture) -> Picture:
        picture.ledger.refused[code] += 1
        return picture

    return change


FAULTS: dict[str, tuple[Callable[[Picture], Picture], str]] = {
    "catalog counts otherwise": (with_stand(1, Stand("A", 6, 0, 6)), "sold counts: catalog = orders"),
    "realtime counts otherwise": (lambda p: replace(p, realtime={1: 5}), "sold counts: realtime = orders"),
    "a push was lost": (lambda p: replace(p, pushed={1: 2, 2: 1}), "sold counts: last pushed = orders"),
    "stock was lost": (with_stand(1, Stand("A", 6, 0, 5)), "stock + sold = initial"),
    "a hold was left": (with_stand(1, Stand("A", 7, 2, 5)), "no stock is held any more"),
    "an order holds other lines": (
        with_order("b", Order("ST-2", "u", True, {2: 3})),
        "every order answered 201 is there as ordered",
    ),
    "nobody was told of an order": (with_order("c", Order("ST-9", "u", True, {})), "no other order of these customers"),
    "a shortage where there was enough": (refused("insufficient_stock"), "no refusal without a reason"),
    "a refusal for another reason": (refused("cart_full"), "no refusal without a reason"),
    "a confirmation is missing": (with_mails("log", "confirmation", "ST-1", 0), "log: one confirmation for each order"),
    "a mail lies there twice": (
        with_mails("mailbox", "confirmation", "ST-1", 2),
        "mailbox: one confirmation for each order",
    ),
    "a cancellation that was none": (
        with_mails("mailbox", "cancellation", "ST-1", 1),
        "mailbox: one mail for each cancellation",
    ),
    "a mail failed": (lambda p: replace(p, log=replace(p.log, failed=1)), "no mail failed"),
    "an event waits": (lambda p: replace(p, traffic=Traffic(1, 0, 0, 0)), "no event unsent"),
    "a message waits": (lambda p: replace(p, traffic=Traffic(0, 1, 0, 0)), "no message left in a queue"),
    "a dead letter": (lambda p: replace(p, traffic=Traffic(0, 0, 0, 1)), "no dead letter"),
    "a cart kept something": (lambda p: replace(p, full_carts=["x"]), "carts are empty again"),
    "a product was refused": (lambda p: replace(p, upload_failed=1), "upload took every product"),
    "a 500": (lambda p: replace(p, answers=Counter({500: 1})), "no 5xx but 502, 503, 504 that were sent again"),
    "no answer": (lambda p: replace(p, gave_up=["GET /x: 503"]), "every request was answered"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_turns_its_own_check_red(fault: str) -> None:
    change, name = FAULTS[fault]
    assert red(change(sound())) == [name]


def test_a_missing_order_and_one_in_another_state_are_told() -> None:
    picture = sound()
    picture.orders = {**picture.orders, "b": Order("ST-2", "u", False, {2: 4})}
    assert "every order answered 201 is there as ordered" in red(picture)
    del picture.orders["a"]
    assert "every order answered 201 is there as ordered" in red(picture)


def test_a_shortage_is_right_where_the_stock_was_made_short() -> None:
    picture = replace(refused("insufficient_stock")(sound()), short_expected=True)
    assert red(picture) == []


def test_a_red_check_names_the_first_few_and_counts_the_others() -> None:
    picture = replace(sound(), full_carts=["a", "b", "c", "d", "e"])
    (told,) = [check.told for check in check_all(picture) if not check.ok]
    assert told == "a; b; c and 2 more"


def test_the_percentiles_are_values_that_were_measured() -> None:
    ledger = Ledger(latencies=[number / 1000 for number in range(1, 201)])
    assert (ledger.latency_ms(50), ledger.latency_ms(99), Ledger().latency_ms(50)) == (100.0, 198.0, 0.0)
