"""What sister services ask of catalog, and what they are told."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from catalog.models import MOST_ID
from catalog.schemas import EARLIEST, LATEST, ProductId, parse_ids
from common.fields import Body, Sum, View

MOST_PIECES = 1_000_000
MOST_RESERVATIONS = 500
MOST_BRIEFS = 500
MOST_LINES = 100
"""Bounds of what a sister may ask for at once; orders itself takes 100 lines of 999 pieces (design: api 9.11)."""


def fingerprint_of(quantities: Mapping[int, int]) -> bytes:
    """A digest of pieces by product, given in order of the products' ids."""
    return hashlib.sha256(repr(list(quantities.items())).encode()).digest()


class LineWanted(Body):
    product_id: ProductId
    quantity: Annotated[int, Field(ge=1, le=MOST_PIECES)]


class ReservationWanted(Body):
    """One order's wish to hold stock; all of it or nothing."""

    order_id: Annotated[UUID, Field(strict=False)]
    expires_at: Annotated[AwareDatetime, Field(strict=False, gt=EARLIEST, lt=LATEST)]
    lines: Annotated[list[LineWanted], Field(min_length=1, max_length=MOST_LINES)]

    @cached_property
    def quantities(self) -> dict[int, int]:
        """Pieces by product, one entry per product, in order of the ids."""
        summed: dict[int, int] = {}
        for line in self.lines:
            summed[line.product_id] = summed.get(line.product_id, 0) + line.quantity
        return dict(sorted(summed.items()))

    @cached_property
    def fingerprint(self) -> bytes:
        """What a repeated wish is compared by."""
        return fingerprint_of(self.quantities)


class ReservationsWanted(Body):
    reservations: Annotated[list[ReservationWanted], Field(max_length=MOST_RESERVATIONS)]


class HeldLine(View):
    product_id: int
    quantity: int
    sku: str | None
    name: str
    price: Sum


class Refused(View):
    product_id: int
    requested: int
    available: int


class ReservationOutcome(View):
    """`lines` when it is held; `items` says which lines stood in the way."""

    order_id: UUID
    outcome: Literal["held", "short", "unavailable", "unknown", "released", "mismatch"]
    lines: list[HeldLine] = []
    items: list[Refused] = []


class ReservationOutcomes(View):
    results: list[ReservationOutcome]


class BriefQuery(BaseModel):
    """Which products a sister asks for: these, or the next ones after an id."""

    model_config = ConfigDict(extra="forbid")

    ids: str | None = None
    after: int = Field(0, ge=0, le=MOST_ID)
    limit: int = Field(MOST_BRIEFS, ge=1, le=MOST_BRIEFS)

    @field_validator("ids")
    @classmethod
    def _check_ids(cls, text: str | None) -> str | None:
        if text is not None:
            parse_ids(text, MOST_BRIEFS)
        return text

    @property
    def id_list(self) -> list[int] | None:
        """The ids that were asked for, None for any."""
        return None if self.ids is None else parse_ids(self.ids, MOST_BRIEFS)


class ProductBrief(View):
    """A product as sister services know it."""

    id: int
    sku: str | None
    name: str
    price: Sum
    currency: str
    availability: str
    status: str
    version: int
    sold: int


class ProductBriefs(View):
    products: list[ProductBrief]
