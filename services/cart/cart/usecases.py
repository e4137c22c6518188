"""What can be done with a cart; each change is one transaction under the cart's own row."""

from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from typing import cast
from uuid import UUID

from sqlalchemy import Table, delete, select
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from cart.carts import begun, locked
from cart.contents import show_cart
from cart.holders import Holder
from cart.models import MOST_LINES, MOST_PIECES, Cart, Line, ProductCopy
from cart.schemas import AddItem, RemoveItem, UpdateItem
from common import idempotency, outbox
from common.clock import now
from common.database import Sessions, affected, retried
from common.errors import Conflict, NotFound
from common.events.orders import OrderPlaced
from common.idempotency import Answer, Claim, claim_one, finish, new_claim
from common.ids import new_id
from common.tidying import drop_all

ADD_ITEM = "POST /api/cart/add_item/"
CARTS = cast(Table, Cart.__table__)
MOST_EXPIRED = 100
"""Carts of guests that are dropped in one transaction, with 100 lines each at most."""

Expected = Set[int] | None
"""Versions of the cart on which the client wants to act; None for any."""
Learn = Callable[[int], None]
"""`copying.Learner.learn`."""


def add_item(
    sessions: Sessions,
    learn: Learn,
    holder: Holder,
    wanted: AddItem,
    currency: str,
    *,
    key: str | None = None,
    expected: Expected = None,
) -> Answer:
    """Add pieces of a product to what lies in the cart; with an Idempotency-Key once, however often it is sent.

    A guest's new token goes with the answer and is never part of what is stored. Raises NotFound, Conflict,
    PreconditionFailed, KeyReused; Unavailable when the product was never heard of and catalog does not answer.
    """
    _check_open(sessions, holder)
    learn(wanted.product_id)
    claim = new_claim(key, str(holder.cart_id), ADD_ITEM, wanted.model_dump()) if key is not None else None
    answer = _add_once(sessions, holder, wanted, currency, claim, expected)
    return _with_token(answer, holder)


def _check_open(sessions: Sessions, holder: Holder) -> None:
    """A token that is over is refused before anything is asked of catalog or repeated by key. Raises NotFound."""
    if holder.user_id is None:
        with sessions.begin() as session:
            Cart.of(holder, session.get(Cart, holder.cart_id))


def _with_token(answer: Answer, holder: Holder) -> Answer:
    if holder.new_token is None or answer.status >= 400:
        return answer
    token = {"X-Cart-Token": holder.new_token, "Cache-Control": "no-store"}
    return replace(answer, headers=answer.headers | token)


@retried
def _add_once(
    sessions: Sessions, holder: Holder, wanted: AddItem, currency: str, claim: Claim | None, expected: Expected
) -> Answer:
    with sessions.begin() as session:
        return _once(session, claim, lambda: _add(session, holder, wanted, currency, expected))


def _once(session: Session, claim: Claim | None, work: Callable[[], Answer]) -> Answer:
    """The work's answer, or the one that the same key has had; definite refusals are kept too (design: api 9.2)."""
    if claim is None:
        return work()
    outcome = claim_one(session, claim)
    if isinstance(outcome, Answer):
        return outcome
    try:
        answer = work()
    except (NotFound, Conflict) as refusal:
        answer = Answer(refusal.status, refusal.body(), refusal.headers)
    finish(session, outcome, answer)
    return answer


def _add(session: Session, holder: Holder, wanted: AddItem, currency: str, expected: Expected) -> Answer:
    product = _offered(session, wanted.product_id)
    cart = begun(session, holder)
    cart.check_version(expected)
    _check_room(session, cart, wanted)
    _add_up(session, cart, product, wanted.quantity)
    cart.move_on()
    return _answer(session, holder, currency)


@retried
def update_item(
    sessions: Sessions, holder: Holder, wanted: UpdateItem, currency: str, expected: Expected = None
) -> Answer:
    """Set how many pieces lie in the cart; 0 takes the line out. Raises NotFound, Conflict, PreconditionFailed."""
    with sessions.begin() as session:
        cart, line = _locked_line(session, holder, wanted.product_id, expected)
        if wanted.quantity > line.quantity:
            _offered(session, wanted.product_id)
        if wanted.quantity != line.quantity:
            _set(session, line, wanted.quantity)
            cart.move_on()
        return _answer(session, holder, currency)


