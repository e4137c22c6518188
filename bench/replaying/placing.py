"""The placing room: invoices become orders, cancellations are followed, many customers at once."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import perf_counter

import httpx2

from replaying.accounts import Account
from replaying.carts import clear_cart, fill_cart
from replaying.gateway import GaveUp
from replaying.ledger import Ledger, Placed
from replaying.plan import Invoice
from replaying.refusing import note_refusal

AHEAD = 8
"""So many invoices per client may be begun or waiting for their customer, so that the file's order roughly holds."""


@dataclass(frozen=True)
class Shoppers:
    """The customers, what each stock code is called in the shop, and the ledger of what happens to them."""

    run: str
    accounts: Mapping[str, Account]
    cart_customers: frozenset[str]
    products: Mapping[str, int]
    ledger: Ledger

    async def follow(self, invoice: Invoice) -> None:
        """Do what one invoice says."""
        try:
            await (self._take_back(invoice) if invoice.cancels else self._order(invoice))
        except GaveUp:
            self.ledger.unanswered += 1

    async def _order(self, invoice: Invoice) -> None:
        for number, part in enumerate(invoice.parts(), 1):
            lines = {self.products[sku]: quantity for sku, quantity in part.items() if sku in self.products}
            self.ledger.unsold += len(part) - len(lines)
            if lines:
                await self._choose_way(invoice, lines, f"replay-{self.run}-{invoice.number}-{number}")

    async def _choose_way(self, invoice: Invoice, lines: Mapping[int, int], key: str) -> None:
        account = self.accounts[invoice.customer]
        if invoice.customer not in self.cart_customers:
            items = [{"product_id": product, "quantity": quantity} for product, quantity in lines.items()]
            await self._place(account, lines, key, {"items": items, "note": f"Invoice {invoice.number}"})
        elif await fill_cart(account, lines, key, self.ledger) and not await self._place(account, lines, key, {}):
            await clear_cart(account, self.ledger)

    async def _place(self, account: Account, lines: Mapping[int, int], key: str, body: Mapping[str, object]) -> bool:
        await account.stay_signed_in()
        began = perf_counter()
        answer = await account.send("POST", "/api/orders/", key=key, json=body)
        if answer.status_code != httpx2.codes.CREATED:
            note_refusal(self.ledger, answer)
            return False
        self.ledger.latencies.append(perf_counter() - began)
        told = answer.json()
        self.ledger.note(Placed(told["id"], told["number"], account.username, lines))
        return True

    async def _take_back(self, invoice: Invoice) -> None:
        taken_back: list[Placed] = []
        for sku in invoice.lines:
            product = self.products.get(sku, 0)
            if any(product in order.lines for order in taken_back):
                continue
            order = self.ledger.to_cancel(invoice.customer, product)
            if order is None:
                self.ledger.unmatched += 1
            elif await self._cancel(order):
                taken_back.append(order)

    async def _cancel(self, order: Placed) -> bool:
        """By the one way and the other in turn."""
        account, path = self.accounts[order.customer], f"/api/orders/{order.id}/"
        if self.ledger.cancelled % 2:
            answer = await account.send("DELETE", path)
        else:
            key = f"replay-{self.run}-cancel-{order.number}"
            answer = await account.send("POST", f"{path}cancel/", key=key, json={"reason": "customer"})
        if answer.status_code != httpx2.codes.OK:
            note_refusal(self.ledger, answer)
            return False
        order.cancelled = True
        self.ledger.cancelled += 1
        return True


async def follow_all(
    shoppers: Shoppers, invoices: Iterable[Invoice], clients: int, done: Callable[[], None] = lambda: None
) -> None:
    """Follow the invoices in their order with N clients; one customer's go one after the other."""
    free, ahead = asyncio.Semaphore(clients), asyncio.Semaphore(clients * AHEAD)
    latest: dict[str, asyncio.Task[None]] = {}

    async def in_turn(invoice: Invoice, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        async with free:
            await shoppers.follow(invoice)
        ahead.release()
        done()

    async with asyncio.TaskGroup() as group:
        for invoice in invoices:
            await ahead.acquire()
            task = group.create_task(in_turn(invoice, latest.get(invoice.customer)))
            latest[invoice.customer] = task
