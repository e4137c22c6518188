"""Filing: what administrators do to the categories that products are filed under."""

from pydantic import TypeAdapter
from sqlalchemy import delete

from catalog import versions
from catalog.describing import Slug, name_of, slug_of
from catalog.models import Category
from catalog.races import DUPLICATE, IN_USE, told
from catalog.schemas import CategoryView
from catalog.versions import FACTS
from common.clock import now
from common.database import Sessions, affected, retried
from common.errors import Conflict, Invalid, NotFound

_slug: TypeAdapter[str] = TypeAdapter(Slug)


@retried
def create_category(sessions: Sessions, slug: str | None, name: str | None) -> CategoryView:
    """A new category; of slug and name the one that is left out is made of the other.

    Raises Invalid for what cannot be a slug, Conflict for one that is taken.
    """
    slug = _checked(slug_of(name or "") if slug is None else slug)
    taken = Conflict("there is a category with this slug", code="category_taken")
    with told(DUPLICATE, taken), sessions.begin() as session:
        category = Category(slug=slug, name=name or name_of(slug), created_at=now())
        session.add(category)
        versions.move(session, FACTS)
    return CategoryView.model_validate(category)


@retried
def remove_category(sessions: Sessions, slug: str) -> None:
    """Take a category away. Raises NotFound, Conflict while a product of whatever status is filed under it."""
    in_use = Conflict("there are products in this category; file them elsewhere first", code="category_in_use")
    with told(IN_USE, in_use), sessions.begin() as session:
        if not affected(session.execute(delete(Category).where(Category.slug == slug))):
            raise NotFound("there is no such category", code="category_not_found")
        versions.move(session, FACTS)


def _checked(slug: str) -> str:
    try:
        return _slug.validate_python(slug)
    except ValueError:
        sentence = "a slug is made of letters and digits, with single hyphens between"
        raise Invalid(sentence, code="invalid_slug", errors={"slug": [sentence]}) from None
