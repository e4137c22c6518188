"""Editing products: what administrators do to the catalogue, one product at a time."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog import versions
from catalog.models import ARCHIVED, SET, Category, Product
from catalog.races import one_product_per_sku, unknown_category
from catalog.schemas import AdminProductView, ProductChange, ProductDraft, ProductReplacement
from catalog.shelves import enter, move
from catalog.telling import Shown, tell_change, tell_created
from common import outbox
from common.clock import now
from common.database import Sessions, retried
from common.errors import NotFound
from common.idempotency import Answer, claim_one, finish, new_claim
from common.preconditions import check_match
from common.tokens import User

CREATE = "POST /api/products/"


@retried
def create_product(sessions: Sessions, draft: ProductDraft, admin: User, key: str | None, currency: str) -> Answer:
    """A new product; a repeated key gets the first answer. Raises Conflict for a taken SKU, KeyReused."""
    claim = new_claim(key, str(admin.id), CREATE, draft.model_dump(mode="json"))
    with one_product_per_sku(), sessions.begin() as session:
        claimed = claim_one(session, claim)
        if isinstance(claimed, Answer):
            return claimed
        _check_category(session, draft.category)
        product = Product.new({name: getattr(draft, name) for name in ProductDraft.model_fields})
        session.add(product)
        session.flush()
        versions.count_in(session, product.status)
        _enter(session, product, product.on_hand, admin)
        outbox.say(session, tell_created(product, currency))
        answer = _created(AdminProductView.of(product, currency))
        finish(session, claimed, answer)
        return answer


def _created(view: AdminProductView) -> Answer:
    return Answer(201, view.model_dump(mode="json"), {"Location": f"/api/products/{view.id}/", "ETag": view.etag})


@retried
def change_product(
    sessions: Sessions,
    product_id: int,
    changes: ProductChange | ProductReplacement,
    admin: User,
    currency: str,
    if_match: str | None,
) -> AdminProductView:
    """Take over the fields that were sent. Raises NotFound, PreconditionFailed, Conflict for a taken SKU."""
    with one_product_per_sku(), sessions.begin() as session:
        product = _locked(session, product_id)
        check_match(AdminProductView.of(product, currency).etag, if_match, "product")
        _check_category(session, getattr(changes, "category", None))
        sent = {name: getattr(changes, name) for name in changes.model_fields_set}
        _edit(session, product, sent, admin, currency)
        return AdminProductView.of(product, currency)


@retried
def archive_product(sessions: Sessions, product_id: int, admin: User, currency: str, if_match: str | None) -> None:
    """Take a product off sale; orders keep their lines. A repeat changes nothing. Raises NotFound."""
    with sessions.begin() as session:
        product = _locked(session, product_id)
        check_match(AdminProductView.of(product, currency).etag, if_match, "product")
        _edit(session, product, {"status": ARCHIVED}, admin, currency)


def _check_category(session: Session, slug: object) -> None:
    """Raise Invalid for a category that is not there. A DELETE at the same moment is refused by the foreign key."""
    if isinstance(slug, str) and session.scalar(select(Category.slug).where(Category.slug == slug)) is None:
        raise unknown_category(f"there is no category {slug}; make it first")


def _locked(session: Session, product_id: int) -> Product:
    product = session.scalar(select(Product).where(Product.id == product_id).with_for_update())
    if product is None:
        raise NotFound("there is no such product", code="product_not_found")
    return product


def _edit(session: Session, product: Product, values: Mapping[str, Any], admin: User, currency: str) -> None:
    """Change the row, keep the ledger, and tell the others if it concerns them."""
    before = Shown.of(product)
    delta = product.edit(values)
    if not session.is_modified(product):
        return
    product.updated_at = now()
    versions.count_in(session, product.status, before.status)
    _enter(session, product, delta, admin)
    said, product.version = tell_change(before, product, currency)
    outbox.say(session, *said)


def _enter(session: Session, product: Product, delta: int, admin: User) -> None:
    enter(session, [move(product.id, delta, SET, actor=admin.id)] if delta else [])
