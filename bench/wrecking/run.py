"""The run's room: load goes on, one fault follows the other, and after each group of them the books are checked."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from time import monotonic
from typing import Any, Protocol, TypeVar

import httpx2
from rich.console import Console

from replaying.accounts import Account
from replaying.gateway import Gateway
from replaying.listening import Listener
from replaying.plan import Plan
from stoa.preflight import NotNow
from stoa.servers import ServerFailed
from wrecking.checking import Checker, Row
from wrecking.faults import Fault
from wrecking.invariants import elsewhere
from wrecking.ledger import Ledger
from wrecking.load import Buyer, Turnstile, shop
from wrecking.looking import Onlooker
from wrecking.opening import invite, register, stock_up
from wrecking.parcels import Misread
from wrecking.picture import Window
from wrecking.plan import Group
from wrecking.recovery import NotRecovered, Probe
from wrecking.replay import ATTEMPTS, Replay, Watched
from wrecking.stack import NotBack, Site
from wrecking.wire import Wire

BEFORE_S = 4.0
"""Undisturbed load before a fault."""
SLACK_S = 15.0
"""After recovery: what has piled up is worked off, and a breaker that was opened just then lets calls through again."""
CONNECTIONS = 64
BACK = "everything comes back by itself"
READ = "what one release has written another reads"


class Closes(Protocol):
    """What holds connections."""

    async def close(self) -> None:
        """Give them back."""


Closing = TypeVar("Closing", bound=Closes)


@dataclass
class Havoc:
    """One run; `plan` is that of a file which is replayed beside the buyers, `rows` tell what came of each fault."""

    console: Console
    seed: int
    plan: Plan | None = None
    rows: list[Row] = field(default_factory=list)

    async def wreak(self, site: Site, groups: Iterable[Group], ends: float | None = None) -> None:
        """Do the groups of faults one after the other, until they are over or the time is. Raises Stop."""
        _end_in_order()
        async with AsyncExitStack() as held:
            checker, probe = await self._open(site, held)
            async with _shopping(checker.buyers, checker.turnstile, checker.replay):
                for group in groups:
                    for fault in group:
                        self.rows.append(await self._strike(fault, checker, probe))
                    await checker.check(self.rows[-1])
                    if ends is not None and monotonic() > ends:
                        break
            await checker.check(self.rows[-1], at_the_end=True)

    async def _open(self, site: Site, held: AsyncExitStack) -> tuple[Checker, Probe]:
        """Products, buyers, and those who watch."""
        run, ledger, turnstile = token_hex(3), Ledger(), Turnstile()
        wire = _closing(held, Wire(site.url, CONNECTIONS))
        gateway = _closing(held, Gateway(site.url, CONNECTIONS))
        watched = Watched(turnstile, wire, httpx2.AsyncHTTPTransport())
        patient = _closing(held, Gateway(site.url, CONNECTIONS, watched, attempts=ATTEMPTS))
        admin = Account(gateway, *site.address.admin)
        await admin.sign_in()
        goods = await stock_up(admin, run)
        replay = Replay(self.plan or Plan({}, [], 0, Counter()), patient, run)
        await replay.open(admin)
        buyers = await invite(gateway, wire, goods.shelf, ledger, run, self.seed)
        (account,) = await register(gateway, wire, [f"probe-{run}"])
        listener = await held.enter_async_context(_listening(site.url))
        onlooker = _closing(held, Onlooker(site, admin, listener))
        checker = Checker(site, self.console, ledger, turnstile, goods, buyers, replay, wire, onlooker)
        return checker, Probe(site, account, goods.probe, ledger)

    async def _strike(self, fault: Fault, checker: Checker, probe: Probe) -> Row:
        """Break something, mend it, and wait until orders are placed and pushed again."""
        await asyncio.sleep(BEFORE_S)
        self.console.print(f"{fault.name} …")
        row = Row(fault.name)
        begun = monotonic()
        try:
            async with _broken(fault, checker.site):
                await asyncio.sleep(fault.lasts_s or 0)
            mended = begun if fault.lasts_s is None else monotonic()
            row.recovery_s = await probe.seconds_since(mended)
        except (NotBack, NotRecovered, NotNow, ServerFailed) as failure:
            row.violations[BACK] = [str(failure)]
        except Misread as failure:
            row.violations[READ] = [str(failure)]
        ended = monotonic()
        checker.windows.append(Window(fault.name, begun, ended + SLACK_S, fault.may_fail))
        checker.copies += fault.copies
        meanwhile = [attempt for attempt in checker.wire.attempts if begun <= attempt.begun <= ended]
        row.requests, row.failures = len(meanwhile), sum(attempt.failed for attempt in meanwhile)
        row.elsewhere = elsewhere(meanwhile, checker.windows)
        row.slowest_s = max((attempt.seconds for attempt in meanwhile), default=0.0)
        self.console.print(f"    {_told(row)}", style="dim")
        return row


def _closing(held: AsyncExitStack, part: Closing) -> Closing:
    """Give its connections back at the end."""
    held.push_async_callback(part.close)
    return part


def _end_in_order() -> None:
    """Let SIGTERM end the run as Ctrl-C does: what is broken is mended before the stack is taken down."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


@asynccontextmanager
async def _listening(url: str) -> AsyncIterator[Listener]:
    listener = Listener(url)
    async with _going_on(listener.listen()):
        await listener.begun()
        yield listener


@asynccontextmanager
async def _shopping(buyers: Iterable[Buyer], turnstile: Turnstile, replay: Replay) -> AsyncIterator[None]:
    """Buyers who shop until the block ends, and a replay that is let come to an end then."""
    async with _going_on(*(shop(buyer, turnstile) for buyer in buyers)):
        replaying = asyncio.create_task(replay.play())
        try:
            yield
            replay.end()
            await replaying
        finally:
            replaying.cancel()


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
    put_off = f"{row.failures:,} of {row.requests:,} requests put off, {row.elsewhere:,} elsewhere"
    return f"{recovered}; {put_off}; slowest answer {row.slowest_s:.1f} s"
