"""The bodies that catalog takes and gives over HTTP."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import (
    MISSING,
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)

from catalog.describing import Attributes, ImageUrl, Slug
from catalog.models import LONGEST_DESCRIPTION, LONGEST_NAME, LONGEST_SKU, MOST_ID, availability_of
from common.fields import Body, Money, Sum, UtcTime, View
from common.pagination import MOST, ListQuery

MOST_STOCK = 1_000_000_000
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""Times that every database can keep."""
FULL_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _whole(value: Any) -> Any:
    """A number such as 3.0 is a whole one (JSON Schema 2020-12, validation 6.1.1)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _said_in_full(value: Any) -> Any:
    """A time in text as RFC 3339 has it; not a number of seconds, nor a part of a time."""
    if isinstance(value, str) and not FULL_TIME.fullmatch(value):
        raise ValueError("send a time such as 2026-01-31T12:00:00Z")
    return value


def _within_time(moment: datetime) -> datetime:
    return min(max(moment, EARLIEST), LATEST)


ID = "[0-9]{1,19}"
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=NO_CONTROLS)]
Sku = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_SKU, pattern=NO_CONTROLS)]
Description = Annotated[str, StringConstraints(max_length=LONGEST_DESCRIPTION, pattern=r"^[^\x00]*$")]
Stock = Annotated[int, Field(ge=0, le=MOST_STOCK, description="Pieces that can be ordered"), BeforeValidator(_whole)]
Status = Literal["draft", "active", "archived"]
ProductId = Annotated[int, Field(ge=1, le=MOST_ID)]

ORDERINGS = r"^-?(name|price|created_at|sold_count)(,-?(name|price|created_at|sold_count))*$"


class ProductRow(Protocol):
    """What a product is shown from: a table's row or an object of the same attributes."""

    @property
    def id(self) -> int: ...
    @property
    def on_hand(self) -> int: ...
    @property
    def reserved(self) -> int: ...
    @property
    def sold(self) -> int: ...
    @property
    def attributes(self) -> dict[str, Any] | None: ...


class ProductDraft(Body):
    """A new product."""

    sku: Sku | None = None
    name: Name
    description: Description = ""
    price: Money
    stock: Stock = 0
    status: Status = "active"
    category: Slug | None = None
    image_url: ImageUrl | None = None
    attributes: Attributes = {}


class ProductReplacement(Body):
    """A product written anew: name and price are asked for, what else is left out stays as it is."""

    sku: Sku | None | MISSING = MISSING
    name: Name
    description: Description | MISSING = MISSING
    price: Money
    stock: Stock | MISSING = MISSING
    status: Status | MISSING = MISSING
    category: Slug | None | MISSING = MISSING
    image_url: ImageUrl | None | MISSING = MISSING
    attributes: Attributes | MISSING = MISSING


class ProductChange(Body):
    """Some of a product's fields; what is left out stays as it is."""

    sku: Sku | None | MISSING = MISSING
    name: Name | MISSING = MISSING
    description: Description | MISSING = MISSING
    price: Money | MISSING = MISSING
    stock: Stock | MISSING = MISSING
    status: Status | MISSING = MISSING
    category: Slug | None | MISSING = MISSING
    image_url: ImageUrl | None | MISSING = MISSING
    attributes: Attributes | MISSING = MISSING


class ProductView(View):
    """A product as everyone sees it."""

    id: int
    sku: str | None
    name: str
    description: str
    price: Sum
    currency: str
    stock: int
    sold_count: int
    availability: Literal["in_stock", "low_stock", "out_of_stock"]
    category: str | None
    image_url: str | None
    attributes: dict[str, Any]
    status: Status
    created_at: UtcTime
    updated_at: UtcTime

    @classmethod
    def of(cls, row: ProductRow, currency: str) -> Self:
        """The view of a row."""
        stock = row.on_hand - row.reserved
        worked_out: dict[str, Any] = {
            "currency": currency,
            "stock": stock,
            "sold_count": row.sold,
            "availability": availability_of(stock),
            "attributes": row.attributes or {},
        }
        stored = {name: getattr(row, name) for name in cls.model_fields if name not in worked_out}
        return cls(**stored, **worked_out)

    @property
    def etag(self) -> str:
        """The strong entity tag of this very view."""
        return f'"{hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:32]}"'


class AdminProductView(ProductView):
    """A product as administrators see it."""

    on_hand: int
    reserved: int


class CategoryDraft(Body):
    """A new category; its slug is made of the name if it is left out."""

    slug: Slug | None = None
    name: Name


class CategoryName(Body):
    """What a category is called; made of its slug if left out."""

    name: Name | None = None


class CategoryView(View):
    """A category as everyone sees it."""

    slug: str
    name: str
    created_at: UtcTime


class ExportQuery(BaseModel):
    """How the catalogue is to be given as a file."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["csv", "ndjson"] | None = Field(None, description="Without it as Accept says, else CSV")


class ProductQuery(ListQuery):
    """What a list of products may be asked by."""

    search: str | None = Field(None, max_length=100, description="Words that name or SKU contain")
    ordering: str | None = Field(None, pattern=ORDERINGS, max_length=100)
    name: str | None = Field(None, max_length=LONGEST_NAME)
    sku: str | None = Field(None, max_length=LONGEST_SKU)
    price: Money | None = None
    price_min: Money | None = None
    price_max: Money | None = None
    in_stock: bool | None = None
    category: Slug | None = None
    updated_since: Annotated[AwareDatetime, BeforeValidator(_said_in_full), AfterValidator(_within_time)] | None = (
        Field(None, description="Products that an administrator or a file has changed since")
    )
    ids: str | None = Field(
        None,
        description="Comma-separated, at most 100",
        json_schema_extra={"pattern": f"^{ID}(,{ID}){{0,{MOST - 1}}}$"},
    )
    status: Status | None = Field(None, description="For administrators; others see active products only")

    @field_validator("ids")
    @classmethod
    def _check_ids(cls, text: str | None) -> str | None:
        if text is not None:
            parse_ids(text, MOST)
        return text

    @property
    def ordering_words(self) -> list[str]:
        """The columns to order by, each with `-` before it for downwards."""
        return self.ordering.split(",") if self.ordering else []

    @property
    def id_list(self) -> list[int] | None:
        """The ids that were asked for, None for any."""
        return None if self.ids is None else parse_ids(self.ids, MOST)


def parse_ids(text: str, most: int) -> list[int]:
    """Product ids from a comma-separated list. Raises ValueError."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdecimal() and len(word) <= 19 for word in words):
        raise ValueError("ids are whole numbers, separated by commas")
    if len(words) > most:
        raise ValueError(f"at most {most} ids")
    return [int(word) for word in words]
