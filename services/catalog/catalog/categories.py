"""The HTTP door of catalog to its categories."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response

from catalog import filing
from catalog.describing import SLUG, Slug
from catalog.models import LONGEST_SLUG
from catalog.pages import Pages
from catalog.schemas import CategoryDraft, CategoryName, CategoryView
from common.knocking import SessionsDep, Visitor, for_admins, from_state, signed
from common.pagination import ListParams, Page

PREFIX = "/api/products/categories"

router = APIRouter(prefix=PREFIX, tags=["categories"])

PagesDep = Annotated[Pages, from_state("pages")]
NewSlug = Annotated[str, Path(json_schema_extra={"minLength": 1, "maxLength": LONGEST_SLUG, "pattern": SLUG})]
"""What cannot be a slug is a bad request here, not something that is missing."""

TAKEN: dict[int | str, dict[str, Any]] = {409: {"description": "`category_taken`: there is a category with this slug"}}
IN_USE: dict[int | str, dict[str, Any]] = {409: {"description": "`category_in_use`: products are filed under it"}}
MISSING: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such category"}}
NOTHING = CategoryName()


def _created(response: Response, category: CategoryView) -> CategoryView:
    response.headers["Location"] = f"{PREFIX}/{quote(category.slug)}/"
    return category


@router.get("/", response_model=Page[CategoryView], dependencies=signed)
async def list_categories(request: Request, _: Visitor, query: ListParams, pages: PagesDep) -> Response:
    """Categories in order of their slugs, by page with a count or by cursor without one."""
    return await pages.list_categories(request, query)


@router.post("/", status_code=201, dependencies=for_admins, responses=TAKEN)
def create_category(response: Response, draft: CategoryDraft, sessions: SessionsDep) -> CategoryView:
    """Add a category; without a slug it gets one made of its name."""
    return _created(response, filing.create_category(sessions, draft.slug, draft.name))


@router.post("/{slug}/", status_code=201, dependencies=for_admins, responses=TAKEN)
def create_category_here(
    response: Response, slug: NewSlug, sessions: SessionsDep, wanted: CategoryName = NOTHING
) -> CategoryView:
    """Add a category under this slug; without a name it gets one made of the slug."""
    return _created(response, filing.create_category(sessions, slug, wanted.name))


@router.delete("/{slug}/", status_code=204, dependencies=for_admins, responses=MISSING | IN_USE)
def remove_category(slug: Slug, sessions: SessionsDep) -> None:
    """Take a category away that no product is filed under."""
    filing.remove_category(sessions, slug)
