"""Odd files through the real door: each is refused with its reason, or every row of it is accounted for."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from catalog.settings import CatalogSettings
from common.testing.signing import SignedUser

PATH = "/api/products/bulk-upload/"
NDJSON, JSON = "application/x-ndjson", "application/json"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
H = b"sku,name,price,stock\n"
ROW = b"$1,Lamp,1.50,3\n"


def zipped(**parts: bytes) -> bytes:
    """An archive of these parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


REFUSED: dict[str, tuple[bytes, str, int, str]] = {
    "nothing": (b"", "text/csv", 400, "empty_file"),
    "a byte order mark alone": (b"\xef\xbb\xbf", "text/csv", 400, "empty_file"),
    "blank lines": (b"\n \r\n\t\r\r,,\n", "text/csv", 400, "empty_file"),
    "a header alone": (H, "text/csv", 400, "empty_file"),
    "a header and blank lines": (H + b"\n,,,\n  ,\n", "text/csv", 400, "empty_file"),
    "a header without sku": (b"name,price\nLamp,1\n", "text/csv", 400, "missing_columns"),
    "no header": (ROW, "text/csv", 400, "missing_columns"),
    "another delimiter": (b"sku|name\nA|Lamp\n", "text/csv", 400, "missing_columns"),
    "a known column twice": (b"sku,name,Name\nA,x,y\n", "text/csv", 400, "duplicate_columns"),
    "sku twice": (b"sku,SKU\nA,B\n", "text/csv", 400, "duplicate_columns"),
    "257 columns": (b"sku" + b",x" * 256 + b"\nA\n", "text/csv", 400, "too_many_columns"),
    "100,000 columns": (b"sku" + b",a" * 100_000 + b"\nA\n", "text/csv", 400, "too_many_columns"),
    "a header that is too long": (b"sku," + b"x" * 300_000 + b"\nA\n", "text/csv", 400, "invalid_header"),
    "a header with an unclosed quote": (b'sku,"name\nA,Lamp\n', "text/csv", 400, "invalid_header"),
    "UTF-16 as Excel writes it": (("sku\tname\nA\tLamp\n").encode("utf-16"), "text/csv", 400, "not_utf8"),
    "UTF-16, high byte first": (b"\xfe\xff" + "sku,name\nA,b\n".encode("utf-16-be"), "text/csv", 400, "not_utf8"),
    "UTF-16 without a mark": ("sku,name\nA,Lamp\n".encode("utf-16-le"), "text/csv", 400, "not_utf8"),
    "UTF-32": ("sku,name\nA,Lamp\n".encode("utf-32"), "text/csv", 400, "not_utf8"),
    "Latin-1": ("sku,name\nA,café\n".encode("latin-1"), "text/csv", 400, "not_utf8"),
    "Windows-1252 in NDJSON": ('{"sku":"A","name":"5 €"}\n'.encode("cp1252"), NDJSON, 400, "not_utf8"),
    "Latin-1 in JSON": ('{"products":[{"sku":"é"}]}'.encode("latin-1"), JSON, 400, "not_utf8"),
    "half a character at the end": (H + ROW + b"\xc3", "text/csv", 400, "not_utf8"),
    "a character written too long": (H + b"A,\xc0\xaf,1,1\n", "text/csv", 400, "not_utf8"),
    "half a pair": (H + b"A,\xed\xa0\x80,1,1\n", "text/csv", 400, "not_utf8"),
    "a NUL in a cell": (H + b"A,La\x00mp,1,1\n", "text/csv", 400, "nul_byte"),
    "a NUL in NDJSON": (b'{"sku":"A\x00","name":"Lamp","price":"1.00"}\n', NDJSON, 400, "nul_byte"),
    "a NUL far away": (H + ROW * 10_000 + b"\x00", "text/csv", 400, "nul_byte"),
    "an archive": (zipped(a=b"b"), "text/csv", 400, "not_utf8"),
    "gzip": (gzip.compress(H + ROW), "text/csv", 400, "not_utf8"),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "text/csv", 400, "not_utf8"),
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "text/csv", 400, "not_utf8"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "text/csv", 400, "not_utf8"),
    "JSON as CSV": (b'{"products": [{"sku": "A"}]}', "text/csv", 400, "missing_columns"),
    "HTML as CSV": (b"<html><body>sku,name</body></html>", "text/csv", 400, "missing_columns"),
    "NDJSON of blank lines": (b"\n \n\r\n", NDJSON, 400, "empty_file"),
    "JSON cut off": (b'{"products": [{"sku": "A"}', JSON, 400, "invalid_json"),
    "JSON with a comma too much": (b'{"products": [{"sku": "A"},]}', JSON, 400, "invalid_json"),
    "JSON of nothing": (b'{"products": []}', JSON, 400, "empty_file"),
    "JSON in depth": (b'{"products": [{"sku": ' + b"[" * 100_000, JSON, 400, "invalid_json"),
    "JSON with a number of 5,000 digits": (
        b'{"products": [{"stock": ' + b"9" * 5000 + b"}]}",
        JSON,
        400,
        "invalid_json",
    ),
    "text as a workbook": (H + ROW, XLSX, 400, "invalid_workbook"),
    "an archive as a workbook": (zipped(a=b"b"), XLSX, 400, "invalid_workbook"),
    "nothing as a workbook": (b"", XLSX, 400, "invalid_workbook"),
}

