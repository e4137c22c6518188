"""What catalog says."""

from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from common.events.base import Event

SOURCE = "/services/catalog"


class AboutProduct(Event):
    """Said of one product; `version` grows with every published change."""

    source: ClassVar[str] = SOURCE
    about: ClassVar[str] = "product_id"

    product_id: int
    version: int
    sku: str | None
    name: str


class AboutImport(Event):
    """Said of one bulk upload, with how many rows came to what; `version` grows, over retries too."""

    source: ClassVar[str] = SOURCE
    about: ClassVar[str] = "task_id"

    task_id: UUID
    status: str
    total: int
    created: int
    updated: int
    unchanged: int
    failed: int
    duplicates: int
    version: int


class ProductEvent(AboutProduct):
    """The product as it is after the change."""

    price: Decimal
    currency: str
    status: str
    availability: str


class ProductCreated(ProductEvent):
    """A product is there that was not, on sale or not yet."""

    type: ClassVar[str] = "product.created"


class ProductUpdated(ProductEvent):
    """Name, price, status or availability has changed."""

    type: ClassVar[str] = "product.updated"


class ProductArchived(ProductEvent):
    """A product is no longer on sale; orders keep their lines."""

    type: ClassVar[str] = "product.archived"


class ProductLowStock(AboutProduct):
    """A product on sale has few pieces left, or none; said once each time that its stock gets there from more."""

    type: ClassVar[str] = "product.low_stock"

    stock: int


class ImportProgress(AboutImport):
    """How far a bulk upload has come: whoever hears the next one needs this one no more.

    It may get lost, as `import.finished` may not.
    """

    type: ClassVar[str] = "import.progress"

    processed: int


class ImportFinished(AboutImport):
    """A bulk upload has come to its end; one that is tried again comes to another, with a higher version."""

    type: ClassVar[str] = "import.finished"

    started_by: UUID
    duplicates: int = 0
    version: int = 1
    processed: int | None = None
