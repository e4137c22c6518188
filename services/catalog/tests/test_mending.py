"""The bad rows as a file to be mended and sent again, and the file to begin with."""

import csv
import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import xlsxwriter
from fastapi.testclient import TestClient
from sqlalchemy import event, insert

from catalog import mending
from catalog.lines import COLUMNS
from catalog.receiving import WORKBOOK
from catalog.upload_models import import_errors
from common.database import Sessions
from common.ids import new_id
from common.testing.signing import SignedUser

from .binding import by_program

PATH = "/api/products/bulk-upload/"
NDJSON = "application/x-ndjson"
DELETE = "\N{DELETE}"


@pytest.fixture
def ask(client: TestClient, admin: SignedUser) -> Callable[..., Any]:
    """Asks for an import's bad rows."""

    def get(import_id: object, accept: str | None = "text/csv") -> Any:
        headers = admin.headers | ({"Accept": accept} if accept is not None else {})
        return client.get(f"{PATH}{import_id}/errors/", headers=headers)

    return get


@pytest.fixture
def file_of(ask: Callable[..., Any]) -> Callable[[dict[str, Any]], str]:
    """The bad rows of a report as a file."""

    def get(report: dict[str, Any]) -> str:
        answer = ask(report["task_id"])
        assert answer.status_code == 200, answer.text
        text: str = answer.content.decode()
        return text

    return get


@pytest.fixture
def statements(shop: Any) -> Iterator[list[str]]:
    """What the tests' own sessions ask of the database."""
    seen: list[str] = []
    engine = shop.sessions.kw["bind"]

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def records(text: str) -> list[list[str]]:
    """A CSV file's rows, the header first."""
    return list(csv.reader(StringIO(text, newline="")))


def as_text(rows: list[list[str]]) -> str:
    """The rows as a CSV file."""
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def as_lines(*rows: Any) -> str:
    """The rows as an NDJSON file."""
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)


# Refusals


def test_strangers_and_customers_get_neither_file(client: TestClient, customer: SignedUser) -> None:
    for path in (f"{PATH}{new_id()}/errors/", f"{PATH}template/"):
        assert client.get(path, headers={"Accept": "text/csv"}).status_code == 401
        assert client.get(path, headers=customer.headers | {"Accept": "text/csv"}).status_code == 403


def test_a_file_of_an_upload_that_is_not_there_is_404(ask: Callable[..., Any]) -> None:
    answer = ask(new_id())

    assert (answer.status_code, answer.json()["code"]) == (404, "upload_not_found")


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv, application/json", "application/json"),
        ("text/csv;q=0.5, */*;q=0.1", "text/csv; charset=utf-8"),
        ("application/json;q=0.2, text/csv;q=0.3", "text/csv; charset=utf-8"),
        ("text/*", "text/csv; charset=utf-8"),
        ("text/csv;q=0, */*", "application/json"),
        ("text/csv;q=0", "application/problem+json"),
        ("text/html, application/xml", "application/problem+json"),
    ],
)
def test_accept_says_how_the_bad_rows_are_given(
    shop: Any, ask: Callable[..., Any], accept: str | None, given: str
) -> None:
    answer = ask(shop.upload("sku,name\nA,Lamp\n"), accept)

    assert answer.headers["content-type"] == given
    assert answer.status_code == (406 if "problem" in given else 200)


# The good way


def test_the_file_has_the_uploads_own_columns_and_is_taken_when_it_is_mended(
    shop: Any, ask: Callable[..., Any], file_of: Callable[..., str]
) -> None:
    sku = shop.sku()
    report = shop.take_in(f'Name;SKU;Shelf;price;Shelf\n"Lamp ""A"", red";{sku};4;-1;5\nOil;{sku}b;;2;\n')

    answer = ask(report["task_id"])
    name = f"bulk-upload-{report['task_id']}-errors.csv"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    header, row = records(answer.text)
    assert header == ["Name", "SKU", "Shelf", "price", "Shelf", "error"]
    assert (row[0], row[1], row[3]) == ('Lamp "A", red', sku, "'-1")
    assert row[5].startswith("price: ")

    mended = shop.take_in(as_text([header, [*row[:3], "1.50", *row[4:]]]))
    assert shop.counts(mended) == {"created": 1}
    assert (shop.see_sku(sku)["name"], shop.see_sku(sku)["price"]) == ('Lamp "A", red', "1.50")
    assert file_of(mended) == answer.text.partition("\n")[0] + "\n"


