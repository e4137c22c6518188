"""What lies in a cart, as a query and a change alike show it."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from cart.models import Cart, Holder, Line, ProductCopy
from cart.schemas import CartView


def show_cart(session: Session, holder: Holder, currency: str) -> CartView:
    """The cart as it stands in the caller's transaction; one statement, so that version and lines belong together."""
    rows = session.execute(
        select(Cart, Line, ProductCopy)
        .outerjoin(Line, Line.cart_id == Cart.id)
        .outerjoin(ProductCopy, ProductCopy.product_id == Line.product_id)
        .where(Cart.id == holder.cart_id)
        .order_by(Line.added_at, Line.product_id)
    ).all()
    version = rows[0].Cart.version if rows else 0
    lines = [(line, product) for _, line, product in rows if line is not None]
    return CartView.of(holder, version, lines, currency)
