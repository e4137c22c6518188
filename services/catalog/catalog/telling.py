"""The tellers' room: what catalog says about a product that has changed."""

from decimal import Decimal
from typing import Protocol

from catalog.models import ARCHIVED, availability_of
from common.events.catalog import ProductArchived, ProductEvent, ProductUpdated


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


def product_event(kind: type[ProductEvent], product: Told, currency: str) -> ProductEvent:
    """The product as it is now, as an event of this kind."""
    return kind(
        product_id=product.id,
        version=product.version,
        sku=product.sku,
        name=product.name,
        price=product.price,
        currency=currency,
        status=product.status,
        availability=availability_of(product.stock),
    )


def kind_of_change(status_before: str, status: str) -> type[ProductEvent]:
    """Which event tells of a change."""
    return ProductArchived if status == ARCHIVED != status_before else ProductUpdated
