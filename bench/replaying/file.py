"""The order-line file's room: read line by line and cleaned, with a count of what is left out and why."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
CENT = Decimal("0.01")
MOST_PRICE = Decimal("99999999.99")
WHOLE = re.compile(r"[+-]?\d{1,9}(\.0+)?")
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
DECIMAL = re.compile(r"[+-]?\d{1,15}(\.\d{1,9})?")


class NotOrderLines(Exception):
    """The file is not of the expected shape; the text is one sentence."""


class LeftOut(Exception):
    """A row that no order can be made of; the text is the reason it is counted under."""


@dataclass(frozen=True, slots=True)
class Line:
    """One clean order line; the quantity is above zero, in a cancellation as well."""

    invoice: str
    sku: str
    description: str
    quantity: int
    moment: datetime
    price: Decimal
    customer: str
    country: str


def read_lines(path: Path, left_out: Counter[str]) -> Iterator[Line]:
    """Each clean line of the file; what is left out is counted by its reason. Raises NotOrderLines."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.DictReader(file)
        _check_header(path, rows.fieldnames or [])
        for row in rows:
            try:
                line = clean(row)
            except LeftOut as reason:
                left_out[str(reason)] += 1
            else:
                yield line


def clean(row: Mapping[str, str | None]) -> Line:
    """The row as a line. Raises LeftOut."""
    invoice, sku = _text(row, "InvoiceNo"), _text(row, "StockCode")
    if not invoice or not sku:
        raise LeftOut("without invoice number or stock code")
    return Line(
        invoice=invoice,
        sku=sku,
        description=" ".join(UNPRINTABLE.sub(" ", _text(row, "Description")).split()),
        quantity=_quantity(_text(row, "Quantity"), is_cancellation(invoice)),
        moment=_moment(_text(row, "InvoiceDate")),
        price=_price(_text(row, "UnitPrice")),
        customer=_text(row, "CustomerID").removesuffix(".0"),
        country=_text(row, "Country"),
    )


def is_cancellation(invoice: str) -> bool:
    """Whether an invoice takes back what an earlier one ordered."""
    return invoice[:1] in ("C", "c")


def _check_header(path: Path, names: Sequence[str]) -> None:
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise NotOrderLines(f"{path} is not a file of order lines: the columns {', '.join(missing)} are missing.")


def _text(row: Mapping[str, str | None], column: str) -> str:
    return (row.get(column) or "").strip()


def _quantity(text: str, cancels: bool) -> int:
    if not WHOLE.fullmatch(text):
        raise LeftOut("quantity is not a whole number")
    quantity = int(text.split(".")[0])
    if quantity == 0:
        raise LeftOut("quantity of zero")
    if quantity < 0 and not cancels:
        raise LeftOut("negative quantity outside a cancellation")
    if quantity > 0 and cancels:
        raise LeftOut("cancellation of a positive quantity")
    return abs(quantity)


def _price(text: str) -> Decimal:
    if not DECIMAL.fullmatch(text):
        raise LeftOut("price is not a number")
    price = Decimal(text).quantize(CENT, ROUND_HALF_UP)
    if price < 0:
        raise LeftOut("price below zero")
    if price > MOST_PRICE:
        raise LeftOut("price above what the shop takes")
    return price


def _moment(text: str) -> datetime:
    """ISO 8601, or month/day/year as the data set is also handed round."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        return datetime.strptime(text, "%m/%d/%Y %H:%M").replace(tzinfo=UTC)
    except ValueError:
        raise LeftOut("time that cannot be read") from None
