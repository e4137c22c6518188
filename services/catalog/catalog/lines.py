"""The lines' room: what a file can tell about a product, and one row of it as it was read."""

from dataclasses import dataclass
from typing import Any

COLUMNS = ("sku", "name", "description", "price", "stock", "status", "category", "image_url", "attributes")
OWNED = frozenset(
    ("id", "currency", "sold_count", "availability", "on_hand", "reserved", "created_at", "updated_at", "version")
)
"""Fields that the server alone sets: in a file they are ignored and counted (design: api, section 3)."""
REPORT_COLUMN = "error"
"""A column of the error report, which may be sent back as it is."""
KNOWN = frozenset((*COLUMNS, *OWNED, REPORT_COLUMN))
LONGEST_ROW = 256 * 1024
"""Signs of one row; the longest that can be good, with its 256 columns, has far fewer."""
SHOWN = 1000
"""Signs that are kept of a cell or a line that is too long or cannot be read."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row: the line at which it begins, what it tells, what it held, or why it cannot be read."""

    number: int
    values: dict[str, Any]
    raw: Any
    fault: str | None = None

    @property
    def ignored(self) -> int:
        """How many of its values only the server may set; an id that names the product is none."""
        owned = OWNED if self.values.get("sku") else OWNED - {"id"}
        return sum(1 for name, value in self.raw.items() if value and name in owned) if self.fault is None else 0
