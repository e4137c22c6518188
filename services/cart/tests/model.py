"""Carts as plain dictionaries: what cart promises, without a database, a lock or a token."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

MOST = 999

Verdict = tuple[int, str]
"""The status and the code of an answer; the code of a success is empty."""
FINE: Verdict = (200, "")
UNKNOWN: Verdict = (404, "unknown_cart")
NOT_IN_CART: Verdict = (404, "not_in_cart")
CHANGED: Verdict = (412, "precondition_failed")


@dataclass
class Goods:
    """A product as cart last heard of it."""

    price: Decimal
    status: str = "active"
    availability: str = "in_stock"

    @property
    def refusal(self) -> Verdict | None:
        """Why more of it cannot be put in."""
        if self.status != "active":
            return (404, "product_not_found")
        return (409, "insufficient_stock") if self.availability == "out_of_stock" else None

    @property
    def problem(self) -> str | None:
        """Why it cannot be ordered."""
        if self.status != "active":
            return "product_unavailable"
        return "insufficient_stock" if self.availability == "out_of_stock" else None


@dataclass
class Pile:
    """A cart; `lines` has pieces and the price that was seen, by product."""

    lines: dict[int, tuple[int, Decimal]] = field(default_factory=dict)
    version: int = 0
    is_over: bool = False
    merged_into: str | None = None

    def moved(self, lines: Mapping[int, tuple[int, Decimal]]) -> Verdict:
        """The lines are these now; a difference is a change."""
        if lines != self.lines:
            self.version += 1
            self.lines = dict(lines)
        return FINE


class Shop:
    """Everybody's carts."""

    def __init__(self) -> None:
        self.goods: dict[int, Goods] = {}
        self.piles: dict[str, Pile] = {}

    def refusal(self, who: str, seen: int | None) -> Verdict | None:
        """Why nothing can be done with a cart."""
        pile = self.piles[who]
        if pile.is_over or pile.merged_into is not None:
            return UNKNOWN
        return CHANGED if seen is not None and seen != pile.version else None

    def add(self, who: str, number: int, quantity: int, seen: int | None = None) -> Verdict:
        """Put in; a product is looked at before the version is."""
        refusal = self.refusal(who, None) or self._offer(number) or self.refusal(who, seen)
        if refusal:
            return refusal
        pile = self.piles[who]
        held, price = pile.lines.get(number, (0, self.goods[number].price))
        if held + quantity > MOST:
            return (409, "quantity_limit")
        return pile.moved(pile.lines | {number: (held + quantity, price)})

    def update(self, who: str, number: int, quantity: int, seen: int | None = None) -> Verdict:
        """Set."""
        refusal = self.refusal(who, seen)
        if refusal:
            return refusal
        pile = self.piles[who]
        if number not in pile.lines:
            return NOT_IN_CART
        held, price = pile.lines[number]
        refusal = self._offer(number) if quantity > held else None
        return refusal or pile.moved(_without_empty(pile.lines | {number: (quantity, price)}))

    def clear(self, who: str, seen: int | None = None) -> Verdict:
        """Take everything out."""
        return self.refusal(who, seen) or self.piles[who].moved({})

    def order(self, who: str, quantities: Mapping[int, int]) -> None:
        """What was ordered leaves."""
        pile = self.piles[who]
        left = {n: (held - quantities.get(n, 0), price) for n, (held, price) in pile.lines.items()}
        pile.moved(_without_empty({n: (max(held, 0), price) for n, (held, price) in left.items()}))

    def merge(self, who: str, guest: str, seen: int | None = None) -> tuple[Verdict, list[tuple[int, int, int]]]:
        """Pour over; with what came over in part, as product, pieces asked for and taken."""
        theirs, own = self.piles[guest], self.piles[who]
        if theirs.merged_into == who and not theirs.is_over:
            return FINE, []
        refusal = self.refusal(guest, None) or self.refusal(who, seen)
        if refusal:
            return refusal, []
        lines, adjusted = dict(own.lines), []
        for number, (asked, price) in theirs.lines.items():
            held, first_seen = lines.get(number, (0, price))
            taken = min(asked, MOST - held)
            lines[number] = (held + taken, first_seen)
            adjusted += [(number, asked, taken)] if taken < asked else []
        theirs.merged_into, theirs.lines = who, {}
        return own.moved(lines), sorted(adjusted)

    def shown(self, who: str) -> dict[str, Any]:
        """What a view of the cart says."""
        pile = self.piles[who]
        worth = {n: self.goods[n].price * quantity for n, (quantity, _) in pile.lines.items()}
        return {
            "lines": {n: (held, self.goods[n].price != price) for n, (held, price) in pile.lines.items()},
            "total": f"{sum(worth.values(), Decimal(0)):.2f}",
            "version": pile.version,
            "problems": {n: self.goods[n].problem for n in pile.lines if self.goods[n].problem},
        }

    def _offer(self, number: int) -> Verdict | None:
        return self.goods[number].refusal if number in self.goods else (404, "product_not_found")


def _without_empty(lines: Mapping[int, tuple[int, Decimal]]) -> dict[int, tuple[int, Decimal]]:
    return {number: line for number, line in lines.items() if line[0]}
