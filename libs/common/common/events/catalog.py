"""What catalog says."""

from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from common.events.base import Event


class ProductEvent(Event):
    """The product as it is after the change; `version` grows with every published change."""

    source: ClassVar[str] = "/services/catalog"

    product_id: int
    version: int
    sku: str | None
    name: str
    price: Decimal
    currency: str
    status: str
    availability: str

    @property
    def subject(self) -> str:
        return str(self.product_id)

    @property
    def sequence(self) -> int:
        return self.version


class ProductCreated(ProductEvent):
    type: ClassVar[str] = "product.created"


class ProductUpdated(ProductEvent):
    """Name, price, status or availability has changed."""

    type: ClassVar[str] = "product.updated"


class ProductArchived(ProductEvent):
    type: ClassVar[str] = "product.archived"


class ProductLowStock(Event):
    """A product on sale has few pieces left, or none; said once each time that its stock gets there from more."""

    type: ClassVar[str] = "product.low_stock"
    source: ClassVar[str] = "/services/catalog"

    product_id: int
    version: int
    sku: str | None
    name: str
    stock: int

    @property
    def subject(self) -> str:
        return str(self.product_id)

    @property
    def sequence(self) -> int:
        return self.version


class ImportProgress(Event):
    """How far a bulk upload has come: whoever hears the next one needs this one no more.

    It may get lost, as `import.finished` may not. `version` grows over retries too.
    """

    type: ClassVar[str] = "import.progress"
    source: ClassVar[str] = "/services/catalog"

    task_id: UUID
    status: str
    total: int
    processed: int
    created: int
    updated: int
    unchanged: int
    failed: int
    duplicates: int
    version: int

    @property
    def subject(self) -> str:
        return str(self.task_id)

    @property
    def sequence(self) -> int:
        return self.version


class ImportFinished(Event):
    """A bulk upload has come to its end; one that is tried again comes to another, with a higher version."""

    type: ClassVar[str] = "import.finished"
    source: ClassVar[str] = "/services/catalog"

    task_id: UUID
    started_by: UUID
    status: str
    total: int
    created: int
    updated: int
    unchanged: int
    failed: int
    duplicates: int = 0
    version: int = 1

    @property
    def subject(self) -> str:
        return str(self.task_id)

    @property
    def sequence(self) -> int:
        return self.version
