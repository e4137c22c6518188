"""The catalogue as a file: whole or broken off, and good to be sent back as it is."""

import asyncio
import csv
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event, text, update

from catalog import exporting
from catalog.main import build
from catalog.models import Product
from catalog.settings import CatalogSettings
from common.database import Sessions
from common.testing.signing import SignedUser
from common.testing.waiting import eventually

PATH = "/api/products/export/"
HEADER = ["sku", "name", "description", "price", "stock", "status", "category", "image_url", "attributes", "id"]
ODD = {
    "name": '=HYPERLINK("x"); "a", b',
    "description": "first line\nsecond, \"quoted\"\r\n\tthird 'größe' 💡",
    "image_url": "https://img.example/a,b.png",
    "attributes": {"colour": "rot; grün", "sizes": ["S", 1, 2.5, None, True], "=": "@x"},
}


@pytest.fixture
def fetch(client: TestClient, admin: SignedUser) -> Callable[..., Any]:
    """Asks for the catalogue as a file."""

    def get(accept: str | None = None, **params: str) -> Any:
        headers = admin.headers | ({"Accept": accept} if accept is not None else {})
        return client.get(PATH, params=params, headers=headers)

    return get


def records(answer: Any) -> list[list[str]]:
    """A CSV file's rows, the header first."""
    assert answer.status_code == 200
    return list(csv.reader(StringIO(answer.content.decode(), newline="")))


def only(answer: Any, ids: set[int]) -> str:
    """The file with these products alone."""
    header, *rows = records(answer)
    kept = StringIO(newline="")
    csv.writer(kept).writerows([header, *(row for row in rows if int(row[-1]) in ids)])
    return kept.getvalue()


def lines(answer: Any, ids: set[int]) -> list[str]:
    """The lines of an NDJSON file that tell of these products."""
    assert answer.status_code == 200
    return [line for line in answer.text.splitlines() if json.loads(line)["id"] in ids]


@pytest.fixture
def odd(shop: Any) -> list[dict[str, Any]]:
    """Products of all kinds."""
    slug = shop.sku().lower()
    made = shop.client.post("/api/products/categories/", json={"name": slug}, headers=shop.admin.headers)
    assert made.status_code == 201
    return [
        shop.add(**ODD, category=slug),
        shop.add(status="draft", description="'=1+1", sku=f"-{shop.sku()}"),
        shop.add(status="archived", stock=0, price="0", sku=f"''@{shop.sku()}"),
    ]


# Refusals


@pytest.mark.parametrize("params", [{"format": "xml"}, {"format": ""}, {"colour": "red"}, {"format": "CSV"}])
def test_an_unknown_wish_is_refused(fetch: Callable[..., Any], params: dict[str, str]) -> None:
    assert fetch(**params).status_code == 400


def test_what_cannot_be_given_is_406(fetch: Callable[..., Any]) -> None:
    answer = fetch("application/json")

    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    assert answer.headers["content-type"] == "application/problem+json"


# The good way


@pytest.mark.parametrize(
    ("accept", "params", "media_type"),
    [
        (None, {}, "text/csv; charset=utf-8"),
        ("*/*", {}, "text/csv; charset=utf-8"),
        ("application/x-ndjson", {}, "application/x-ndjson"),
        ("text/csv;q=0.1, application/x-ndjson", {}, "application/x-ndjson"),
        ("application/json", {"format": "ndjson"}, "application/x-ndjson"),
        ("application/x-ndjson", {"format": "csv"}, "text/csv; charset=utf-8"),
    ],
)
def test_the_format_is_what_is_asked_for(
    shop: Any, fetch: Callable[..., Any], accept: str | None, params: dict[str, str], media_type: str
) -> None:
    answer = fetch(accept, **params)

    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    ending = "csv" if "csv" in media_type else "ndjson"
    named = rf'attachment; filename="products-\d{{4}}-\d\d-\d\d\.{ending}"'
    assert re.fullmatch(named, answer.headers["content-disposition"])


