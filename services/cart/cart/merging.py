"""Pouring what a guest has put in into the cart of the user who signs in: one transaction under both carts' rows."""

from collections.abc import Set

from sqlalchemy import select
from sqlalchemy.orm import Session

from cart.carts import begun
from cart.contents import show_cart
from cart.holders import Holder, unknown_cart
from cart.models import MOST_LINES, MOST_PIECES, Cart, Line
from cart.schemas import AdjustmentView, Limit, MergeView
from common.database import Sessions, retried
from common.idempotency import Answer


@retried
def merge_cart(sessions: Sessions, user: Holder, token: str, currency: str, expected: Set[int] | None = None) -> Answer:
    """Add what lies in the guest's cart to the user's, as far as there is room; the token is over then.

    The same user may repeat it, and nothing happens. Raises NotFound, PreconditionFailed.
    """
    guest = Holder.guest(token)
    with sessions.begin() as session:
        own, theirs = _both(session, user, guest)
        adjustments = [] if theirs.was_merged_into(own) else _pour(session, theirs, own, expected)
        cart = show_cart(session, user, currency)
    view = MergeView(cart=cart, adjustments=adjustments)
    return Answer(200, view.model_dump(mode="json"), {"ETag": cart.etag})


def _both(session: Session, user: Holder, guest: Holder) -> tuple[Cart, Cart]:
    """The user's cart and the guest's, held in the order of their ids, as all do who hold more than one."""
    rows: dict[Holder, Cart] = {}
    for holder in sorted((user, guest), key=lambda holder: holder.cart_id):
        rows[holder] = begun(session, user) if holder is user else _known(session, guest)
    return rows[user], rows[guest]


def _known(session: Session, guest: Holder) -> Cart:
    """The guest's cart, merged or not."""
    cart = session.get(Cart, guest.cart_id, with_for_update=True)
    if cart is None:
        raise unknown_cart()
    return cart


def _pour(session: Session, theirs: Cart, own: Cart, expected: Set[int] | None) -> list[AdjustmentView]:
    """Move the lines over, the oldest first; what did not come over as it was."""
    theirs.check_open()
    own.check_version(expected)
    held = {line.product_id: line for line in session.scalars(select(Line).where(Line.cart_id == own.id))}
    coming = select(Line).where(Line.cart_id == theirs.id).order_by(Line.added_at, Line.product_id)
    moves = [(line, *_move(session, line, own, held)) for line in session.scalars(coming).all()]
    if any(taken for _, taken, _ in moves):
        own.move_on()
    theirs.merged_by = own.user_id
    return [AdjustmentView.of(line, taken, code) for line, taken, code in moves if taken < line.quantity]


def _move(session: Session, line: Line, own: Cart, held: dict[int, Line]) -> tuple[int, Limit]:
    """Take of a line what there is room for; how many pieces that was, and what the limit is."""
    session.delete(line)
    there = held.get(line.product_id)
    if there is not None:
        taken = min(line.quantity, MOST_PIECES - there.quantity)
        there.quantity += taken
        return taken, "quantity_limit"
    if len(held) >= MOST_LINES:
        return 0, "cart_full"
    held[line.product_id] = line.laid_into(own)
    session.add(held[line.product_id])
    return line.quantity, "quantity_limit"
