"""The HTTP door of catalog to its stock: changes, the ledger, and whether the books add up."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from catalog import adjusting, ledger, reconciling
from catalog.models import MOST_ID
from catalog.stock_schemas import Adjustment, MovementView, Reconciliation, StockView
from common.knocking import Admin, IdempotencyKey, SessionsDep, for_admins, from_state
from common.pagination import ListParams, Page
from common.replies import reply

router = APIRouter(prefix="/api/products", tags=["stock"], dependencies=for_admins)

Currency = Annotated[str, from_state("currency")]
ListUrl = Annotated[str, from_state("list_url")]
Id = Annotated[int, Path(ge=1, le=MOST_ID)]

Described = dict[int | str, dict[str, Any]]
MISSING: Described = {404: {"description": "There is no such product"}}
REFUSED: Described = {
    409: {
        "description": "`insufficient_stock`, with how much is `available`; `too_much_stock`; "
        "`idempotency_in_progress`: a request with this Idempotency-Key is still being worked on"
    }
}


@router.get("/stock/reconcile/")
def reconcile(sessions: SessionsDep) -> Reconciliation:
    """Whether every counter is what the ledger, the holds and the products come to; differences are expected empty."""
    return reconciling.reconcile(sessions)


@router.post("/{product_id}/stock/adjust/", response_model=StockView, responses=MISSING | REFUSED)
def adjust_stock(
    request: Request,
    product_id: Id,
    admin: Admin,
    wanted: Adjustment,
    key: IdempotencyKey,
    sessions: SessionsDep,
    currency: Currency,
) -> Response:
    """Say how many pieces came or went; what is held for orders cannot be taken away."""
    return reply(request, adjusting.adjust_stock(sessions, product_id, wanted, admin, key, currency))


@router.get("/{product_id}/stock/movements/", response_model_exclude_unset=True, responses=MISSING)
def list_movements(product_id: Id, query: ListParams, sessions: SessionsDep, list_url: ListUrl) -> Page[MovementView]:
    """The product's ledger, newest first."""
    return ledger.list_movements(sessions, product_id, query, f"{list_url}{product_id}/stock/movements/")
