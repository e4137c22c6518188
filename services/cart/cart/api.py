"""The HTTP door of cart."""

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from cart import merging, queries, usecases
from cart.holders import NOBODY, Holder
from cart.schemas import (
    AddItem,
    CartView,
    LinesView,
    MergeCart,
    MergeView,
    RemoveItem,
    UpdateItem,
    ValidationView,
)
from common.knocking import CurrentUser, IdempotencyKey, SessionsDep, Visitor, called_by, from_state, signed
from common.replies import reply, tagged

router = APIRouter(prefix="/api/cart", tags=["cart"], dependencies=signed)
internal = APIRouter(prefix="/internal/carts", include_in_schema=False, dependencies=[called_by("orders")])

TAG = re.compile(r'(?<!W/)"([0-9]{1,18})(?:-[0-9a-f]{8})?"')
"""A strong entity tag of ours, or just a version in quotes; If-Match takes no weak ones (RFC 9110, section 13.1.1)."""
Responses = dict[int | str, dict[str, Any]]
UNKNOWN: Responses = {404: {"description": "`unknown_cart`: the token names no cart, or no longer"}}
MISSING: Responses = {404: {"description": "There is no such product, or it is not in the cart; or `unknown_cart`"}}
STALE: Responses = {412: {"description": "The cart has changed since the version in If-Match"}}
REFUSED: Responses = STALE | {
    409: {"description": "`insufficient_stock`, `quantity_limit`, `cart_full` or `idempotency_in_progress`"},
}
AWAY: Responses = {503: {"description": "A product not heard of yet, and catalog does not answer"}}
GIVEN = "A guest's new cart will be called for by this; it is given once"
GIVES: Responses = {200: {"headers": {"X-Cart-Token": {"schema": {"type": "string"}, "description": GIVEN}}}}

CartToken = Annotated[
    str | None, Header(alias="X-Cart-Token", description="Names a guest's cart; not looked at when signed in")
]


async def holder(visitor: Visitor, token: CartToken = None) -> Holder:
    """Whose cart is asked for: the user's own, whatever token comes along; else the one that the token names."""
    if visitor is not None:
        return Holder.user(visitor.id)
    return NOBODY if token is None else Holder.guest(token)


HolderDep = Annotated[Holder, Depends(holder)]


async def adding_holder(holder: HolderDep, key: IdempotencyKey) -> Holder:
    """The same for putting in: a guest who has no cart is given one."""
    return Holder.newcomer(key) if holder == NOBODY else holder


async def owner(user: CurrentUser) -> Holder:
    """The user's own cart."""
    return Holder.user(user.id)


def expected_versions(
    if_match: Annotated[str | None, Header(description="Act only on this version of the cart")] = None,
) -> frozenset[int] | None:
    """The versions that the client wants to act on, None for any."""
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(int(version) for version in TAG.findall(if_match))


LearnDep = Annotated[usecases.Learn, from_state("learn")]
Currency = Annotated[str, from_state("currency")]
AddingHolder = Annotated[Holder, Depends(adding_holder)]
Owner = Annotated[Holder, Depends(owner)]
IfMatch = Annotated[frozenset[int] | None, Depends(expected_versions)]


@router.get("/", response_model=CartView, responses=UNKNOWN)
def read(request: Request, holder: HolderDep, sessions: SessionsDep, currency: Currency) -> Response:
    """Your cart at today's prices; an empty one if nothing was ever put in."""
    cart = queries.read_cart(sessions, holder, currency)
    return tagged(request, cart.etag, cart)


@router.post("/add_item/", response_model=CartView, responses=GIVES | MISSING | REFUSED | AWAY)
def add_item(
    request: Request,
    holder: AddingHolder,
    sessions: SessionsDep,
    learn: LearnDep,
    currency: Currency,
    key: IdempotencyKey,
    expected: IfMatch,
    wanted: AddItem,
) -> Response:
    """Put pieces of a product in; they are added to those already there. A guest's first one makes the cart."""
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


@router.post("/remove_item/", response_model=CartView, responses=MISSING | STALE)
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


@router.post("/clear/", response_model=CartView, responses=UNKNOWN | STALE)
def clear(
    request: Request, holder: HolderDep, sessions: SessionsDep, currency: Currency, expected: IfMatch
) -> Response:
    """Take everything out."""
    return reply(request, usecases.clear_cart(sessions, holder, currency, expected))


@router.post("/merge/", response_model=MergeView, responses=UNKNOWN | STALE)
def merge(
    request: Request, owner: Owner, sessions: SessionsDep, currency: Currency, expected: IfMatch, wanted: MergeCart
) -> Response:
    """Add what lies in a guest's cart to your own, as far as there is room; its token is over then."""
    return reply(request, merging.merge_cart(sessions, owner, wanted.cart_token, currency, expected))


@router.post("/validate/", responses=UNKNOWN)
def validate(holder: HolderDep, sessions: SessionsDep, currency: Currency) -> ValidationView:
    """Whether the cart could be ordered now, as far as cart knows, and what stands against it."""
    return queries.validate_cart(sessions, holder, currency)


@internal.get("/{user_id}/")
def lines(sessions: SessionsDep, user_id: UUID) -> LinesView:
    """What a user's cart holds, for orders."""
    return queries.list_lines(sessions, Holder.user(user_id))
