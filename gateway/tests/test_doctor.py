"""Faults planted behind everybody's back are found and named by `stoa doctor`, and gone once they are undone."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import create_engine, text

from common.testing.waiting import eventually

from .operator import Operator
from .people import Person, Visitor, new_product, ok, wait_for_numbers
from .site import PATIENCE_S, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@contextmanager
def altered(site: Site, schema: str, change: str, back: str, **values: object) -> Iterator[None]:
    """A schema with something changed in it, until the block ends."""
    engine = create_engine(site.root_url(schema), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            assert connection.execute(text(change), values).rowcount == 1
            try:
                yield
            finally:
                connection.execute(text(back), values)
    finally:
        engine.dispose()


def test_what_does_not_add_up_is_named(site: Site, admin: Person, ben: Person, stranger: Visitor) -> None:
    operator, product = Operator(site), new_product(admin)
    order = ok(ben.order(product, 2), 201)["id"]
    wait_for_numbers(stranger, product, stock=8, sold=2)
    mine = (f"product {product}:", str(order))

    def faults(patience: str) -> list[str]:
        """What is said of this product and this order."""
        _, lines = operator.doctor("--patience", patience)
        assert not [line for line in lines if line.startswith("?")]
        return [line for line in lines if any(each in line for each in mine)]

    with (
        altered(
            site,
            "realtime",
            "update sold set sold = sold + 1 where product_id = :product",
            "update sold set sold = sold - 1 where product_id = :product",
            product=product,
        ),
        altered(
            site,
            "catalog",
            "update reservation_lines set quantity = 3 where order_id = :order",
            "update reservation_lines set quantity = 2 where order_id = :order",
            order=UUID(order).bytes,
        ),
        altered(
            site,
            "notifier",
            "update notifications set type = 'mislaid' where cause = :cause and type = 'order_confirmation'",
            "update notifications set type = 'order_confirmation' where cause = :cause and type = 'mislaid'",
            cause=f"order/{order}/1",
        ),
    ):
        found = faults("1")
    assert len(found) == 4, found
    for said in (
        f"product {product}: counted are 3, catalog has sold 2",
        f"product {product}: sold is 2, its lines are 3",
        f"has pieces 2 × product {product}, sold are 3 × product {product}",
        "0 mails order_confirmation instead of 1",
    ):
        assert any(said in line for line in found), said
    eventually(lambda: faults("5") == [], PATIENCE_S)
