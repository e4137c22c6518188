"""The pages' room: lists are finished answers for everyone but administrators, who see more and read the database."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from catalog import queries
from catalog.counting import Counts
from catalog.finished import Answers, Finished
from catalog.schemas import ProductQuery
from catalog.showing import Showcase
from common.coalescer import Coalescer
from common.database import Sessions
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
        self._products: Coalescer[int, Finished] = Coalescer(Showcase(sessions, currency).show, in_flight=1)

    async def list_products(self, request: Request, query: ProductQuery, visitor: User | None) -> Response:
        """The page that the query asks for. Raises as `queries.list_products`."""
        if query.status is None and (visitor is None or not visitor.is_admin):
            return await self.finished(
                request, f"products {query.model_dump_json(exclude_none=True)}", lambda: self._list_json(query)
            )
        page = await run_in_threadpool(
            queries.list_products, self._sessions, self._counts, query, visitor, self._currency, self._list_url
        )
        return Response(page.model_dump_json(exclude_unset=True), media_type="application/json")

    async def finished(self, request: Request, asked: str, make: Callable[[], bytes]) -> Response:
        """The answer that is kept under these words, or made now. Raises what `make` raises."""
        answer = await self._answers.get(asked, make)
        setattr(request.state, ASKED, asked)
        return answer.response(request.scope)

    async def product(self, product_id: int) -> Finished:
        """A product as everyone sees it, as the database has it now. Raises NotFound."""
        return await self._products.submit(product_id)

    def _list_json(self, query: ProductQuery) -> bytes:
        return queries.list_json(self._sessions, self._counts, query, self._currency, self._list_url)