PAGE = 10
GOOD, BAD = {"created": 1}, {"failed": 1}
TAKEN: dict[str, tuple[bytes, str, dict[str, int], list[int]]] = {
    "a byte order mark": (b"\xef\xbb\xbf" + H + ROW, "text/csv", GOOD, []),
    "semicolons": (H.replace(b",", b";") + ROW.replace(b",", b";"), "text/csv", GOOD, []),
    "tabs": (H.replace(b",", b"\t") + ROW.replace(b",", b"\t"), "text/csv", GOOD, []),
    "Excel's word on the delimiter": (b"sep=;\r\nsku;name;price\r\n$1;Lamp;1\r\n", "text/csv", GOOD, []),
    "semicolons around commas": (b'"sku";"name";"price"\n"$1";"Lamp, red";"1"\n', "text/csv", GOOD, []),
    "CRLF": ((H + ROW).replace(b"\n", b"\r\n"), "text/csv", GOOD, []),
    "CR alone": ((H + ROW).replace(b"\n", b"\r"), "text/csv", GOOD, []),
    "line ends of all kinds": (
        b"sku,name,price\r\n$1,Lamp,1\r$2,Lamp,1\n$3,Lamp\r\n\r\n$4,Lamp,1",
        "text/csv",
        {"created": 3, "failed": 1},
        [4],
    ),
    "a CR within a cell": (H + b"$1,La\rmp,1,1\n$2,Lamp,1,1\n", "text/csv", {"created": 1, "failed": 2}, [2, 3]),
    "no line end": (H + ROW.strip(), "text/csv", GOOD, []),
    "blank lines all around": (b"\n\n" + H + b"\n,,,\n" + ROW + b"\n \n\n", "text/csv", GOOD, []),
    "empty cells at the ends": (H.strip() + b",,\n" + ROW.strip() + b",,\n", "text/csv", GOOD, []),
    "columns nobody knows": (b"Colour,sku,name,price,colour,\nred,$1,Lamp,1,blue,\n", "text/csv", GOOD, []),
    "256 columns": (
        b"sku,name,price" + b",x" * 253 + b"\n$1,Lamp,1" + b"," * 253 + b"\n",
        "text/csv",
        GOOD,
        [],
    ),
    "a short row": (H + b"$1,Lamp\n" + ROW, "text/csv", GOOD | BAD, [2]),
    "a long row": (H + b"$2,Lamp,1,1,more\n" + ROW, "text/csv", GOOD | BAD, [2]),
    "quoted line ends": (
        b'sku,name,price,description\n$1,Lamp,1,"one\r\ntwo\n\n"\n$2,Lamp,x,\n',
        "text/csv",
        GOOD | BAD,
        [6],
    ),
    "a quote that is never closed": (H + b'$2,"Lamp,1,1\n' + ROW, "text/csv", GOOD | BAD, [2]),
    "a quote that is never closed in a long file": (
        H + b'$x,"Lamp,1,1\n' + b"".join(b"$%d,%s,1,1\n" % (n, b"L" * 200) for n in range(1000)),
        "text/csv",
        {"created": 1000, "failed": 1},
        [2],
    ),
    "a quote that another row closes": (H + b'$2,"Lamp,1,1\n$3,"Torch",1,1\n', "text/csv", GOOD | BAD, [2]),
    "text after a quoted cell": (H + b'$2,"Lamp" red,1,1\n' + ROW, "text/csv", GOOD | BAD, [2]),
    "inches": (H + b'$1,5" lamp,1,1\n', "text/csv", GOOD, []),
    "a quote after a space": (H + b'$1, "Lamp, red",1,1\n', "text/csv", GOOD, []),
    "a cell of 65 kB": (H + b"$2," + b"x" * 66_000 + b",1,1\n" + ROW, "text/csv", GOOD | BAD, [2]),
    "a cell of 200 kB": (H + b"$2," + b"x" * 200_000 + b",1,1\n" + ROW, "text/csv", GOOD | BAD, [2]),
    "a line of 1 MB": (H + b"$2" + b",x" * 500_000 + b"\n" + ROW, "text/csv", GOOD | BAD, [2]),
    "a row of 300 kB": (
        b"sku,name,price,a,b,c,d,e\n$2,Lamp,1" + (b"," + b"x" * 60_000) * 5 + b"\n$1,Lamp,1,,,,,\n",
        "text/csv",
        GOOD | BAD,
        [2],
    ),
    "an unknown column of 65 kB": (b"sku,x\n$1," + b"x" * 66_000 + b"\n", "text/csv", BAD, [2]),
    "prices that are none": (
        b"sku,name,price\n" + "".join(f"${n},Lamp,{p}\n" for n, p in enumerate(
            ["-1", "1e9999", "NaN", "Infinity", "-Infinity", "٣", "1.001", "0x1", "1_0", "1 0", "--1", "9" * 5000, "½"]
        )).encode(),
        "text/csv",
        {"failed": 13},
        list(range(2, 15)),
    ),
    "stocks that are none": (
        b"sku,name,price,stock\n" + "".join(f"${n},Lamp,1,{p}\n" for n, p in enumerate(
            ["-1", "1e3", "1.5", "NaN", "٣", "9" * 4301, "1000000001", "+1", "true", "''5"]
        )).encode(),
        "text/csv",
        {"failed": 10},
        list(range(2, 12)),
    ),
    "emoji and writing from right to left": (H + "$1,🪔 مصباح \u202e,1,1\n".encode(), "text/csv", GOOD, []),
    "a name of control characters": (H + b"$2,\x01\x02,1,1\n" + ROW, "text/csv", GOOD | BAD, [2]),
    "cells like formulas": (H + b"$1,'=1+1,1,1\n$2,=1+1,1,'+5\n", "text/csv", GOOD | BAD, [3]),
    "an error report sent back": (b"sku,name,price,error\n$1,Lamp,1,price: no\n", "text/csv", GOOD, []),
    "fields of the server": (b"id,sku,name,price,on_hand\n7,$1,Lamp,1,9\n", "text/csv", GOOD | {"ignored": 2}, []),
    "SKUs that cannot be": (
        H + b",Lamp,1,1\n" + b"x" * 65 + b",Lamp,1,1\na\tb,Lamp,1,1\n",
        "text/csv",
        {"failed": 3},
        [2, 3, 4],
    ),
    "attributes that are none": (
        b"sku,name,price,attributes\n$2,Lamp,1,{\n$3,Lamp,1,[1]\n$1,Lamp,1,\"{\"\"a\"\": 1}\"\n",
        "text/csv",
        {"created": 1, "failed": 2},
        [2, 3],
    ),
    "an address that is none": (b"sku,name,price,image_url\n$1,Lamp,1,javascript:x\n", "text/csv", BAD, [2]),
    "NDJSON with all there is": (
        b'{"sku":"$1","name":"Lamp","price":"1.00","colour":"red"}\n\n[1]\nnull\n"x"\n{"sku":\n{"sku":7}\n{}\n',
        NDJSON,
        {"created": 1, "failed": 6},
        [3, 4, 5, 6, 7, 8],
    ),
    "NDJSON with numbers that are none": (
        b'{"sku":"$1","name":"L","price":NaN}\n{"sku":"$1","name":"L","price":1e9999}\n'
        b'{"sku":"$1","name":"L","price":1,"stock":99999999999999999999999}\n{"sku":"$1","name":"L","price":true}\n',
        NDJSON,
        {"failed": 4},
        [1, 2, 3, 4],
    ),
    "NDJSON in depth": (
        b"".join(b'{"sku":"$1","name":7,"x":' + b"[" * n + b"]" * n + b"}\n" for n in (25, 100, 900, 100_000)),
        NDJSON,
        {"failed": 4},
        [1, 2, 3, 4],
    ),
    "NDJSON in some depth": (b'{"sku":"$1","name":7,"x":' + b"[" * 15 + b"]" * 15 + b"}\n", NDJSON, BAD, [1]),
    "NDJSON with a line of 1 MB": (
        b'{"sku":"$2","name":"' + b"x" * 1_000_000 + b'"}\n{"sku":"$1","name":"Lamp","price":"1"}\n',
        NDJSON,
        GOOD | BAD,
        [1],
    ),
    "NDJSON with half a pair": (b'{"sku":"$1","name":"\\ud800","price":1}\n', NDJSON, BAD, [1]),
    "NDJSON with an escaped NUL": (b'{"sku":"$1\\u0000","name":"L\\u0000","price":1}\n', NDJSON, BAD, [1]),
    "NDJSON with a member twice": (b'{"sku":"x","sku":"$1","name":"Lamp","price":1}\n', NDJSON, GOOD, []),
    "JSON with all there is": (
        b'\xef\xbb\xbf {"products": [{"sku":"$1","name":"Lamp","price":1,"x":{}}, {"name":"\\ud800"}, {"price":NaN}]}',
        JSON,
        {"created": 1, "failed": 2},
        [2, 3],
    ),
    "JSON in some depth": (
        b'{"products": [{"sku":"$1","name":"L","price":1,"x":' + b"[" * 950 + b"]" * 950 + b"}]}",
        JSON,
        BAD,
        [1],
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_left(settings: CatalogSettings) -> Iterator[None]:
    """A file that was refused is not kept, and nothing half done lies about."""
    before = set(settings.upload_dir.iterdir())
    yield
    assert not [file for file in set(settings.upload_dir.iterdir()) - before if file.suffix]


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_cannot_be_taken_is_refused_with_its_reason(
    client: TestClient, admin: SignedUser, settings: CatalogSettings, what: str
) -> None:
    content, media_type, status, code = REFUSED[what]
    before = set(settings.upload_dir.iterdir())

    answer = client.post(PATH, content=content, headers=admin.headers | {"Content-Type": media_type})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(settings.upload_dir.iterdir()) == before


@pytest.mark.parametrize("what", TAKEN)
def test_of_a_file_that_is_taken_every_row_is_accounted_for(shop: Any, what: str) -> None:
    content, media_type, counts, bad = TAKEN[what]

    report = shop.take_in(content.replace(b"$", shop.sku().encode() + b"-"), media_type)

    assert (report["status"], shop.counts(report)) == ("finished", counts)
    assert report["total"] == report["processed"] == sum(counts.values()) - counts.get("ignored", 0)
    assert [row["line"] for row in shop.bad_rows(report["task_id"])] == bad[:PAGE]


def test_too_many_rows_are_too_large(client: TestClient, admin: SignedUser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.files.MOST_ROWS", 3)

    answer = client.post(PATH, content=b"sku\nA\nB\nC\nD\n", headers=admin.headers | {"Content-Type": "text/csv"})

    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_rows")
