"""Working through a file: every row counted, nothing done twice, whatever breaks on the way."""

from typing import Any

import pytest

from catalog import importing
from common.testing.broker import Broker

HEADER = "sku,name,price,stock,description,status\n"


# The good way


def test_a_file_becomes_products(shop: Any) -> None:
    sku = shop.sku()

    report = shop.take_in(f"{HEADER}{sku},White lantern,3.39,7,for the hall,draft\n{sku}b,Torch,1,,,\n")

    assert (report["status"], report["total"], report["processed"]) == ("finished", 2, 2)
    assert shop.counts(report) == {"created": 2}
    assert report["started_at"] <= report["finished_at"]
    assert report["rows_per_second"] > 0
    product = shop.see_sku(sku)
    assert (product["name"], product["price"], product["status"]) == ("White lantern", "3.39", "draft")
    assert (product["description"], product["stock"]) == ("for the hall", 7)
    assert shop.ledger(product["id"]) == [(7, "import")]
    plain = shop.see_sku(f"{sku}b")
    assert (plain["stock"], plain["description"], plain["status"]) == (0, "", "active")


def test_the_same_file_twice_changes_nothing_the_second_time(
    shop: Any, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 100)
    sku = shop.sku()
    text = shop.lamps(sku, 150)
    shop.take_in(text)
    before = shop.see_sku(f"{sku}-149")
    tap = shop.tap("product.*", "import.finished")

    report = shop.take_in(text)

    assert shop.counts(report) == {"unchanged": 150}
    assert shop.see_sku(f"{sku}-149") == before
    (said,) = broker.take(tap, 1)
    assert said["type"] == "import.finished"


def test_a_row_changes_what_it_tells_and_no_more(shop: Any) -> None:
    product = shop.add(stock=10, description="old", name="Lamp")

    report = shop.take_in(f"sku,price,stock\n{product['sku']},9.99,\n")

    changed = shop.see(product["id"])
    assert shop.counts(report) == {"updated": 1}
    assert changed["price"] == "9.99"
    assert (changed["name"], changed["description"], changed["stock"]) == ("Lamp", "old", 10)
    assert changed["created_at"] == product["created_at"]


def test_stock_in_a_file_is_what_can_be_ordered(shop: Any) -> None:
    product = shop.add(stock=10)
    shop.hold(shop.wish({product["id"]: 4}))

    shop.take_in(f"sku,stock\n{product['sku']},1\n")

    assert shop.counters(product["id"]) == (5, 4, 0)
    assert shop.ledger(product["id"]) == [(10, "set"), (-5, "import")]


def test_skus_of_another_case_are_other_products(shop: Any) -> None:
    sku = shop.sku()

    report = shop.take_in(f"sku,name,price\n{sku.upper()},Lamp,1\n{sku.lower()},Torch,1\n")

    assert shop.counts(report) == {"created": 2}


def test_cells_that_look_like_formulas_are_data(shop: Any) -> None:
    sku = f"={shop.sku()}"

    shop.take_in(f'sku,name,price\n{sku},"=1+1; ""@SUM(A1)""",1\n')

    assert shop.see_sku(sku)["name"] == '=1+1; "@SUM(A1)"'


# What is said


def test_each_product_that_changes_is_said_once_and_the_end_too(shop: Any, broker: Broker) -> None:
    known, quiet, gone = shop.add(name="Lamp"), shop.add(), shop.add()
    fresh = shop.sku()
    tap = shop.tap("product.*", "import.finished")

    rows = [f"{known['sku']},Torch,,,,", f"{quiet['sku']},,,9,a word,", f"{gone['sku']},,,,,archived"]
    rows += [f"{fresh},New,2,1,,", "bad,,,,,"]

    report = shop.take_in(HEADER + "\n".join(rows))

    said = {event["type"]: event for event in broker.take(tap, 4)}
    updated = said["product.updated"]["data"]
    assert (updated["product_id"], updated["name"], updated["version"]) == (known["id"], "Torch", 2)
    assert said["product.archived"]["data"]["product_id"] == gone["id"]
    assert said["product.created"]["data"]["sku"] == fresh
    assert said["product.created"]["data"]["availability"] == "low_stock"
    assert said["import.finished"]["data"] == {
        "task_id": report["task_id"],
        "started_by": str(shop.admin.id),
        "status": "finished",
        "total": 5,
        "processed": 5,
        "created": 1,
        "updated": 3,
        "unchanged": 0,
        "failed": 1,
        "duplicates": 0,
        "version": said["import.finished"]["sequence"],
    }
    assert broker.size(tap) == 0
    assert shop.see(quiet["id"])["stock"] == 9


# Bad rows


