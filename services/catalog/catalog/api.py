"""The HTTP door of catalog to its products."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response

from catalog import editing, queries
from catalog.models import LONGEST_SKU, MOST_ID
from catalog.pages import Pages
from catalog.schemas import (
    AdminProductView,
    ProductChange,
    ProductDraft,
    ProductQuery,
    ProductReplacement,
    ProductView,
)
from common.knocking import Admin, IdempotencyKey, SessionsDep, Visitor, from_state, signed
from common.pagination import Page
from common.replies import reply, tagged

router = APIRouter(prefix="/api/products", tags=["products"], dependencies=signed)

Currency = Annotated[str, from_state("currency")]
PagesDep = Annotated[Pages, from_state("pages")]
Id = Annotated[int, Path(ge=1, le=MOST_ID)]
Sku = Annotated[str, Path(min_length=1, max_length=LONGEST_SKU)]
IfMatch = Annotated[str | None, Header(description="Act only on this version of the product")]

Described = dict[int | str, dict[str, Any]]
ADMINS_ONLY: Described = {401: {"description": "Sign in first"}, 403: {"description": "For administrators"}}
MISSING: Described = {404: {"description": "There is no such product"}}
TAKEN: Described = {409: {"description": "`sku_taken`: another product has this SKU"}}
CHANGED: Described = {412: {"description": "The product has changed since the version in If-Match"}}


@router.get("/", response_model=Page[ProductView], responses=ADMINS_ONLY | MISSING)
async def list_products(
    request: Request, query: Annotated[ProductQuery, Query()], visitor: Visitor, pages: PagesDep
) -> Response:
    """Products on sale, by page with a count or by cursor without one."""
    return await pages.list_products(request, query, visitor)


@router.post("/", status_code=201, response_model=AdminProductView, responses=ADMINS_ONLY | TAKEN)
def create_product(
    request: Request, admin: Admin, draft: ProductDraft, key: IdempotencyKey, sessions: SessionsDep, currency: Currency
) -> Response:
    """Add a product."""
    return reply(request, editing.create_product(sessions, draft, admin, key, currency))


@router.get("/by-sku/{sku:path}/", response_model=ProductView, responses=MISSING)
def read_by_sku(request: Request, sku: Sku, visitor: Visitor, sessions: SessionsDep, currency: Currency) -> Response:
    """One product by its SKU, compared to the letter."""
    view = queries.find_by_sku(sessions, sku, visitor, currency)
    return tagged(request, view.etag, view)


@router.get("/{product_id}/", response_model=ProductView, responses=MISSING)
def read_product(
    request: Request, product_id: Id, visitor: Visitor, sessions: SessionsDep, currency: Currency
) -> Response:
    """One product; drafts and archived ones exist for administrators only."""
    view = queries.find_product(sessions, product_id, visitor, currency)
    return tagged(request, view.etag, view)


@router.put("/{product_id}/", response_model=AdminProductView, responses=ADMINS_ONLY | MISSING | TAKEN | CHANGED)
def replace_product(
    request: Request,
    product_id: Id,
    admin: Admin,
    wanted: ProductReplacement,
    sessions: SessionsDep,
    currency: Currency,
    if_match: IfMatch = None,
) -> Response:
    """Write a product anew; optional fields that are left out stay as they are."""
    view = editing.change_product(sessions, product_id, wanted, admin, currency, if_match)
    return tagged(request, view.etag, view)


@router.patch("/{product_id}/", response_model=AdminProductView, responses=ADMINS_ONLY | MISSING | TAKEN | CHANGED)
def change_product(
    request: Request,
    product_id: Id,
    admin: Admin,
    wanted: ProductChange,
    sessions: SessionsDep,
    currency: Currency,
    if_match: IfMatch = None,
) -> Response:
    """Change some of a product's fields; `stock` sets how many pieces can be ordered."""
    view = editing.change_product(sessions, product_id, wanted, admin, currency, if_match)
    return tagged(request, view.etag, view)


@router.delete("/{product_id}/", status_code=204, responses=ADMINS_ONLY | MISSING | CHANGED)
def archive_product(
    product_id: Id, admin: Admin, sessions: SessionsDep, currency: Currency, if_match: IfMatch = None
) -> None:
    """Take a product off sale for good; orders keep their lines."""
    editing.archive_product(sessions, product_id, admin, currency, if_match)
