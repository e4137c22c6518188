"""The opening's room: products to buy, and people who buy them."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import httpx2

from replaying.accounts import Account
from replaying.gateway import Gateway, expect
from wrecking.ledger import Ledger
from wrecking.load import BUYERS, CART_BUYERS, Buyer, CartBuyer, Shelf
from wrecking.wire import Wire

PASSWORD = "amphora-and-anvil-4"  # noqa: S105 - of accounts that are gone with the stack
PLENTY, SCARCE = 24, 6
MUCH, LITTLE = 1_000_000, 60
"""Products of which there is always enough, and of which there nearly never is; pieces of each."""
AT_ONCE = 4


@dataclass(frozen=True)
class Goods:
    """What is sold; `probe` is bought by the probe only. Pieces and prices by product."""

    shelf: Shelf
    probe: int
    initial: Mapping[int, int]
    prices: Mapping[int, Decimal]


async def stock_up(admin: Account, run: str) -> Goods:
    """Put the products on sale. Raises Stop."""
    stocks = [MUCH] * (PLENTY + 1) + [LITTLE] * SCARCE
    prices = [Decimal(n * 137 + 99) / 100 for n in range(len(stocks))]
    ids = [await _product(admin, f"{run}-{n}", prices[n], stock) for n, stock in enumerate(stocks)]
    shelf = Shelf(ids[1 : PLENTY + 1], ids[PLENTY + 1 :])
    return Goods(shelf, ids[0], dict(zip(ids, stocks, strict=True)), dict(zip(ids, prices, strict=True)))


async def invite(gateway: Gateway, wire: Wire, shelf: Shelf, ledger: Ledger, run: str, seed: int) -> Sequence[Buyer]:
    """Register the buyers by a gateway that is patient, and let them shop by the wire that is not. Raises Stop."""
    kinds = [CartBuyer] * CART_BUYERS + [Buyer] * (BUYERS - CART_BUYERS)
    accounts = await register(gateway, wire, [f"buyer-{run}-{n}" for n in range(len(kinds))])
    return [
        kind(account, shelf, ledger, random.Random(f"{seed}-{n}"), run)  # noqa: S311 - to be repeated
        for n, (kind, account) in enumerate(zip(kinds, accounts, strict=True))
    ]


async def register(gateway: Gateway, wire: Wire, names: Sequence[str]) -> list[Account]:
    """Accounts of these names that are signed in. Raises Stop."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> Account:
        async with free:
            await Account(gateway, name, PASSWORD).register()
            account = Account(wire, name, PASSWORD)
            await account.sign_in()
            return account

    return list(await asyncio.gather(*map(one, names)))


async def _product(admin: Account, sku: str, price: Decimal, stock: int) -> int:
    body = {"name": f"Amphora {sku}", "sku": sku, "price": f"{price:.2f}", "stock": stock}
    answer = await admin.send("POST", "/api/products/", key=sku, json=body)
    return int(expect(answer, httpx2.codes.CREATED)["id"])
