"""Services as the tests of the scripts play them to a page, where real ones would seldom do so."""

import json
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Page, Route, WebSocketRoute

HIDE = "Object.defineProperty(document, 'hidden', { get: () => window.away ?? false })"
LOOK = "away => { window.away = away; document.dispatchEvent(new Event('visibilitychange')); }"
"""A tab that nobody sees, for whoever opens it with the one and then says so with the other."""


def caught(page: Page, routes: list[Route]) -> Route:
    """The request that a page has sent. The test hears of it a little later, and only while it waits in the browser."""
    while not routes:
        page.wait_for_timeout(20)
    return routes.pop()


class Listening:
    """Plays `/ws/products/` to a page: each connection is greeted, and then what the test has written is said."""

    def __init__(self) -> None:
        self.socket: WebSocketRoute | None = None
        self.open = True
        self.answers: dict[str, list[dict[str, Any]]] = {}
        self.hello = {"type": "hello", "stream": "a", "seq": 900, "heartbeat_s": 600}

    def __call__(self, socket: WebSocketRoute) -> None:
        self.socket = socket
        socket.on_message(self._hear)
        if self.open:
            socket.send(json.dumps(self.hello))
        else:
            socket.close()

    def say(self, **message: Any) -> None:
        """Push a message."""
        assert self.socket
        self.socket.send(json.dumps(message))

    def cut(self) -> None:
        """Close the connection, and each that comes until it is open again."""
        assert self.socket
        self.open = False
        self.socket.close(code=1012)

    def _hear(self, text: str | bytes) -> None:
        for answer in self.answers.get(json.loads(text)["action"], []):
            self.say(**answer)


def counts(stream: str, seq: int, sold: int, **more: Any) -> dict[str, Any]:
    """A snapshot of one product."""
    return {"type": "sold_counts", "stream": stream, "seq": seq, "data": [{"id": 7, "sold_count": sold}], **more}


def update(seq: int, sold: int) -> dict[str, Any]:
    """What is pushed when it was sold."""
    return {"type": "product_update", "product_id": 7, "sold_count": sold, "seq": seq}


def order(version: int, status: str) -> dict[str, Any]:
    """An order as the desk is told of it."""
    what = {"items": [{"quantity": 1, "product": {"name": "Amphora"}}], "total": "3.50", "currency": "EUR"}
    return what | {"id": "o7", "number": "ST-7", "created_at": "2026-01-01", "version": version, "status": status}


def page_of(*orders: dict[str, Any]) -> dict[str, Any]:
    """All orders there are."""
    return {"count": len(orders), "next": None, "previous": None, "results": orders}


def document(path: str, missing: Sequence[str] = ()) -> dict[str, Any]:
    """An OpenAPI document of one operation."""
    said = {"get": {"responses": {"200": {"description": "It is there."}}}}
    return {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {path: said}, "x-missing": missing}
