"""The plan's room: what the shop sells, who buys, and which orders are placed in which turn."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from math import ceil, floor
from pathlib import Path

from replaying.file import Line, is_cancellation, read_lines

MOST_PIECES = 999
MOST_LINES = 100
"""What one order takes: pieces of a product, lines."""
CART_EVERY = 10
"""Every tenth known customer orders through the cart, the others name their items. Never both: what is ordered leaves
the cart a moment later, so an order by name could take from a cart that was filled in between."""
LONGEST_NAME = 200
WALK_IN = "walk-in-"
"""How the accounts of unknown customers begin, one for each country."""


@dataclass(slots=True)
class Product:
    """What the file tells of one stock code."""

    sku: str
    description: str = ""
    ordered: int = 0
    prices: Counter[Decimal] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """The last description that was given, else the code."""
        return (self.description or self.sku)[:LONGEST_NAME]

    @property
    def price(self) -> Decimal:
        """The most frequent price above zero, else zero."""
        positive = [price for price, _ in self.prices.most_common() if price > 0]
        return positive[0] if positive else Decimal("0.00")

    def stock(self, share: float) -> int:
        """Pieces to begin with: this share of all that the file orders."""
        return floor(self.ordered * share)

    def learn(self, line: Line) -> None:
        """Take in what one line tells."""
        self.description = line.description or self.description
        self.prices[line.price] += 1
        if not is_cancellation(line.invoice):
            self.ordered += line.quantity


@dataclass(slots=True)
class Invoice:
    """What one customer orders, or takes back, at one moment; quantities by stock code."""

    number: str
    customer: str
    moment: datetime
    lines: Counter[str] = field(default_factory=Counter)

    @property
    def cancels(self) -> bool:
        """Whether it takes back earlier orders."""
        return is_cancellation(self.number)

    def parts(self) -> list[dict[str, int]]:
        """The orders that it makes."""
        return divide(self.lines)


@dataclass
class Plan:
    """Everything that will be done, invoices in the order of their time."""

    products: dict[str, Product]
    invoices: list[Invoice]
    lines: int
    left_out: Counter[str]

    @property
    def customers(self) -> list[str]:
        """The account names, in the order of their first invoice."""
        return list(dict.fromkeys(invoice.customer for invoice in self.invoices))

    @property
    def cart_customers(self) -> frozenset[str]:
        """Those who order through the cart."""
        known = [customer for customer in self.customers if not customer.startswith(WALK_IN)]
        return frozenset(known[::CART_EVERY])


def read_plan(path: Path, most_invoices: int | None = None) -> Plan:
    """Read the file once, line by line; `most_invoices` keeps only the first so many. Raises NotOrderLines."""
    left_out: Counter[str] = Counter()
    return make_plan(read_lines(path, left_out), left_out, most_invoices)


def make_plan(lines: Iterable[Line], left_out: Counter[str], most_invoices: int | None = None) -> Plan:
    """The plan that clean lines make; `left_out` may still be counted up while they are read."""
    products: dict[str, Product] = {}
    invoices: dict[str, Invoice] = {}
    count = 0
    for line in lines:
        count += 1
        products.setdefault(line.sku, Product(line.sku)).learn(line)
        customer = account_name(line.customer, line.country)
        invoices.setdefault(line.invoice, Invoice(line.invoice, customer, line.moment)).lines[line.sku] += line.quantity
    in_time = sorted(invoices.values(), key=lambda invoice: invoice.moment)[:most_invoices]
    return Plan(products, in_time, count, left_out)


def divide(
    lines: Mapping[str, int], most_pieces: int = MOST_PIECES, most_lines: int = MOST_LINES
) -> list[dict[str, int]]:
    """The fewest orders in which no product exceeds `most_pieces` and no order exceeds `most_lines` lines."""
    orders: list[dict[str, int]] = []
    rest = dict(lines)
    while rest:
        largest_first = sorted(rest, key=lambda sku: -ceil(rest[sku] / most_pieces))
        order = {sku: min(rest[sku], most_pieces) for sku in largest_first[:most_lines]}
        orders.append(order)
        rest = {sku: left for sku, quantity in rest.items() if (left := quantity - order.get(sku, 0))}
    return orders


def account_name(customer: str, country: str) -> str:
    """A known customer's user name, else that of the country's walk-in account."""
    return f"customer-{_slug(customer)}" if customer else f"{WALK_IN}{_slug(country) or 'unspecified'}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
