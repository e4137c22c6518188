"""The tellers' room: what catalog says about a product that has changed."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, Self

from catalog.models import ACTIVE, ARCHIVED, LOW, availability_of
from common.events import Event
from common.events.catalog import ProductArchived, ProductCreated, ProductEvent, ProductLowStock, ProductUpdated


class Told(Protocol):
    """What an event about a product is made of."""

    @property
    def id(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def sku(self) -> str | None: ...
    @property
    def name(self) -> str: ...
    @property
    def price(self) -> Decimal: ...
    @property
    def status(self) -> str: ...
    @property
    def stock(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Shown:
    """A product as others know it, kept while it goes on changing."""

    id: int
    version: int
    sku: str | None
    name: str
    price: Decimal
    status: str
    stock: int

    @classmethod
    def of(cls, product: Told) -> Self:
        """The product as it is at this moment."""
        return cls(product.id, product.version, product.sku, product.name, product.price, product.status, product.stock)


def tell_created(product: Told, currency: str) -> ProductEvent:
    """What is said of a product that is new."""
    return _event(ProductCreated, product, product.version, currency)


def tell_change(before: Told, after: Told, currency: str) -> tuple[list[Event], int]:
    """What is said of a change, and the product's version after it: every event has a version of its own."""
    version, said = before.version, list[Event]()
    if _facts(after) != _facts(before):
        version += 1
        said.append(_event(_kind_of_change(before, after), after, version, currency))
    if _runs_low(before, after):
        version += 1
        said.append(_low_stock(after, version))
    return said, version


def _facts(product: Told) -> tuple[str | None, str, Decimal, str, str]:
    """What other services are told; a change of it is an event."""
    return (product.sku, product.name, product.price, product.status, availability_of(product.stock))


def _kind_of_change(before: Told, after: Told) -> type[ProductEvent]:
    return ProductArchived if after.status == ARCHIVED != before.status else ProductUpdated


def _runs_low(before: Told, after: Told) -> bool:
    """Whether stock has crossed the line downwards while the product was on sale all along."""
    return before.status == after.status == ACTIVE and before.stock > LOW >= after.stock


def _event(kind: type[ProductEvent], product: Told, version: int, currency: str) -> ProductEvent:
    return kind(
        product_id=product.id,
        version=version,
        sku=product.sku,
        name=product.name,
        price=product.price,
        currency=currency,
        status=product.status,
        availability=availability_of(product.stock),
    )


def _low_stock(product: Told, version: int) -> ProductLowStock:
    return ProductLowStock(
        product_id=product.id, version=version, sku=product.sku, name=product.name, stock=product.stock
    )
