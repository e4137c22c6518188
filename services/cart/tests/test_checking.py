"""The copy held against catalog: every difference is named, none is mended, and what is on its way is none."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy import delete

from cart.checking import see_copies
from cart.clients import Catalog
from cart.models import ProductCopy
from common.database import Sessions
from common.events.catalog import ProductCreated
from common.testing.sisters import FakeSister

from .listing import copies, keep, later, lists, told

NewProduct = Callable[..., ProductCreated]


@pytest.fixture(autouse=True)
def _alone(sessions: Sessions) -> None:
    """What other tests have copied would differ as well."""
    with sessions.begin() as session:
        session.execute(delete(ProductCopy))


def test_each_copy_that_is_not_as_catalog_has_it_is_named_and_left(
    sister: FakeSister, listed: Catalog, sessions: Sessions, product: NewProduct
) -> None:
    well, dearer, unknown, gone, newer = (product(version=3) for _ in range(5))
    keep(sessions, well, dearer, gone, later(newer, version=4))
    lists(sister, well, later(dearer, version=4, price=Decimal("99.00")), unknown, newer)
    kept = copies(sessions)
    for patience_s in (0, 0.3):
        assert list(see_copies(sessions, listed, patience_s).wrong) == [
            f"product {dearer.product_id}: version 3 here, version 4 at catalog",
            f"product {unknown.product_id}: not known here, version 3 at catalog",
            f"product {gone.product_id}: version 3 here, catalog knows none",
            f"product {newer.product_id}: version 4 here, version 3 at catalog",
        ]
    assert copies(sessions) == kept


def test_a_copy_that_is_only_late_is_no_fault(
    sister: FakeSister, listed: Catalog, sessions: Sessions, product: NewProduct
) -> None:
    new = product()
    asked = iter(range(100))
    lists(sister, new, first=lambda: keep(sessions, new) if next(asked) == 2 else None)
    assert see_copies(sessions, listed, 5).wrong == []
    assert copies(sessions) == told(new)
