"""The invariants' room: what must be true once nothing moves, whatever was broken. Each tells where it is not."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from catalog.models import COMMITTED, RELEASED
from common.events.hearers import HEARERS
from notifier.models import WAITING, State
from orders.models import MOVES, Status
from wrecking.books import Said
from wrecking.picture import Picture, Window
from wrecking.wire import NO_ANSWER, Attempt

PASSING = frozenset({502, 503, 504})
GATEWAY = "gateway"
ANSWERED_WITHIN_S = 66.0
"""The gateway gives a service a minute for its answer and itself 5 s to reach one (`gateway/routes.yaml`)."""
REFUSALS = frozenset({"", "insufficient_stock", "order_expired"})
"""Why these buyers may be refused: the products are for sale, and nobody else cancels."""


def violations(picture: Picture) -> dict[str, list[str]]:
    """Where each invariant does not hold, by its name; none that holds is named."""
    found = {name: list(check(picture)) for name, check in INVARIANTS.items()}
    return {name: wrong for name, wrong in found.items() if wrong}


def _stock(picture: Picture) -> Iterable[str]:
    for product, initial in picture.initial.items():
        stand = picture.books.products.get(product)
        if stand is None:
            yield f"product {product} is gone"
        elif stand.on_hand + stand.sold != initial:
            yield f"product {product}: {stand.on_hand} there + {stand.sold} sold, {initial} initially"
        elif min(stand.on_hand, stand.reserved, stand.sold, stand.on_hand - stand.reserved) < 0:
            yield f"product {product}: {stand}"
        elif picture.outside.stock.get(product) != (stand.on_hand - stand.reserved, stand.reserved, stand.sold):
            yield f"product {product}: {stand}, but {picture.outside.stock.get(product)} is told"


def _sold(picture: Picture) -> Iterable[str]:
    ordered: Counter[int] = Counter()
    for entry in picture.books.orders.values():
        if entry.counts:
            ordered.update(entry.lines)
    counts: dict[str, Mapping[int, int]] = {
        "catalog": {product: stand.sold for product, stand in picture.books.products.items()},
        "realtime's table": picture.books.realtime,
        "realtime": picture.outside.realtime,
        "the last push": picture.outside.pushed,
    }
    for name, sold in counts.items():
        for product in sorted(picture.initial):
            if sold.get(product, 0) != ordered[product]:
                yield f"product {product}: {ordered[product]} ordered, {name} has {sold.get(product, 0)}"


def _effects(picture: Picture) -> Iterable[str]:
    """Each order has sold what it holds once, and nothing else has."""
    books = picture.books
    for order_id, entry in books.orders.items():
        state, lines = books.reservations.get(order_id, (None, {}))
        if entry.counts and (state != COMMITTED or lines != entry.lines):
            yield f"order {entry.number} holds {entry.lines}, its reservation is {state} with {lines}"
        elif not entry.counts and state not in (None, RELEASED):
            yield f"order {entry.number} is {entry.placement}, {entry.status}; its reservation is {state}"
        if entry.is_placed and books.followed.get(order_id) != entry.status:
            yield f"order {entry.number} is {entry.status}, realtime has {books.followed.get(order_id)}"
    for order_id in books.reservations.keys() - books.orders.keys():
        yield f"a reservation of the unknown order {order_id}"


def _heard(picture: Picture) -> Iterable[str]:
    """No two rows of an inbox have the same event, so what is in it was heard once."""
    for speaker, said in picture.books.said.items():
        for hearer, types in HEARERS.items():
            heard = picture.books.heard.get(hearer, frozenset())
            yield from (
                f"{hearer} has not heard {each.type} of {each.subject}"
                for each in said
                if each.type in types and each.id not in heard
            )
        yield from _gaps(speaker, said)


def _gaps(speaker: str, said: Iterable[Said]) -> Iterable[str]:
    """An order's events are numbered from 1 without a gap."""
    if speaker != "orders":
        return
    numbers: dict[str, list[int]] = defaultdict(list)
    for each in said:
        numbers[each.subject].append(each.sequence)
    for subject, found in numbers.items():
        if found != list(range(1, len(found) + 1)):
            yield f"the events of order {subject} are numbered {found}"


