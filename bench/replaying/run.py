"""The run's room: the phases of a replay from the first request to the last check."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from time import perf_counter
from typing import Any

from replaying.accounts import Account
from replaying.carts import cart_lines
from replaying.checks import Check, Picture, check_all
from replaying.gateway import Gateway
from replaying.ledger import Ledger
from replaying.listening import Listener
from replaying.mails import Mailbox, count_mails, read_log
from replaying.placing import Shoppers, follow_all
from replaying.plan import Plan
from replaying.progress import Phases
from replaying.quiet import Operator, Traffic, wait_until_quiet
from replaying.report import figures
from replaying.shop import Order, Stand, read_orders, read_products, read_realtime
from replaying.stack import Stack
from replaying.uploading import Upload, as_csv, upload

CATCH_UP_S = 15.0
"""The last push may come so much later than everything else is quiet."""


@dataclass(frozen=True)
class Wishes:
    """What whoever starts a replay may choose."""

    password: str
    clients: int = 16
    stock_share: float = 1.0
    quiet_limit_s: float = 300.0


@dataclass(frozen=True)
class Start:
    """How things stood before this run's first order."""

    products: dict[int, Stand]
    orders: dict[str, Order]
    mails: int


@dataclass
class Replay:
    """One run of one plan on one stack."""

    plan: Plan
    stack: Stack
    wishes: Wishes
    phases: Phases
    run: str = field(default_factory=lambda: token_hex(4))

    def __post_init__(self) -> None:
        self.gateway = Gateway(self.stack.url, connections=self.wishes.clients + 4, trusted=self.stack.trusted)
        self.admin = Account(self.gateway, *self.stack.admin)
        names = self.plan.customers
        self.accounts = {name: Account(self.gateway, name, self.wishes.password) for name in names}
        self.operator = Operator(self.stack, self.admin)
        self.mailbox = Mailbox(self.stack.mailbox_url)
        self.listener = Listener(self.stack.url, self.stack.trusted)
        self.ledger = Ledger()

    async def play(self) -> tuple[dict[str, Any], list[Check]]:
        """All phases; the figures and the outcome of every check. Raises Stop."""
        try:
            await self.gateway.greet()
            await self.admin.sign_in()
            uploaded = await self._upload()
            await self._open_accounts()
            await self._quiet()
            start = await self._look_before()
            async with self._listening():
                await self._place(start)
                traffic = await self._quiet()
                picture = await self._look_after(start, traffic, uploaded)
            return figures(self.plan, uploaded, self.ledger, self.gateway), check_all(picture)
        finally:
            for part in (self.gateway, self.operator, self.mailbox):
                await part.close()

    async def _upload(self) -> Upload:
        phase = self.phases.begin("Uploading products", len(self.plan.products))
        text = as_csv(self.plan.products.values(), self.wishes.stock_share)
        done = await upload(self.admin, text, f"replay-{self.run}-products", phase.at)
        phase.end()
        return done

    async def _open_accounts(self) -> None:
        phase = self.phases.begin("Opening accounts", len(self.accounts))

        async def open_one(account: Account) -> None:
            await account.register()
            await account.sign_in()
            phase.step()

        await self._at_once(open_one, self.accounts.values())

    async def _quiet(self) -> Traffic:
        phase = self.phases.begin("Waiting until quiet")

        def show(traffic: Traffic) -> None:
            phase.say(f"{traffic.unsent:,} events, {traffic.queued:,} messages, {traffic.mails:,} mails on their way")

        traffic = await wait_until_quiet(self.operator.look, self.wishes.quiet_limit_s, show)
        await self.mailbox.settled()
        phase.end()
        return traffic

    async def _look_before(self) -> Start:
        phase = self.phases.begin("Looking before")
        products = await read_products(self.admin)
        start = Start(products, await read_orders(self.admin), await self.mailbox.newest())
        phase.end()
        return start

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.listener.listen())
        try:
            await self.listener.begun()
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _place(self, start: Start) -> None:
        ids = {stand.sku: product for product, stand in start.products.items()}
        wanted = {sku: ids[sku] for sku in self.plan.products if sku in ids}
        shoppers = Shoppers(self.run, self.accounts, self.plan.cart_customers, wanted, self.ledger)
        phase = self.phases.begin("Placing orders", len(self.plan.invoices))
        began = perf_counter()
        await follow_all(shoppers, self.plan.invoices, self.wishes.clients, phase.step)
        self.ledger.placing_s = perf_counter() - began

    async def _look_after(self, start: Start, traffic: Traffic, uploaded: Upload) -> Picture:
        phase = self.phases.begin("Looking after")
        numbers = frozenset(order.number for order in self.ledger.placed)
        seq, realtime = await read_realtime(self.admin)
        await self.listener.caught_up(seq, CATCH_UP_S)
        mails = [mail async for mail in self.mailbox.since(start.mails)]
        picture = Picture(
            ledger=self.ledger,
            before=start.products,
            after=await read_products(self.admin),
            known_orders=frozenset(start.orders),
            orders=await read_orders(self.admin),
            users={account.user_id: name for name, account in self.accounts.items()},
            realtime=realtime,
            pushed=self.listener.sold,
            traffic=traffic,
            log=await read_log(self.admin, numbers),
            mailbox=count_mails(mails, numbers),
            full_carts=await self._full_carts(),
            answers=self.gateway.answers,
            gave_up=self.gateway.gave_up,
            upload_failed=uploaded.failed,
            short_expected=self.wishes.stock_share < 1,
        )
        phase.end()
        return picture

    async def _full_carts(self) -> list[str]:
        full: list[str] = []

        async def look(account: Account) -> None:
            if await cart_lines(account):
                full.append(account.username)

        await self._at_once(look, (self.accounts[name] for name in self.ledger.through_cart))
        return sorted(full)

    async def _at_once(self, work: Callable[[Account], Awaitable[None]], accounts: Iterable[Account]) -> None:
        """The same for every account, as many at a time as there are clients."""
        free = asyncio.Semaphore(self.wishes.clients)

        async def one(account: Account) -> None:
            async with free:
                await work(account)

        async with asyncio.TaskGroup() as group:
            for account in accounts:
                group.create_task(one(account))
