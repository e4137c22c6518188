"""The carts' room: a customer fills a cart, and it is empty again once what was ordered has left it."""

import asyncio
from collections.abc import Mapping
from time import perf_counter

import httpx2

from replaying.accounts import Account
from replaying.ledger import Ledger
from replaying.refusing import note_refusal

EMPTY_WITHIN_S = 60.0
EMPTY_POLL_S = 0.05


async def fill_cart(account: Account, lines: Mapping[int, int], key: str, ledger: Ledger) -> bool:
    """Put exactly these quantities in; False, with an empty cart, if the shop refuses one."""
    await _begin_empty(account, ledger)
    for product, quantity in lines.items():
        body = {"product_id": product, "quantity": quantity}
        answer = await account.send("POST", "/api/cart/add_item/", key=f"{key}-add-{product}", json=body)
        if answer.status_code != httpx2.codes.OK:
            note_refusal(ledger, answer)
            await clear_cart(account, ledger)
            return False
    return True


async def clear_cart(account: Account, ledger: Ledger) -> None:
    """Take everything out."""
    answer = await account.send("POST", "/api/cart/clear/")
    if answer.status_code != httpx2.codes.OK:
        note_refusal(ledger, answer)


async def cart_lines(account: Account) -> int:
    """How many lines the account's cart holds."""
    answer = await account.send("GET", "/api/cart/")
    return len(answer.json()["items"]) if answer.status_code == httpx2.codes.OK else -1


async def _begin_empty(account: Account, ledger: Ledger) -> None:
    """What an earlier run left is taken out; what this run has ordered must leave by itself."""
    if account.username not in ledger.through_cart:
        ledger.through_cart.add(account.username)
        await clear_cart(account, ledger)
    elif not await _emptied(account):
        ledger.odd.append(f"the cart of {account.username} kept what was ordered from it")
        await clear_cart(account, ledger)


async def _emptied(account: Account) -> bool:
    ends = perf_counter() + EMPTY_WITHIN_S
    while await cart_lines(account):
        if perf_counter() > ends:
            return False
        await asyncio.sleep(EMPTY_POLL_S)
    return True
