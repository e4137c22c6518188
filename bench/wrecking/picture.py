"""The picture's room: all that is held against each other once nothing moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from wrecking.books import Books
from wrecking.ledger import Ledger
from wrecking.wire import Attempt


@dataclass(frozen=True)
class Window:
    """The time in which a part was broken, until all was served again; monotonic seconds.

    `may_fail` are the doors behind which clients may see that.
    """

    name: str
    begun: float
    ended: float
    may_fail: frozenset[str]

    def covers(self, attempt: Attempt) -> bool:
        """Whether the request was under way at any moment of it."""
        return attempt.begun <= self.ended and attempt.ended >= self.begun


@dataclass
class Outside:
    """What the shop says of itself to who asks through the gateway."""

    stock: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    """By product: stock, reserved, sold."""
    realtime: Mapping[int, int] = field(default_factory=dict)
    pushed: Mapping[int, int] = field(default_factory=dict)
    orders: Mapping[str, tuple[bool, Mapping[int, int]]] | None = None
    """Whether it is cancelled and its lines, by id; None where nobody has asked."""
    mails: Mapping[tuple[str, str], Mapping[str, int]] = field(default_factory=dict)
    """By the order's number and the mail's kind, how often each Message-ID lies in the mailbox."""
    full_carts: Sequence[str] = ()
    queued: Mapping[str, int] = field(default_factory=dict)
    """Messages by queue."""
    log_lines: Sequence[str] = ()
    """Lines that must never be in a log."""


@dataclass
class Picture:
    """All that is held against each other."""

    books: Books
    outside: Outside
    ledger: Ledger
    initial: Mapping[int, int]
    prices: Mapping[int, Decimal]
    attempts: Sequence[Attempt] = ()
    windows: Sequence[Window] = ()
    copies_allowed: int = 0
    """Mails that may lie twice under one Message-ID: those that killed workers had just handed over."""
    still_moving: Mapping[str, int] = field(default_factory=dict)
    mails_are_due: bool = True
    """Whether those that are written down must have been sent."""
    others: frozenset[str] = frozenset()
    """Users who have not been told yet what has become of their orders."""
