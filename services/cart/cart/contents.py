"""What lies in a cart, as a query and a change alike show it."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from cart.holders import Holder
from cart.models import Cart, Line, ProductCopy
from cart.schemas import CartView


def show_cart(session: Session, holder: Holder, currency: str) -> CartView:
    """The cart as it stands in the caller's transaction; one statement, so that version and lines belong together.

    Raises NotFound when it is a guest's that is not there (any more).
    """
    rows = session.execute(
        select(Cart, Line, ProductCopy)
        .outerjoin(Line, Line.cart_id == Cart.id)
        .outerjoin(ProductCopy, ProductCopy.product_id == Line.product_id)
        .where(Cart.id == holder.cart_id)
        .order_by(Line.added_at, Line.product_id)
    ).all()
    cart = Cart.of(holder, rows[0].Cart if rows else None)
    lines = [(line, product) for _, line, product in rows if line is not None]
    return CartView.of(holder, cart.version, lines, currency)
