"""What catalog can be asked about the ledger of its stock."""

from sqlalchemy import select

from catalog.models import MOST_ID, Product, StockMovement
from catalog.stock_schemas import MovementView
from common.database import Sessions
from common.errors import NotFound
from common.pagination import Key, ListQuery, Page, read_page


def list_movements(sessions: Sessions, product_id: int, query: ListQuery, base_url: str) -> Page[MovementView]:
    """A page of a product's ledger, newest first. Raises Invalid, NotFound."""
    rows = select(StockMovement).where(StockMovement.product_id == product_id)
    with sessions.begin() as session:
        if session.scalar(select(Product.id).where(Product.id == product_id)) is None:
            raise NotFound("there is no such product", code="product_not_found")
        return read_page(session, rows, Key(StockMovement.id, _number), query, base_url, MovementView.of)


def _number(word: str) -> int | None:
    """An id, None for what is none."""
    return int(word) if word.isascii() and word.isdecimal() and len(word) <= len(str(MOST_ID)) else None