def test_cells_are_escaped_and_come_back_as_they_were(shop: Any, file_of: Callable[..., str]) -> None:
    sku = f"=cmd|' /C calc'!A0{new_id()}"
    odd = f'@SUM(1)\n"two", größe 💡 {"x" * 100}'
    report = shop.take_in(as_text([["sku", "name", "description", "price", "+note"], [sku, "-Lamp", odd, "x", "=1"]]))

    text = file_of(report)
    header, row = records(text)
    assert header == ["sku", "name", "description", "price", "'+note", "error"]
    assert row[:5] == [f"'{sku}", "'-Lamp", f"'{odd}", "x", "'=1"]

    shop.take_in(text.replace(",x,", ",1,"))
    (product,) = shop.client.get("/api/products/", params={"sku": sku}).json()["results"]
    assert (product["name"], product["description"]) == ("-Lamp", odd)


def test_objects_and_lists_are_json_and_a_product_without_a_sku_is_named_by_its_id(
    shop: Any, file_of: Callable[..., str]
) -> None:
    sku, nameless = shop.sku(), shop.add(sku=None)
    lamp = {"sku": sku, "name": "Lamp", "price": 1.5, "stock": -1, "attributes": {"sizes": ["S", 1, None]}, "x": 1}
    report = shop.take_in(as_lines(lamp, {"id": nameless["id"], "price": "no"}), NDJSON)

    header, first, second = records(file_of(report))
    assert header == [*COLUMNS, "id", "error"]
    assert first[:9] == [sku, "Lamp", "", "1.5", "'-1", "", "", "", '{"sizes":["S",1,null]}']
    assert (second[0], second[3], second[9]) == ("", "no", str(nameless["id"]))

    first[4], second[3] = "3", "7"
    assert shop.counts(shop.take_in(as_text([header, first, second]))) == {"created": 1, "updated": 1}
    assert shop.see_sku(sku)["attributes"] == {"sizes": ["S", 1, None]}
    assert shop.see(nameless["id"])["price"] == "7.00"


def test_an_upload_of_json_and_of_a_workbook_is_given_like_any_other(
    shop: Any, file_of: Callable[..., str], tmp_path: Path
) -> None:
    body = json.dumps({"products": [{"sku": "J-1", "name": "Lamp", "price": "x"}]})
    book = by_program(tmp_path / "book", ["sku", "name", "price", "Lager"], ["X-1", "Lamp", "x", 3.0])

    from_json = records(file_of(shop.take_in(body, "application/json")))
    from_book = records(file_of(shop.take_in(book.read_bytes(), WORKBOOK)))

    assert (from_json[0], from_json[1][:4]) == ([*COLUMNS, "id", "error"], ["J-1", "Lamp", "", "x"])
    assert (from_book[0], from_book[1][:4]) == (["sku", "name", "price", "Lager", "error"], ["X-1", "Lamp", "x", "3"])


@pytest.mark.parametrize("columns", [["error", "sku", "price"], ["sku", "Error", "price"], ["ERROR", "sku", "price"]])
def test_an_error_column_of_its_own_is_left_out_and_ignored(
    shop: Any, file_of: Callable[..., str], columns: list[str]
) -> None:
    cells = {"sku": "A-1", "price": "x"}
    rows = [[cells.get(name, "older") for name in columns], ["B-1"], [*"abc", "beyond"]]
    report = shop.take_in(as_text([columns, *rows]) + 'C-1,"open\n')

    text = file_of(report)

    kept = [at for at, name in enumerate(columns) if name.lower() != "error"]
    assert [row[:2] for row in records(text)] == [
        ["sku", "price"],
        ["A-1", "x"],
        ["B-1", ""],
        ["abc"[at] for at in kept],
        ['C-1,"open', ""],
    ]
    assert "older" not in text


