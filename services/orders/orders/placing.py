"""Placing orders: intent, hold, commit (design: reliability 3.1 and 3.10). Every step takes a batch as well as one.

1. Intent: claim the idempotency key and write down what is wanted. From here on somebody will finish it: this request,
   a repeat of it, or the sweeper.
2. Hold: catalog holds the stock, one call for the batch; it is safe to repeat, as the order's id is known already.
3. Commit: what is held becomes an order with its event and its stored answer; what is not is rejected.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from common.clock import now
from common.database import Sessions, retried
from common.errors import Conflict, NotFound, Problem, Unavailable
from common.events.orders import OrderPlaced
from common.faults import fault
from common.idempotency import Answer, Claim, claim_all, finish_all, forget, free
from common.outbox import say
from orders.clients import Catalog, Hold
from orders.models import Order, OrderLine, OrderMove, Placement, Status, order_number
from orders.resolving import expired, give_up
from orders.schemas import OrderView
from orders.wishing import PATH, Placing

HOLD_MARGIN = timedelta(seconds=30)
"""A hold outlives the intent's deadline, so that orders gives up first."""

ORDERS, LINES, MOVES = (cast(Table, entity.__table__) for entity in (Order, OrderLine, OrderMove))
COLUMNS, LINE_COLUMNS = (tuple(table.columns.keys()) for table in (ORDERS, LINES))
"""Batches are written as rows, which cost less than objects."""

Result = Answer | Problem


@dataclass
class Intent:
    """A wish that has been written down and is being worked on."""

    placing: Placing
    claim: Claim
    order: Order


@dataclass(frozen=True)
class Terms:
    """What the shop sets for every order."""

    currency: str
    deadline: timedelta


def place_orders(sessions: Sessions, catalog: Catalog, terms: Terms, wishes: Sequence[Placing]) -> list[Result]:
    """Place a batch; each order has its own fate and answer."""
    results: dict[UUID, Result] = {}
    intents = _write_down(sessions, terms, wishes, results)
    fault("orders.after_intent")
    if intents:
        results.update(_hold_and_commit(sessions, catalog, intents))
    return [results[wish.claim.owner] for wish in wishes]


@retried
def _write_down(
    sessions: Sessions, terms: Terms, wishes: Sequence[Placing], results: dict[UUID, Result]
) -> list[Intent]:
    """Claim the keys and insert the intents; what needs no work gets its result here."""
    results.clear()
    intents: list[Intent] = []
    with sessions.begin() as session:
        outcomes = claim_all(session, [wish.claim for wish in wishes])
        begun = _begun(session, [it.resource_id for it in outcomes if isinstance(it, Claim) and not it.is_new], terms)
        for wish, outcome in zip(wishes, outcomes, strict=True):
            if not isinstance(outcome, Claim):
                results[wish.claim.owner] = outcome
            elif (order := begun.get(outcome.resource_id)) is not None and order.placement != Placement.PENDING:
                results[wish.claim.owner] = expired()
            elif order is None and not wish.wanted:
                forget(session, outcome)  # what the key was known for is past its keeping time: a repeat reads the cart
                results[wish.claim.owner] = Unavailable("the cart could not be read in time; try again")
            else:
                intents.append(Intent(wish, outcome, order or _intent(wish, outcome, terms)))
        fresh = [_row(intent.order) for intent in intents if intent.order.id not in begun]
        if fresh:
            session.execute(insert(ORDERS), fresh)
    return intents


def _begun(session: Session, ids: Sequence[UUID], terms: Terms) -> dict[UUID, Order]:
    """Intents that an earlier request has left; their deadline moves on while they are worked on again."""
    found = session.scalars(select(Order).where(Order.id.in_(ids)).with_for_update()).all() if ids else []
    for order in found:
        order.deadline = now() + terms.deadline
    return {order.id: order for order in found}


def _intent(wish: Placing, claim: Claim, terms: Terms) -> Order:
    moment = now()
    body = wish.body.model_dump(mode="json", exclude_none=True)
    return Order(
        id=claim.resource_id,
        number=order_number(claim.resource_id, moment),
        user_id=wish.user_id,
        scope=claim.scope,
        placement=Placement.PENDING,
        status=Status.PENDING,
        wanted=wish.wanted,
        total=Decimal(0),
        currency=terms.currency,
        contact=body.get("contact"),
        shipping_address=body.get("shipping_address"),
        note=wish.body.note,
        tracking="",
        deadline=moment + terms.deadline,
        created_at=moment,
        updated_at=moment,
        version=1,
    )


def _row(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in COLUMNS}


def _hold_and_commit(sessions: Sessions, catalog: Catalog, intents: Sequence[Intent]) -> dict[UUID, Result]:
    try:
        until = max(intent.order.deadline for intent in intents) + HOLD_MARGIN
        holds = catalog.hold({intent.order.id: intent.order.wanted for intent in intents}, until)
    except Unavailable as problem:
        _set_free(sessions, intents)
        return {intent.placing.claim.owner: problem for intent in intents}
    fault("orders.after_hold")
    try:
        results = _commit(sessions, intents, holds)
    except Exception:
        with suppress(SQLAlchemyError):
            _set_free(sessions, intents)
        raise
    fault("orders.after_commit")
    return results


