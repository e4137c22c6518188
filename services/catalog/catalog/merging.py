"""Merging: the rows of one chunk into the catalogue, with one statement for each kind of thing to write.

Rows are folded in the order of the file, so of two rows with the same SKU the later one counts. A row that changes
nothing costs no write, no ledger row and no event.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.mysql import insert as upsert
from sqlalchemy.orm import Session

from catalog import versions
from catalog.describing import name_of
from catalog.files import Line
from catalog.models import ACTIVE, IMPORTED, Product, categories, products, stock_movements
from catalog.rows import Fault, Row, key_of
from catalog.telling import tell_change, tell_created
from catalog.upload_models import Import
from catalog.words import searched
from common import outbox
from common.bulk import insert_rows, update_rows
from common.clock import now
from common.events import Event

DESCRIBED = ("category", "image_url", "attributes")
TOLD = ("id", "sku", "name", "description", "price", "status", *DESCRIBED, "on_hand", "reserved", "version")
KEPT = ("name", "description", "price", "status", "category", "image_url", "on_hand", "version")
WRITTEN = (*KEPT, "words", "attributes")


class Item(NamedTuple):
    """A product as a chunk finds it or makes it; `id` is 0 for one that is not there yet."""

    id: int
    sku: str | None
    name: str
    description: str
    price: Decimal
    status: str
    category: str | None = None
    image_url: str | None = None
    attributes: dict[str, Any] | None = None
    on_hand: int = 0
    reserved: int = 0
    version: int = 1

    @property
    def key(self) -> str:
        """What the product is known by in a file."""
        return key_of(self.sku, self.id)

    @property
    def stock(self) -> int:
        """Pieces that can be ordered."""
        return self.on_hand - self.reserved

    @property
    def row(self) -> tuple[Any, ...]:
        """Values of the columns in WRITTEN."""
        attributes = None if self.attributes is None else orjson.dumps(self.attributes).decode()
        kept = [getattr(self, name) for name in KEPT]
        return (*kept, searched(self.name, self.sku), attributes)

    def told(self, values: Mapping[str, Any]) -> "Item":
        """The item with what a row tells of it; `stock` is what can be ordered."""
        changes = {name: value for name, value in values.items() if name != "stock"}
        if "attributes" in values:
            changes["attributes"] = values["attributes"] or None
        if "stock" in values:
            changes["on_hand"] = values["stock"] + self.reserved
        return self._replace(**changes)


@dataclass
class Merged:
    """What a chunk comes to."""

    items: dict[str, Item]
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    faults: list[Fault] = field(default_factory=list)

    def take(self, row: Row) -> None:
        """Fold one good row in, and count it."""
        before = self.items.get(row.key)
        after = (before or _blank(row)).told(row.values)
        self.created += before is None
        self.updated += before is not None and after != before
        self.unchanged += after == before
        self.items[row.key] = after


def merge_rows(session: Session, job: Import, rows: Sequence[tuple[Line, Row]], currency: str) -> Merged:
    """Write what the rows change; in an import that only checks, work out what they would change."""
    known = _known(session, [row for _, row in rows])
    merged = _fold(job.mode, rows, known)
    if not job.writes:
        return merged
    if changed := _changed(known, merged.items):
        known = _read_again(session, known, changed)
        merged = _fold(job.mode, rows, known)
    _write(session, job, known, merged.items, currency)
    return merged


def _fold(mode: str, rows: Iterable[tuple[Line, Row]], known: Mapping[str, Item]) -> Merged:
    merged = Merged(dict(known))
    for line, row in rows:
        fault = _obstacle(mode, line, row, merged.items.get(row.key))
        if fault is None:
            merged.take(row)
        else:
            merged.faults.append(fault)
    return merged


def _obstacle(mode: str, line: Line, row: Row, there: Item | None) -> Fault | None:
    """Why a row that is good in itself cannot be taken."""
    name, such = ("sku", "with this SKU") if row.sku else ("id", "with this id and without a SKU")
    if there is not None:
        return Fault(line, name, f"{name}_taken", f"there is a product {such}") if mode == "create" else None
    if mode == "update" or row.sku is None:
        return Fault(line, name, f"unknown_{name}", f"there is no product {such}")
    missing = [name for name in ("name", "price") if name not in row.values]
    if missing:
        return Fault(line, missing[0], "required", f"a new product needs: {', '.join(missing)}")
    return None


def _blank(row: Row) -> Item:
    return Item(0, row.sku, "", "", Decimal(0), ACTIVE)


def _known(session: Session, rows: Sequence[Row]) -> dict[str, Item]:
    """The products that the rows name, by SKU or by id."""
    skus = {row.sku for row in rows if row.sku is not None}
    ids = {row.id for row in rows if row.sku is None}
    known = _read(session, Product.sku.in_(skus)) if skus else {}
    return known | (_read(session, Product.id.in_(ids) & Product.sku.is_(None)) if ids else {})


def _read(session: Session, which: ColumnElement[bool], *, lock: bool = False) -> dict[str, Item]:
    asked = select(*(getattr(Product, name) for name in TOLD)).where(which).order_by(Product.id)
    items = [Item(*row) for row in session.execute(asked.with_for_update() if lock else asked)]
    return {item.key: item for item in items}


def _changed(known: Mapping[str, Item], items: Mapping[str, Item]) -> list[Item]:
    """Items that are there already and come out otherwise."""
    return [item for sku, item in items.items() if item.id and item != known[sku]]


def _read_again(session: Session, known: Mapping[str, Item], changed: Sequence[Item]) -> dict[str, Item]:
    """The known items; those that will be written are locked, in order of their ids as holds lock them."""
    ids = {item.id for item in changed}
    rest = {sku: item for sku, item in known.items() if item.id not in ids}
    return rest | _read(session, Product.id.in_(sorted(ids)), lock=True)


def _write(session: Session, job: Import, known: Mapping[str, Item], items: Mapping[str, Item], currency: str) -> None:
    """New and changed products with their ledger rows and events, and the categories that they are the first in."""
    _enter_categories(session, known.values(), items.values())
    fresh = _insert(session, [items[sku] for sku in sorted(items) if not items[sku].id])
    changed, said = _told_of([(known[item.key], item) for item in _changed(known, items)], currency)
    update_rows(session, products, ("id", *WRITTEN), ((item.id, *item.row) for item in changed), updated_at=now())
    before = {item.id: known[item.key] for item in changed}
    for item in fresh + changed:
        versions.count_in(session, item.status, before[item.id].status if item.id in before else None)
    moved = [(item, item.on_hand - (before[item.id].on_hand if item.id in before else 0)) for item in fresh + changed]
    entered = ((item.id, delta) for item, delta in moved if delta)
    always = {"reason": IMPORTED, "actor": job.started_by, "at": now()}
    insert_rows(session, stock_movements, ("product_id", "delta"), entered, **always)
    outbox.say(session, *(tell_created(item, currency) for item in fresh), *said)


def _enter_categories(session: Session, known: Iterable[Item], items: Iterable[Item]) -> None:
    """Make the categories that no product had before; their names are made of their slugs."""
    fresh = {item.category for item in items if item.category} - {item.category for item in known}
    if fresh:
        rows = [{"slug": slug, "name": name_of(slug), "created_at": now()} for slug in sorted(fresh)]
        session.execute(upsert(categories).prefix_with("IGNORE"), rows)


def _told_of(changes: Iterable[tuple[Item, Item]], currency: str) -> tuple[list[Item], list[Event]]:
    """The changed items with their new versions, and what is said of them."""
    changed: list[Item] = []
    said: list[Event] = []
    for before, after in changes:
        events, version = tell_change(before, after, currency)
        changed.append(after._replace(version=version))
        said += events
    return changed, said


def _insert(session: Session, items: Sequence[Item]) -> list[Item]:
    """Insert new products; the same with their ids."""
    if not items:
        return []
    moment = now()
    always = {"reserved": 0, "sold": 0, "created_at": moment, "updated_at": moment}
    insert_rows(session, products, ("sku", *WRITTEN), ((item.sku, *item.row) for item in items), **always)
    skus = [item.sku for item in items]
    ids = {row.sku: row.id for row in session.execute(select(Product.sku, Product.id).where(Product.sku.in_(skus)))}
    return [item._replace(id=ids[item.sku]) for item in items]
