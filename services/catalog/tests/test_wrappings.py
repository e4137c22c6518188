"""What a file comes in: packed bodies, forms that are none, names like paths, bodies that go on and on."""

import gzip
import io
from itertools import chain, repeat
from typing import Any
from uuid import UUID

import pytest
import xlsxwriter
from fastapi.testclient import TestClient

from catalog.settings import CatalogSettings
from common.testing.signing import SignedUser

PATH = "/api/products/bulk-upload/"
NDJSON, JSON = "application/x-ndjson", "application/json"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
H = b"sku,name,price,stock\n"
ROW = b"$1,Lamp,1.50,3\n"
GOOD, BAD = {"created": 1}, {"failed": 1}


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "gzip, identity", "\x80"])
def test_a_packed_body_is_415(client: TestClient, admin: SignedUser, encoding: str) -> None:
    headers = admin.headers | {"Content-Type": "text/csv", "Content-Encoding": encoding.encode("latin-1")}

    answer = client.post(PATH, content=gzip.compress(H + ROW), headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")


def test_a_body_that_is_said_not_to_be_packed_is_taken(shop: Any, client: TestClient, admin: SignedUser) -> None:
    headers = admin.headers | {"Content-Type": "text/csv", "Content-Encoding": "Identity"}

    assert client.post(PATH, content=H + ROW, headers=headers).status_code == 202


NAMES = [
    "../../../etc/passwd",
    "..\\..\\windows.csv",
    "/etc/cron.d/x.csv",
    "a\x00b.csv",
    "x" * 5000 + ".csv",
    'a"; name="b.csv',
    "a\r\nX-Injected: 1.csv",
    "",
    ".",
    "C:\\x.CSV",
    "~root/.csv",
    "%2e%2e%2fx.csv",
    "🪔.csv",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_what_a_file_is_called_has_no_say_in_where_it_lies(
    client: TestClient, admin: SignedUser, settings: CatalogSettings, name: str
) -> None:
    before = set(settings.upload_dir.iterdir())

    answer = _form(client, admin, f'name="file"; filename="{name}"'.encode(), H + ROW)

    assert answer.status_code in (202, 400)
    new = [file.name for file in set(settings.upload_dir.iterdir()) - before]
    assert [str(UUID(file)) for file in new] == new
    assert len(new) == (answer.status_code == 202)


@pytest.mark.parametrize(
    ("name", "media_type", "content"),
    [
        ("p.csv", JSON, H + ROW),
        ("p.TSV", "text/tab-separated-values", (H + ROW).replace(b",", b"\t")),
        ("p.jsonl", "text/plain", b'{"sku":"$1","name":"Lamp","price":1}'),
        ("p.json", "text/csv", b'{"products":[{"sku":"$1","name":"Lamp","price":1}]}'),
        ("p", JSON, b'{"products":[{"sku":"$1","name":"Lamp","price":1}]}'),
        ("p.txt", NDJSON, b'{"sku":"$1","name":"Lamp","price":1}'),
        ("p.txt", "text/plain", H + ROW),
    ],
)
def test_a_form_s_file_is_read_by_its_ending_or_else_by_its_type(
    shop: Any, client: TestClient, admin: SignedUser, name: str, media_type: str, content: bytes
) -> None:
    file = (name, content.replace(b"$", shop.sku().encode()), media_type)

    task_id = client.post(PATH, files={"file": file}, headers=admin.headers).json()["task_id"]
    shop.work_on(UUID(task_id))

    assert shop.counts(shop.report(task_id)) == GOOD


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_workbook_is_taken_by_its_name_or_its_type(
    shop: Any, client: TestClient, admin: SignedUser, wrapped: bool
) -> None:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as workbook:
        sheet = workbook.add_worksheet()
        rows = [["sku", "Colour", "price", "name"], [shop.sku(), "red", 1.5, "Lamp"], [shop.sku(), "", -1, "Lamp"]]
        for number, row in enumerate(rows):
            sheet.write_row(number + 1, 0, row)

    if wrapped:
        answer = client.post(PATH, files={"file": ("p.XLSX", file.getvalue())}, headers=admin.headers)
    else:
        answer = client.post(PATH, content=file.getvalue(), headers=admin.headers | {"Content-Type": XLSX})
    shop.work_on(UUID(answer.json()["task_id"]))

    assert shop.counts(shop.report(answer.json()["task_id"])) == GOOD | BAD
    (bad,) = shop.bad_rows(answer.json()["task_id"])
    assert (bad["line"], bad["field"], bad["row"]["price"]) == (4, "price", "-1")


DISPOSITION, END = b"--x\r\nContent-Disposition: form-data; ", b"\r\n--x--\r\n"
BROKEN = {
    "no file": DISPOSITION + b'name="file"\r\n\r\ntext' + END,
    "no part": b"--x--\r\n",
    "nothing": b"",
    "no end": DISPOSITION + b'name="file"; filename="p.csv"\r\n\r\nsku\nA\n',
    "another boundary": b'--y\r\nContent-Disposition: form-data; name="file"; filename="p.csv"\r\n\r\nsku\r\n--y--\r\n',
    "no name": DISPOSITION + b'filename="p.csv"\r\n\r\nsku' + END,
    "no headers": b"--x\r\n\r\nsku" + END,
    "a broken header": b"--x\r\nContent-Disposition\x00: form-data\r\n\r\nsku" + END,
    "a header of 100 kB": DISPOSITION + b"x" * 100_000 + b"\r\n\r\nsku" + END,
    "too many fields": b"\r\n".join(DISPOSITION + b'name="%d"\r\n\r\n' % n for n in range(99)) + END,
    "two files": b"\r\n".join(DISPOSITION + b'name="%d"; filename="p.csv"\r\n\r\nsku\nA' % n for n in range(2)) + END,
}


@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")  # the framework's, of a form that breaks off
@pytest.mark.parametrize("what", BROKEN)
def test_a_form_that_is_none_is_refused(
    client: TestClient, admin: SignedUser, settings: CatalogSettings, what: str
) -> None:
    before = set(settings.upload_dir.iterdir())
    headers = admin.headers | {"Content-Type": "multipart/form-data; boundary=x"}

    answer = client.post(PATH, content=BROKEN[what], headers=headers)

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(settings.upload_dir.iterdir()) == before


@pytest.mark.parametrize("media_type", ["text/csv", "multipart/form-data; boundary=x"])
def test_a_body_that_goes_on_and_on_is_broken_off_and_not_kept(
    client: TestClient, admin: SignedUser, settings: CatalogSettings, monkeypatch: pytest.MonkeyPatch, media_type: str
) -> None:
    monkeypatch.setattr("catalog.receiving.UPLOAD_BYTES", 100_000)
    before = set(settings.upload_dir.iterdir())
    begin = DISPOSITION + b'name="file"; filename="p.csv"\r\n\r\nsku\n'
    long = chain([begin], repeat(b"A\n" * 10_000, 100))

    answer = client.post(PATH, content=long, headers=admin.headers | {"Content-Type": media_type})

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert set(settings.upload_dir.iterdir()) == before


@pytest.mark.parametrize("length", ["9" * 15, "9" * 5000, "-1", "x", "²"])
def test_a_length_is_not_trusted(client: TestClient, admin: SignedUser, length: str) -> None:
    headers = admin.headers | {"Content-Type": "text/csv", "Content-Length": length.encode("latin-1")}

    assert client.post(PATH, content=b"sku\n", headers=headers).status_code in (400, 413)


def _form(client: TestClient, admin: SignedUser, described: bytes, content: bytes) -> Any:
    body = DISPOSITION + described + b"\r\n\r\n" + content + END
    return client.post(PATH, content=body, headers=admin.headers | {"Content-Type": "multipart/form-data; boundary=x"})
