"""The run's room: load goes on, one fault follows the other, and after each group of them the books are checked."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from secrets import token_hex
from time import monotonic
from typing import Any

import httpx2
from rich.console import Console

from replaying.accounts import Account
from replaying.gateway import Gateway
from replaying.listening import Listener
from replaying.plan import Plan
from wrecking.books import read_books, under_way
from wrecking.faults import Fault
from wrecking.invariants import Picture, Window, violations
from wrecking.ledger import Ledger
from wrecking.load import Turnstile, settle, shop
from wrecking.looking import Onlooker
from wrecking.opening import invite, register, stock_up
from wrecking.plan import Group
from wrecking.recovery import NotRecovered, Probe
from wrecking.replay import ATTEMPTS, Replay, Watched
from wrecking.stack import NotBack, Site
from wrecking.wire import Attempt, Wire

BEFORE_S = 4.0
"""Undisturbed load before a fault."""
SLACK_S = 15.0
"""After recovery: what has piled up is worked off, and a breaker that was opened just then lets calls through again."""
QUIET_WITHIN_S = 180.0
"""An intent is given up after two minutes, its hold half a minute later (`orders.settings`, `catalog.sweeping`)."""
MAILED_WITHIN_S = 330.0
"""Mails that a killed notifier was about to hand to its workers are handed over five minutes later
(`notifier.queueing.DISPATCHED_FOR`); the checks before the last one do not wait for them."""
QUIET_POLL_S = 0.5
CONNECTIONS = 64
BACK = "everything comes back by itself"


@dataclass
class Row:
    """What came of one fault."""

    name: str
    requests: int = 0
    failures: int = 0
    recovery_s: float | None = None
    violations: dict[str, list[str]] = field(default_factory=dict)
    is_checked: bool = False
    """Whether the books were checked right after it."""


@dataclass
class Havoc:
    """One run on one stack."""

    site: Site
    console: Console
    seed: int
    plan: Plan | None = None
    """Of a file that is replayed beside the buyers."""
    rows: list[Row] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    attempts: list[Attempt] = field(default_factory=list)
    """Those of the parts that are checked already."""
    _turnstile: Turnstile = field(default_factory=Turnstile)
    _windows: list[Window] = field(default_factory=list)
    _known: set[tuple[str, str]] = field(default_factory=set)
    _copies: int = 0

    async def wreak(self, groups: Iterable[Group], ends: float | None = None) -> None:
        """Do the groups of faults one after the other, until they are over or the time is. Raises Stop."""
        _end_in_order()
        run = token_hex(3)
        gateway, wire = Gateway(self.site.url, CONNECTIONS), Wire(self.site.url, CONNECTIONS)
        self._wire = wire
        try:
            admin = Account(gateway, *self.site.address.admin)
            await admin.sign_in()
            self._goods = await stock_up(admin, run)
            self._replay = await self._begin_replay(admin, run)
            self._buyers = await invite(gateway, wire, self._goods.shelf, self.ledger, run, self.seed)
            (account,) = await register(gateway, wire, [f"probe-{run}"])
            self._probe = Probe(self.site, account, self._goods.probe, self.ledger)
            async with self._listening() as listener:
                onlooker = Onlooker(self.site, admin, listener)
                async with self._shopping():
                    await self._do_all(groups, onlooker, ends)
                await self._check(self.rows[-1], onlooker, at_the_end=True)
                await onlooker.close()
            await self._replay.gateway.close()
        finally:
            await gateway.close()
            await wire.close()

    async def _begin_replay(self, admin: Account, run: str) -> Replay:
        watched = Watched(self._turnstile, self._wire, httpx2.AsyncHTTPTransport())
        gateway = Gateway(self.site.url, CONNECTIONS, watched, attempts=ATTEMPTS)
        replay = Replay(self.plan or Plan({}, [], 0, Counter()), gateway, run)
        if self.plan:
            await replay.open(admin)
        return replay

    async def _do_all(self, groups: Iterable[Group], onlooker: Onlooker, ends: float | None) -> None:
        last: Row | None = None
        for group in groups:
            for fault in group:
                last = await self._strike(fault)
            if last:
                await self._check(last, onlooker)
            if ends is not None and monotonic() > ends:
                break

    async def _strike(self, fault: Fault) -> Row:
        """Break something, mend it, and wait until orders are placed and pushed again."""
        await asyncio.sleep(BEFORE_S)
        self.console.print(f"{fault.name} …")
        row = Row(fault.name)
        self.rows.append(row)
        begun = mended = monotonic()
        try:
            async with _broken(fault, self.site):
                await asyncio.sleep(fault.lasts_s or 0)
            mended = begun if fault.lasts_s is None else monotonic()
            row.recovery_s = await self._probe.seconds_since(mended)
        except (NotBack, NotRecovered) as failure:
            row.violations[BACK] = [str(failure)]
        ended = monotonic()
        self._windows.append(Window(fault.name, begun, ended + SLACK_S, fault.may_fail, fault.limit_s))
        self._copies += fault.copies
        meanwhile = [attempt for attempt in self._wire.attempts if begun <= attempt.begun <= ended]
        row.requests, row.failures = len(meanwhile), sum(attempt.failed for attempt in meanwhile)
        self.console.print(f"    {_told(row)}", style="dim")
        return row

    async def _check(self, row: Row, onlooker: Onlooker, *, at_the_end: bool = False) -> None:
        """Let everybody finish, find out what is unknown, wait until nothing moves, and look."""
        begun = monotonic()
        await self._turnstile.close()
        if at_the_end:
            self.ledger.placings += self._replay.placings()
        await settle(self.ledger)
        moving = await self._quiet(with_mails=at_the_end)
        settled = monotonic()
        picture = Picture(
            books=await asyncio.to_thread(read_books, self.site.engine),
            outside=await onlooker.look(self._buyers, with_orders=at_the_end),
            ledger=self.ledger,
            initial={**self._goods.initial, **self._replay.initial},
            prices={**self._goods.prices, **self._replay.prices},
            attempts=self._wire.attempts,
            windows=self._windows,
            copies_allowed=self._copies,
            still_moving=moving,
            mails_are_due=at_the_end,
            others=frozenset() if at_the_end else self._replay.users,
        )
        self._note(row, violations(picture))
        self.attempts += self._wire.attempts
        self._wire.attempts = []
        self.console.print(
            f"checked: quiet after {settled - begun:.0f} s, looked for {monotonic() - settled:.0f} s, "
            f"{sum(entry.is_placed for entry in picture.books.orders.values()):,} orders, "
            f"{sum(map(len, row.violations.values()))} violations"
        )
        self._turnstile.open()

    def _note(self, row: Row, found: Mapping[str, Sequence[str]]) -> None:
        """Count what was not there at the check before."""
        row.is_checked = True
        for name, wrong in found.items():
            new = [each for each in wrong if (name, each) not in self._known]
            self._known |= {(name, each) for each in new}
            if new:
                row.violations.setdefault(name, []).extend(new)
                self.console.print(f"[bold red]{name}[/]: {len(new)}")
                for each in new[:10]:
                    self.console.print(f"    {each}", markup=False)

    async def _quiet(self, *, with_mails: bool) -> Counter[str]:
        """What still moves when nothing does, or in the end."""
        look = partial(under_way, self.site.engine, with_mails=with_mails)
        ends = monotonic() + QUIET_WITHIN_S + (MAILED_WITHIN_S if with_mails else 0)
        while (moving := await asyncio.to_thread(look)) and monotonic() < ends:
            await asyncio.sleep(QUIET_POLL_S)
        return moving

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[Listener]:
        listener = Listener(self.site.url)
        async with _going_on(listener.listen()):
            await listener.begun()
            yield listener

    @asynccontextmanager
    async def _shopping(self) -> AsyncIterator[None]:
        async with _going_on(*(shop(buyer, self._turnstile) for buyer in self._buyers)):
            replaying = asyncio.create_task(self._replay.play())
            yield
            self._replay.end()
            await replaying


def _end_in_order() -> None:
    """Let SIGTERM end the run as Ctrl-C does: what is broken is mended before the stack is taken down."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


@asynccontextmanager
async def _going_on(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Work that goes on until the block ends; what has broken meanwhile is raised then."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


@asynccontextmanager
async def _broken(fault: Fault, site: Site) -> AsyncIterator[None]:
    broken = fault.break_it(site)
    await asyncio.to_thread(broken.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(broken.__exit__, None, None, None)


def _told(row: Row) -> str:
    recovered = "not recovered" if row.recovery_s is None else f"all served again after {row.recovery_s:.1f} s"
    return f"{recovered}; {row.requests:,} requests, {row.failures:,} put off"