def _keys(picture: Picture) -> Iterable[str]:
    by_scope: dict[bytes, list[str]] = defaultdict(list)
    for entry in picture.books.orders.values():
        by_scope[entry.scope].append(entry.number)
    yield from (f"one key has the orders {numbers}" for numbers in by_scope.values() if len(numbers) > 1)
    for placing in picture.ledger.placings:
        if len(placing.order_ids) > 1:
            yield f"the key {placing.key} was answered with {placing.order_ids}"
        if placing.order_ids and placing.refusal:
            yield f"the key {placing.key} was answered with an order and with {placing.refusal}"


def _told(picture: Picture) -> Iterable[str]:
    """What clients were told is so, and nothing is that nobody was told of."""
    known: set[str] = set()
    for placing in picture.ledger.placings:
        if placing.refusal not in REFUSALS or (placing.wants_cancel and placing.cancel_told not in ("", "cancelled")):
            yield f"the key {placing.key} was refused for no reason: {placing.refusal or placing.cancel_told}"
        if not placing.is_settled:
            yield f"what became of the key {placing.key} cannot be found out"
        for order_id in placing.order_ids:
            known.add(order_id)
            yield from _order_is(picture, order_id, placing.lines, is_cancelled=placing.is_cancelled)
    for order_id, entry in picture.books.orders.items():
        if entry.is_placed and order_id not in known and entry.user not in picture.others:
            yield f"order {entry.number} was placed and nobody was told"


def _order_is(picture: Picture, order_id: str, lines: Mapping[int, int], *, is_cancelled: bool) -> Iterable[str]:
    entry = picture.books.orders.get(order_id)
    if entry is None or not entry.is_placed:
        yield f"order {order_id} was answered and is not there"
    elif entry.lines != lines:
        yield f"order {entry.number} should hold {dict(lines)} and holds {entry.lines}"
    elif (entry.status == Status.CANCELLED) != is_cancelled:
        yield f"order {entry.number} is {entry.status}, its buyer was told {'' if is_cancelled else 'not '}cancelled"
    if picture.outside.orders is not None and picture.outside.orders.get(order_id) != (is_cancelled, dict(lines)):
        yield f"order {order_id} is listed as {picture.outside.orders.get(order_id)}"


def _steps(picture: Picture) -> Iterable[str]:
    for entry in picture.books.orders.values():
        if entry.is_placed and not _is_path(entry.steps, entry.status):
            yield f"order {entry.number} is {entry.status} after {entry.steps}"


def _is_path(steps: Sequence[tuple[str | None, str]], status: str) -> bool:
    before: str | None = None
    for previous, reached in steps:
        allowed = (Status.PENDING,) if before is None else MOVES[Status(before)]
        if previous != before or reached not in allowed:
            return False
        before = reached
    return before == status


def _totals(picture: Picture) -> Iterable[str]:
    for entry in picture.books.orders.values():
        if entry.is_placed:
            total = _price(picture, entry.lines)
            if entry.total != total:
                yield f"order {entry.number} comes to {total}, not {entry.total}"
    yield from (
        f"order {placing.number} was answered with {placing.total}"
        for placing in picture.ledger.placings
        if placing.total is not None and placing.total != _price(picture, placing.lines)
    )


def _price(picture: Picture, lines: Mapping[int, int]) -> Decimal:
    return sum((picture.prices[product] * number for product, number in lines.items()), Decimal(0))


