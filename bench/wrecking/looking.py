"""The onlooker's room: what the shop says of itself through the gateway, in its mailbox, its queues and its logs."""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from email import message_from_string
from email.header import decode_header, make_header
from time import monotonic
from typing import Any

from replaying.accounts import Account
from replaying.carts import cart_lines
from replaying.listening import Listener
from replaying.mails import Mailbox
from replaying.quiet import Operator, Traffic
from replaying.shop import read_orders, read_products, read_realtime
from wrecking.load import Buyer, CartBuyer
from wrecking.picture import Outside
from wrecking.stack import Site

SUBJECT = re.compile(r"Your order (\S+?)( is cancelled)?")
CATCH_UP_S = 30.0
"""The listener reconnects with growing pauses, up to some ten seconds after a long outage."""
EMPTY_WITHIN_S = 30.0
"""The broker counts its queues every 5 s."""

Sent = dict[tuple[str, str], Counter[str]]


class Onlooker:
    """Asks as an administrator, a visitor and an operator do."""

    def __init__(self, site: Site, admin: Account, listener: Listener) -> None:
        self._site = site
        self._admin = admin
        self._listener = listener
        self._operator = Operator(site.address, admin)
        self._mailbox = Mailbox(site.address.mailbox_url)
        self._newest_mail = 0
        self._sent: Sent = defaultdict(Counter)

    async def look(self, buyers: Sequence[Buyer], *, with_orders: bool) -> Outside:
        """All of it, for a moment at which nothing moves. The list of all orders only on demand, as it is long."""
        seq, realtime = await read_realtime(self._admin)
        await self._listener.caught_up(seq, CATCH_UP_S)
        products = await read_products(self._admin)
        traffic = await self._traffic()
        await self._read_mails()
        return Outside(
            stock={product: (it.stock, it.reserved, it.sold) for product, it in products.items()},
            realtime=realtime,
            pushed=self._listener.sold,
            orders=await self._orders() if with_orders else None,
            mails=self._sent,
            full_carts=await _full_carts(buyers),
            queued={"queues": traffic.queued, "dead-letter queues": traffic.dead},
            log_lines=await asyncio.to_thread(self._site.new_log_lines),
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._operator.close()
        await self._mailbox.close()

    async def _traffic(self) -> Traffic:
        ends = monotonic() + EMPTY_WITHIN_S
        while (traffic := await self._operator.look()).waiting and monotonic() < ends:
            await asyncio.sleep(1)
        return traffic

    async def _orders(self) -> dict[str, tuple[bool, dict[int, int]]]:
        listed = await read_orders(self._admin)
        return {order_id: (order.cancelled, dict(order.lines)) for order_id, order in listed.items()}

    async def _read_mails(self) -> None:
        await self._mailbox.settled()
        newest = self._newest_mail
        async for mail in self._mailbox.since(self._newest_mail):
            newest = max(newest, mail["id"])
            note_mail(self._sent, mail)
        self._newest_mail = newest


def note_mail(sent: Sent, mail: Mapping[str, Any]) -> None:
    """Enter a mail about an order; others are not counted."""
    letter = message_from_string(mail["source"])
    found = SUBJECT.fullmatch(str(make_header(decode_header(letter["Subject"] or ""))))
    if found:
        kind = "order_cancellation" if found[2] else "order_confirmation"
        sent[found[1], kind][str(letter["Message-ID"])] += 1


async def _full_carts(buyers: Sequence[Buyer]) -> list[str]:
    clean = [buyer for buyer in buyers if isinstance(buyer, CartBuyer) and buyer.is_clean]
    return [buyer.account.username for buyer in clean if await cart_lines(buyer.account)]
