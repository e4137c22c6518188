"""What notifier asks of auth (the secret of a mail, who is an administrator) and of orders (which there are)."""

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from common.errors import Unavailable
from common.http import Sister, read_list


class Challenge(BaseModel):
    """A secret that proves an address, and whose that is. Neither `repr` nor a complaint about it shows the secret."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    purpose: str
    user_id: UUID
    email: str = Field(min_length=1, max_length=254)
    name: str
    secret: SecretStr = Field(min_length=1)
    expires_at: AwareDatetime


class Administrator(BaseModel):
    """Somebody who is to be told what concerns the shop, as of this version of the account."""

    user_id: UUID
    version: int = Field(ge=0)
    email: str = Field(min_length=1, max_length=254)
    name: str


class Order(BaseModel):
    """A placed order as it is."""

    id: UUID
    number: str
    status: str


LIST = TypeAdapter(list[Administrator])
ORDERS_LIST = TypeAdapter(list[Order])
ORDERS = "/internal/orders/"
PAGE_TIMEOUT_S = 10.0
"""For a page of all orders, for which nobody waits."""


class Accounts:
    """Knows who has an account. Raises Unavailable when it cannot be asked or its answer makes no sense."""

    def __init__(self, sister: Sister) -> None:
        self._sister = sister

    def administrators(self) -> list[Administrator]:
        """All administrators who may sign in."""
        return read_list(self._sister, "/internal/administrators/", "administrators", LIST)


class Orders:
    """Knows every order that was placed. Raises Unavailable when it cannot be asked or its answer makes no sense."""

    def __init__(self, sister: Sister) -> None:
        self._sister = sister

    def page(self, after: UUID | None, limit: int) -> list[Order]:
        """The next orders in the order of their ids, as they are now; an empty list at the end."""
        begin = {} if after is None else {"after": str(after)}
        found = read_list(self._sister, ORDERS, "orders", ORDERS_LIST, limit=limit, **begin)
        return sorted(found, key=lambda order: order.id)


class Challenges:
    """Knows what auth wants to be mailed. Raises Unavailable when that could not be found out."""

    def __init__(self, sister: Sister) -> None:
        self._sister = sister

    def look_up(self, challenge_id: UUID, purpose: str) -> Challenge | None:
        """The challenge, or None when there is nothing to send any more."""
        status, body = self._sister.get(f"/internal/challenges/{challenge_id}/")
        if status == 404:
            return None
        challenge = _read(body) if status == 200 else None
        if challenge is None or challenge.purpose != purpose:
            raise Unavailable(f"auth answered {status} with something else", code="auth_unavailable")
        return challenge


def _read(body: Any) -> Challenge | None:
    """None for a body that is no challenge; it may hold the secret all the same, so no exception takes it along."""
    try:
        return Challenge.model_validate(body)
    except ValidationError:
        return None
