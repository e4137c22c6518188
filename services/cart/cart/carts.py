"""The rows of carts: found, begun and held against other changes in the caller's transaction."""

from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from cart.holders import Holder
from cart.models import Cart


def locked(session: Session, holder: Holder) -> Cart:
    """The cart, held against other changes; an empty one, not in the table, if nothing was put in. Raises NotFound."""
    return Cart.of(holder, session.get(Cart, holder.cart_id, with_for_update=True))


def begun(session: Session, holder: Holder) -> Cart:
    """The cart, held against other changes; put into the table when it is not there yet. Raises NotFound."""
    cart = locked(session, holder)
    if cart in session:
        return cart
    row = {column.name: getattr(cart, column.name) for column in Cart.__table__.columns}
    # An upsert takes the exclusive lock at once, where INSERT IGNORE would take a shared one first and deadlock.
    session.execute(insert(Cart).values(row).on_duplicate_key_update(id=Cart.id))
    return locked(session, holder)
