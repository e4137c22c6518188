"""The counter: what anybody may read is handed out here, before the framework hears of the request.

A page that is finished, and a product as the database has it now, cost a third of what a route costs (design:
performance, section 1). Whatever is not as plain as that, a token, an odd number, an error, goes on to the routes.
"""

import re
from collections import OrderedDict

from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Receive, Scope, Send

from catalog.finished import Answers, Finished
from catalog.pages import ASKED, Pages
from common.errors import Problem

LISTS = ("/api/products/", "/api/products/categories/")
PRODUCT = re.compile(r"/api/products/([1-9][0-9]{0,17})/")
MOST_NAMES = 20_000
"""Spellings of queries that are remembered; each is at most as long as a request's first line."""
LONGEST_NAME = 500


class Counter:
    """Answers plain reads; learns from the routes which page a query means."""

    def __init__(self, app: ASGIApp, answers: Answers, pages: Pages) -> None:
        self._app = app
        self._answers = answers
        self._pages = pages
        self._names: OrderedDict[tuple[str, bytes], str] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand out what is ready, else hand on."""
        found = await self._find(scope) if _is_plain(scope) else None
        if found is not None:
            await found(scope, receive, send)
            return
        await self._app(scope, receive, send)
        if scope["type"] == "http":
            self._learn(scope)

    async def _find(self, scope: Scope) -> Finished | None:
        try:
            if scope["path"] in LISTS:
                asked = self._names.get((scope["path"], scope["query_string"]))
                return None if asked is None else await self._answers.find(asked)
            product = PRODUCT.fullmatch(scope["path"])
            return None if product is None else await self._pages.product(int(product[1]))
        except (Problem, SQLAlchemyError):
            return None

    def _learn(self, scope: Scope) -> None:
        asked = scope.get("state", {}).get(ASKED)
        if asked is not None and len(scope["query_string"]) <= LONGEST_NAME:
            self._names[scope["path"], scope["query_string"]] = asked
            while len(self._names) > MOST_NAMES:
                self._names.popitem(last=False)


def _is_plain(scope: Scope) -> bool:
    """Whether anybody could have sent this read."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    return not any(name == b"authorization" for name, _ in scope["headers"])
