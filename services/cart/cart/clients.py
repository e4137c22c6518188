"""What cart asks of catalog, and only the fields that it reads."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter

from common.http import Sister, read_list

PRODUCTS = "/internal/products/"
PAGE_TIMEOUT_S = 10.0
"""For a page of the whole catalogue, for which nobody waits."""

Word = Annotated[str, Field(max_length=16)]


class Product(BaseModel):
    """A product as catalog has it, with the field names of catalog's events."""

    product_id: int = Field(alias="id", ge=1)
    sku: Annotated[str, Field(max_length=64)] | None
    name: str = Field(max_length=255)
    price: Decimal = Field(ge=0, max_digits=10, decimal_places=2)
    currency: str = Field(max_length=3)
    status: Word
    availability: Word
    version: int = Field(ge=0)


LIST = TypeAdapter(list[Product])


class Catalog:
    """Knows every product. Raises Unavailable when it cannot be asked or its answer makes no sense."""

    def __init__(self, sister: Sister) -> None:
        self._sister = sister

    def product(self, product_id: int) -> Product | None:
        """The product, or None when catalog does not know it either."""
        found = self._ask(ids=product_id)
        return next((product for product in found if product.product_id == product_id), None)

    def page(self, after: int, limit: int) -> list[Product]:
        """The next products in the order of their ids; an empty list at the end."""
        found = self._ask(after=after, limit=limit)
        return sorted((product for product in found if product.product_id > after), key=lambda each: each.product_id)

    def _ask(self, **which: Any) -> list[Product]:
        return read_list(self._sister, PRODUCTS, "products", LIST, **which)
