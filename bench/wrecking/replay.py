"""The replay's room: the invoices of a file placed beside the made-up buyers, as `make replay` places them."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from time import monotonic

import httpx2

from replaying.accounts import Account
from replaying.gateway import Gateway, problem_code
from replaying.ledger import Ledger
from replaying.placing import Shoppers, follow_all
from replaying.plan import Invoice, Plan
from replaying.shop import read_products
from replaying.uploading import as_csv, upload
from wrecking.ledger import Placing
from wrecking.load import Turnstile
from wrecking.opening import PASSWORD
from wrecking.wire import EMPTY, NO_ANSWER, Wire, is_empty

CLIENTS = 3
ATTEMPTS = 10_000
"""A replay's client comes again until it is answered for good."""
AT_ONCE = 4


class Watched(httpx2.AsyncBaseTransport):
    """Lets requests through the turnstile one by one and writes each down at the wire."""

    def __init__(self, turnstile: Turnstile, wire: Wire, behind: httpx2.AsyncBaseTransport) -> None:
        self._turnstile = turnstile
        self._wire = wire
        self._behind = behind

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it. Raises httpx2's errors."""
        async with self._turnstile.turn():
            begun, status, code = monotonic(), NO_ANSWER, ""
            try:
                answer = await self._behind.handle_async_request(request)
                await answer.aread()
                if is_empty(answer):
                    raise httpx2.ReadError(EMPTY, request=request)
                status, code = answer.status_code, problem_code(answer) if answer.is_error else ""
            except httpx2.TransportError as error:
                code = type(error).__name__
                raise
            finally:
                self._wire.note(request.method, request.url.path, begun, status, code)
            return answer

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._behind.aclose()


@dataclass
class Replay:
    """A file's invoices, followed until they are over or nobody wants more of them."""

    plan: Plan
    gateway: Gateway
    run: str
    ledger: Ledger = field(default_factory=Ledger)
    initial: dict[int, int] = field(default_factory=dict)
    prices: dict[int, Decimal] = field(default_factory=dict)
    _accounts: dict[str, Account] = field(default_factory=dict)
    _products: dict[str, int] = field(default_factory=dict)
    _over: bool = False

    async def open(self, admin: Account) -> None:
        """Upload the products, register the customers, if there are any. Raises Stop."""
        if not self.plan.products:
            return
        await upload(admin, as_csv(self.plan.products.values(), 1.0), f"{self.run}-products", lambda *_: None)
        for product, stand in (await read_products(admin)).items():
            if stand.sku in self.plan.products:
                known = self.plan.products[stand.sku]
                self._products[stand.sku] = product
                self.initial[product], self.prices[product] = stand.stock, Decimal(f"{known.price:.2f}")
        self._accounts = {name: Account(self.gateway, name, PASSWORD) for name in self.plan.customers}
        free = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(_begin(account, free) for account in self._accounts.values()))

    @property
    def users(self) -> frozenset[str]:
        """The ids of its customers."""
        return frozenset(account.user_id for account in self._accounts.values())

    async def play(self) -> None:
        """Follow the invoices until all are done or it is over."""
        cart_customers = self.plan.cart_customers
        shoppers = Shoppers(self.run, self._accounts, cart_customers, self._products, self.ledger)
        await follow_all(shoppers, self._until_over(), CLIENTS)

    def end(self) -> None:
        """Begin no more invoices."""
        self._over = True

    def placings(self) -> Sequence[Placing]:
        """What its customers were told, as the other buyers' wishes."""
        return [
            Placing(
                self._accounts[placed.customer],
                placed.number,
                placed.lines,
                order_ids={placed.id},
                number=placed.number,
                wants_cancel=placed.cancelled,
                cancel_told="cancelled" if placed.cancelled else "",
            )
            for placed in self.ledger.placed
        ]

    def _until_over(self) -> Iterator[Invoice]:
        for invoice in self.plan.invoices:
            if self._over:
                return
            yield invoice


async def _begin(account: Account, free: asyncio.Semaphore) -> None:
    async with free:
        await account.register()
        await account.sign_in()
