"""The HTTP door of orders."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from common.idempotency import new_claim
from common.knocking import Admin, CurrentUser, IdempotencyKey, SessionsDep, called_by, from_state, signed
from common.pagination import Page
from common.replies import reply, tagged
from orders.models import Status
from orders.moving import cancel_order, move_order
from orders.queries import list_orders, read_order, read_timeline
from orders.resolving import resolve
from orders.schemas import Cancellation, Change, MoveView, NewOrder, OrdersQuery, OrderView, Resolution
from orders.till import Till

router = APIRouter(prefix="/api/orders", tags=["orders"], dependencies=signed)
internal = APIRouter(prefix="/internal/orders", include_in_schema=False, dependencies=[called_by("catalog")])

TillDep = Annotated[Till, from_state("till")]
OwnersLimit = Annotated[Status, from_state("customer_cancel_until")]
ListUrl = Annotated[str, from_state("list_url")]
IfMatch = Annotated[str | None, Header(description="Act only on this version")]
OTHERS: dict[int | str, dict[str, Any]] = {403: {"description": "Only administrators may ask by `user` for another's"}}


@router.get("/", response_model=Page[OrderView], responses=OTHERS)
def list_all(
    user: CurrentUser, sessions: SessionsDep, url: ListUrl, query: Annotated[OrdersQuery, Query()]
) -> Page[OrderView]:
    """Your orders, newest first; an administrator sees everyone's."""
    return list_orders(sessions, user, query, url)


@router.post("/", status_code=201, response_model=OrderView)
async def place(
    request: Request, user: CurrentUser, till: TillDep, key: IdempotencyKey, body: NewOrder | None = None
) -> Response:
    """Order the given items, or the cart when none are given: all of it or nothing."""
    return reply(request, await till.place(user.id, key, body or NewOrder()))


@router.get("/{order_id}/", response_model=OrderView)
def read(request: Request, user: CurrentUser, sessions: SessionsDep, order_id: UUID) -> Response:
    """One order."""
    order = read_order(sessions, user, order_id)
    return tagged(request, order.etag, OrderView.of(order))


@router.put("/{order_id}/", response_model=OrderView)
@router.patch("/{order_id}/", response_model=OrderView)
def change(admin: Admin, sessions: SessionsDep, order_id: UUID, body: Change, if_match: IfMatch = None) -> OrderView:
    """Move an order a step further."""
    return move_order(sessions, admin, order_id, body, if_match)


@router.delete("/{order_id}/", response_model=OrderView)
def withdraw(
    request: Request, user: CurrentUser, sessions: SessionsDep, until: OwnersLimit, order_id: UUID
) -> Response:
    """Cancel an order; its stock comes back. A repeat answers the same."""
    return reply(request, cancel_order(sessions, user, until, order_id, Cancellation()))


@router.post("/{order_id}/cancel/", response_model=OrderView)
def cancel(
    request: Request,
    user: CurrentUser,
    sessions: SessionsDep,
    until: OwnersLimit,
    order_id: UUID,
    key: IdempotencyKey,
    body: Cancellation | None = None,
) -> Response:
    """Cancel an order and say why."""
    wish = body or Cancellation()
    claim = new_claim(key, str(user.id), f"POST /api/orders/{order_id}/cancel/", wish.model_dump(mode="json"))
    return reply(request, cancel_order(sessions, user, until, order_id, wish, claim))


@router.get("/{order_id}/timeline/", response_model=list[MoveView], response_model_exclude_none=True)
def timeline(user: CurrentUser, sessions: SessionsDep, order_id: UUID) -> list[MoveView]:
    """Each move of an order: when, why, and who acted."""
    return read_timeline(sessions, user, order_id)


@internal.post("/{order_id}/resolve/")
def final_word(sessions: SessionsDep, order_id: UUID) -> Resolution:
    """The final word on a placement, for catalog's sweeper; an overdue one is given up by being asked for."""
    return Resolution.model_validate({"outcome": resolve(sessions, order_id)})
