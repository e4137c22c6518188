"""What realtime asks of orders, and only the fields that it reads."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from common.errors import Unavailable
from common.http import Sister

ORDERS = "/internal/orders/"
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


LIST = TypeAdapter(list[Order])


class Orders:
    """Knows every order that was placed. Raises Unavailable when it cannot be asked or its answer makes no sense."""

    def __init__(self, sister: Sister) -> None:
        self._sister = sister

    def page(self, after: UUID | None, limit: int) -> list[Order]:
        """The next orders in the order of their ids, as they are now; an empty list at the end."""
        begin = {} if after is None else {"after": str(after)}
        status, body = self._sister.get(ORDERS, limit=limit, **begin)
        try:
            found = LIST.validate_python(body["orders"])
        except (ValidationError, KeyError, TypeError) as error:
            raise Unavailable(f"orders answered {status} with something else", code="orders_unavailable") from error
        return sorted((order for order in found if after is None or order.id > after), key=lambda each: each.id)
