"""The copy of the catalogue after something was lost: it is compared with catalog, and mended."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from cart.clients import Catalog
from cart.comparing import compare_page
from cart.copying import PAGE
from common.database import Sessions
from common.errors import Unavailable
from common.events.catalog import ProductCreated
from common.testing.sisters import FakeSister

from .listing import PRODUCTS, copies, keep, later, lists, told

NewProduct = Callable[..., ProductCreated]


def test_what_was_never_told_comes_into_the_copy(
    own: Sessions, listed: Catalog, sister: FakeSister, product: NewProduct
) -> None:
    known, missed = product(), product(version=3)
    keep(own, known)
    lists(sister, known, missed)

    assert compare_page(own, listed, 0) is None
    assert copies(own) == told(known, missed)


def test_a_newest_event_that_was_lost_is_made_up_for(
    own: Sessions, listed: Catalog, sister: FakeSister, product: NewProduct
) -> None:
    old = product()
    new = later(old, version=2, price=Decimal("9.00"))
    keep(own, old)
    lists(sister, new)
    compare_page(own, listed, 0)

    assert copies(own) == told(new)


def test_what_says_the_same_is_left_alone(
    own: Sessions, listed: Catalog, sister: FakeSister, product: NewProduct
) -> None:
    known = product(sku=None)
    keep(own, known)
    lists(sister, later(known, version=2))  # a version for an event that cart does not hear
    compare_page(own, listed, 0)

    assert copies(own) == told(known)


@pytest.mark.parametrize("version", [3, 5])
def test_a_catalog_that_has_gone_back_takes_the_copy_along(
    own: Sessions, listed: Catalog, sister: FakeSister, product: NewProduct, version: int
) -> None:
    kept = product(version=5, name="Since lost")
    restored = later(kept, version=version, name="From the backup")
    keep(own, kept)
    lists(sister, restored)
    compare_page(own, listed, 0)
    assert copies(own) == told(restored)

    following = later(restored, version=version + 1, name="Changed again")
    keep(own, following)
    assert copies(own) == told(following)


def test_a_version_that_is_too_high_goes_back_although_all_else_is_right(
    own: Sessions, listed: Catalog, sister: FakeSister, product: NewProduct
) -> None:
    kept = product(version=5)
    keep(own, kept)
    lists(sister, later(kept, version=3))
    compare_page(own, listed, 0)

    assert copies(own) == told(later(kept, version=3))


def test_what_catalog_does_not_know_any_more_is_off_sale_until_it_is_told_of_again(
    own: Sessions, listed: Catalog, sister: FakeSister, product: NewProduct
) -> None:
    gone, stays = product(version=4), product()
    keep(own, gone, stays)
    lists(sister, stays)
    compare_page(own, listed, 0)
    assert copies(own) == told(later(gone, status="archived", version=0), stays)

    anew = later(gone, version=1, name="Another with the same number")
    keep(own, anew)
    assert copies(own) == told(anew, stays)


def test_an_event_that_comes_while_catalog_is_asked_knows_better(
    own: Sessions, listed: Catalog, sister: FakeSister, product: NewProduct
) -> None:
    stale, gone, fresh = product(version=5), product(version=5), product()
    heard = [later(each, version=each.version + 2, name="Just heard") for each in (stale, gone, fresh)]
    keep(own, stale, gone)
    lists(sister, later(stale, version=3), later(fresh, version=2), first=lambda: keep(own, *heard))
    compare_page(own, listed, 0)

    assert copies(own) == told(*heard)


def test_a_page_ends_where_the_shorter_of_both_lists_does(
    own: Sessions, listed: Catalog, sister: FakeSister, product: NewProduct
) -> None:
    products = [product() for _ in range(2 * PAGE + 10)]
    only_here, only_there = products[: PAGE + 5], products[PAGE + 5 :]
    keep(own, *only_here)
    lists(sister, products[0], *only_there)

    last: int | None = 0
    pages = 0
    while last is not None:
        last = compare_page(own, listed, last)
        pages += 1
    forgotten = [later(each, status="archived", version=0) for each in only_here[1:]]
    assert copies(own) == told(products[0], *forgotten, *only_there)
    assert pages == 3


def test_a_list_that_does_not_move_on_ends(own: Sessions, listed: Catalog, sister: FakeSister) -> None:
    body = {"id": 7, "sku": None, "name": "Oil", "price": "1.00", "currency": "GBP", "version": 1}
    page = {"products": [body | {"status": "active", "availability": "in_stock"}] * PAGE}
    sister.answer("GET", PRODUCTS, lambda *_: (200, page))

    assert compare_page(own, listed, 0) == 7
    assert compare_page(own, listed, 7) is None
    assert copies(own)[7][0] == "Oil"


def test_asking_raises_what_the_caller_waits_out(own: Sessions, listed: Catalog, sister: FakeSister) -> None:
    sister.answer("GET", PRODUCTS, lambda *_: (500, {}))

    with pytest.raises(Unavailable):
        compare_page(own, listed, 0)