def test_the_widest_file_has_room_for_the_error(shop: Any, file_of: Callable[..., str]) -> None:
    header = ["sku", *(f"c{n}" for n in range(255))]
    report = shop.take_in(as_text([header, ["", *"x" * 255]]))

    again = shop.take_in(file_of(report))

    assert shop.counts(again) == {"failed": 1}
    more = shop.client.post(
        PATH, content=as_text([[*header, "c"], ["A"]]), headers=shop.admin.headers | {"Content-Type": "text/csv"}
    )
    assert (more.status_code, more.json()["code"]) == (400, "too_many_columns")


# What was not mended stays bad


TABLES = {
    "a short row": ("sku,name,price\n{0}\n", ["{0}", "", "", None, mending.MARK]),
    "a long row": ("sku,name,price\n{0},Lamp,1,50\n", ["{0}", "Lamp", "1", None, "50"]),
    "an open quote": ('sku,name,price\n{0},"Lamp,1\n', ['{0},"Lamp,1', "", "", None, mending.MARK]),
    "a bad price": ("sku,name,price\n{0},Lamp,x\n", ["{0}", "Lamp", "x", None]),
    "no name": ("sku,name,price\n{0},,1\n", ["{0}", "", "1", None]),
    "a cell that is too long": (
        f"sku,name,price\n{{0}},Lamp,1,{'x' * 70_000}\n",
        ["{0}", "Lamp", "1", None, "x" * 1000],
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_bad_row_of_cells_that_was_not_mended_is_bad_again(shop: Any, file_of: Callable[..., str], case: str) -> None:
    sku = shop.sku()
    text, expected = TABLES[case]
    report = shop.take_in(text.format(sku))

    once = file_of(report)
    (row,) = records(once)[1:]
    message = shop.bad_rows(report["task_id"])[0]["message"]
    assert row == [message if cell is None else cell.format(sku) for cell in expected]

    again = shop.take_in(once)
    assert shop.counts(again) == {"failed": 1}
    (second,) = records(file_of(again))[1:]
    assert (second[:3], second[4:]) == (row[:3], row[4:])


LINES = {
    "no JSON": '{"sku": "{0}", ',
    "no object": '["{0}"]',
    "an object for a name": {"sku": "{0}", "name": {"en": "Lamp"}, "price": "1"},
    "a number for a SKU": {"sku": 17, "name": "Lamp", "price": "1"},
    "an empty name": {"sku": "{0}", "name": "", "price": "1"},
    "a NUL": {"sku": "{0}", "name": "Lamp\x00", "price": "1"},
    "a space that is a control": {"sku": "{0}", "name": "Lamp\x1c", "price": "1"},
    "a text longer than a cell": {"sku": "{0}", "name": "Lamp", "price": "1", "description": "x\nA,b,1\n" * 12_000},
    "lists longer than a row": {"sku": "{0}"} | dict.fromkeys(("name", "description", "attributes"), [""] * 20_000),
    "a delete sign": {"sku": "{0}", "name": f"Lamp{DELETE}", "price": "1"},
    "a bad price": {"sku": "{0}", "name": "Lamp", "price": "x"},
}


@pytest.mark.parametrize("case", LINES)
def test_a_bad_object_that_was_not_mended_is_bad_again(shop: Any, file_of: Callable[..., str], case: str) -> None:
    sku = shop.sku()
    shop.add(sku=sku)
    report = shop.take_in(as_lines(LINES[case]).replace("{0}", sku), NDJSON)
    assert shop.counts(report) == {"failed": 1}

    once = file_of(report)
    again = shop.take_in(once)

    assert (again["total"], shop.counts(again)) == (1, {"failed": 1})
    (first,), (second,) = records(once)[1:], records(file_of(again))[1:]
    assert (first[:10], first[11:]) == (second[:10], second[11:])


def test_a_cell_that_is_an_error_of_the_spreadsheet_does_not_become_a_name(
    shop: Any, file_of: Callable[..., str], tmp_path: Path
) -> None:
    with xlsxwriter.Workbook(tmp_path / "book") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["sku", "name", "price"])
        sheet.write_row(1, 0, [shop.sku(), "", 1])
        sheet.write_formula(1, 1, "=A99", None, "#REF!")
    report = shop.take_in((tmp_path / "book").read_bytes(), WORKBOOK)

    text = file_of(report)

    assert records(text)[1][1:3] == ["#REF!", "1"]
    assert shop.counts(shop.take_in(text)) == {"failed": 1}


def test_a_row_that_csv_would_tell_otherwise_is_marked_though_it_was_good_in_itself(
    shop: Any, file_of: Callable[..., str]
) -> None:
    emptied = {"sku": shop.add(description="an old one")["sku"], "description": ""}
    priced = {"sku": shop.add()["sku"], "price": "1"}
    report = shop.take_in(as_lines(emptied, priced), NDJSON, mode="create")

    first, second = records(file_of(report))[1:]

    assert first[11:] == [mending.MARK]
    assert second[11:] == []


def test_a_marked_row_is_taken_when_it_is_mended_and_the_mark_is_emptied(
    shop: Any, file_of: Callable[..., str]
) -> None:
    sku = shop.sku()
    header, row = records(file_of(shop.take_in(f"sku,name,price\n{sku}\n")))

    mended = shop.take_in(as_text([header, [sku, "Lamp", "1", row[3], ""]]))

    assert shop.counts(mended) == {"created": 1}


# A piece at a time


def test_the_file_is_read_by_key_in_chunks_and_no_sooner_than_it_is_fetched(
    shop: Any, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mending, "CHUNK", 3)
    import_id = shop.upload("sku,name\n" + ",Lamp\n" * 10)
    shop.work_on(import_id)

    statements.clear()
    pieces = mending.report_bad_rows(shop.sessions, import_id)
    first = next(pieces)
    asked = [text for text in statements if "FROM import_errors" in text]

    assert (len(asked), first.count(b"\n")) == (1, 4)
    assert [piece.count(b"\n") for piece in pieces] == [3, 3, 1]
    assert not any("OFFSET" in text for text in statements)


def test_rows_come_in_the_order_of_the_file_though_they_were_kept_in_another(
    sessions: Sessions, shop: Any, file_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mending, "CHUNK", 2)
    import_id = shop.upload("sku,name\nA,Lamp\n")
    keep(sessions, import_id, 5, 3, 3, 3, 2, 9)

    rows = records(file_of({"task_id": import_id}))[1:]

    assert [row[0] for row in rows] == ["4: 2", "1: 3", "2: 3", "3: 3", "0: 5", "5: 9"]


def keep(sessions: Sessions, import_id: UUID, *numbers: int) -> None:
    """Bad rows on these lines."""
    told: dict[str, Any] = {"import_id": import_id, "sku": None, "field": "name", "code": "invalid", "message": "no"}
    rows = [told | {"line": line, "raw": {"sku": f"{at}: {line}"}} for at, line in enumerate(numbers)]
    with sessions.begin() as session:
        session.execute(insert(import_errors), rows)


# The file to begin with


def test_the_template_is_taken_as_it_is_and_makes_a_draft(shop: Any, client: TestClient, admin: SignedUser) -> None:
    answer = client.get(f"{PATH}template/", headers=admin.headers)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["content-disposition"] == 'attachment; filename="products-template.csv"'
    header, example = records(answer.text)
    assert header == list(COLUMNS)
    assert all(example)

    report = shop.take_in(answer.content)
    assert (report["status"], shop.counts(report)) == ("finished", {"created": 1})
    product = shop.see_sku(example[0])
    assert product["status"] == "draft"
    assert {
        name: str(product[name]) for name in ("name", "description", "price", "stock", "category", "image_url")
    } == {name: cell for name, cell in zip(header, example, strict=True) if name not in ("sku", "status", "attributes")}
    assert product["attributes"] == json.loads(example[-1])
