"""The bodies that orders takes and gives."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from common.fields import Body, Sum, UtcTime, View, parse_money
from common.pagination import ListQuery
from orders.models import Order, OrderLine, Status

MOST_LINES = 100
MOST_PIECES = 999
MOST_BRIEFS = 500
"""Orders in one answer to a sister."""
MOST_TOTAL = Decimal("9999999999999999.99")

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""Times that every database can keep."""
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
NO_NUL = r"^[^\x00]*$"

Short = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_CONTROLS)]
Total = Annotated[
    Decimal,
    BeforeValidator(lambda value: parse_money(value, MOST_TOTAL)),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,16}(\.\d{1,2})?$", "examples": ["25.00"]}),
]
Reason = Literal["customer", "inventory", "fraud", "declined", "staff", "expired", "other"]


class WantedLine(Body):
    product_id: int = Field(ge=1, le=2**63 - 1)
    quantity: int = Field(ge=1, le=MOST_PIECES)


class Contact(Body):
    name: Short | None = None
    email: EmailStr | None = None
    phone: Annotated[str, StringConstraints(pattern=r"^\+?[0-9 ()/.-]{3,30}$")] | None = None


class Address(Body):
    name: Short
    line1: Short
    line2: Short | None = None
    city: Short
    region: Short | None = None
    postal_code: Annotated[str, StringConstraints(min_length=1, max_length=20, pattern=NO_CONTROLS)]
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = Field(description="ISO 3166-1 alpha-2")


class NewOrder(Body):
    """Without `items` the cart is ordered."""

    items: list[WantedLine] | None = Field(None, min_length=1, max_length=MOST_LINES)
    expected_total: Total | None = None
    contact: Contact | None = None
    shipping_address: Address | None = None
    note: Annotated[str, StringConstraints(max_length=1000, pattern=NO_NUL)] = ""


class Change(Body):
    """Where an order is to stand; where it stands already, `tracking` alone is written anew."""

    status: Annotated[Status, Field(strict=False)]
    reason: Reason = "staff"
    tracking: Annotated[str, StringConstraints(max_length=200, pattern=NO_CONTROLS)] | None = None


class Cancellation(Body):
    """Owners give the reasons customer (theirs if none is given) and other, and restock; staff is administrators'."""

    reason: Reason | None = None
    note: Annotated[str, StringConstraints(max_length=500, pattern=NO_NUL)] = ""
    restock: bool = Field(True, description="False lowers the sold count and leaves the stock")


class ProductView(View):
    id: int
    sku: str | None
    name: str


class LineView(View):
    id: int
    product: ProductView
    quantity: int
    price: Sum
    total_price: Sum

    @classmethod
    def of(cls, line: OrderLine) -> Self:
        """The public form of a line."""
        product = ProductView(id=line.product_id, sku=line.sku, name=line.name)
        total = line.price * line.quantity
        return cls(id=line.position, product=product, quantity=line.quantity, price=line.price, total_price=total)


class OrderView(View):
    id: UUID
    number: str
    user: UUID
    status: str
    items: list[LineView]
    total: Sum
    currency: str
    contact: dict[str, Any] | None
    shipping_address: dict[str, Any] | None
    note: str
    tracking: str
    created_at: UtcTime
    updated_at: UtcTime
    version: int

    @classmethod
    def of(cls, order: Order) -> Self:
        """The public form of an order."""
        own = {name: getattr(order, name) for name in cls.model_fields if name not in ("user", "items")}
        return cls(user=order.user_id, items=[LineView.of(line) for line in order.lines], **own)


class MoveView(View):
    previous: str | None
    status: str
    reason: str
    note: str
    by: str = Field(description="The role that acted; administrators see the user's id as well")
    user: UUID | None = None
    at: UtcTime


def _not_a_number(sent: object) -> object:
    """A bare number would be read as seconds, or as milliseconds, since 1970."""
    try:
        float(str(sent))
    except ValueError:
        return sent
    raise ValueError("send the time in ISO 8601, such as 2026-11-22T10:30:00Z")


def _in_utc(moment: datetime) -> datetime:
    return min(max(moment if moment.tzinfo else moment.replace(tzinfo=UTC), EARLIEST), LATEST)


def _to_its_end(moment: datetime) -> datetime:
    """Times are shown in whole milliseconds: an order that is shown with this time lies before the next."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000 + 999)


Moment = Annotated[datetime, BeforeValidator(_not_a_number), AfterValidator(_in_utc)]
End = Annotated[Moment, AfterValidator(_to_its_end)]


class OrdersQuery(ListQuery):
    status: Status | None = None
    created_from: Moment | None = None
    created_to: End | None = None
    number: str | None = None
    user: UUID | None = None


class StatsQuery(BaseModel):
    """Orders that were created from then to then, both included; without them, today and the 29 days before (UTC)."""

    model_config = ConfigDict(extra="forbid")

    created_from: Moment | None = None
    created_to: End | None = None


class StatusStats(View):
    status: Status
    count: int
    revenue: Sum


class DayStats(View):
    day: date
    count: int
    revenue: Sum


class StatsView(View):
    """Every order counts; a cancelled one brings no revenue. Days are those of UTC, none is left out."""

    from_at: UtcTime
    to_at: UtcTime
    currency: str
    count: int
    revenue: Sum
    by_status: list[StatusStats]
    by_day: list[DayStats]


class Resolution(View):
    outcome: Literal["placed", "pending", "cancelled", "unknown"]


class BriefQuery(BaseModel):
    """The next orders after an id, or the first."""

    model_config = ConfigDict(extra="forbid")

    after: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_BRIEFS)] = MOST_BRIEFS


class BriefLine(View):
    product_id: int
    quantity: int


class OrderBrief(View):
    """An order as a sister counts it."""

    id: UUID
    number: str
    user_id: UUID
    status: Status
    version: int
    updated_at: datetime
    lines: list[BriefLine]


class OrderBriefs(View):
    orders: list[OrderBrief]
