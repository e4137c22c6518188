"""The books' room: what stands in the six databases, read past all services."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, and_, func, select

from catalog.models import HELD, Product, Reservation, ReservationLine
from common.events.hearers import HEARERS
from common.idempotency import idempotency_keys
from common.outbox import inbox, outbox
from notifier.models import WAITING, Notification
from orders.models import Order, OrderLine, OrderMove, Placement
from realtime.models import OrderState, Sold

SPEAKERS = ("auth", "catalog", "orders")
KEEPERS = ("catalog", "cart", "orders", "notifier")
"""Who has an outbox, and who keeps idempotency keys."""
ORDER_MAILS = ("order_confirmation", "order_cancellation", "order_status")


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a product stands; `on_hand` are the pieces there, `reserved` those of them that are promised."""

    on_hand: int
    reserved: int
    sold: int


@dataclass(frozen=True, slots=True)
class Said:
    """An event in an outbox."""

    id: bytes
    type: str
    subject: str
    sequence: int
    is_sent: bool


@dataclass(slots=True)
class Entry:
    """An order, or what never became one."""

    number: str
    user: str
    scope: bytes
    placement: str
    status: str
    total: Decimal
    lines: dict[int, int] = field(default_factory=dict)
    steps: list[tuple[str | None, str]] = field(default_factory=list)

    @property
    def is_placed(self) -> bool:
        """Whether it is an order to the outside."""
        return self.placement == Placement.PLACED

    @property
    def counts(self) -> bool:
        """Whether its pieces are sold."""
        return self.is_placed and self.status != "cancelled"


@dataclass
class Books:
    """All of it at one moment; orders and reservations by the order's id."""

    products: Mapping[int, Stand] = field(default_factory=dict)
    orders: Mapping[str, Entry] = field(default_factory=dict)
    reservations: Mapping[str, tuple[str, Mapping[int, int]]] = field(default_factory=dict)
    realtime: Mapping[int, int] = field(default_factory=dict)
    followed: Mapping[str, str] = field(default_factory=dict)
    """The status of each order as realtime knows it."""
    said: Mapping[str, list[Said]] = field(default_factory=dict)
    heard: Mapping[str, frozenset[bytes]] = field(default_factory=dict)
    """Ids of events, by who hears."""
    mails: Mapping[tuple[str, str], list[str]] = field(default_factory=dict)
    """States of the mails by the order's number and the mail's type."""
    open_keys: Mapping[str, int] = field(default_factory=dict)
    """Idempotency keys without an answer, by service."""


def read_books(engine: Engine) -> Books:
    """Read everything; meant for a moment at which nothing moves."""
    with engine.connect() as connection:
        return Books(
            products={
                row.id: Stand(row.on_hand, row.reserved, row.sold) for row in _all(connection, "catalog", Product)
            },
            orders=_orders(connection),
            reservations=_reservations(connection),
            realtime={row.product_id: row.sold for row in _all(connection, "realtime", Sold)},
            followed={str(row.order_id): row.status for row in _all(connection, "realtime", OrderState)},
            said={service: _said(connection, service) for service in SPEAKERS},
            heard={service: _heard(connection, service) for service in HEARERS},
            mails=_mails(connection),
            open_keys={service: _open_keys(connection, service) for service in KEEPERS},
        )


def under_way(engine: Engine, *, with_mails: bool) -> Counter[str]:
    """What has still to happen: events unsent or unheard, intents and holds; mails only if they are asked for."""
    moving: Counter[str] = Counter()
    with engine.connect() as connection:
        for speaker in SPEAKERS:
            said = _of(outbox, speaker)
            moving["unsent"] += _count(connection, select(func.count()).where(said.c.published_at.is_(None)))
            for hearer, types in HEARERS.items():
                heard = _of(inbox, hearer)
                missing = select(func.count()).select_from(said.outerjoin(heard, heard.c.event_id == said.c.event_id))
                missing = missing.where(and_(said.c.type.in_(types), heard.c.event_id.is_(None)))
                moving["unheard"] += _count(connection, missing)
        for schema, entity, column, waiting in (*UNFINISHED, *([MAILS] if with_mails else [])):
            table = _of(entity.__table__, schema)
            moving[schema] += _count(connection, select(func.count()).where(table.c[column].in_(waiting)))
    return +moving


Rows = tuple[str, Any, str, tuple[str, ...]]
UNFINISHED: tuple[Rows, ...] = (
    ("orders", Order, "placement", (Placement.PENDING,)),
    ("catalog", Reservation, "state", (HELD,)),
)
MAILS: Rows = ("notifier", Notification, "state", WAITING)
"""Schema, table, and the states in which a row is not done with."""


def _of(table: Table, schema: str) -> Table:
    return table.to_metadata(MetaData(), schema=schema)


def _count(connection: Connection, asked: Any) -> int:
    return int(connection.scalar(asked) or 0)


def _all(connection: Connection, schema: str, entity: Any, *names: str) -> Any:
    """All rows; only these columns, if some are named, as another release may know others."""
    table = _of(entity.__table__, schema)
    return connection.execute(select(*(table.c[name] for name in names or table.c.keys())))


ENTRY = ("number", "user_id", "scope", "placement", "status", "total")


def _orders(connection: Connection) -> dict[str, Entry]:
    entries = {
        str(row.id): Entry(row.number, str(row.user_id), row.scope, row.placement, row.status, row.total)
        for row in _all(connection, "orders", Order, "id", *ENTRY)
    }
    for row in _all(connection, "orders", OrderLine):
        lines = entries[str(row.order_id)].lines
        lines[row.product_id] = lines.get(row.product_id, 0) + row.quantity
    for row in sorted(_all(connection, "orders", OrderMove), key=lambda row: row.id):
        entries[str(row.order_id)].steps.append((row.previous, row.status))
    return entries


def _reservations(connection: Connection) -> dict[str, tuple[str, Mapping[int, int]]]:
    lines: dict[str, dict[int, int]] = defaultdict(dict)
    for row in _all(connection, "catalog", ReservationLine):
        lines[str(row.order_id)][row.product_id] = row.quantity
    rows = _all(connection, "catalog", Reservation)
    return {str(row.order_id): (row.state, lines.get(str(row.order_id), {})) for row in rows}


def _said(connection: Connection, service: str) -> list[Said]:
    table = _of(outbox, service)
    names = (table.c[name] for name in ("event_id", "type", "subject", "sequence", "published_at"))
    rows = connection.execute(select(*names).order_by(table.c.seq))
    return [Said(row.event_id.bytes, row.type, row.subject, row.sequence, row.published_at is not None) for row in rows]


def _heard(connection: Connection, service: str) -> frozenset[bytes]:
    return frozenset(event_id.bytes for event_id in connection.scalars(select(_of(inbox, service).c.event_id)))


def _mails(connection: Connection) -> dict[tuple[str, str], list[str]]:
    table = _of(Notification.__table__, "notifier")  # type: ignore[arg-type]
    wanted = select(table.c.type, table.c.state, table.c.data).where(table.c.type.in_(ORDER_MAILS))
    mails: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in connection.execute(wanted):
        mails[row.data["number"], row.type].append(row.state)
    return dict(mails)


def _open_keys(connection: Connection, service: str) -> int:
    table = _of(idempotency_keys, service)
    return _count(connection, select(func.count()).where(table.c.status.is_(None)))
