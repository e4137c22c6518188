"""The listener's room: one client, what it wants to hear, and what it has not been sent yet.

What waits is kept per product, the newest only, so that a slow client costs little memory and holds up nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from common.tokens import User

TRY_LATER = 1013
"""Close code "try again later" (registry of RFC 6455)."""

Frame = dict[str, Any]
Send = Callable[[Frame], Awaitable[None]]
Write = Callable[[Sequence[Frame]], int]
Key = int | UUID
"""A product, or an order."""


class Dismissed(Exception):
    """The listener has to go; `code` is the close code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"dismissed with {code}")
        self.code = code


class TooSlow(Dismissed):
    """It left a message lying for too long."""

    def __init__(self) -> None:
        super().__init__(TRY_LATER)


class Gone(Exception):
    """The client has left."""


def text_frame(body: bytes) -> Frame:
    """A text message as the web server takes it; made once, it can be sent to everyone."""
    return {"type": "websocket.send", "text": body.decode()}


class Listener:
    """A connected client. Whoever sends to it holds `turn`; `send` raises Gone when the client has left.

    `write` leads past the task that sends, for a client whom nothing else is said just now: how many frames it took.
    """

    def __init__(self, send: Send, timeout_s: float, write: Write = lambda _: 0) -> None:
        self.turn = asyncio.Lock()
        self.only: set[int] | None = None
        """The products it subscribed to; None as long as it listens for all of them."""
        self.but: set[int] = set()
        """What it does not want out of all."""
        self._send = send
        self._write = write
        self._timeout_s = timeout_s
        self._woken = asyncio.Event()
        self._waiting: dict[Key, Frame] = {}
        self._code: int | None = None

    def wants(self, product: Key) -> bool:
        """Whether it listens for this product; whoever listens for orders has picked none."""
        return product not in self.but if self.only is None else product in self.only

    def subscribe(self, products: Iterable[int]) -> None:
        """Listen for these, and no longer for everything."""
        self.only = (self.only or set()) | set(products)
        self._drop_unwanted()

    def unsubscribe(self, products: Iterable[int]) -> None:
        """Listen for these no longer."""
        if self.only is None:
            self.but |= set(products)
        else:
            self.only -= set(products)
        self._drop_unwanted()

    def _drop_unwanted(self) -> None:
        self._waiting = {product: frame for product, frame in self._waiting.items() if self.wants(product)}

    def tell(self, updates: Mapping[Key, Frame]) -> int:
        """Tell it the updates it wants, in their order, or put them with what waits; how many these are.

        Whoever has to go is told nothing more: it would take the newer number for all that came before.
        """
        if self._code is not None:
            return 0
        wanted = [product for product in updates if self.wants(product)]
        taken = self._write([updates[product] for product in wanted]) if self._is_idle() else 0
        for product in wanted[taken:]:
            self._keep(product, updates[product])
        return len(wanted)

    def _is_idle(self) -> bool:
        return not self._waiting and not self.turn.locked()

    def _keep(self, product: Key, update: Frame) -> None:
        self._waiting.pop(product, None)
        self._waiting[product] = update
        self._woken.set()

    def forget(self) -> None:
        """Drop what waits: the client learns of it in another way."""
        self._waiting.clear()

    def dismiss(self, code: int) -> None:
        """Let the conversation end with this close code."""
        self._code = code
        self._woken.set()

    async def run(self) -> None:
        """Send what waits, as it comes. Raises Dismissed or Gone."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            if self._code is not None:
                raise Dismissed(self._code)
            async with self.turn:
                await self.flush()

    async def say(self, make: Callable[[], bytes]) -> None:
        """Send a message that is made once everything before it has left, so that the numbers only grow."""
        async with self.turn:
            await self.flush()
            await self.send(text_frame(make()))

    async def flush(self) -> None:
        """Send what waits; the caller holds the turn."""
        while self._waiting:
            await self.send(self._waiting.pop(next(iter(self._waiting))))

    async def send(self, frame: Frame) -> None:
        """Send one frame; the caller holds the turn. Raises TooSlow when the client does not take it in time.

        That frame may be lost, so nothing follows it; nor is anything sent to whoever has to go. Raises Dismissed.
        """
        if self._code is not None:
            raise Dismissed(self._code)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._send(frame)
        except TimeoutError:
            self.dismiss(TRY_LATER)
            raise TooSlow from None


class Guest(Listener):
    """A listener who has signed in, and stays as long as the token is good."""

    def __init__(self, send: Send, timeout_s: float, user: User, token: str) -> None:
        super().__init__(send, timeout_s)
        self.user = user
        self.token = token
