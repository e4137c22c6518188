"""Workbooks: read as a spreadsheet program shows them, and no danger whatever is in them."""

import datetime
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import xlsxwriter

from catalog import sheets, workbooks
from catalog.files import SHEET, Line, inspect, lines_of
from catalog.marking import Refused
from common.errors import Invalid, Problem, TooLarge, Unavailable

pytestmark = pytest.mark.unit

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}"><sheets>'
    '<sheet name="Products" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{LINKS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
SHEET_PART = "xl/worksheets/sheet1.xml"
HEADER = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>sku</t></is></c><c r="B1" t="inlineStr"><is><t>stock</t></is></c></row>'
)
ZEROS = b"0" * 1024 * 1024


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a workbook can lie."""
    return tmp_path / "workbook"


def by_program(file: Path, *rows: list[Any]) -> Path:
    """A workbook as a program writes it."""
    with xlsxwriter.Workbook(file) as workbook:
        sheet = workbook.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return file


def by_hand(file: Path, rows: str, **parts: str) -> Path:
    """A workbook whose sheet is this XML, under a header; other parts can be put in the place of the usual ones."""
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{HEADER}{rows}</sheetData></worksheet>'
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (PARTS | {SHEET_PART: sheet} | parts).items():
            archive.writestr(name, text)
    return file


def bomb(file: Path, megabytes: int, part: str = SHEET_PART) -> Path:
    """A workbook with a part of a few packed bytes that unpack to so much."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in PARTS.items():
            archive.writestr(name, text)
        with archive.open(part, "w") as filled:
            filled.write(f'<worksheet xmlns="{MAIN}"><sheetData>{HEADER}<row><c t="str"><v>'.encode())
            for _ in range(megabytes):
                filled.write(ZEROS)
            filled.write(b"</v></c></row></sheetData></worksheet>")
    return file


def lie(file: Path, part: str, size: int) -> Path:
    """Let the archive say of a part that it unpacks to so many bytes."""
    content = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        begin = archive.getinfo(part).header_offset
    entry = content.rindex(part.encode())
    struct.pack_into("<L", content, entry - 46 + 24, size)
    struct.pack_into("<L", content, begin + 22, size)
    file.write_bytes(content)
    return file


def read(file: Path) -> list[Line]:
    """The rows of the workbook's sheet, converted here."""
    target = file.with_suffix(".lines")
    sheets.convert(file, target)
    return list(lines_of(target, SHEET))


def refusal(work: Callable[[Path, Path], object], file: Path) -> str:
    """The code with which a workbook is refused."""
    with pytest.raises((Refused, Problem)) as refused:
        work(file, file.with_suffix(".lines"))
    return str(getattr(refused.value, "problem_code", None) or getattr(refused.value, "code", None))


# What is read


def test_rows_are_those_that_the_user_sees(file: Path) -> None:
    by_program(
        file, [], ["SKU", "Name ", "price", "stock"], [], ["A1", " Lamp ", 1.5, 3], [], ["A2", "Torch", "2", 4.0]
    )

    first, second = read(file)

    assert (first.number, first.values) == (4, {"sku": "A1", "name": "Lamp", "price": "1.5", "stock": "3"})
    assert (second.number, second.values) == (6, {"sku": "A2", "name": "Torch", "price": "2", "stock": "4"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (-0.0, "0"),
        (12.5, "12.5"),
        (0.1 + 0.2, "0.3"),
        (4006381333931.0, "4006381333931"),
        (1234567890123450.0, "1234567890123450"),
        (1e20, "1e+20"),
        (1e-5, "1e-05"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (True, "true"),
        (False, "false"),
        ("", ""),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.datetime.combine(datetime.date(2026, 1, 2), datetime.time(3, 4)), "2026-01-02T03:04:00"),
        (datetime.time(3, 4), "03:04:00"),
        (datetime.timedelta(hours=30), "1 day, 6:00:00"),
    ],
)
def test_values_are_texts_as_a_spreadsheet_program_shows_them(value: Any, text: str) -> None:
    assert sheets.text_of(value) == text


def test_values_of_every_kind_come_through_a_workbook(file: Path) -> None:
    by_program(file, ["sku", "stock", "name"], [4006381333931, 7, True], ["A2", 1.5, "'=1+1"], ["A3", "", "Lamp"])

    assert [line.values for line in read(file)] == [
        {"sku": "4006381333931", "stock": "7", "name": "true"},
        {"sku": "A2", "stock": "1.5", "name": "=1+1"},
        {"sku": "A3", "name": "Lamp"},
    ]


