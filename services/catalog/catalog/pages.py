"""The pages' room: lists are finished answers for everyone but administrators, who see more and read the database."""

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from catalog import queries
from catalog.counting import Counts
from catalog.finished import Answers, Finished
from catalog.schemas import ProductQuery
from catalog.showing import Showcase
from common.coalescer import Coalescer, in_threads
from common.database import Sessions
from common.pagination import ListQuery, Page
from common.tokens import User

ASKED = "asked"
"""Where a request's state says which finished answer it was given."""


class Pages:
    """What is read most, each page made once for each version of the catalogue, products read many at a time."""

    def __init__(self, sessions: Sessions, answers: Answers, currency: str, list_url: str) -> None:
        self._sessions = sessions
        self._answers = answers
        self._currency = currency
        self._list_url = list_url
        self._counts = Counts()
        self._products: Coalescer[int, Finished] = Coalescer(in_threads(Showcase(sessions, currency).show))

    async def list_products(self, request: Request, query: ProductQuery, visitor: User | None) -> Response:
        """The page that the query asks for. Raises as `queries.list_products`."""
        if query.status is None and (visitor is None or not visitor.is_admin):
            return await self._finished(request, "products", query, lambda: self._products_json(query))
        page = await run_in_threadpool(
            queries.list_products, self._sessions, self._counts, query, visitor, self._currency, self._list_url
        )
        return Response(_json(page), media_type="application/json")

    async def list_categories(self, request: Request, query: ListQuery) -> Response:
        """The page of categories that the query asks for. Raises as `queries.list_categories`."""
        return await self._finished(request, "categories", query, lambda: self._categories_json(query))

    async def _finished(self, request: Request, what: str, query: ListQuery, make: Callable[[], bytes]) -> Response:
        """The page that is kept for this query, or made now."""
        asked = f"{what} {query.model_dump_json(exclude_none=True)}"
        answer = await self._answers.get(asked, make)
        setattr(request.state, ASKED, asked)
        return answer.response(request.scope)

    async def product(self, product_id: int) -> Finished:
        """A product as everyone sees it, as the database has it now. Raises NotFound."""
        return await self._products.submit(product_id)

    def _products_json(self, query: ProductQuery) -> bytes:
        return _json(queries.list_products(self._sessions, self._counts, query, None, self._currency, self._list_url))

    def _categories_json(self, query: ListQuery) -> bytes:
        return _json(queries.list_categories(self._sessions, query, f"{self._list_url}categories/"))


def _json(page: Page[Any]) -> bytes:
    """By cursor there is no count."""
    return page.model_dump_json(exclude_unset=True).encode()