def test_every_product_of_every_status_is_there_once_in_order(
    odd: list[dict[str, Any]], fetch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "CHUNK", 2)

    header, *rows = records(fetch(format="csv"))
    objects = [json.loads(line) for line in fetch(format="ndjson").text.splitlines()]

    assert header == HEADER
    ids = [int(row[-1]) for row in rows]
    assert ids == sorted(set(ids)) == [each["id"] for each in objects]
    ours = {row[-1]: row for row in rows[-3:]}
    assert [ours[str(product["id"])][5] for product in odd] == ["active", "draft", "archived"]


def test_cells_are_escaped_and_objects_are_not(odd: list[dict[str, Any]], fetch: Callable[..., Any]) -> None:
    first, second, third = odd
    ours = {int(row[-1]): row for row in records(fetch())[1:]}

    assert ours[first["id"]][1:4] == [f"'{ODD['name']}", first["description"], "3.39"]
    assert json.loads(ours[first["id"]][8]) == ODD["attributes"]
    assert ours[first["id"]][6:8] == [first["category"], ODD["image_url"]]
    assert ours[second["id"]][0] == f"'{second['sku']}"
    assert ours[second["id"]][2] == "''=1+1"
    assert ours[third["id"]][0] == f"'{third['sku']}"
    told = [json.loads(line) for line in lines(fetch(format="ndjson"), {product["id"] for product in odd})]
    assert told[0] == {name: first[name] for name in HEADER}
    given = ("sku", "name", "description", "price", "stock", "status", "id")
    assert told[1] == {name: second[name] for name in given} | {"attributes": {}}


def test_a_file_that_is_sent_back_changes_nothing(
    shop: Any, odd: list[dict[str, Any]], fetch: Callable[..., Any]
) -> None:
    shop.hold(shop.wish({odd[0]["id"]: 4}))
    ids = {product["id"] for product in odd}
    before = [shop.see(product["id"]) for product in odd]

    as_csv = shop.take_in(only(fetch(), ids))
    as_lines = shop.take_in("\n".join(lines(fetch(format="ndjson"), ids)), "application/x-ndjson")

    assert shop.counts(as_csv) == shop.counts(as_lines) == {"unchanged": 3, "ignored": 3}
    assert [shop.see(product["id"]) for product in odd] == before


# Products without a SKU


@pytest.mark.parametrize("file_format", ["csv", "ndjson"])
def test_a_product_without_a_sku_goes_out_and_in_by_its_id(
    shop: Any, fetch: Callable[..., Any], file_format: str
) -> None:
    product = shop.add(sku=None)
    ids = {product["id"]}
    answer = fetch(format=file_format)
    file = only(answer, ids) if file_format == "csv" else "".join(lines(answer, ids))

    same = shop.take_in(file, answer.headers["content-type"])
    dearer = shop.take_in(file.replace("3.39", "9.99"), answer.headers["content-type"])

    assert (shop.counts(same), shop.counts(dearer)) == ({"unchanged": 1}, {"updated": 1})
    after = shop.see(product["id"])
    assert (after["price"], after["sku"], after["stock"]) == ("9.99", None, 10)


def test_only_a_product_without_a_sku_is_named_by_its_id(shop: Any) -> None:
    plain, other = shop.add(sku=None), shop.add()
    rows = ["999999999", str(other["id"]), "abc", "-1", "0", "", "9" * 30]

    report = shop.take_in("sku,id,stock\n" + "".join(f",{product_id},5\n" for product_id in rows))

    assert shop.counts(report) == {"failed": 7}
    codes = [(row["field"], row["code"]) for row in shop.bad_rows(report["task_id"])]
    assert codes == [("id", "unknown_id")] * 2 + [("id", "invalid")] * 3 + [("sku", "required"), ("id", "invalid")]
    assert shop.see(other["id"]) == other
    taken = shop.take_in(f"sku,id\n,{plain['id']}\n", mode="create")
    assert [row["code"] for row in shop.bad_rows(taken["task_id"])] == ["id_taken"]


