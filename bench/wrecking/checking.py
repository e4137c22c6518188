"""The checker's room: everybody is let finish, what is open is found out, and the books are looked at."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

from rich.console import Console

from wrecking.books import read_books, under_way
from wrecking.invariants import violations
from wrecking.ledger import Ledger
from wrecking.load import Buyer, Turnstile, settle
from wrecking.looking import Onlooker
from wrecking.opening import Goods
from wrecking.picture import Picture, Window
from wrecking.replay import Replay
from wrecking.stack import Site
from wrecking.wire import Wire

QUIET_WITHIN_S = 180.0
"""An intent is given up after two minutes, its hold half a minute later (`orders.settings`, `catalog.sweeping`)."""
MAILED_WITHIN_S = 330.0
"""Mails that a killed notifier was about to hand to its workers are handed over five minutes later
(`notifier.queueing.DISPATCHED_FOR`); the checks before the last one do not wait for them."""
QUIET_POLL_S = 0.5
SHOWN = 10


@dataclass
class Row:
    """What came of one fault."""

    name: str
    requests: int = 0
    failures: int = 0
    elsewhere: int = 0
    """Those of them behind doors that do not need what was broken."""
    slowest_s: float = 0.0
    """The longest that anybody has waited for an answer."""
    recovery_s: float | None = None
    violations: dict[str, list[str]] = field(default_factory=dict)
    is_checked: bool = False
    """Whether the books were checked right after it."""


@dataclass
class Checker:
    """Looks again and again; what it has told once it does not tell anew."""

    site: Site
    console: Console
    ledger: Ledger
    turnstile: Turnstile
    goods: Goods
    buyers: Sequence[Buyer]
    replay: Replay
    wire: Wire
    onlooker: Onlooker
    windows: list[Window] = field(default_factory=list)
    copies: int = 0
    """Mails that may come twice for what was broken so far."""
    _known: set[tuple[str, str]] = field(default_factory=set)

    async def check(self, row: Row, *, at_the_end: bool = False) -> None:
        """Close the turnstile, settle, wait until nothing moves, look, and open it again. Raises Stop."""
        begun = monotonic()
        await self.turnstile.close()
        if at_the_end:
            self.ledger.placings += self.replay.placings()
        await settle(self.ledger)
        moving = await self._quiet(with_mails=at_the_end)
        settled = monotonic()
        picture = await self._picture(moving, at_the_end=at_the_end)
        self._note(row, violations(picture))
        self.wire.attempts.clear()
        self.console.print(
            f"checked: quiet after {settled - begun:.0f} s, looked for {monotonic() - settled:.0f} s, "
            f"{sum(entry.is_placed for entry in picture.books.orders.values()):,} orders"
        )
        self.turnstile.open()

    async def _picture(self, moving: Mapping[str, int], *, at_the_end: bool) -> Picture:
        return Picture(
            books=await asyncio.to_thread(read_books, self.site.engine),
            outside=await self.onlooker.look(self.buyers, with_orders=at_the_end),
            ledger=self.ledger,
            initial={**self.goods.initial, **self.replay.initial},
            prices={**self.goods.prices, **self.replay.prices},
            attempts=self.wire.attempts,
            windows=self.windows,
            copies_allowed=self.copies,
            still_moving=moving,
            mails_are_due=at_the_end,
            others=frozenset() if at_the_end else self.replay.users,
        )

    def _note(self, row: Row, found: Mapping[str, Sequence[str]]) -> None:
        row.is_checked = True
        for name, wrong in found.items():
            new = [each for each in wrong if (name, each) not in self._known]
            self._known |= {(name, each) for each in new}
            if new:
                row.violations.setdefault(name, []).extend(new)
                self.console.print(f"[bold red]{name}[/]: {len(new)}")
                for each in new[:SHOWN]:
                    self.console.print(f"    {each}", markup=False, soft_wrap=True)

    async def _quiet(self, *, with_mails: bool) -> Counter[str]:
        """What still moves when nothing does, or in the end."""
        look = partial(under_way, self.site.engine, with_mails=with_mails)
        ends = monotonic() + QUIET_WITHIN_S + (MAILED_WITHIN_S if with_mails else 0)
        while (moving := await asyncio.to_thread(look)) and monotonic() < ends:
            await asyncio.sleep(QUIET_POLL_S)
        return moving
