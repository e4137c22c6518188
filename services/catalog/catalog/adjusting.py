"""Adjusting stock: administrators say how many pieces came or went, and why."""

from sqlalchemy import update
from sqlalchemy.orm import Session

from catalog import versions
from catalog.models import products
from catalog.schemas import MOST_STOCK
from catalog.shelves import Shelf, enter, lock_shelves, move, write_shelves
from catalog.stock_schemas import Adjustment, StockView
from catalog.versions import FACTS
from common.clock import now
from common.database import Sessions, retried
from common.errors import Conflict, NotFound
from common.idempotency import Answer, claim_one, finish, new_claim
from common.tokens import User


@retried
def adjust_stock(
    sessions: Sessions, product_id: int, wanted: Adjustment, admin: User, key: str | None, currency: str
) -> Answer:
    """The stock after the change; a repeated key gets the first answer. Raises NotFound, Conflict, KeyReused.

    The product is locked before the key is claimed: so repeats stand in line for it, and a refusal, which takes its
    claim back, leaves nobody in a deadlock over the key.
    """
    route = f"POST /api/products/{product_id}/stock/adjust/"
    claim = new_claim(key, str(admin.id), route, wanted.model_dump(mode="json"))
    with sessions.begin() as session:
        shelf = _locked(session, product_id)
        claimed = claim_one(session, claim)
        if isinstance(claimed, Answer):
            return claimed
        _check_bounds(shelf, wanted.delta)
        shelf.on_hand += wanted.delta
        _write(session, shelf, wanted, admin, currency)
        answer = Answer(200, StockView.model_validate(shelf).model_dump(mode="json"))
        finish(session, claimed, answer)
        return answer


def _locked(session: Session, product_id: int) -> Shelf:
    shelf = lock_shelves(session, [product_id]).get(product_id)
    if shelf is None:
        raise NotFound("there is no such product", code="product_not_found")
    return shelf


def _check_bounds(shelf: Shelf, delta: int) -> None:
    if shelf.stock + delta < 0:
        sentence = f"only {shelf.stock} pieces are free; what is held for orders cannot be taken away"
        raise Conflict(sentence, code="insufficient_stock", available=shelf.stock)
    if shelf.stock + delta > MOST_STOCK:
        raise Conflict(f"a product has at most {MOST_STOCK} pieces", code="too_much_stock")


def _write(session: Session, shelf: Shelf, wanted: Adjustment, admin: User, currency: str) -> None:
    """The counters, the ledger and what is said; lists by time of change show the product anew."""
    write_shelves(session, [shelf], currency)
    versions.move(session, FACTS)
    session.execute(update(products).where(products.c.id == shelf.id).values(updated_at=now()))
    enter(session, [move(shelf.id, wanted.delta, wanted.reason, note=wanted.note or None, actor=admin.id)])
