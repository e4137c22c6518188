"""Settling holds: orders that were placed take their stock, cancelled ones give it back, whichever is heard first.

| state \\ heard | placed | cancelled |
|---|---|---|
| nothing | sold as if it had been held, or the event waits | a placed order: sold and taken back; else tombstone |
| held | sold: committed | a placed order: sold and taken back; else released |
| committed | – | taken back: released |
| released | – | – |

What is taken back is free again; with `restock` false it is lost, and the ledger says both. An order that was placed
leaves the same rows in either order of arrival, however often each event is heard. A tombstone (also of a placed order
whose goods are not here) refuses a hold that comes late.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from catalog.models import (
    COMMITTED,
    HELD,
    LOST,
    RELEASED,
    SOLD,
    TAKEN_BACK,
    Reservation,
    ReservationLine,
    reservation_lines,
    reservations,
)
from catalog.shelves import Shelf, enter, lock_shelves, move, write_shelves
from catalog.sister_schemas import fingerprint_of
from common.clock import now
from common.database import affected
from common.events import Event
from common.events.orders import OrderCancelled, OrderEvent, OrderPlaced


class TooEarly(Exception):
    """An event that cannot be applied now, but may be later."""


@dataclass
class Book:
    """One order's reservation while it is being settled."""

    order_id: UUID
    state: str | None = None
    lines: dict[int, int] = field(default_factory=dict)
    stored: str | None = None


class Settlement:
    """Orders settled in one transaction: their products are locked first, in order of the ids, then their states."""

    def __init__(self, session: Session, order_ids: Iterable[UUID], more_products: Iterable[int] = ()) -> None:
        self._session = session
        self._movements: list[dict[str, Any]] = []
        ids = sorted(set(order_ids))
        lines = _lines(session, ids)
        self._shelves = lock_shelves(session, {p for held in lines.values() for p in held} | set(more_products))
        self._books = _books(session, ids, lines)

    def place(self, order_id: UUID, quantities: Mapping[int, int]) -> None:
        """The order was placed: what it held is sold. Raises TooEarly when nothing was held and too little is there.

        Without a hold catalog was restored from a copy made before it. The promise stands: take the pieces if they are
        free; else wait, and in the end lie in the dead-letter queue for an operator to see.
        """
        book = self._books[order_id]
        if book.state is None and (missing := self._missing(quantities)):
            raise TooEarly(f"order {order_id} is placed, was never held here, and products {missing} are short")
        self._sell(book, quantities)

    def cancel(
        self, order_id: UUID, quantities: Mapping[int, int], *, was_placed: bool = True, restock: bool = True
    ) -> None:
        """The order was cancelled: its stock is free again, unless the goods of a placed order are gone."""
        book = self._books[order_id]
        if was_placed and (book.state is not None or not self._missing(quantities)):
            self._sell(book, quantities)
        for shelf, quantity in self._goods(book):
            if book.state == HELD:
                shelf.reserved -= quantity
            elif book.state == COMMITTED:
                self._take_back(shelf, quantity, order_id, restock=restock)
        book.state = RELEASED

    def write(self, currency: str) -> None:
        """Write all of it: states, counters, ledger, and what customers see otherwise now."""
        changed = [book for book in self._books.values() if book.state != book.stored]
        self._enter_new([book for book in changed if book.stored is None])
        _update_states(self._session, [book for book in changed if book.stored is not None])
        write_shelves(self._session, self._shelves.values(), currency)
        enter(self._session, self._movements)

    def _goods(self, book: Book) -> list[tuple[Shelf, int]]:
        return [(self._shelves[product_id], quantity) for product_id, quantity in book.lines.items()]

    def _missing(self, quantities: Mapping[int, int]) -> list[int]:
        """The products of which there is too little."""
        return [p for p, q in quantities.items() if p not in self._shelves or self._shelves[p].stock < q]

    def _sell(self, book: Book, quantities: Mapping[int, int]) -> None:
        """What the order holds is sold, or these quantities if it has never held anything; a repeat changes nothing."""
        if book.state not in (None, HELD):
            return
        if book.state is None:
            book.lines = dict(quantities)
        for shelf, quantity in self._goods(book):
            shelf.reserved -= quantity if book.state == HELD else 0
            shelf.sold += quantity
            self._shift(shelf, -quantity, SOLD, book.order_id)
        book.state = COMMITTED

    def _take_back(self, shelf: Shelf, quantity: int, order_id: UUID, *, restock: bool) -> None:
        shelf.sold -= quantity
        self._shift(shelf, quantity, TAKEN_BACK, order_id)
        if not restock:
            self._shift(shelf, -quantity, LOST, order_id)

    def _shift(self, shelf: Shelf, delta: int, reason: str, order_id: UUID) -> None:
        shelf.on_hand += delta
        self._movements.append(move(shelf.id, delta, reason, order_id=order_id))

    def _enter_new(self, books: Sequence[Book]) -> None:
        """Tombstones and what was taken anew. Raises TooEarly when a hold has come in between."""
        if not books:
            return
        rows = [_row(book) for book in books]
        entered = affected(self._session.execute(insert(reservations).prefix_with("IGNORE"), rows))
        if entered < len(rows):
            raise TooEarly("a hold came in at the same moment")
        lines = [_line_row(book.order_id, self._shelves[p], q) for book in books for p, q in book.lines.items()]
        if lines:
            self._session.execute(insert(reservation_lines), lines)