@retried
def remove_item(
    sessions: Sessions, holder: Holder, wanted: RemoveItem, currency: str, expected: Expected = None
) -> Answer:
    """Take a line out. Raises NotFound, PreconditionFailed."""
    with sessions.begin() as session:
        cart, line = _locked_line(session, holder, wanted.product_id, expected)
        session.delete(line)
        cart.move_on()
        return _answer(session, holder, currency)


@retried
def clear_cart(sessions: Sessions, holder: Holder, currency: str, expected: Expected = None) -> Answer:
    """Take every line out. Raises NotFound, PreconditionFailed."""
    with sessions.begin() as session:
        cart = locked(session, holder)
        cart.check_version(expected)
        if affected(session.execute(delete(Line).where(Line.cart_id == cart.id))):
            cart.move_on()
        return _answer(session, holder, currency)


def take_out_ordered(session: Session, orders: Sequence[OrderPlaced]) -> None:
    """Take what was ordered out of the buyers' carts, in the caller's transaction; what was added since stays.

    The carts are held in the order of their ids, and only those that there are: who names items needs none.
    """
    ordered: dict[UUID, Counter[int]] = {}
    for order in orders:
        pieces = ordered.setdefault(Holder.user(order.user_id).cart_id, Counter())
        for bought in order.lines:
            pieces[bought.product_id] += bought.quantity
    held = select(Cart).where(Cart.id.in_(ordered)).order_by(Cart.id).with_for_update()
    carts = {cart.id: cart for cart in session.scalars(held)}
    lines = session.scalars(select(Line).where(Line.cart_id.in_(carts))).all() if carts else []
    taken = [line for line in lines if line.product_id in ordered[line.cart_id]]
    for line in taken:
        _set(session, line, max(0, line.quantity - ordered[line.cart_id][line.product_id]))
    for cart_id in {line.cart_id for line in taken}:
        carts[cart_id].move_on()


def tidy(sessions: Sessions) -> None:
    """Drop what is past its keeping time: a chunk of keys and of heard events, the carts of guests to the last."""
    with sessions.begin() as session:
        idempotency.purge(session)
        outbox.purge(session, outbox.inbox)
    drop_all(sessions, CARTS, CARTS.c.expires_at <= now(), MOST_EXPIRED)  # the lines go with the carts


def _locked_line(session: Session, holder: Holder, product_id: int, expected: Expected) -> tuple[Cart, Line]:
    cart = locked(session, holder)
    cart.check_version(expected)
    line = session.get(Line, (cart.id, product_id))
    if line is None:
        raise NotFound("this product is not in the cart", code="not_in_cart")
    return cart, line


def _offered(session: Session, product_id: int) -> ProductCopy:
    """The copy of a product that may be added now. Raises NotFound, Conflict."""
    product = session.get(ProductCopy, product_id)
    if product is None:
        raise NotFound("there is no such product", code="product_not_found")
    product.check_can_be_added()
    return product


def _check_room(session: Session, cart: Cart, wanted: AddItem) -> None:
    held = select(Line.product_id, Line.quantity).where(Line.cart_id == cart.id)
    pieces = {row.product_id: row.quantity for row in session.execute(held)}
    if wanted.product_id not in pieces and len(pieces) >= MOST_LINES:
        raise Conflict(f"a cart holds at most {MOST_LINES} products", code="cart_full", most=MOST_LINES)
    there = pieces.get(wanted.product_id, 0)
    if there + wanted.quantity > MOST_PIECES:
        detail = f"a cart holds at most {MOST_PIECES} pieces of a product; {there} are in it already"
        raise Conflict(detail, code="quantity_limit", most=MOST_PIECES, in_cart=there)


def _add_up(session: Session, cart: Cart, product: ProductCopy, quantity: int) -> None:
    line = insert(Line).values(
        cart_id=cart.id,
        product_id=product.product_id,
        id=new_id(),
        quantity=quantity,
        price=product.price,
        added_at=now(),
    )
    session.execute(line.on_duplicate_key_update(quantity=Line.quantity + line.inserted.quantity))


def _set(session: Session, line: Line, quantity: int) -> None:
    if quantity:
        line.quantity = quantity
    else:
        session.delete(line)


def _answer(session: Session, holder: Holder, currency: str) -> Answer:
    cart = show_cart(session, holder, currency)
    return Answer(200, cart.model_dump(mode="json"), {"ETag": cart.etag})
