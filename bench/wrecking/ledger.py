"""The ledger's room: what buyers have asked for and what they were told, to be held against the books."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx2

from replaying.accounts import Account
from replaying.gateway import problem_code

PASSING = frozenset({401, 408, 429})
"""Refusals of the request, not of the order: the same key may still become one."""
IN_PROGRESS = "idempotency_in_progress"
Lines = Mapping[int, int]
"""Quantities by product id."""


@dataclass(eq=False)
class Placing:
    """An order that somebody wants, under one key, however often it is sent."""

    account: Account
    key: str
    lines: Lines
    through_cart: bool = False
    order_ids: set[str] = field(default_factory=set)
    number: str = ""
    total: Decimal | None = None
    refusal: str = ""
    wants_cancel: bool = False
    cancel_told: str = ""
    """Empty as long as that is unknown, `cancelled`, or the code of the refusal."""

    @property
    def body(self) -> dict[str, Any]:
        """What is sent each time."""
        if self.through_cart:
            return {}
        return {"items": [{"product_id": product, "quantity": number} for product, number in self.lines.items()]}

    @property
    def order_id(self) -> str:
        """The order's id, empty if there is none that is known of."""
        return next(iter(self.order_ids), "")

    @property
    def is_settled(self) -> bool:
        """Whether the client knows what has become of it."""
        return bool(self.order_ids or self.refusal) and (not self.wants_cancel or bool(self.cancel_told))

    @property
    def is_cancelled(self) -> bool:
        """Whether the client was told that it is."""
        return self.cancel_told == "cancelled"

    async def send(self) -> None:
        """Ask for it (again). Raises NoAnswer and Stop."""
        if not (self.order_ids or self.refusal):
            self.hear(await self.account.send("POST", "/api/orders/", key=self.key, json=self.body))
        elif self.wants_cancel and not self.cancel_told:
            self.hear_of_cancel(await self.account.send("DELETE", f"/api/orders/{self.order_id}/"))

    def hear(self, answer: httpx2.Response) -> None:
        """Take in an answer to the order."""
        if answer.status_code == httpx2.codes.CREATED:
            told = answer.json()
            self.order_ids.add(told["id"])
            self.number, self.total = told["number"], Decimal(told["total"])
        elif _is_final(answer):
            self.refusal = problem_code(answer)

    def hear_of_cancel(self, answer: httpx2.Response) -> None:
        """Take in an answer to the cancellation."""
        if answer.status_code == httpx2.codes.OK:
            self.cancel_told = "cancelled"
        elif _is_final(answer):
            self.cancel_told = problem_code(answer)


def _is_final(answer: httpx2.Response) -> bool:
    return answer.is_client_error and answer.status_code not in PASSING and problem_code(answer) != IN_PROGRESS


@dataclass
class Ledger:
    """All that was asked for in a run."""

    placings: list[Placing] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    """What no rule of the shop explains."""

    def open(self, placing: Placing) -> Placing:
        """Enter a wish before it is sent."""
        self.placings.append(placing)
        return placing

    @property
    def unsettled(self) -> list[Placing]:
        """Those of which the client does not know the outcome."""
        return [placing for placing in self.placings if not placing.is_settled]