def settle(session: Session, events: Sequence[Event], currency: str) -> None:
    """Apply a batch of orders' events within the caller's transaction. Raises TooEarly."""
    orders = [event for event in events if isinstance(event, OrderPlaced | OrderCancelled)]
    settlement = Settlement(session, [o.order_id for o in orders], {p for o in orders for p in _quantities(o)})
    for event in orders:
        if isinstance(event, OrderPlaced):
            settlement.place(event.order_id, _quantities(event))
        else:
            settlement.cancel(event.order_id, _quantities(event), was_placed=event.was_placed, restock=event.restock)
    settlement.write(currency)


def _quantities(event: OrderEvent) -> dict[int, int]:
    summed: dict[int, int] = {}
    for line in event.lines:
        summed[line.product_id] = summed.get(line.product_id, 0) + line.quantity
    return dict(sorted(summed.items()))


def _lines(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, dict[int, int]]:
    line = ReservationLine
    rows = session.execute(
        select(line.order_id, line.product_id, line.quantity)
        .where(line.order_id.in_(order_ids))
        .order_by(line.order_id, line.product_id)
    )
    lines: dict[UUID, dict[int, int]] = {}
    for row in rows:
        lines.setdefault(row.order_id, {})[row.product_id] = row.quantity
    return lines


def _books(session: Session, order_ids: Sequence[UUID], lines: Mapping[UUID, dict[int, int]]) -> dict[UUID, Book]:
    """The orders' states, locked. Raises TooEarly for a hold that has come in since its lines were looked for."""
    rows = session.execute(
        select(Reservation.order_id, Reservation.state)
        .where(Reservation.order_id.in_(order_ids))
        .order_by(Reservation.order_id)
        .with_for_update()
    )
    states = {row.order_id: row.state for row in rows}
    if any(state != RELEASED and order_id not in lines for order_id, state in states.items()):
        raise TooEarly("a hold came in at the same moment")
    return {i: Book(i, states.get(i), lines.get(i, {}), states.get(i)) for i in order_ids}


def _update_states(session: Session, books: Sequence[Book]) -> None:
    for state in (COMMITTED, RELEASED):
        ids = [book.order_id for book in books if book.state == state]
        if ids:
            session.execute(update(reservations).where(reservations.c.order_id.in_(ids)).values(state=state))


def _row(book: Book) -> dict[str, Any]:
    moment = now()
    return {
        "order_id": book.order_id,
        "state": book.state,
        "fingerprint": fingerprint_of(book.lines) if book.lines else None,
        "expires_at": moment,
        "created_at": moment,
    }


def _line_row(order_id: UUID, shelf: Shelf, quantity: int) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "product_id": shelf.id,
        "quantity": quantity,
        "sku": shelf.sku,
        "name": shelf.name,
        "price": shelf.price,
    }
