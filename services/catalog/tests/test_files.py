"""Reading files: real ones are untidy, and none may grow the memory."""

import tracemalloc
from pathlib import Path

import pytest

from catalog import files
from catalog.files import CSV, NDJSON, Line, inspect, lines_of
from catalog.unfolding import unfold
from common.errors import Invalid, Problem, TooLarge

pytestmark = pytest.mark.unit

BYTES_PER_SKU = 200
"""For the hash by which a SKU that comes twice is found."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a file can lie."""
    return tmp_path / "file"


def read(file: Path, content: str | bytes, file_format: str = CSV) -> list[Line]:
    """The rows of a file of this content."""
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(lines_of(file, file_format))


# CSV


def test_rows_are_read_by_their_header(file: Path) -> None:
    (line,) = read(file, "sku,name,price,stock\nA1,Lamp,1.50,3\n")

    assert (line.number, line.values) == (2, {"sku": "A1", "name": "Lamp", "price": "1.50", "stock": "3"})


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_any_line_end_and_a_byte_order_mark_will_do(file: Path, mark: str, end: str) -> None:
    lines = read(file, f"{mark}SKU, Name ,PRICE{end}A1,Lamp,1{end}{end}A2,Tórch,2{end}")

    assert [line.values["sku"] for line in lines] == ["A1", "A2"]
    assert lines[1].values["name"] == "Tórch"


def test_quoted_cells_hold_commas_quotes_and_line_breaks(file: Path) -> None:
    first, second = read(file, 'sku,name,description\nA1,"Lamp, red","one\r\ntwo ""three"""\nA2,Torch,\n')

    assert first.values == {"sku": "A1", "name": "Lamp, red", "description": 'one\r\ntwo "three"'}
    assert (first.number, second.number) == (2, 4)
    assert second.values == {"sku": "A2", "name": "Torch"}


def test_rows_of_nothing_are_passed_over_and_lines_are_counted_on(file: Path) -> None:
    lines = read(file, "\n\nsku,name\n\n,\n  , \nA1,Lamp,,\n")

    assert [(line.number, line.values, line.fault) for line in lines] == [(7, {"sku": "A1", "name": "Lamp"}, None)]


@pytest.mark.parametrize("row", ["A1", "A1,Lamp,1,more"])
def test_a_row_of_another_width_is_a_bad_row(file: Path, row: str) -> None:
    bad, good = read(file, f"sku,name,price\n{row}\nA2,Torch,2\n")

    assert bad.fault is not None
    assert bad.raw == row.split(",")
    assert good.fault is None


def test_a_cell_too_large_to_read_is_a_bad_row_and_the_rest_goes_on(file: Path) -> None:
    bad, good = read(file, f"sku,name\nA1,{'x' * 200_000}\nA2,Torch\n")

    assert "cannot be read" in str(bad.fault)
    assert good.values["sku"] == "A2"