def _mails(picture: Picture) -> Iterable[str]:
    """One of each kind for each order: as the notifier has written down, and as lies in the mailbox."""
    wanted = {(entry.number, "order_confirmation") for entry in picture.books.orders.values() if entry.is_placed}
    wanted |= {
        (entry.number, "order_cancellation")
        for entry in picture.books.orders.values()
        if entry.is_placed and not entry.counts
    }
    for number, kind in sorted(wanted | picture.books.mails.keys() | picture.outside.mails.keys()):
        states = picture.books.mails.get((number, kind), [])
        sent = picture.outside.mails.get((number, kind), {})
        should = 1 if (number, kind) in wanted else 0
        is_waiting = not picture.mails_are_due and len(states) == should and set(states) <= {*WAITING, State.SENT}
        if states != [State.SENT] * should and not is_waiting:
            yield f"{kind} of {number} is written down as {states}"
        if len(sent) != should and not (is_waiting and len(sent) < should):
            yield f"{kind} of {number} lies in the mailbox {len(sent)} times"


def _copies(picture: Picture) -> Iterable[str]:
    copies = sum(count - 1 for sent in picture.outside.mails.values() for count in sent.values())
    if copies > picture.copies_allowed:
        yield f"{copies} mails lie twice under one Message-ID, {picture.copies_allowed} were being sent when killed"


def _nothing_left(picture: Picture) -> Iterable[str]:
    yield from (f"{count} {what} still to be done" for what, count in picture.still_moving.items())
    yield from (f"{count} keys of {name} without an answer" for name, count in picture.books.open_keys.items() if count)
    yield from (f"{count} messages in {queue}" for queue, count in picture.outside.queued.items() if count)
    for speaker, said in picture.books.said.items():
        unsent = sum(not each.is_sent for each in said)
        if unsent:
            yield f"{unsent} events of {speaker} are not sent"


def _carts(picture: Picture) -> Iterable[str]:
    yield from (f"the cart of {name} is not empty" for name in picture.outside.full_carts)
    yield from picture.ledger.odd


def _failures(picture: Picture) -> Iterable[str]:
    """Clients may be put off, by 502, 503 or 504, and only while something was broken."""
    for attempt in picture.attempts:
        if not attempt.failed:
            continue
        windows = [window for window in picture.windows if window.covers(attempt)]
        meanwhile = ", ".join(window.name for window in windows) or "nothing"
        if attempt.status != NO_ANSWER and (attempt.status not in PASSING or not windows):
            yield f"{attempt.what} was answered {attempt.status} ({attempt.code}) during: {meanwhile}"
        elif attempt.status == NO_ANSWER and not any(GATEWAY in window.may_fail for window in windows):
            yield f"{attempt.what} was not answered ({attempt.code}) during: {meanwhile}"


def elsewhere(attempts: Iterable[Attempt], windows: Sequence[Window]) -> int:
    """How many of these were put off behind doors that do not need what was broken: time-outs of a busy machine."""
    return sum(
        attempt.failed
        and not any(window.may_fail & {attempt.door, GATEWAY} for window in windows if window.covers(attempt))
        for attempt in attempts
    )


def _times(picture: Picture) -> Iterable[str]:
    for attempt in picture.attempts:
        if attempt.seconds > ANSWERED_WITHIN_S:
            yield f"{attempt.what} took {attempt.seconds:.1f} s, {ANSWERED_WITHIN_S:.0f} at most"


def _logs(picture: Picture) -> Iterable[str]:
    return picture.outside.log_lines


INVARIANTS: dict[str, Callable[[Picture], Iterable[str]]] = {
    "stock + reserved + sold = initial": _stock,
    "sold counts agree": _sold,
    "each order has each effect once": _effects,
    "each event is heard once by all who hear it": _heard,
    "no key has two orders": _keys,
    "what was answered is so": _told,
    "each order has gone legal steps only": _steps,
    "totals are the sum of their lines": _totals,
    "one mail of each kind": _mails,
    "no copies of mails but those of killed workers": _copies,
    "nothing unsent, nothing stuck": _nothing_left,
    "carts have lost what was ordered": _carts,
    "put off only while something was broken": _failures,
    "every answer in time": _times,
    "nothing unforeseen in a log": _logs,
}
