"""Orders and stock as plain dictionaries: what the two services promise together, without a database or a broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Item = tuple[int, int]
"""A product and how many pieces of it."""
Movement = tuple[str, int, str | None]
"""A row of the ledger: reason, pieces, and the id of its order if it has one."""

MOST_PIECES = 999
MOVES = {
    "pending": ("processing", "cancelled"),
    "processing": ("shipped", "cancelled"),
    "shipped": ("delivered",),
    "delivered": (),
    "cancelled": (),
}


@dataclass
class Goods:
    """A product; `free` pieces can be ordered."""

    price: Decimal
    free: int
    sold: int = 0
    status: str = "active"
    moved: list[tuple[str, int, "Order | None"]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.moved += [("set", self.free, None)] if self.free else []

    def move(self, reason: str, delta: int, order: "Order | None" = None) -> None:
        """Pieces come or go."""
        self.free += delta
        self.moved.append((reason, delta, order))

    @property
    def ledger(self) -> list[Movement]:
        """Every movement, oldest first."""
        return [(reason, delta, order.id if order else None) for reason, delta, order in self.moved]


@dataclass
class Order:
    """An order; its id is known once the service has said it."""

    buyer: str
    pieces: dict[int, int]
    prices: dict[int, Decimal]
    status: str = "pending"
    id: str = ""

    @property
    def total(self) -> str:
        """What it costs, whatever its products cost now."""
        return f"{sum((self.prices[it] * quantity for it, quantity in self.pieces.items()), Decimal(0)):.2f}"

    @property
    def shown(self) -> dict[str, Any]:
        """What a list says of it."""
        return {"id": self.id, "status": self.status, "total": self.total, "pieces": self.pieces}


@dataclass(frozen=True)
class Reply:
    """What a request is answered: a status, and the code and lines of a refusal."""

    status: int
    code: str | None = None
    items: list[dict[str, int]] | None = None
    order: Order | None = None


class Shop:
    """Products, orders, and the keys that orders were placed under."""

    def __init__(self) -> None:
        self.goods: dict[int, Goods] = {}
        self.orders: list[Order] = []
        self.keys: dict[tuple[str, str], tuple[Mapping[str, Any], Reply]] = {}

    def price(self, items: Sequence[Item]) -> Decimal:
        """What the known ones of these come to now."""
        return sum((self.goods[it].price * quantity for it, quantity in items if it in self.goods), Decimal(0))

    def place(self, buyer: str, body: Mapping[str, Any], key: str | None) -> tuple[Reply, bool]:
        """All or nothing, and whether it is the stored answer to this key."""
        pieces: dict[int, int] = {}
        for line in body["items"]:
            pieces[line["product_id"]] = pieces.get(line["product_id"], 0) + line["quantity"]
        if max(pieces.values()) > MOST_PIECES:
            return Reply(409, "quantity_limit"), False
        if key is not None and (buyer, key) in self.keys:
            known, reply = self.keys[buyer, key]
            return (reply, True) if known == body else (Reply(422, "idempotency_key_reused"), False)
        reply = self._sell(buyer, dict(sorted(pieces.items())), body.get("expected_total"))
        if key is not None:
            self.keys[buyer, key] = (body, reply)
        return reply, False

    def cancel(self, order: Order, by: str, *, restock: bool = True) -> Reply:
        """By its buyer, by another one or by an administrator; a repeat is no refusal and changes nothing."""
        owns = by == order.buyer
        if not owns and by != "admin":
            return Reply(404, "not_found")
        if owns and not restock:
            return Reply(403, "not_allowed")
        too_late = order.status == "processing" if owns else False
        if too_late or order.status in ("shipped", "delivered"):
            return Reply(409, "not_cancellable")
        return self.move(order, "cancelled", restock=restock)

    def move(self, order: Order, status: str, *, restock: bool = True) -> Reply:
        """A step of its life, or none where it stands already."""
        if status == order.status:
            return Reply(200)
        if status not in MOVES[order.status]:
            return Reply(409, "illegal_transition")
        order.status = status
        if status == "cancelled":
            self._take_back(order, restock=restock)
        return Reply(200)

    def change(self, number: int, stock: int | None, status: str, price: Decimal) -> None:
        """What is said of a product; so many pieces can be ordered."""
        goods = self.goods[number]
        goods.status, goods.price = status, price
        if stock not in (None, goods.free):
            goods.move("set", stock - goods.free)

    def adjust(self, number: int, delta: int, reason: str) -> Reply:
        """Pieces come or go beside the orders."""
        goods = self.goods[number]
        if goods.free + delta < 0:
            return Reply(409, "insufficient_stock")
        goods.move(reason, delta)
        return Reply(200)

    def _sell(self, buyer: str, pieces: dict[int, int], expected: str | None) -> Reply:
        refusal = self._refusal(pieces)
        if refusal is not None:
            return refusal
        order = Order(buyer, pieces, {number: self.goods[number].price for number in pieces})
        if expected is not None and expected != order.total:
            return Reply(409, "total_changed")
        for number, quantity in pieces.items():
            self.goods[number].move("sold", -quantity, order)
            self.goods[number].sold += quantity
        self.orders.append(order)
        return Reply(201, order=order)

    def _refusal(self, pieces: Mapping[int, int]) -> Reply | None:
        """The first of these reasons that any line gives."""
        unknown = [it for it in pieces if it not in self.goods]
        off_sale = [it for it in pieces if it in self.goods and self.goods[it].status != "active"]
        short = [it for it in pieces if it in self.goods and self.goods[it].free < pieces[it]]
        if unknown:
            return Reply(404, "product_not_found", self._lines(unknown, pieces))
        if off_sale:
            return Reply(409, "product_unavailable", self._lines(off_sale, pieces))
        return Reply(409, "insufficient_stock", self._lines(short, pieces)) if short else None

    def _lines(self, refused: Sequence[int], pieces: Mapping[int, int]) -> list[dict[str, int]]:
        free = {number: goods.free for number, goods in self.goods.items()}
        return [{"product_id": it, "requested": pieces[it], "available": free.get(it, 0)} for it in refused]

    def _take_back(self, order: Order, *, restock: bool) -> None:
        for number, quantity in order.pieces.items():
            self.goods[number].sold -= quantity
            self.goods[number].move("cancelled", quantity, order)
            if not restock:
                self.goods[number].move("lost", -quantity, order)
