"""Wishing: what a request for an order comes to, before anything is written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from common import tracing
from common.database import Sessions
from common.errors import Conflict, Invalid
from common.idempotency import Claim, known, new_claim
from orders.clients import Cart
from orders.schemas import MOST_LINES, MOST_PIECES, NewOrder

PATH = "/api/orders/"

Wanted = list[dict[str, int]]


@dataclass(frozen=True)
class Placing:
    """One buyer's wish to order."""

    claim: Claim
    user_id: UUID
    wanted: Wanted
    body: NewOrder
    trace: str | None = field(default_factory=tracing.at_hand, compare=False)
    """The traceparent of the request that it came with."""


def prepare(sessions: Sessions, cart: Cart, user_id: UUID, key: str | None, body: NewOrder) -> Placing:
    """The wish with its lines: those of the body, or of the cart. Raises Invalid, Conflict or Unavailable."""
    claim = new_claim(key, str(user_id), f"POST {PATH}", body.model_dump(mode="json", exclude_none=True))
    if body.items is not None:
        lines = [line.model_dump() for line in body.items]
    elif _is_repeat(sessions, claim):
        return Placing(claim, user_id, [], body)  # the intent remembers its lines; the cart may be empty by now
    else:
        lines = cart.lines(user_id)
        if not lines:
            raise Invalid("the cart is empty; add something or send items", code="empty_order")
    return Placing(claim, user_id, merge(lines), body)


def _is_repeat(sessions: Sessions, claim: Claim) -> bool:
    with sessions.begin() as session:
        return known(session, claim)


def merge(lines: Sequence[Mapping[str, int]]) -> Wanted:
    """One line per product, in the order of their ids. Raises Conflict beyond the limits."""
    pieces: dict[int, int] = {}
    for line in lines:
        pieces[line["product_id"]] = pieces.get(line["product_id"], 0) + line["quantity"]
    if max(pieces.values()) > MOST_PIECES:
        raise Conflict(f"an order takes at most {MOST_PIECES} pieces of a product", code="quantity_limit")
    if len(pieces) > MOST_LINES:
        raise Conflict(f"an order takes at most {MOST_LINES} products", code="order_full")
    return [{"product_id": product, "quantity": pieces[product]} for product in sorted(pieces)]
