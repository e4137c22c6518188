"""What realtime asks of orders and catalog, and only the fields that it reads."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter

from common.http import Sister, read_list

ORDERS = "/internal/orders/"
PRODUCTS = "/internal/products/"
PAGE_TIMEOUT_S = 10.0
"""For a page of all orders, for which nobody waits."""


class Line(BaseModel):
    product_id: int = Field(ge=1)
    quantity: int = Field(ge=1)


class Order(BaseModel):
    """An order as it is; `version` is that of the last event said of it."""

    id: UUID
    number: Annotated[str, Field(max_length=24)]
    user_id: UUID
    status: Annotated[str, Field(max_length=16)]
    version: int = Field(ge=1)
    updated_at: AwareDatetime
    lines: list[Line]


class Product(BaseModel):
    """What catalog has sold of a product."""

    id: int
    sold: int


LIST = TypeAdapter(list[Order])
PRODUCTS_LIST = TypeAdapter(list[Product])


class Orders:
    """Knows every order that was placed. Raises Unavailable when it cannot be asked or its answer makes no sense."""

    def __init__(self, sister: Sister) -> None:
        self._sister = sister

    def page(self, after: UUID | None, limit: int) -> list[Order]:
        """The next orders in the order of their ids, as they are now; an empty list at the end."""
        begin = {} if after is None else {"after": str(after)}
        found = read_list(self._sister, ORDERS, "orders", LIST, limit=limit, **begin)
        return sorted((order for order in found if after is None or order.id > after), key=lambda each: each.id)


class Catalog:
    """Knows what was sold of every product. Raises Unavailable when it cannot be asked or its answer makes no sense."""

    def __init__(self, sister: Sister) -> None:
        self._sister = sister

    def page(self, after: int, limit: int) -> dict[int, int]:
        """Pieces sold of the next products, by their ids; none at the end."""
        return self._ask(after=after, limit=limit)

    def sold(self, products: Sequence[int]) -> dict[int, int]:
        """Pieces sold of these products, a page at most, by their ids."""
        return self._ask(ids=",".join(map(str, products)), limit=len(products))

    def _ask(self, **which: Any) -> dict[int, int]:
        found = read_list(self._sister, PRODUCTS, "products", PRODUCTS_LIST, **which)
        return {product.id: product.sold for product in found}
