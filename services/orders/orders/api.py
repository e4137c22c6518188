"""The HTTP door of orders."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from common.idempotency import new_claim
from common.knocking import Admin, CurrentUser, IdempotencyKey, SessionsDep, called_by, for_admins, from_state, signed
from common.pagination import Page
from common.replies import reply, tagged
from orders.counting import Counts
from orders.models import Status
from orders.moving import cancel_order, move_order
from orders.queries import list_briefs, list_orders, read_order, read_timeline
from orders.resolving import resolve
from orders.schemas import (
    BriefQuery,
    Cancellation,
    Change,
    MoveView,
    NewOrder,
    OrderBriefs,
    OrdersQuery,
    OrderView,
    Resolution,
    StatsQuery,
    StatsView,
)
from orders.summing import sum_up
from orders.till import Till

router = APIRouter(prefix="/api/orders", tags=["orders"], dependencies=signed)
internal = APIRouter(prefix="/internal/orders", include_in_schema=False)

TillDep = Annotated[Till, from_state("till")]
OwnersLimit = Annotated[Status, from_state("customer_cancel_until")]
ListUrl = Annotated[str, from_state("list_url")]
CountsDep = Annotated[Counts, from_state("counts")]
Currency = Annotated[str, from_state("currency")]
IfMatch = Annotated[str | None, Header(description="Act only on this version")]

Described = dict[int | str, dict[str, Any]]
OTHERS: Described = {403: {"description": "Only administrators may ask by `user` for another's"}}
LOCATION = {"Location": {"schema": {"type": "string"}, "description": "Where the order is read"}}
PLACED: Described = {
    201: {"headers": LOCATION},
    404: {"description": "`product_not_found`: `items` names what was never there"},
    409: {
        "description": "`insufficient_stock`, `product_unavailable` (`items` says of what and how much there is), "
        "`total_changed`, `quantity_limit`, `order_full`, `order_expired`, or `idempotency_in_progress`"
    },
}
ETAG = {"ETag": {"schema": {"type": "string"}, "description": "The order's version"}}
MOVED: Described = {
    200: {"headers": ETAG},
    409: {"description": "`illegal_transition`: there is no such step `from` here `to` there; `allowed` are"},
}
CANCELLED: Described = {
    200: {"headers": ETAG},
    403: {"description": "`not_allowed`: a reason, or keeping the stock, that is for administrators to say"},
    409: {"description": "`not_cancellable`: it is too late for that; or `idempotency_in_progress`"},
}


@router.get("/", response_model=Page[OrderView], responses=OTHERS)
def list_all(
    user: CurrentUser, sessions: SessionsDep, counts: CountsDep, url: ListUrl, query: Annotated[OrdersQuery, Query()]
) -> Page[OrderView]:
    """Your orders, newest first; an administrator sees everyone's."""
    return list_orders(sessions, counts, user, query, url)


@router.get("/stats/", response_model=StatsView, dependencies=for_admins)
def stats(sessions: SessionsDep, currency: Currency, query: Annotated[StatsQuery, Query()]) -> StatsView:
    """Orders and revenue by status and by day (UTC), of the last 30 days or of a range of at most 366."""
    return sum_up(sessions, query, currency)


@router.post("/", status_code=201, response_model=OrderView, responses=PLACED)
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


@router.put("/{order_id}/", response_model=OrderView, responses=MOVED)
@router.patch("/{order_id}/", response_model=OrderView, responses=MOVED)
def change(
    request: Request, admin: Admin, sessions: SessionsDep, order_id: UUID, body: Change, if_match: IfMatch = None
) -> Response:
    """Move an order a step further; where it stands already nothing but its tracking is changed."""
    return reply(request, move_order(sessions, admin, order_id, body, if_match))


@router.delete("/{order_id}/", response_model=OrderView, responses=CANCELLED)
def withdraw(
    request: Request,
    user: CurrentUser,
    sessions: SessionsDep,
    until: OwnersLimit,
    order_id: UUID,
    if_match: IfMatch = None,
) -> Response:
    """Cancel an order; its stock comes back. A repeat answers the same."""
    return reply(request, cancel_order(sessions, user, until, order_id, Cancellation(), if_match))


@router.post("/{order_id}/cancel/", response_model=OrderView, responses=CANCELLED)
def cancel(
    request: Request,
    user: CurrentUser,
    sessions: SessionsDep,
    until: OwnersLimit,
    order_id: UUID,
    key: IdempotencyKey,
    body: Cancellation | None = None,
    if_match: IfMatch = None,
) -> Response:
    """Cancel an order and say why."""
    wish = body or Cancellation()
    claim = new_claim(key, str(user.id), f"POST /api/orders/{order_id}/cancel/", wish.model_dump(mode="json"))
    return reply(request, cancel_order(sessions, user, until, order_id, wish, if_match, claim))


@router.get("/{order_id}/timeline/", response_model=list[MoveView], response_model_exclude_none=True)
def timeline(user: CurrentUser, sessions: SessionsDep, order_id: UUID) -> list[MoveView]:
    """Each move of an order: when, why, and who acted."""
    return read_timeline(sessions, user, order_id)


@internal.get("/", dependencies=[called_by("catalog", "notifier", "realtime")])
def list_for_sisters(query: Annotated[BriefQuery, Query()], sessions: SessionsDep) -> OrderBriefs:
    """All orders that were placed as they are now, in the order of their ids, a page at a time."""
    return list_briefs(sessions, query)


@internal.post("/{order_id}/resolve/", dependencies=[called_by("catalog")])
def final_word(sessions: SessionsDep, order_id: UUID) -> Resolution:
    """The final word on a placement, for catalog's sweeper; an overdue one is given up by being asked for."""
    return Resolution.model_validate({"outcome": resolve(sessions, order_id)})
