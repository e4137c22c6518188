"""What cart can be asked."""

from sqlalchemy import select

from cart.contents import show_cart
from cart.holders import Holder
from cart.models import Line
from cart.schemas import CartView, LinesView, LineView, ValidationView
from common.database import Sessions


def read_cart(sessions: Sessions, holder: Holder, currency: str) -> CartView:
    """The holder's cart at today's prices; an empty one of version 0 when nothing was ever put in. Raises NotFound."""
    with sessions.begin() as session:
        return show_cart(session, holder, currency)


def validate_cart(sessions: Sessions, holder: Holder, currency: str) -> ValidationView:
    """What would refuse an order of the cart, as far as the copy of the catalogue tells. Raises NotFound."""
    return ValidationView.of(read_cart(sessions, holder, currency))


def list_lines(sessions: Sessions, holder: Holder) -> LinesView:
    """What lies in the cart, without prices; empty when there is none."""
    with sessions.begin() as session:
        lines = session.scalars(
            select(Line).where(Line.cart_id == holder.cart_id).order_by(Line.added_at, Line.product_id)
        ).all()
    return LinesView(items=[LineView.model_validate(line) for line in lines])
