"""What orders would be without all that makes it fast: each order by itself, objects written by the ORM, one call each.

It keeps the same promises as long as nothing dies: an intent, a hold, and an order with its event in one transaction.
"""

import secrets
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, FastAPI

from common.app import Service
from common.clock import now
from common.database import Sessions
from common.errors import Conflict
from common.events.orders import OrderPlaced
from common.ids import new_id
from common.knocking import CurrentUser, SessionsDep, from_state
from common.outbox import say
from orders.clients import Catalog, Hold
from orders.models import Order, OrderLine, OrderMove, Placement, Status, order_number
from orders.schemas import NewOrder, OrderView
from orders.settings import OrdersSettings
from orders.wishing import Wanted, merge

DEADLINE = timedelta(seconds=120)

router = APIRouter(prefix="/api/orders")
CatalogDep = Annotated[Catalog, from_state("catalog")]


@router.post("/", status_code=201, response_model=OrderView)
def place(user: CurrentUser, sessions: SessionsDep, catalog: CatalogDep, body: NewOrder) -> OrderView:
    """Write the intent down, hold, commit."""
    wanted = merge([line.model_dump() for line in body.items or ()])
    order_id = _write_down(sessions, user.id, wanted)
    hold = catalog.hold({order_id: wanted}, now() + DEADLINE)[order_id]
    if hold.outcome != "held":
        raise Conflict("there is not enough stock for this order", code="insufficient_stock")
    return _commit(sessions, order_id, hold)


def _write_down(sessions: Sessions, user_id: UUID, wanted: Wanted) -> UUID:
    order_id, moment = new_id(), now()
    with sessions.begin() as session:
        session.add(
            Order(
                id=order_id,
                number=order_number(order_id, moment),
                user_id=user_id,
                scope=secrets.token_bytes(32),
                placement=Placement.PENDING,
                status=Status.PENDING,
                wanted=wanted,
                total=0,
                currency="EUR",
                note="",
                deadline=moment + DEADLINE,
                created_at=moment,
                updated_at=moment,
                version=1,
            )
        )
    return order_id


def _commit(sessions: Sessions, order_id: UUID, hold: Hold) -> OrderView:
    with sessions.begin() as session:
        order = session.get_one(Order, order_id, with_for_update=True)
        order.placement, order.total, order.updated_at = Placement.PLACED, hold.total, now()
        for position, line in enumerate(hold.lines, start=1):
            order.lines.append(OrderLine(position=position, **line.model_dump()))
        move = OrderMove(order_id=order.id, status=Status.PENDING, reason="customer", note="", at=order.updated_at)
        move.actor_id, move.actor_role = order.user_id, "user"
        session.add(move)
        say(session, OrderPlaced(**order.event_data()))
        session.flush()
        return OrderView.of(order)


def build() -> FastAPI:
    """The web application."""
    settings = OrdersSettings()
    service = Service("orders", settings)
    sister = service.sister("catalog", settings.catalog_url, timeout_s=30)
    return service.app(routers=[router], state={"catalog": Catalog(sister)})
