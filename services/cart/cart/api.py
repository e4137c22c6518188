"""The HTTP door of cart."""

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from cart import queries, usecases
from cart.models import Holder
from cart.schemas import AddItem, CartView, LinesView, RemoveItem, UpdateItem
from common.knocking import CurrentUser, IdempotencyKey, SessionsDep, called_by, from_state, signed
from common.replies import reply, tagged

router = APIRouter(prefix="/api/cart", tags=["cart"], dependencies=signed)
internal = APIRouter(prefix="/internal/carts", include_in_schema=False, dependencies=[called_by("orders")])

TAG = re.compile(r'(?<!W/)"([0-9]{1,18})(?:-[0-9a-f]{8})?"')
"""A strong entity tag of ours, or just a version in quotes; If-Match takes no weak ones (RFC 9110, section 13.1.1)."""
MISSING: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such product, or it is not in the cart"}}
REFUSED: dict[int | str, dict[str, Any]] = {
    401: {"description": "Sign in first"},
    409: {"description": "`insufficient_stock`, `quantity_limit`, `cart_full` or `idempotency_in_progress`"},
    412: {"description": "The cart has changed since the version in If-Match"},
}
AWAY: dict[int | str, dict[str, Any]] = {
    503: {"description": "A product not heard of yet, and catalog does not answer"}
}


def holder(user: CurrentUser) -> Holder:
    """Whose cart is asked for."""
    return Holder(user.id)


def expected_versions(
    if_match: Annotated[str | None, Header(description="Act only on this version of the cart")] = None,
) -> frozenset[int] | None:
    """The versions that the client wants to act on, None for any."""
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(int(version) for version in TAG.findall(if_match))


LearnDep = Annotated[usecases.Learn, from_state("learn")]
Currency = Annotated[str, from_state("currency")]
HolderDep = Annotated[Holder, Depends(holder)]
IfMatch = Annotated[frozenset[int] | None, Depends(expected_versions)]


@router.get("/", response_model=CartView, responses={401: REFUSED[401]})
def read(request: Request, holder: HolderDep, sessions: SessionsDep, currency: Currency) -> Response:
    """Your cart at today's prices; an empty one if nothing was ever put in."""
    cart = queries.read_cart(sessions, holder, currency)
    return tagged(request, cart.etag, cart)


@router.post("/add_item/", response_model=CartView, responses=MISSING | REFUSED | AWAY)
def add_item(
    request: Request,
    holder: HolderDep,
    sessions: SessionsDep,
    learn: LearnDep,
    currency: Currency,
    key: IdempotencyKey,
    expected: IfMatch,
    wanted: AddItem,
) -> Response:
    """Put pieces of a product in; they are added to those already there."""
    return reply(request, usecases.add_item(sessions, learn, holder, wanted, currency, key=key, expected=expected))


@router.post("/update_item/", response_model=CartView, responses=MISSING | REFUSED)
def update_item(
    request: Request,
    holder: HolderDep,
    sessions: SessionsDep,
    currency: Currency,
    expected: IfMatch,
    wanted: UpdateItem,
) -> Response:
    """Set how many pieces of a product are in; 0 takes it out."""
    return reply(request, usecases.update_item(sessions, holder, wanted, currency, expected))


@router.post("/remove_item/", response_model=CartView, responses=MISSING | REFUSED)
def remove_item(
    request: Request,
    holder: HolderDep,
    sessions: SessionsDep,
    currency: Currency,
    expected: IfMatch,
    wanted: RemoveItem,
) -> Response:
    """Take a product out."""
    return reply(request, usecases.remove_item(sessions, holder, wanted, currency, expected))


@router.post("/clear/", response_model=CartView, responses=REFUSED)
def clear(
    request: Request, holder: HolderDep, sessions: SessionsDep, currency: Currency, expected: IfMatch
) -> Response:
    """Take everything out."""
    return reply(request, usecases.clear_cart(sessions, holder, currency, expected))


@internal.get("/{user_id}/")
def lines(sessions: SessionsDep, user_id: UUID) -> LinesView:
    """What a user's cart holds, for orders."""
    return queries.list_lines(sessions, Holder(user_id))
