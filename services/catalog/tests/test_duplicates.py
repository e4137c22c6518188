"""Files that tell of one product more than once: the later good row wins, the earlier ones are only counted."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from catalog import importing
from catalog.upload_models import Import
from common.testing.broker import Broker

HEADER = "sku,name,price,stock\n"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows with one SKU lie in several chunks."""
    monkeypatch.setattr(importing, "CHUNK", 3)


def upload(shop: Any, text: str, *media_type: str, **options: Any) -> UUID:
    """An import that is known to hold a SKU more than once."""
    import_id: UUID = shop.upload(text, *media_type, **options)
    with shop.sessions.begin() as session:
        session.execute(update(Import).where(Import.id == import_id).values(repeats=True))
    return import_id


def take_in(shop: Any, text: str, **options: Any) -> dict[str, Any]:
    """The report of such an import once it was worked through."""
    import_id = upload(shop, text, **options)
    shop.work_on(import_id)
    report: dict[str, Any] = shop.report(import_id)
    return report


def repeating(sku: str) -> str:
    """Nine rows about four products; the last of each says 9 pieces."""
    rows = [(0, 1), (1, 1), (0, 2), (2, 1), (0, 3), (1, 9), (3, 9), (2, 9), (0, 9)]
    return HEADER + "".join(f"{sku}-{n},Lamp {stock},1.50,{stock}\n" for n, stock in rows)


@pytest.mark.parametrize("mode", ["upsert", "create"])
def test_the_later_row_wins_and_the_earlier_ones_are_counted(shop: Any, broker: Broker, mode: str) -> None:
    sku = shop.sku()
    tap = shop.tap("product.*")

    report = take_in(shop, repeating(sku), mode=mode)

    assert (report["status"], report["processed"]) == ("finished", 9)
    assert shop.counts(report) == {"created": 4, "duplicates": 5}
    products = [shop.see_sku(f"{sku}-{n}") for n in range(4)]
    assert {(product["name"], product["stock"]) for product in products} == {("Lamp 9", 9)}
    assert [shop.ledger(product["id"]) for product in products] == [[(9, "import")]] * 4
    assert {said["type"] for said in broker.take(tap, 4)} == {"product.created"}
    assert broker.size(tap) == 0


def test_the_same_file_again_writes_and_says_nothing(shop: Any, broker: Broker) -> None:
    sku = shop.sku()
    take_in(shop, repeating(sku))
    before = [shop.see_sku(f"{sku}-{n}") for n in range(4)]
    tap = shop.tap("product.*", "import.finished")

    report = take_in(shop, repeating(sku))

    assert shop.counts(report) == {"unchanged": 4, "duplicates": 5}
    assert [shop.see_sku(f"{sku}-{n}") for n in range(4)] == before
    assert [said["type"] for said in broker.take(tap, 1)] == ["import.finished"]


def test_a_bad_row_takes_no_good_row_s_place(shop: Any) -> None:
    sku = shop.sku()

    report = take_in(shop, f"{HEADER}{sku},Lamp,1,1\n{sku},Torch,-2,2\n{sku},Lantern,3,3\n\n{sku},Moon,much,4\n")

    assert shop.counts(report) == {"created": 1, "duplicates": 1, "failed": 2}
    assert [row["line"] for row in shop.bad_rows(report["task_id"])] == [3, 6]
    assert shop.see_sku(sku)["name"] == "Lantern"


def test_a_row_is_not_filled_up_from_one_whose_place_it_takes(shop: Any) -> None:
    sku = shop.sku()

    report = take_in(shop, f"{HEADER}{sku},Lamp,1,1\n{sku},Torch,,2\n")

    assert shop.counts(report) == {"duplicates": 1, "failed": 1}
    assert shop.bad_rows(report["task_id"])[0]["code"] == "required"


def test_a_check_counts_duplicates_as_the_writing_does(shop: Any) -> None:
    sku = shop.sku()

    tried = take_in(shop, repeating(sku), dry_run=True)
    written = take_in(shop, repeating(sku), on_error="abort")

    assert shop.counts(tried) == shop.counts(written) == {"created": 4, "duplicates": 5}
    assert (tried["processed"], written["processed"]) == (9, 9)


def test_a_successor_finds_the_same_duplicates(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sku = shop.sku()
    import_id = upload(shop, repeating(sku))
    real = importing.apply_chunk
    with monkeypatch.context() as patched:
        patched.setattr(importing, "apply_chunk", lambda *args: real(*args) if args[2] < 3 else None)
        shop.work_on(import_id)
    half_way = shop.report(import_id)

    shop.work_on(import_id)

    assert (half_way["status"], shop.counts(half_way)) == ("running", {"duplicates": 3})
    assert shop.counts(shop.report(import_id)) == {"created": 4, "duplicates": 5}


def test_spaces_around_a_sku_make_no_other_product_and_capitals_do(shop: Any) -> None:
    sku = shop.sku()
    rows = [f'{{"sku": "{name}", "name": "Lamp", "price": 1}}' for name in (f"  {sku}", sku, sku.lower())]

    import_id = upload(shop, "\n".join(rows), "application/x-ndjson")
    shop.work_on(import_id)

    assert shop.counts(shop.report(import_id)) == {"created": 2, "duplicates": 1}