@retried
def _set_free(sessions: Sessions, intents: Sequence[Intent]) -> None:
    with sessions.begin() as session:
        free(session, [intent.claim for intent in intents])


@retried
def _commit(sessions: Sessions, intents: Sequence[Intent], holds: Mapping[UUID, Hold]) -> dict[UUID, Result]:
    """Turn what is held into orders and reject the rest, all in one transaction."""
    results: dict[UUID, Result] = {}
    answers: list[tuple[Claim, Answer]] = []
    placed: list[Order] = []
    traces: list[str | None] = []
    rejected: list[UUID] = []
    with sessions.begin() as session:
        open_ids = _still_open(session, intents)
        moment = now()
        for intent in intents:
            hold = holds[intent.order.id]
            problem = _refusal(intent, hold) if intent.order.id in open_ids else expired()
            if problem is None:
                order = _placed(intent.order, hold, moment)
                placed.append(order)
                traces.append(intent.placing.trace)
                answer = _created(order)
            else:
                answer = Answer(problem.status, problem.body())
                if intent.order.id in open_ids:
                    rejected.append(intent.order.id)
                if intent.order.id in open_ids and hold.outcome == "held":
                    give_up(session, intent.order, "declined")
            results[intent.placing.claim.owner] = problem or answer
            answers.append((intent.claim, answer))
        _write(session, placed, moment)
        _reject(session, rejected, moment)
        finish_all(session, answers)
        say(session, *(OrderPlaced(**order.event_data()) for order in placed), traces=traces)
        fault("orders.before_commit")
    return results


def _still_open(session: Session, intents: Sequence[Intent]) -> set[UUID]:
    """Lock the intents; those that nobody has settled in the meantime."""
    ids = [intent.order.id for intent in intents]
    pending = select(Order.id).where(Order.id.in_(ids), Order.placement == Placement.PENDING)
    return set(session.scalars(pending.order_by(Order.id).with_for_update()))


def _refusal(intent: Intent, hold: Hold) -> Problem | None:
    """Why there will be no order, or None when there will."""
    short = [item.model_dump() for item in hold.items]
    match hold.outcome:
        case "held":
            return _price_refusal(intent.placing.body.expected_total, hold.total)
        case "short":
            return Conflict("there is not enough stock for this order", code="insufficient_stock", items=short)
        case "unavailable":
            return Conflict("something in this order is not for sale now", code="product_unavailable", items=short)
        case "unknown":
            return NotFound("something in this order does not exist", code="product_not_found", items=short)
        case _:
            return expired()


def _price_refusal(expected: Decimal | None, total: Decimal) -> Problem | None:
    if expected is None or expected == total:
        return None
    return Conflict(
        f"the order comes to {total:.2f} now", code="total_changed", total=f"{total:.2f}", expected=f"{expected:.2f}"
    )


def _placed(order: Order, hold: Hold, moment: datetime) -> Order:
    """The intent as the order that it has become; a batch that is run again makes the same of it."""
    order.placement, order.total, order.updated_at = Placement.PLACED, hold.total, moment
    order.lines = [
        OrderLine(
            order_id=order.id,
            position=position,
            product_id=line.product_id,
            sku=line.sku,
            name=line.name,
            quantity=line.quantity,
            price=line.price,
        )
        for position, line in enumerate(hold.lines, start=1)
    ]
    return order


def _created(order: Order) -> Answer:
    return Answer(201, OrderView.of(order).model_dump(mode="json"), {"Location": f"{PATH}{order.id}/"})


SUM = select(func.sum(LINES.c.quantity * LINES.c.price)).where(LINES.c.order_id == ORDERS.c.id).scalar_subquery()


def _write(session: Session, orders: Sequence[Order], moment: datetime) -> None:
    """Few statements, however many orders, and the same ones each time, so that they are compiled once."""
    if not orders:
        return
    session.execute(insert(LINES), [_line_row(line) for order in orders for line in order.lines])
    session.execute(insert(MOVES), [_first_move(order, moment) for order in orders])
    _settle(session, [order.id for order in orders], moment, placement=Placement.PLACED, total=SUM)


def _line_row(line: OrderLine) -> dict[str, Any]:
    return {name: getattr(line, name) for name in LINE_COLUMNS}


def _first_move(order: Order, moment: datetime) -> dict[str, Any]:
    return {
        "order_id": order.id,
        "previous": None,
        "status": Status.PENDING,
        "reason": "customer",
        "note": "",
        "actor_id": order.user_id,
        "actor_role": "user",
        "at": moment,
    }


def _reject(session: Session, ids: Sequence[UUID], moment: datetime) -> None:
    if ids:
        _settle(session, ids, moment, placement=Placement.REJECTED)


def _settle(session: Session, ids: Sequence[UUID], moment: datetime, **values: Any) -> None:
    session.execute(update(ORDERS).where(ORDERS.c.id.in_(ids)).values(updated_at=moment, **values))
