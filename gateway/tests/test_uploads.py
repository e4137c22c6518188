"""Bulk upload: good rows become products, bad ones are told, and the administrator gets a mail."""

import pytest

from common.testing.waiting import eventually

from .people import Json, Person, Visitor, ok, problem, subjects_to
from .site import PATIENCE_S, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

UPLOAD = "/api/products/bulk-upload/"
ROWS = """\
sku,name,price,stock
KYL-1,Kylix,12.50,3
KYL-2,"Kylix, signed",20.00,0
KYL-3,,not money,1
KYL-4,Kylix without a price,,1
KYL-5,Kylix,1.00,-1
KYL-6,Kylix,7,2
"""


def _finished(admin: Person, url: str) -> Json:
    status = ok(admin.get(url))
    return status if status["finished_at"] else {}


def test_a_bad_row_does_not_spoil_the_file(site: Site, admin: Person, stranger: Visitor) -> None:
    mails = subjects_to(site, admin.email)["Your upload has finished"]
    answer = admin.post(UPLOAD, files={"file": ("kylikes.csv", ROWS, "text/csv")})
    accepted = ok(answer, 202)
    assert answer.headers["location"] == accepted["status_url"] == f"{UPLOAD}{accepted['task_id']}/"

    status = eventually(lambda: _finished(admin, accepted["status_url"]), PATIENCE_S)
    counts = {name: status[name] for name in ("status", "total", "processed", "created", "updated", "failed")}
    assert counts == {"status": "finished", "total": 6, "processed": 6, "created": 3, "updated": 0, "failed": 3}

    found = ok(stranger.get("/api/products/", params={"search": "KYL-", "ordering": "price"}))["results"]
    assert [(row["sku"], row["price"], row["stock"]) for row in found] == [
        ("KYL-6", "7.00", 2),
        ("KYL-1", "12.50", 3),
        ("KYL-2", "20.00", 0),
    ]
    errors = ok(admin.get(f"{accepted['status_url']}errors/"))["results"]
    assert [(row["line"], row["sku"], row["field"]) for row in errors] == [
        (4, "KYL-3", "price"),
        (5, "KYL-4", "price"),
        (6, "KYL-5", "stock"),
    ]
    eventually(lambda: subjects_to(site, admin.email)["Your upload has finished"] == mails + 1, PATIENCE_S)


def test_an_upload_is_the_administrators_business(admin: Person, ada: Person, stranger: Visitor) -> None:
    url = ok(admin.post(UPLOAD, {"products": [{"sku": "OIN-1", "name": "Oinochoe", "price": "3.00"}]}), 202)[
        "status_url"
    ]
    for path in (UPLOAD, url, f"{url}errors/"):
        problem(ada.get(path), 403)
        problem(stranger.get(path), 401)
    assert eventually(lambda: _finished(admin, url), PATIENCE_S)["created"] == 1


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/csv", "", 400),
        ("text/csv", "sku,name,price\n", 400),
        ("text/csv", "colour,shape\nred,round\n", 400),
        ("text/csv", b"sku,name\n\xff\xfe,x\n", 400),
        ("application/json", "{", 400),
        ("application/pdf", "%PDF", 415),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_at_once(
    admin: Person, kind: str, body: str | bytes, status: int
) -> None:
    problem(admin.post(UPLOAD, headers={"Content-Type": kind}, content=body), status)
