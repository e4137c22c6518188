"""The bodies about stock: changes by administrators, the ledger, and whether the books add up."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from catalog.models import LONGEST_NOTE, StockMovement
from catalog.schemas import MOST_STOCK, NO_CONTROLS
from common.fields import Body, UtcTime, View


def _check_delta(pieces: int) -> int:
    if pieces == 0:
        raise ValueError("say how many pieces come or go; none is no change")
    return pieces


Delta = Annotated[
    int,
    Field(ge=-MOST_STOCK, le=MOST_STOCK),
    AfterValidator(_check_delta),
    WithJsonSchema(
        {
            "type": "integer",
            "minimum": -MOST_STOCK,
            "maximum": MOST_STOCK,
            "not": {"const": 0},
            "description": "Pieces that have come, or below zero, gone",
            "examples": [12, -3],
        }
    ),
]
Note = Annotated[str, StringConstraints(max_length=LONGEST_NOTE, pattern=NO_CONTROLS)]
Reason = Literal["received", "correction", "damaged", "returned", "other"]
Counter = Literal["on_hand", "sold", "reserved", "count:draft", "count:active", "count:archived"]


class Adjustment(Body):
    """Pieces that came or went beside what was ordered."""

    delta: Delta
    reason: Reason
    note: Note | None = None


class StockView(View):
    """A product's stock: what can be ordered, what is there, what is held."""

    stock: int
    on_hand: int
    reserved: int


class MovementView(View):
    """A row of the ledger: who, why, how much, for which order."""

    id: int
    delta: int
    reason: str
    note: str | None
    order_id: UUID | None
    actor: UUID | None
    moved_at: UtcTime

    @classmethod
    def of(cls, row: StockMovement) -> Self:
        """The view of a row."""
        return cls(
            id=row.id,
            delta=row.delta,
            reason=row.reason,
            note=row.note,
            order_id=row.order_id,
            actor=row.actor,
            moved_at=row.at,
        )


class Difference(View):
    """A counter that is not what the ledger, the holds or the products themselves come to."""

    product_id: int | None = Field(description="null for the numbers of products by status")
    sku: str | None
    what: Counter
    expected: int = Field(description="What the rows add up to")
    found: int = Field(description="What the counter says")


class Reconciliation(View):
    """How many products were looked at, and what did not add up."""

    checked: int
    differences: list[Difference]
    more: bool = Field(description="Whether there are more differences than are listed")
