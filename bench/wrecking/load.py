"""The load's room: many buyers who order, cancel, fill carts and look around, until they are told to stop."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic

import httpx2

from replaying.accounts import Account
from replaying.carts import cart_lines
from replaying.gateway import problem_code
from replaying.stop import Stop
from wrecking.ledger import IN_PROGRESS, Ledger, Lines, Placing
from wrecking.wire import NoAnswer

BUYERS = 12
CART_BUYERS = 3
THINK_S = (0.1, 0.9)
"""Between two things that a buyer does: about 25 requests a second in all, which leaves two cores time to recover."""
MOST_LINES, MOST_PIECES = 3, 3
SCARCE_SHARE = 0.15
"""Of the lines ordered, those of products that are nearly sold out all the time."""
AGAIN_S = 1.0
TRIES = 3
"""Half of the buyers who are put off come again, so often; the others leave it open, to be settled later."""
EMPTIED_WITHIN_S = 150.0
"""For an order to leave its cart: the broker may be away for a minute, and much has piled up by then."""
SETTLED_WITHIN_S = 150.0
"""A key whose process died is free after a minute (`common.idempotency.LEASE`), its intent is given up after two."""
SETTLING = 8
"""Keys that are settled at the same time."""

LOOKS = (
    *("/api/products/", "/api/realtime/products/", "/api/orders/?limit=20&cursor=", "/api/auth/me/", "/api/cart/"),
    "/api/notifications/?page_size=5",
)
"""Something behind each door."""


class Turnstile:
    """Lets buyers through one thing at a time; who closes it waits until everybody has finished theirs."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Do one thing."""
        await self._open.wait()
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    async def close(self) -> None:
        """Let nobody begin anything; return when all have finished."""
        self._open.clear()
        await self._empty.wait()

    def open(self) -> None:
        """Let everybody go on."""
        self._open.set()


@dataclass(frozen=True)
class Shelf:
    """What there is to buy."""

    plenty: Sequence[int]
    scarce: Sequence[int]

    def choose(self, chance: random.Random) -> Lines:
        """Something to order."""
        lines = {}
        for _ in range(chance.randint(1, MOST_LINES)):
            shelf = self.scarce if chance.random() < SCARCE_SHARE else self.plenty
            lines[chance.choice(shelf)] = chance.randint(1, MOST_PIECES)
        return lines


@dataclass
class Buyer:
    """Somebody who names what to order, and cancels some of it."""

    account: Account
    shelf: Shelf
    ledger: Ledger
    chance: random.Random
    run: str
    own: list[Placing] = field(default_factory=list)

    async def act(self) -> None:
        """Do one thing. Raises NoAnswer and Stop."""
        weights = {self.place: 50, self.place_twice: 6, self.cancel: 12, self.look: 32}
        await self.chance.choices(list(weights), list(weights.values()))[0]()

    async def place(self) -> None:
        """Order; who is put off comes again or leaves it."""
        placing = self._wish()
        await placing.send()
        if self.chance.random() < 0.5:
            await insist(placing, TRIES * AGAIN_S)

    async def place_twice(self) -> None:
        """Send the same key twice at the same moment, as an impatient client does."""
        placing = self._wish()
        path, body = "/api/orders/", placing.body
        sent = [self.account.send("POST", path, key=placing.key, json=body) for _ in range(2)]
        for answer in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(answer, httpx2.Response):
                placing.hear(answer)

    async def cancel(self) -> None:
        """Take one back that was placed."""
        placed = [placing for placing in self.own if placing.order_ids and not placing.wants_cancel]
        if placed:
            placing = self.chance.choice(placed)
            placing.wants_cancel = True
            await placing.send()

    async def look(self) -> None:
        """Look at something."""
        looks = [*LOOKS, f"/api/products/{self.chance.choice(self.shelf.plenty)}/"]
        await self.account.send("GET", self.chance.choice(looks))

    def _wish(self, lines: Lines | None = None, *, through_cart: bool = False) -> Placing:
        key = f"{self.run}-{self.account.username}-{len(self.own)}"
        placing = Placing(self.account, key, lines or self.shelf.choose(self.chance), through_cart)
        self.own.append(placing)
        return self.ledger.open(placing)


@dataclass
class CartBuyer(Buyer):
    """Somebody who orders by the cart, and whose cart must be empty once the order has left it."""

    is_clean: bool = False
    """Whether the cart is known to be empty."""
    filled: int = 0
    """Times that it was filled, ordered afterwards or not: what is added once more has another key."""

    async def act(self) -> None:
        """Fill the cart, order it, wait until it is empty. Raises NoAnswer and Stop."""
        if not self.is_clean:
            await self._clear()
        self.is_clean = False
        self.filled += 1
        lines = self.shelf.choose(self.chance)
        for product, quantity in lines.items():
            if not await self._add(product, quantity):
                return
        placing = self._wish(lines, through_cart=True)
        await insist(placing, SETTLED_WITHIN_S)
        if placing.order_ids:
            self.is_clean = await self._is_emptied()
            if not self.is_clean:
                self.ledger.odd.append(f"the cart of {self.account.username} kept what was ordered from it")

    async def _clear(self) -> None:
        answer = await self.account.send("POST", "/api/cart/clear/")
        if answer.status_code != httpx2.codes.OK:
            raise NoAnswer("the cart could not be cleared")

    async def _add(self, product: int, quantity: int) -> bool:
        """Whether it lies in the cart; asked with the same key until that is known."""
        key = f"{self.run}-{self.account.username}-{self.filled}-{product}"
        body = {"product_id": product, "quantity": quantity}
        ends = monotonic() + SETTLED_WITHIN_S
        while monotonic() < ends:
            with suppress(NoAnswer):
                answer = await self.account.send("POST", "/api/cart/add_item/", key=key, json=body)
                if answer.status_code == httpx2.codes.OK:
                    return True
                if answer.is_client_error and problem_code(answer) != IN_PROGRESS:
                    return False
            await asyncio.sleep(AGAIN_S)
        return False

    async def _is_emptied(self) -> bool:
        ends = monotonic() + EMPTIED_WITHIN_S
        while monotonic() < ends:
            with suppress(NoAnswer, Stop):
                if await cart_lines(self.account) == 0:
                    return True
            await asyncio.sleep(0.2)
        return False


async def insist(placing: Placing, seconds: float) -> None:
    """Send it again until its outcome is known, or so many seconds have passed."""
    ends = monotonic() + seconds
    while not placing.is_settled and monotonic() < ends:
        with suppress(NoAnswer, Stop):
            await placing.send()
        if not placing.is_settled:
            await asyncio.sleep(AGAIN_S)


async def settle(ledger: Ledger) -> None:
    """Ask for everything whose outcome is unknown, until it is known."""
    free = asyncio.Semaphore(SETTLING)

    async def one(placing: Placing) -> None:
        async with free:
            await insist(placing, SETTLED_WITHIN_S)

    await asyncio.gather(*map(one, ledger.unsettled))


async def shop(buyer: Buyer, turnstile: Turnstile) -> None:
    """Do one thing after another until cancelled."""
    while True:
        async with turnstile.turn():
            with suppress(NoAnswer, Stop):
                await buyer.act()
        await asyncio.sleep(buyer.chance.uniform(*THINK_S))
