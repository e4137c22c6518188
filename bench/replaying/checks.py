"""The checks' room: whether what the parts of the shop say about themselves agrees."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from replaying.ledger import Ledger
from replaying.mails import Mails
from replaying.quiet import Traffic
from replaying.shop import Order, Stand, sold_by

SHOWN = 3
"""Examples that a red check names."""
PASSING = frozenset({502, 503, 504})
FAILURES = range(500, 600)
SHORT = "insufficient_stock"


@dataclass(frozen=True)
class Check:
    """One line of the closing table."""

    name: str
    ok: bool
    told: str


@dataclass
class Picture:
    """All that is held against each other once everything is quiet."""

    ledger: Ledger
    before: Mapping[int, Stand]
    after: Mapping[int, Stand]
    known_orders: frozenset[str]
    """Ids of orders from before this run."""
    orders: Mapping[str, Order]
    users: Mapping[str, str]
    """This run's customers by user id."""
    realtime: Mapping[int, int]
    pushed: Mapping[int, int]
    traffic: Traffic
    log: Mails
    mailbox: Mails
    full_carts: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    gave_up: list[str] = field(default_factory=list)
    upload_failed: int = 0
    short_expected: bool = False
    """Whether the stock was meant not to suffice."""


def check_all(picture: Picture) -> list[Check]:
    """Every check, in the order in which they are shown."""
    sold = sold_by(picture.orders)
    skus = {product: stand.sku for product, stand in picture.after.items()}
    catalog = {product: stand.sold for product, stand in picture.after.items()}
    return [
        _agree("sold counts: catalog = orders", catalog, sold, skus),
        _agree("sold counts: realtime = orders", picture.realtime, sold, skus),
        _agree("sold counts: last pushed = orders", picture.pushed, sold, skus),
        _nothing_lost(picture, skus),
        _nothing_held(picture),
        _as_ordered(picture),
        _no_stranger(picture),
        _refused_rightly(picture),
        *_mails("log", picture.log, picture.ledger),
        *_mails("mailbox", picture.mailbox, picture.ledger),
        _none("no mail failed", picture.log.failed, "entries of the log are not sent"),
        _none("no event unsent", picture.traffic.unsent, "events wait in an outbox"),
        _none("no message left in a queue", picture.traffic.queued + picture.traffic.mails, "are still waiting"),
        _none("no dead letter", picture.traffic.dead, "messages lie in dead-letter queues"),
        _listed("carts are empty again", picture.full_carts, f"{len(picture.ledger.through_cart)} carts"),
        _none("upload took every product", picture.upload_failed, "rows failed"),
        _no_failure(picture.answers),
        _listed("every request was answered", picture.gave_up, f"{sum(picture.answers.values()):,} answers"),
    ]


def _agree(name: str, left: Mapping[int, int], right: Mapping[int, int], skus: Mapping[int, str]) -> Check:
    everything = skus.keys() | left.keys() | right.keys()
    differ = [
        f"{skus.get(product, product)}: {left.get(product, 0)} and {right.get(product, 0)}"
        for product in sorted(everything)
        if left.get(product, 0) != right.get(product, 0)
    ]
    return _listed(name, differ, f"{len(everything):,} products, {sum(right.values()):,} pieces")


def _nothing_lost(picture: Picture, skus: Mapping[int, str]) -> Check:
    initial = {product: stand.stock + stand.sold for product, stand in picture.before.items()}
    final = {product: stand.stock + stand.sold for product, stand in picture.after.items()}
    return _agree("stock + sold = initial", final, initial, skus)


def _nothing_held(picture: Picture) -> Check:
    held = [f"{stand.sku}: {stand.reserved}" for stand in picture.after.values() if stand.reserved]
    return _listed("no stock is held any more", held, f"{len(picture.after):,} products")


def _as_ordered(picture: Picture) -> Check:
    wrong = []
    for placed in picture.ledger.placed:
        order = picture.orders.get(placed.id)
        if order is None:
            wrong.append(f"{placed.number} is missing")
        elif order.lines != placed.lines:
            wrong.append(f"{placed.number} holds other lines")
        elif order.cancelled != placed.cancelled:
            wrong.append(f"{placed.number} is {'' if order.cancelled else 'not '}cancelled")
    return _listed("every order answered 201 is there as ordered", wrong, f"{len(picture.ledger.placed):,} orders")


def _no_stranger(picture: Picture) -> Check:
    told = picture.known_orders | {placed.id for placed in picture.ledger.placed}
    strangers = [
        order.number for key, order in picture.orders.items() if key not in told and order.user in picture.users
    ]
    return _listed("no other order of these customers", strangers, f"{len(picture.users):,} customers")


def _refused_rightly(picture: Picture) -> Check:
    """Only for want of stock, and not even that where the stock covers the whole file."""
    allowed = {SHORT} if picture.short_expected else set()
    wrong = [f"{code}: {count}" for code, count in picture.ledger.refused.items() if code not in allowed]
    told = f"{picture.ledger.refused[SHORT]:,} short of stock" if picture.short_expected else "none"
    return _listed("no refusal without a reason", wrong + picture.ledger.odd, told)


def _mails(where: str, mails: Mails, ledger: Ledger) -> Iterable[Check]:
    placed = {order.number for order in ledger.placed}
    cancelled = {order.number for order in ledger.placed if order.cancelled}
    yield _once(f"{where}: one confirmation for each order", mails.confirmation, placed)
    yield _once(f"{where}: one mail for each cancellation", mails.cancellation, cancelled)


def _once(name: str, mails: Mapping[str, int], wanted: set[str]) -> Check:
    missing = [f"{number} has none" for number in sorted(wanted) if not mails.get(number)]
    surplus = [f"{number} should have none" for number in sorted(mails.keys() - wanted) if mails[number]]
    doubled = [f"{number} has {count}" for number, count in mails.items() if count > 1]
    return _listed(name, missing + surplus + doubled, f"{len(wanted):,} mails")


def _no_failure(answers: Mapping[int, int]) -> Check:
    wrong = [f"{status}: {count}" for status, count in answers.items() if status in FAILURES and status not in PASSING]
    again = sum(count for status, count in answers.items() if status in PASSING)
    return _listed("no 5xx but 502, 503, 504 that were sent again", wrong, f"{again:,} sent again")


def _none(name: str, count: int, what: str) -> Check:
    return Check(name, count == 0, f"{count:,} {what}" if count else "none")


def _listed(name: str, wrong: list[str], told: str) -> Check:
    if not wrong:
        return Check(name, True, told)
    more = f" and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
    return Check(name, False, "; ".join(wrong[:SHOWN]) + more)
