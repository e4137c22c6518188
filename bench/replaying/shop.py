"""The shop as its administrator and its visitors read it: products, orders, sold counts."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2

from replaying.accounts import Account
from replaying.gateway import expect

PAGE = "100"
"""Rows of a page, the most that a list gives."""
STATUSES = ("active", "draft", "archived")


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a product stands in the catalogue."""

    sku: str
    stock: int
    reserved: int
    sold: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the shop lists it; quantities by product id."""

    number: str
    user: str
    cancelled: bool
    lines: Mapping[int, int]


async def listed(account: Account, path: str, **filters: str) -> AsyncIterator[dict[str, Any]]:
    """Every row of a list, page by page along its cursor. Raises Stop."""
    params = filters | {"cursor": "", "limit": PAGE}
    while params:
        page = expect(await account.send("GET", path, params=params), httpx2.codes.OK)
        for row in page["results"]:
            yield row
        params = dict(parse_qsl(urlsplit(page["next"] or "").query))


async def read_products(admin: Account) -> dict[int, Stand]:
    """Every product, archived ones and drafts as well, by id."""
    return {
        row["id"]: Stand(row["sku"] or f"product {row['id']}", row["stock"], row["reserved"], row["sold_count"])
        for status in STATUSES
        async for row in listed(admin, "/api/products/", status=status)
    }


async def read_orders(admin: Account) -> dict[str, Order]:
    """Every order of everyone, by id."""
    return {str(row["id"]): _order(row) async for row in listed(admin, "/api/orders/")}


async def read_realtime(visitor: Account) -> tuple[int, dict[int, int]]:
    """The number of the newest message, and the sold counts as realtime knows them."""
    told = expect(await visitor.send("GET", "/api/realtime/products/"), httpx2.codes.OK)
    return told["seq"], {entry["id"]: entry["sold_count"] for entry in told["data"]}


def sold_by(orders: Mapping[str, Order]) -> Counter[int]:
    """Pieces of each product in the orders that are not cancelled."""
    sold: Counter[int] = Counter()
    for order in orders.values():
        if not order.cancelled:
            sold.update(order.lines)
    return sold


def _order(row: Mapping[str, Any]) -> Order:
    lines: Counter[int] = Counter()
    for item in row["items"]:
        lines[item["product"]["id"]] += item["quantity"]
    return Order(row["number"], str(row["user"]), row["status"] == "cancelled", lines)