def test_fields_of_the_server_are_ignored_and_counted(file: Path) -> None:
    (line,) = read(file, "sku,name,id,on_hand,error\nA1,Lamp,5,,what was wrong\n")

    assert line.values == {"sku": "A1", "name": "Lamp"}
    assert line.ignored == 1


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("colour;name;price", "missing_columns"),
        ("sku,name,Name", "duplicate_columns"),
        ("name,price", "missing_columns"),
        ("sku" + ",x" * 256, "too_many_columns"),
        ('sku,"name', "invalid_header"),
        ("sku," + "x" * 300_000, "invalid_header"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(file: Path, header: str, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read(file, f"{header}\nA1,Lamp,1\n")

    assert refusal.value.problem_code == code


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n\n", b"sku,name\n", b"sku,name\n\n,\n"])
def test_a_file_without_rows_is_empty(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    with pytest.raises(Invalid) as refusal:
        inspect(file, CSV)

    assert refusal.value.problem_code == "empty_file"


@pytest.mark.parametrize(
    "content", [b"sku,name\nA1,caf\xe9\n", "sku,name\nA1,Lamp\n".encode("utf-16"), b"\xff\xd8\xff"]
)
def test_another_encoding_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    with pytest.raises(Invalid) as refusal:
        inspect(file, CSV)

    assert refusal.value.problem_code == "not_utf8"


def test_too_many_rows_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_ROWS", 3)
    file.write_text("sku\nA\nB\nC\n")
    assert inspect(file, CSV).total == 3

    file.write_text("sku\nA\nB\nC\nD\n")
    with pytest.raises(TooLarge):
        inspect(file, CSV)


def test_memory_does_not_grow_with_the_file(file: Path) -> None:
    def peak(rows: int) -> int:
        """Of three, the least: what other threads of the tests take meanwhile is counted too."""
        file.write_text("sku,name,price\n" + "".join(f"S{n},Lamp number {n},1.50\n" for n in range(rows)))
        return min(once() for _ in range(3))

    def once() -> int:
        tracemalloc.start()
        inspect(file, CSV)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(20_000) < peak(2_000) + 18_000 * BYTES_PER_SKU


# What is known beforehand


def test_a_file_s_columns_are_known_as_they_are_written(file: Path) -> None:
    file.write_text("SKU; Name;Zoom;'=x;;colour;Id;error;Zoom;\nA1;Lamp;;;;;;;\n")

    found = inspect(file, CSV)

    assert found.columns == ["SKU", "Name", "Zoom", "=x", "", "colour", "Id", "error", "Zoom"]
    assert found.unknown_columns == ["=x", "Zoom", "colour"]


def test_of_many_unknown_columns_some_are_named_and_not_in_full(file: Path) -> None:
    file.write_text("sku," + ",".join(f"c{n:03}" + "x" * 100 for n in range(200)) + "\nA1" + "," * 200 + "\n")

    named = inspect(file, CSV).unknown_columns

    assert named == [f"c{n:03}" + "x" * 60 for n in range(100)]


def test_json_lines_have_no_columns_but_unknown_members(file: Path) -> None:
    file.write_text("".join(f'{{"sku":"A{n % 3}","m{n % 2}":1,"id":2,"":3}}\n' for n in range(9)))

    found = inspect(file, NDJSON)

    assert (found.columns, found.unknown_columns, found.total) == (None, ["m0", "m1"], 9)


@pytest.mark.parametrize(
    ("rows", "repeats"),
    [
        ("A1,x\nA2,x\n", False),
        ("A1,x\n A1 ,y\n", True),
        ("A1,x\na1,x\n", False),
        (",x\n,x\n", False),
        ("A1,x\nA1\n", False),
    ],
)
def test_a_sku_that_comes_twice_is_noticed(file: Path, rows: str, repeats: bool) -> None:
    file.write_text(f"sku,name\n{rows}")

    assert inspect(file, CSV).repeats is repeats


def test_a_sku_that_comes_twice_is_noticed_in_json_too(file: Path) -> None:
    file.write_text('{"sku":"A1"}\n{"sku":7}\n{"sku":7}\n{"sku":" A1 "}\n')

    assert inspect(file, NDJSON).repeats


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("sku,name\nA1,caf\xe9\n".encode("latin-1"), "line 2 holds the byte E9; it looks like Windows-1252"),
        ("sku\n".encode("utf-16"), "it looks like UTF-16 text, which Excel calls Unicode"),
        ("sku,name\n".encode("utf-16-le"), "it looks like UTF-16 text"),
        (b"PK\x03\x04", "it looks like a ZIP archive such as an Excel workbook"),
        (b"sku\n" + b"A\n" * 100_000 + b"\xff", "line 100002 holds the byte FF"),
        (b"sku\n" + b"A\n" * 100_000 + b"\x00", "line 100002 holds a NUL byte"),
    ],
)
def test_a_refused_encoding_is_called_by_its_name(file: Path, content: bytes, why: str) -> None:
    file.write_bytes(content)

    with pytest.raises(Invalid) as refusal:
        inspect(file, CSV)

    assert why in refusal.value.detail


def test_a_line_too_long_is_not_taken_into_memory_whole(file: Path) -> None:
    file.write_bytes(b"sku,name\n" + b"x" * 20_000_000 + b"\nA1,Lamp\n")

    tracemalloc.start()
    bad, good = lines_of(file, CSV)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (bad.number, good.number, good.fault) == (2, 3, None)
    assert most < 5_000_000


# JSON


def test_json_lines_are_rows(file: Path) -> None:
    content = '{"sku": "A1", "stock": 3, "id": 7}\n\n[1]\n{"sku": \nnull\n{"sku": "\\ud800"}\n'

    lines = read(file, content, NDJSON)

    assert [line.number for line in lines] == [1, 3, 4, 5, 6]
    assert (lines[0].values, lines[0].ignored) == ({"sku": "A1", "stock": 3}, 1)
    assert all(line.fault for line in lines[1:])


@pytest.mark.parametrize("size", [10, 300, 10_000_000])
def test_a_json_body_is_unfolded_whatever_window_it_is_read_through(
    file: Path, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.unfolding.READ", size)
    products = '[ {"sku":"A1","name":"L{}[],\\"é"} , {"sku" : "A2"},\n{"sku":"A3","stock":12345678}]'
    file.write_text(f'\ufeff {{ "products" :{products} }} \n')
    target = tmp_path / "lines"

    unfold(file, target)

    lines = list(lines_of(target, NDJSON))
    assert [(line.number, line.values["sku"]) for line in lines] == [(1, "A1"), (2, "A2"), (3, "A3")]
    assert lines[0].values["name"] == 'L{}[],"é'
    assert lines[2].values["stock"] == 12_345_678


def test_a_json_body_may_hold_no_products(file: Path, tmp_path: Path) -> None:
    file.write_text('{"products": []}')

    unfold(file, tmp_path / "lines")

    assert (tmp_path / "lines").read_text() == ""


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"products"',
        '{"products": {}}',
        '{"products": [1]}',
        '{"products": ["lamp"]}',
        '{"products": [{}',
        '{"products": [{}]',
        '{"products": [{},]}',
        '{"products": [{}]} more',
        '{"products": [{"a": }]}',
        '{"things": []}',
        '{"products": [{"sku": ' + "[" * 100_000,
        '{"products": [{"sku": ' + "9" * 5000 + "}]}",
    ],
)
def test_a_json_body_of_another_shape_is_refused(file: Path, tmp_path: Path, body: str) -> None:
    file.write_text(body)

    with pytest.raises(Problem) as refusal:
        unfold(file, tmp_path / "lines")

    assert refusal.value.problem_code == "invalid_json"