def test_a_bad_row_does_not_spoil_the_file(shop: Any) -> None:
    sku = shop.sku()

    report = shop.take_in(f"{HEADER}{sku}1,Lamp,1,,,\n{sku}2,Lamp,-1,x,,\n,Lamp,1,,,\n{sku}3,,1,,,\n{sku}4,Lamp,1\n")

    assert (report["status"], report["processed"]) == ("finished", 5)
    assert shop.counts(report) == {"created": 1, "failed": 4}
    bad = shop.bad_rows(report["task_id"])
    assert [(row["line"], row["sku"], row["field"], row["code"]) for row in bad] == [
        (3, f"{sku}2", "price", "invalid"),
        (4, None, "sku", "required"),
        (5, f"{sku}3", "name", "required"),
        (6, None, "", "unreadable"),
    ]
    assert "stock: " in bad[0]["message"]
    assert bad[0]["row"] == {
        "sku": f"{sku}2",
        "name": "Lamp",
        "price": "-1",
        "stock": "x",
        "description": "",
        "status": "",
    }


def test_bad_rows_come_in_pages(shop: Any, client: Any, admin: Any) -> None:
    report = shop.take_in("sku,name,price\n" + "".join(f"x{n},Lamp,\n" for n in range(5)) + ",Lamp,1\n" * 5)
    path = f"/api/products/bulk-upload/{report['task_id']}/errors/"

    page = client.get(f"{path}?page=2&page_size=4", headers=admin.headers).json()
    first = client.get(f"{path}?limit=4", headers=admin.headers).json()
    second = client.get(f"{path}?{first['next'].partition('?')[2]}", headers=admin.headers).json()

    assert page["count"] == 10
    assert [row["line"] for row in page["results"]] == [6, 7, 8, 9]
    assert [row["line"] for row in second["results"]] == [6, 7, 8, 9]


def test_only_so_many_bad_rows_are_kept_but_all_are_counted(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MOST_ERRORS", 7)
    monkeypatch.setattr(importing, "CHUNK", 5)

    report = shop.take_in("sku,name\n" + ",Lamp\n" * 20)

    assert shop.counts(report) == {"failed": 20}
    assert len(shop.bad_rows(report["task_id"])) == 7


def test_fields_of_the_server_in_a_file_are_ignored_and_counted(shop: Any) -> None:
    sku = shop.sku()

    report = shop.take_in(f"sku,name,price,id,sold_count\n{sku},Lamp,1,77,5\n{sku}b,Lamp,1,,\n")

    assert shop.counts(report) == {"created": 2, "ignored": 2}
    assert shop.see_sku(sku)["sold_count"] == 0


# Modes


def test_create_takes_only_what_is_new(shop: Any) -> None:
    known, sku = shop.add(), shop.sku()

    report = shop.take_in(f"sku,name,price\n{known['sku']},Torch,1\n{sku},Torch,1\n", mode="create")

    assert shop.counts(report) == {"created": 1, "failed": 1}
    assert shop.bad_rows(report["task_id"])[0]["code"] == "sku_taken"
    assert shop.see(known["id"])["name"] == "Lantern"


def test_update_takes_only_what_is_there(shop: Any) -> None:
    known = shop.add()

    report = shop.take_in(f"sku,name,price\n{known['sku']},Torch,1\n{shop.sku()},Torch,1\n", mode="update")

    assert shop.counts(report) == {"updated": 1, "failed": 1}
    assert shop.bad_rows(report["task_id"])[0]["code"] == "unknown_sku"
    assert shop.see(known["id"])["name"] == "Torch"


def test_abort_writes_nothing_if_any_row_is_bad(shop: Any, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "CHUNK", 5)
    known, sku = shop.add(), shop.sku()
    tap = shop.tap("product.*", "import.finished")
    good = f"sku,name,price\n{known['sku']},Torch,1\n" + "".join(f"{sku}{n},Lamp,1\n" for n in range(12))

    report = shop.take_in(f"{good},Lamp,1\n", on_error="abort")

    assert (report["status"], shop.counts(report)) == ("failed", {"failed": 1})
    assert report["reason"]
    assert shop.bad_rows(report["task_id"])[0]["line"] == 15
    assert shop.see(known["id"])["name"] == "Lantern"
    assert shop.client.get(f"/api/products/by-sku/{sku}0/").status_code == 404
    assert broker.take(tap, 1)[0]["data"]["status"] == "failed"

    report = shop.take_in(good, on_error="abort")

    assert (report["status"], shop.counts(report)) == ("finished", {"created": 12, "updated": 1})
    assert (report["processed"], report["total"]) == (13, 13)


def test_a_dry_run_tells_what_would_happen(shop: Any) -> None:
    known, sku = shop.add(stock=10), shop.sku()

    report = shop.take_in(f"sku,name,price,stock\n{known['sku']},Torch,1,3\n{sku},Lamp,1,2\n,x,1,\n", dry_run=True)

    assert (report["status"], shop.counts(report)) == ("finished", {"created": 1, "updated": 1, "failed": 1})
    assert shop.see(known["id"]) == known
    assert shop.client.get(f"/api/products/by-sku/{sku}/").status_code == 404
