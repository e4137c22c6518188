"""The rows' room: what one row of an uploaded file must be."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from catalog.describing import Attributes, ImageUrl, Slug, slug_of
from catalog.lines import Line
from catalog.schemas import Description, Name, ProductId, Sku, Status, Stock
from common.fields import Money

CODES = {"missing": "required", "string_too_long": "too_long"}
"""Pydantic's names of complaints, where ours are others; what is not here is `invalid`."""
LONGEST_MESSAGE = 500
UNREADABLE = "unreadable"


def parse_count(value: Any) -> int:
    """A number of pieces from digits or a whole number. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 10:
        return int(value)
    raise ValueError("send a whole number, not below zero")


def parse_category(value: Any) -> Any:
    """The slug of a category that a file may call by its name."""
    return slug_of(value) if isinstance(value, str) else value


def parse_attributes(value: Any) -> Any:
    """An object from itself or, in a cell, from its JSON. Raises ValueError."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except ValueError:
        raise ValueError('send a JSON object such as {"colour": "red"}') from None


def key_of(sku: str | None, product_id: int | None) -> str:
    """What a product is known by: its SKU or, if it has none, its id after a sign that no SKU has."""
    return f"\x00{product_id}" if sku is None else sku


class Row(BaseModel):
    """A product as a file tells of it; what is left out stays as it is, or takes its default in a new product.

    A product that has no SKU is named by its id.
    """

    model_config = ConfigDict(strict=True, str_strip_whitespace=True)

    sku: Sku | None
    id: Annotated[ProductId, BeforeValidator(parse_count)] | None = None
    name: Name | None = None
    description: Description | None = None
    price: Money | None = None
    stock: Annotated[Stock, BeforeValidator(parse_count)] | None = None
    status: Status | None = None
    category: Annotated[Slug, BeforeValidator(parse_category)] | None = None
    image_url: ImageUrl | None = None
    attributes: Annotated[Attributes, BeforeValidator(parse_attributes)] | None = None

    @cached_property
    def values(self) -> dict[str, Any]:
        """What the row tells, by field."""
        told = self.model_fields_set - {"id"}
        return {name: getattr(self, name) for name in told if getattr(self, name) is not None}

    @property
    def key(self) -> str:
        """What the product is known by."""
        return key_of(self.sku, self.id)


@dataclass(frozen=True)
class Fault:
    """Why a row was not taken."""

    line: Line
    field: str
    code: str
    message: str


def check(line: Line) -> Row | Fault:
    """The line's row, or what is wrong with it: the first complaint's field and code, all of them in the message."""
    if line.fault is not None:
        return Fault(line, "", UNREADABLE, line.fault)
    try:
        return Row.model_validate(_told(line))
    except ValidationError as error:
        complaints = error.errors(include_url=False, include_input=False)
        first = complaints[0]
        message = "; ".join(f"{_name(c)}: {c['msg'].removeprefix('Value error, ')}" for c in complaints)
        return Fault(line, _name(first), CODES.get(first["type"], "invalid"), message[:LONGEST_MESSAGE])


def _told(line: Line) -> dict[str, Any]:
    """What the line tells, and the id where there is no SKU."""
    if line.values.get("sku"):
        return line.values
    named = {"sku": None, "id": line.raw["id"]} if line.raw.get("id") else {}
    return {name: value for name, value in line.values.items() if name != "sku" or value is not None} | named


def _name(complaint: Any) -> str:
    return str(complaint["loc"][0])[:64]
