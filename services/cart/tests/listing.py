"""The bench of the copy: catalogs that list their products, copies kept and looked at."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import select

from cart.copying import keep_copies
from cart.models import ProductCopy
from common.database import Sessions
from common.events.catalog import ProductCreated
from common.testing.sisters import FakeSister

PRODUCTS = "/internal/products/"


def lists(sister: FakeSister, *products: ProductCreated, first: Callable[[], object] = object) -> None:
    """Let catalog have these products; `first` is done before it answers."""

    def answer(path: str, _: Any) -> tuple[int, Any]:
        first()
        asked = {name: int(words[0]) for name, words in parse_qs(urlsplit(path).query).items()}
        first_id, most = asked.get("ids", asked.get("after", 0) + 1), 1 if "ids" in asked else asked["limit"]
        page = [product for product in products if product.product_id >= first_id][:most]
        bodies = [product.model_dump(mode="json") for product in page]
        return 200, {"products": [body | {"id": body.pop("product_id")} for body in bodies]}

    sister.answer("GET", PRODUCTS, answer)


def keep(sessions: Sessions, *products: ProductCreated) -> None:
    with sessions.begin() as session:
        keep_copies(session, products)


def later(product: ProductCreated, **changes: Any) -> ProductCreated:
    return product.model_copy(update=changes)


def copies(sessions: Sessions) -> dict[int, tuple[str, Decimal, str, int]]:
    with sessions.begin() as session:
        rows = session.scalars(select(ProductCopy)).all()
    return {row.product_id: (row.name, row.price, row.status, row.version) for row in rows}


def told(*products: ProductCreated) -> dict[int, tuple[str, Decimal, str, int]]:
    return {each.product_id: (each.name, each.price, each.status, each.version) for each in products}