def test_a_sku_comes_before_an_id(shop: Any) -> None:
    plain, other = shop.add(sku=None), shop.add()

    report = shop.take_in(f"sku,id,stock\n{other['sku']},{plain['id']},5\n,{plain['id']},6\n")

    assert shop.counts(report) == {"updated": 2, "ignored": 1}
    assert (shop.see(plain["id"])["stock"], shop.see(other["id"])["stock"]) == (6, 5)


def test_what_a_csv_file_cannot_hold_is_left_out(
    shop: Any, sessions: Sessions, odd: list[dict[str, Any]], fetch: Callable[..., Any]
) -> None:
    with sessions.begin() as session:
        session.execute(update(Product).where(Product.id == odd[0]["id"]).values(description="a\x00b"))

    assert b"\x00" not in fetch().content


def test_an_empty_chunk_at_the_end_is_no_row(shop: Any, odd: Any, fetch: Callable[..., Any]) -> None:
    assert fetch().content.endswith(f",{odd[-1]['id']}\r\n".encode())


# What breaks on the way


@pytest.fixture(scope="module")
def app(client: TestClient, settings: CatalogSettings) -> FastAPI:
    """A second replica."""
    return build(settings)


@pytest.fixture(scope="module")
def server(app: FastAPI) -> Iterator[uvicorn.Server]:
    """It, behind a real server."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        eventually(lambda: server.started)
        yield server
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def url(server: uvicorn.Server) -> str:
    """Where the file is."""
    return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}{PATH}"


@contextmanager
def before_chunk(app: FastAPI, act: Callable[[int, Any], object]) -> Iterator[None]:
    """Call `act` with the chunk's number and its connection before each chunk is read."""
    engine = app.state.sessions.kw["bind"]
    numbers = iter(range(1, 1_000_000))

    def look(conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM products" in statement and "products.id >" in statement:
            act(next(numbers), conn)

    event.listen(engine, "before_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", look)


@pytest.fixture
def killing(sessions: Sessions) -> Callable[[int], Callable[[int, Any], None]]:
    """Makes the database hang up before a chunk is read."""

    def at(wanted: int) -> Callable[[int, Any], None]:
        def act(number: int, conn: Any) -> None:
            if number == wanted:
                with sessions.begin() as session:
                    session.execute(text(f"KILL {conn.connection.driver_connection.thread_id()}"))

        return act

    return at


def test_a_database_that_is_away_is_told_as_such(
    app: FastAPI, url: str, admin: SignedUser, killing: Callable[[int], Any]
) -> None:
    with before_chunk(app, killing(1)):
        answer = httpx.get(url, headers=admin.headers, trust_env=False)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


def test_a_database_that_fails_on_the_way_breaks_the_file_off(
    app: FastAPI,
    url: str,
    admin: SignedUser,
    odd: list[dict[str, Any]],
    killing: Callable[[int], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporting, "CHUNK", 1)
    heard: list[bytes] = []

    with (
        before_chunk(app, killing(3)),
        httpx.stream("GET", url, headers=admin.headers, trust_env=False) as answer,
        pytest.raises(httpx.RemoteProtocolError, match="incomplete"),
    ):
        heard.extend(answer.iter_raw())

    assert answer.status_code == 200
    assert b"".join(heard).count(b"\r\n") >= 2


def test_a_client_that_goes_away_ends_the_work(
    app: FastAPI,
    server: uvicorn.Server,
    url: str,
    admin: SignedUser,
    odd: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporting, "CHUNK", 1)
    gone = threading.Event()
    read: list[int] = []

    def act(number: int, _: Any) -> None:
        read.append(number)
        assert number != 2 or gone.wait(20)

    with before_chunk(app, act):
        with httpx.stream("GET", url, headers=admin.headers, trust_env=False) as answer:
            assert next(answer.iter_raw()).startswith(b"sku,name,")
        eventually(lambda: not server.server_state.connections)
        gone.set()
        eventually(lambda: not server.server_state.tasks)

    assert read == [1, 2]
