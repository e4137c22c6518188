"""The file that is uploaded."""

from collections import Counter
from decimal import Decimal

import pytest

from replaying.plan import Product
from replaying.uploading import as_csv

pytestmark = pytest.mark.unit


def test_it_has_a_row_for_each_product_with_its_share_of_the_stock() -> None:
    lamp = Product("A", 'A 6" LAMP, RED', 100, Counter({Decimal("2.5"): 1}))
    assert as_csv([lamp], 0.5).splitlines() == ["sku,name,price,stock", 'A,"A 6"" LAMP, RED",2.50,50']
