"""Holding stock for orders that are being placed: many orders in one transaction, each with its own answer."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from catalog.models import ACTIVE, HELD, RELEASED, Reservation, ReservationLine, reservation_lines, reservations
from catalog.races import again_if_overtaken
from catalog.shelves import Shelf, lock_shelves, write_shelves
from catalog.sister_schemas import HeldLine, Refused, ReservationOutcome, ReservationWanted
from common.clock import now
from common.database import Sessions, retried

Shelves = Mapping[int, Shelf]
Answer = tuple[bytes | None, ReservationOutcome]
"""An order's first answer with the fingerprint of what it was given for; a tombstone has none."""


@again_if_overtaken
@retried
def hold_stock(sessions: Sessions, wanted: Sequence[ReservationWanted], currency: str) -> list[ReservationOutcome]:
    """Hold what each order wants, all of it or nothing, in order of arrival; a repeated order gets its first answer.

    Two requests for one order at the same time end in one hold: the second to write meets the first one's row.
    """
    with sessions.begin() as session:
        answers = _first_answers(session, [wish.order_id for wish in wanted])
        fresh = _not_yet_seen(wanted, answers)
        shelves = lock_shelves(session, (product_id for wish in fresh for product_id in wish.quantities))
        answers |= {wish.order_id: (wish.fingerprint, _decide(wish, shelves)) for wish in fresh}
        _write(session, [(wish, answers[wish.order_id][1]) for wish in fresh])
        write_shelves(session, shelves.values(), currency)
        return [_answer(wish, *answers[wish.order_id]) for wish in wanted]


def _not_yet_seen(wanted: Sequence[ReservationWanted], answers: Mapping[UUID, Answer]) -> list[ReservationWanted]:
    fresh: dict[UUID, ReservationWanted] = {}
    for wish in wanted:
        if wish.order_id not in answers:
            fresh.setdefault(wish.order_id, wish)
    return list(fresh.values())


def _answer(wish: ReservationWanted, fingerprint: bytes | None, first: ReservationOutcome) -> ReservationOutcome:
    """The order's first answer, unless it was asked for with other lines than these."""
    if first.outcome == "released" or fingerprint == wish.fingerprint:
        return first
    return ReservationOutcome(order_id=wish.order_id, outcome="mismatch")


def _first_answers(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, Answer]:
    """Fingerprints and first answers of the orders that were here before."""
    it = Reservation
    rows = session.execute(select(it.order_id, it.state, it.fingerprint).where(it.order_id.in_(order_ids))).all()
    lines = _lines(session, [row.order_id for row in rows if row.state != RELEASED])
    return {row.order_id: (row.fingerprint, _stored(row.order_id, row.state, lines)) for row in rows}


def _stored(order_id: UUID, state: str, lines: Mapping[UUID, list[HeldLine]]) -> ReservationOutcome:
    if state == RELEASED:
        return ReservationOutcome(order_id=order_id, outcome="released")
    return ReservationOutcome(order_id=order_id, outcome="held", lines=lines[order_id])


def _lines(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[HeldLine]]:
    if not order_ids:
        return {}
    line = ReservationLine
    rows = session.execute(
        select(line.order_id, line.product_id, line.quantity, line.sku, line.name, line.price)
        .where(line.order_id.in_(order_ids))
        .order_by(line.order_id, line.product_id)
    )
    lines: dict[UUID, list[HeldLine]] = {}
    for row in rows:
        lines.setdefault(row.order_id, []).append(HeldLine.model_validate(row))
    return lines


def _decide(wish: ReservationWanted, shelves: Shelves) -> ReservationOutcome:
    """Put the pieces aside on the shelves if every line can be served."""
    for outcome, stands_in_the_way in OBSTACLES:
        items = [
            Refused(product_id=product_id, requested=quantity, available=_stock(shelves, product_id))
            for product_id, quantity in wish.quantities.items()
            if stands_in_the_way(shelves.get(product_id), quantity)
        ]
        if items:
            return ReservationOutcome(order_id=wish.order_id, outcome=outcome, items=items)
    lines = [_take(shelves[product_id], quantity) for product_id, quantity in wish.quantities.items()]
    return ReservationOutcome(order_id=wish.order_id, outcome="held", lines=lines)


def _stock(shelves: Shelves, product_id: int) -> int:
    return shelves[product_id].stock if product_id in shelves else 0


def _is_unknown(shelf: Shelf | None, _: int) -> bool:
    return shelf is None


def _is_unavailable(shelf: Shelf | None, _: int) -> bool:
    return shelf is not None and shelf.status != ACTIVE


def _is_short(shelf: Shelf | None, quantity: int) -> bool:
    return shelf is not None and shelf.stock < quantity


Obstacle = Literal["unknown", "unavailable", "short"]
OBSTACLES: tuple[tuple[Obstacle, Callable[[Shelf | None, int], bool]], ...] = (
    ("unknown", _is_unknown),
    ("unavailable", _is_unavailable),
    ("short", _is_short),
)
"""Why an order cannot be held; the first that holds for any line is its answer."""


def _take(shelf: Shelf, quantity: int) -> HeldLine:
    shelf.reserved += quantity
    return HeldLine(product_id=shelf.id, quantity=quantity, sku=shelf.sku, name=shelf.name, price=shelf.price)


def _write(session: Session, decided: Sequence[tuple[ReservationWanted, ReservationOutcome]]) -> None:
    """The holds' rows, in order of the orders' ids, as every transaction writes them."""
    held = sorted(((wish, it) for wish, it in decided if it.outcome == "held"), key=lambda pair: pair[0].order_id)
    if not held:
        return
    moment = now()
    session.execute(insert(reservations), [_row(wish, moment) for wish, _ in held])
    session.execute(
        insert(reservation_lines), [_line_row(wish.order_id, line) for wish, it in held for line in it.lines]
    )


def _row(wish: ReservationWanted, moment: datetime) -> dict[str, Any]:
    return {
        "order_id": wish.order_id,
        "state": HELD,
        "fingerprint": wish.fingerprint,
        "expires_at": wish.expires_at,
        "created_at": moment,
    }


def _line_row(order_id: UUID, line: HeldLine) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "product_id": line.product_id,
        "quantity": line.quantity,
        "sku": line.sku,
        "name": line.name,
        "price": line.price,
    }