def test_formulas_count_by_their_stored_values(file: Path) -> None:
    rows = (
        '<row r="2"><c r="A2" t="str"><f>"A"&amp;1</f><v>A1</v></c><c r="B2"><f>1+1</f><v>2</v></c></row>'
        '<row r="3"><c r="A3" t="str"><f>"A"&amp;2</f><v>A2</v></c><c r="B3" t="str"><f>""</f><v></v></c></row>'
    )

    lines = read(by_hand(file, rows))

    assert [line.values for line in lines] == [{"sku": "A1", "stock": "2"}, {"sku": "A2"}]


@pytest.mark.parametrize("cell", ["<f>1+1</f>", "<f>1+1</f><v/>", "<f>1+1</f><v></v>", '<f t="shared" si="0"/>'])
def test_a_formula_without_a_stored_value_is_not_taken_for_nothing(file: Path, cell: str) -> None:
    by_hand(file, f'<row r="2"><c r="A2" t="inlineStr"><is><t>A1</t></is></c><c r="B2">{cell}</c></row>')

    with pytest.raises(Refused, match="row 2, column 2") as refused:
        read(file)

    assert refused.value.code == "formulas_without_values"


@pytest.mark.parametrize("place", ['r="B2"', ""])
def test_an_error_in_a_known_column_makes_a_bad_row(file: Path, place: str) -> None:
    name = '<c{} t="inlineStr"><is><t>A1</t></is></c>'
    rows = f'<row>{name.format("")}<c {place} t="e"><f>1/0</f><v>#DIV/0!</v></c></row><row>{name.format("")}</row>'

    bad, good = read(by_hand(file, rows))

    assert (bad.number, bad.fault) == (2, "stock: the cell holds the error #DIV/0!")
    assert bad.values["sku"] == "A1"
    assert bad.raw == {"sku": "A1", "stock": "#DIV/0!"}
    assert (good.number, good.fault) == (3, None)


def test_an_error_in_another_column_does_no_harm(file: Path) -> None:
    with xlsxwriter.Workbook(file) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["sku", "margin"])
        sheet.write(1, 0, "A1")
        sheet.write_formula(1, 1, "=1/0", None, "#DIV/0!")

    assert [(line.values, line.fault) for line in read(file)] == [({"sku": "A1"}, None)]


def test_the_first_sheet_of_cells_that_is_seen_is_taken(file: Path) -> None:
    with xlsxwriter.Workbook(file) as workbook:
        workbook.add_worksheet("lists").write_row(0, 0, ["colour"])
        chart = workbook.add_chart({"type": "line"})
        chart.add_series({"values": "=lists!$A$1:$A$2"})
        workbook.add_chartsheet("chart").set_chart(chart)
        products = workbook.add_worksheet("products")
        products.write_column(0, 0, ["sku", "A1"])
        products.write_formula(2, 0, "=1/0", None, "#DIV/0!")
        products.activate()
        products.set_first_sheet()
        workbook.worksheets()[0].hide()
        workbook.add_worksheet("more").write_column(0, 0, ["sku", "B1"])

    good, bad = read(file)

    assert good.values == {"sku": "A1"}
    assert bad.fault == "sku: the cell holds the error #DIV/0!"


def test_a_sheet_is_inspected_as_other_files_are(file: Path) -> None:
    by_program(file, ["sku", "Colour", "name"], ["A1", "red", "Lamp"], ["A2"], ["A1", "", "Torch", "", "more"])
    target = file.with_suffix(".lines")
    sheets.convert(file, target)

    found = inspect(target, SHEET)

    assert (found.total, found.columns, found.unknown_columns) == (3, ["sku", "Colour", "name"], ["Colour"])
    assert [line.fault for line in lines_of(target, SHEET)] == [None, None, "the row has 5 cells, the header 3"]


# What is refused


