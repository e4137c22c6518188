"""The mails' room: what the notifier has written down and what lies in the development mailbox, by order."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from email import message_from_string
from email.header import decode_header, make_header
from typing import Any, Literal

import httpx2

from replaying.accounts import Account
from replaying.shop import listed
from replaying.stop import Stop

Kind = Literal["confirmation", "cancellation"]
WORD = re.compile(r"[\w-]+")
STILL_S = 3.0
"""The mailbox stores what it has taken a little later; when nothing has been added for so long, all is there."""
POLL_S = 1.0


@dataclass
class Mails:
    """How many mails there are of each kind, by the order's number."""

    confirmation: Counter[str] = field(default_factory=Counter)
    cancellation: Counter[str] = field(default_factory=Counter)
    failed: int = 0

    def count(self, kind: Kind, number: str) -> None:
        """Enter one mail."""
        getattr(self, kind)[number] += 1


async def read_log(admin: Account, numbers: frozenset[str]) -> Mails:
    """The notifier's entries on these orders."""
    mails = Mails()
    async for row in listed(admin, "/api/notifications/"):
        number = number_in(row["subject"], numbers)
        if number:
            mails.count(kind_of(row["type"]), number)
            mails.failed += row["status"] != "sent"
    return mails


def count_mails(messages: Iterable[Mapping[str, Any]], numbers: frozenset[str]) -> Mails:
    """The mailbox's mails on these orders; the subject tells which order and what happened to it."""
    mails = Mails()
    for message in messages:
        subject = str(make_header(decode_header(message_from_string(message["source"])["Subject"] or "")))
        number = number_in(subject, numbers)
        if number:
            mails.count(kind_of(subject), number)
    return mails


def kind_of(words: str) -> Kind:
    """Whether a mail about an order cancels it; this run moves no order in any other way."""
    return "cancellation" if "cancel" in words.lower() else "confirmation"


def number_in(subject: str, numbers: frozenset[str]) -> str | None:
    """The order number that a subject names."""
    return next((word for word in WORD.findall(subject) if word in numbers), None)


class Mailbox:
    """The development mailbox's own web interface, newest mails first."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx2.AsyncClient(timeout=60, trust_env=False)

    async def newest(self) -> int:
        """The highest id there is."""
        return max((message["id"] for message in (await self._page(1))["data"]), default=0)

    async def settled(self, limit_s: float = 300.0) -> None:
        """Return when the mailbox has stored all that it has taken."""
        size, still, waited = -1, 0.0, 0.0
        while still < STILL_S and waited < limit_s:
            now = await self.newest()
            still = still + POLL_S if now == size else 0.0
            size, waited = now, waited + POLL_S
            await asyncio.sleep(POLL_S)

    async def since(self, known: int) -> AsyncIterator[Mapping[str, Any]]:
        """Every mail with a higher id, each once."""
        seen: set[int] = set()
        page = 1
        while True:
            fresh = [mail for mail in (await self._page(page))["data"] if mail["id"] > known]
            for mail in fresh:
                if mail["id"] not in seen:
                    seen.add(mail["id"])
                    yield mail
            if not fresh:
                return
            page += 1

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def _page(self, number: int) -> dict[str, Any]:
        try:
            answer = await self._client.get(f"{self._url}/api/messages/", params={"page": number})
            page: dict[str, Any] = answer.raise_for_status().json()
        except httpx2.HTTPError as error:
            raise Stop(f"The mailbox at {self._url} cannot be read ({error}).") from None
        return page
