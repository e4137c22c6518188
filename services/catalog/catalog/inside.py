"""The HTTP door of catalog for sister services."""

from typing import Annotated

from fastapi import APIRouter, Query

from catalog import holding, queries
from catalog.sister_schemas import BriefQuery, ProductBriefs, ReservationOutcomes, ReservationsWanted
from common.knocking import SessionsDep, called_by, from_state

router = APIRouter(prefix="/internal", include_in_schema=False)

Currency = Annotated[str, from_state("currency")]


@router.post("/reservations/", dependencies=[called_by("orders")])
def hold_stock(wanted: ReservationsWanted, sessions: SessionsDep, currency: Currency) -> ReservationOutcomes:
    """Hold stock for orders that are being placed, each all or nothing."""
    return ReservationOutcomes(results=holding.hold_stock(sessions, wanted.reservations, currency))


@router.get("/products/", dependencies=[called_by("cart", "realtime")])
def list_briefs(query: Annotated[BriefQuery, Query()], sessions: SessionsDep, currency: Currency) -> ProductBriefs:
    """Products as sisters know them, of every status."""
    return queries.list_briefs(sessions, query, currency)
