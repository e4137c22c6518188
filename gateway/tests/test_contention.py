"""Many hands for few pieces."""

from collections import Counter

import pytest

from .people import Person, Visitor, all_at_once, new_product, ok, problem, statuses, wait_for_numbers

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PIECES = 50
EACH = 10
REPEATS = 50
RACES = 30


def test_two_hundred_buyers_at_once_get_the_fifty_pieces_that_there_are(
    crowd: list[Person], admin: Person, stranger: Visitor
) -> None:
    jar = new_product(admin, stock=PIECES)
    wishes = [(buyer, f"rush-{number}") for number in range(EACH) for buyer in crowd]
    answers = all_at_once(lambda wish: wish[0].order(jar, key=wish[1]), wishes, len(wishes))
    assert statuses(answers) == {201: PIECES, 409: len(wishes) - PIECES}
    for answer in answers:
        if answer.status_code == 409:
            refused = problem(answer, 409, "insufficient_stock")
            assert refused["items"] == [{"product_id": jar, "requested": 1, "available": 0}]
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == PIECES
    wait_for_numbers(stranger, jar, stock=0, sold=PIECES)
    assert sum(_pieces(buyer, jar) for buyer in crowd) == PIECES


def _pieces(buyer: Person, product: int) -> int:
    orders = ok(buyer.get("/api/orders/", params={"page_size": 100}))["results"]
    return sum(line["quantity"] for order in orders for line in order["items"] if line["product"]["id"] == product)


def test_one_key_makes_one_order_however_often_it_is_sent(admin: Person, ada: Person, stranger: Visitor) -> None:
    jar = new_product(admin, stock=REPEATS)
    answers = all_at_once(lambda _: ada.order(jar, key="only-once"), range(REPEATS), REPEATS)
    placed = [answer for answer in answers if answer.status_code == 201]
    for answer in answers:
        if answer.status_code != 201:
            problem(answer, 409, "idempotency_in_progress")
            assert answer.headers["retry-after"] == "1"
    assert len({answer.json()["id"] for answer in placed}) == 1
    assert len([answer for answer in placed if "idempotent-replayed" not in answer.headers]) == 1

    again = ada.order(jar, key="only-once")
    assert ok(again, 201) == placed[0].json()
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == placed[0].headers["location"]
    problem(ada.order(jar, 2, key="only-once"), 422, "idempotency_key_reused")
    wait_for_numbers(stranger, jar, stock=REPEATS - 1, sold=1)


def test_of_a_cancellation_and_a_dispatch_at_once_exactly_one_wins(
    crowd: list[Person], admin: Person, stranger: Visitor
) -> None:
    jar = new_product(admin, stock=RACES)
    buyers = [crowd[number % len(crowd)] for number in range(RACES)]
    orders = all_at_once(lambda buyer: ok(buyer.order(jar), 201)["id"], buyers, len(crowd))
    all_at_once(lambda order: ok(admin.patch(f"/api/orders/{order}/", {"status": "processing"})), orders, len(crowd))

    moves = [(order, status) for order in orders for status in ("cancelled", "shipped")]
    answers = all_at_once(lambda move: admin.patch(f"/api/orders/{move[0]}/", {"status": move[1]}), moves, len(moves))

    won: dict[str, str] = {}
    for (order, status), answer in zip(moves, answers, strict=True):
        if answer.status_code == 200:
            assert won.setdefault(order, status) == status, "both have won"
        else:
            problem(answer, 409, "illegal_transition")
    assert won.keys() == set(orders)
    for order, status in won.items():
        assert ok(admin.get(f"/api/orders/{order}/"))["status"] == status
    back = Counter(won.values())["cancelled"]
    wait_for_numbers(stranger, jar, stock=back, sold=RACES - back)


def test_two_people_may_use_the_same_key(admin: Person, ada: Person, ben: Person) -> None:
    jar = new_product(admin)
    assert ok(ada.order(jar, key="same"), 201)["id"] != ok(ben.order(jar, key="same"), 201)["id"]