@pytest.mark.parametrize(
    "content",
    [b"", b"sku,name\nA1,Lamp\n", b"PK\x03\x04 and no more", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096)],
)
def test_what_is_no_archive_is_no_workbook(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    assert refusal(sheets.convert, file) == "invalid_workbook"


DECLARING = '<!DOCTYPE workbook [<!ENTITY a "aaaa">]>' + PARTS["xl/workbook.xml"]


@pytest.mark.parametrize(
    "parts",
    [
        {"xl/workbook.xml": "<workbook"},
        {"xl/workbook.xml": f'<workbook xmlns="{MAIN}"><sheets/></workbook>'},
        {"xl/workbook.xml": DECLARING},
        {"xl/_rels/workbook.xml.rels": "<Relationships/>"},
        {"xl/_rels/workbook.xml.rels": PARTS["xl/_rels/workbook.xml.rels"].replace("worksheets/", "../../")},
        {SHEET_PART: "<worksheet><f>"},
        {SHEET_PART: "sku,name"},
        {SHEET_PART: f'<!DOCTYPE x><worksheet xmlns="{MAIN}"><sheetData><row><c t="e"/></row></sheetData></worksheet>'},
    ],
    ids=range(8),
)
def test_an_archive_with_something_else_in_it_is_no_workbook(file: Path, parts: dict[str, str]) -> None:
    by_hand(file, "", **parts)

    assert refusal(sheets.convert, file) == "invalid_workbook"


def test_an_archive_without_a_workbook_or_with_a_part_twice_is_no_workbook(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "sku")
    assert refusal(sheets.convert, file) == "invalid_workbook"

    by_hand(file, "")
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(SHEET_PART, "<worksheet/>")
    assert refusal(sheets.convert, file) == "invalid_workbook"


def test_too_many_parts_are_too_much(file: Path) -> None:
    by_hand(file, "", **{f"xl/media/{number}": "" for number in range(1000)})

    assert refusal(sheets.convert, file) == "too_large_unpacked"


@pytest.fixture(scope="module")
def large_bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file that unpacks to more than may be."""
    return bomb(tmp_path_factory.mktemp("bomb") / "bomb", 310)


def test_a_bomb_is_refused_by_what_it_says_of_itself_before_it_is_read(
    large_bomb: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "CalamineWorkbook", None)
    assert large_bomb.stat().st_size < 2_000_000
    assert refusal(sheets.convert, bomb(file, 20)) == "too_large_unpacked"

    monkeypatch.setattr(sheets, "MOST_RATIO", 10_000)
    assert refusal(sheets.convert, large_bomb) == "too_large_unpacked"


def test_more_is_not_written_than_an_archive_may_hold(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_BYTES", 20_000)
    by_program(file, ["sku"], *(["x" * 1000] for _ in range(30)))

    assert refusal(sheets.convert, file) == "too_large_unpacked"


# The process that reads


def test_a_workbook_is_read_by_a_process_of_its_own(file: Path) -> None:
    target = file.with_suffix(".lines")

    workbooks.convert(by_program(file, ["sku", "stock"], ["A1", 3]), target)

    assert target.read_bytes() == b'["sku","stock"]\n["A1","3"]\n'


def test_a_bomb_that_lies_about_itself_does_no_harm(large_bomb: Path, file: Path) -> None:
    shutil.copy(large_bomb, file)
    lie(file, SHEET_PART, 5_000)
    assert refusal(workbooks.convert, file) in ("too_large_unpacked", "invalid_workbook")

    bomb(file, 30, "xl/sharedStrings.xml")
    lie(file, "xl/sharedStrings.xml", 5_000)
    assert refusal(workbooks.convert, file) in ("too_large_unpacked", "invalid_workbook")


def test_a_sheet_as_wide_and_high_as_can_be_is_too_much_memory(file: Path) -> None:
    by_hand(file, '<row r="1048576"><c r="XFD1048576" t="str"><v>far</v></c></row>')

    with pytest.raises(TooLarge) as refused:
        workbooks.convert(file, file.with_suffix(".lines"))

    assert refused.value.problem_code == "too_large_unpacked"


def test_the_process_sees_no_secret(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOA_DATABASE_URL", "secret")
    code = "import os, sys; sys.stdout.write(str(any(name.startswith('STOA_') for name in os.environ)))"

    assert workbooks._run([workbooks.sys.executable, "-c", code])[:2] == (0, b"False")


@pytest.mark.parametrize(
    ("code", "error", "expected"),
    [
        ("import os; os.abort()", TooLarge, "too_large_unpacked"),
        ("import time; time.sleep(60)", TooLarge, "too_large_unpacked"),
        ("raise SystemExit(7)", Invalid, "invalid_workbook"),
    ],
)
def test_however_the_process_ends_the_file_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, code: str, error: type[Problem], expected: str
) -> None:
    monkeypatch.setattr(workbooks, "WALL_S", 0.3)
    real = workbooks._run
    monkeypatch.setattr(workbooks, "_run", lambda command: real([command[0], "-c", code]))

    with pytest.raises(error) as refused:
        workbooks.convert(file, file)

    assert refused.value.problem_code == expected


@pytest.fixture
def busy() -> Iterator[None]:
    """As many workbooks are being read as may be."""
    taken = [workbooks.AT_ONCE.acquire(timeout=1) for _ in range(2)]
    yield
    for _ in taken:
        workbooks.AT_ONCE.release()


@pytest.mark.usefixtures("busy")
def test_only_so_many_workbooks_are_read_at_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "PATIENCE_S", 0)

    with pytest.raises(Unavailable) as refused:
        workbooks.convert(file, file)

    assert "Retry-After" in refused.value.headers


def test_limits_hold_for_the_process_and_for_it_alone(file: Path) -> None:
    code = (
        "import resource, sys; from catalog import sheets; sheets._limit();"
        "sys.stdout.write(str([resource.getrlimit(n)[0] for n in (resource.RLIMIT_AS, resource.RLIMIT_CPU)]))"
    )

    assert orjson.loads(workbooks._run([workbooks.sys.executable, "-c", code])[1]) == [sheets.MEMORY, sheets.CPU_S]
