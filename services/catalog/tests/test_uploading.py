"""Bulk upload at the door: what is taken, what is refused, and that nothing taken is forgotten."""

import os
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from catalog.settings import CatalogSettings
from catalog.storage import FolderStore
from catalog.upload_models import Import
from catalog.upload_schemas import UploadOptions
from catalog.uploading import Upload, begin_import, enqueue_waiting
from common.clock import now
from common.database import Sessions
from common.ids import new_id
from common.testing.broker import Broker
from common.testing.signing import SignedUser
from common.testing.waiting import eventually
from common.tokens import User

PATH = "/api/products/bulk-upload/"
JOBS = "catalog.jobs"
CSV = "sku,name,price\nA1,Lamp,1.50\n"


def send(client: TestClient, admin: SignedUser, content: Any, media_type: str = "text/csv", **more: Any) -> Any:
    """The answer to an upload."""
    headers = admin.headers | {"Content-Type": media_type} | more.pop("headers", {})
    return client.post(PATH, content=content, headers=headers, **more)


# What is refused


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"sku,name,price\n", "empty_file"),
        (b"colour,size\nred,5\n", "missing_columns"),
        (b"name,price\nLamp,1\n", "missing_columns"),
        (b"sku,name\nA1,caf\xe9\n", "not_utf8"),
        (b"PK\x03\x04\x00\xff\xfe", "not_utf8"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_and_not_kept(
    client: TestClient, admin: SignedUser, settings: CatalogSettings, content: bytes, code: str
) -> None:
    before = sorted(settings.upload_dir.iterdir())

    answer = send(client, admin, content)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert sorted(settings.upload_dir.iterdir()) == before


@pytest.mark.parametrize("body", ["", "{", "[]", '{"products": []}', '{"products": [1]}', '{"items": []}'])
def test_a_json_body_of_another_shape_is_refused(client: TestClient, admin: SignedUser, body: str) -> None:
    assert send(client, admin, body, "application/json").status_code == 400


@pytest.mark.parametrize("media_type", ["application/pdf", "text/plain", "application/x-www-form-urlencoded", ""])
def test_another_type_is_415(client: TestClient, admin: SignedUser, media_type: str) -> None:
    answer = send(client, admin, CSV, media_type)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_file_over_50_mb_is_413_whether_it_says_so_or_not(
    client: TestClient, admin: SignedUser, settings: CatalogSettings
) -> None:
    before = sorted(settings.upload_dir.iterdir())
    piece = b"x" * 1024 * 1024

    said = send(client, admin, b"x" * (50 * 1024 * 1024 + 1))
    unsaid = send(client, admin, (piece for _ in range(51)))

    for answer in (said, unsaid):
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert answer.headers["content-type"] == "application/problem+json"
    assert sorted(settings.upload_dir.iterdir()) == before


@pytest.mark.parametrize("query", ["mode=replace", "on_error=ignore", "dry_run=perhaps", "color=red"])
def test_an_unknown_option_is_refused_and_nothing_is_kept(
    client: TestClient, admin: SignedUser, settings: CatalogSettings, query: str
) -> None:
    before = sorted(settings.upload_dir.iterdir())

    assert client.post(f"{PATH}?{query}", content=CSV, headers=admin.headers).status_code == 400
    assert sorted(settings.upload_dir.iterdir()) == before


def test_a_form_without_a_file_or_with_two_is_refused(client: TestClient, admin: SignedUser) -> None:
    file = ("p.csv", CSV, "text/csv")
    none = client.post(PATH, files={"note": (None, "hello")}, headers=admin.headers)
    two = client.post(PATH, files=[("a", file), ("b", file)], headers=admin.headers)
    broken = send(client, admin, b"--x\r\nno form", "multipart/form-data; boundary=x")
    unbounded = send(client, admin, b"--x\r\nno form", "multipart/form-data")

    assert (none.status_code, none.json()["code"]) == (400, "no_file")
    assert [two.status_code, broken.status_code, unbounded.status_code] == [400, 400, 400]


def test_what_is_not_there_is_404(client: TestClient, admin: SignedUser) -> None:
    for path in (f"{PATH}{new_id()}/", f"{PATH}{new_id()}/errors/", f"{PATH}nonsense/", f"{PATH}1/errors/"):
        assert client.get(path, headers=admin.headers).status_code == 404
    tasks = "/api/products/scheduled_tasks/"
    assert client.get(f"{tasks}?task_id={new_id()}", headers=admin.headers).status_code == 404
    assert client.get(f"{tasks}?task_id=nonsense", headers=admin.headers).status_code == 400
    assert client.get(tasks, headers=admin.headers).status_code == 400


# What is taken


def test_a_file_is_taken_and_its_state_can_be_asked_for(shop: Any, client: TestClient, admin: SignedUser) -> None:
    answer = send(client, admin, CSV)

    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == body["status_url"] == f"{PATH}{body['task_id']}/"
    assert body["message"]
    report = client.get(body["status_url"], headers=admin.headers).json()
    assert (report["status"], report["total"], report["processed"]) == ("pending", 1, 0)
    assert (report["started_at"], report["rows_per_second"]) == (None, 0.0)
    task = client.get(f"/api/products/scheduled_tasks/?task_id={body['task_id']}", headers=admin.headers).json()
    assert task == {"task_id": body["task_id"], "status": "PENDING", "result": None}


def test_columns_that_mean_nothing_are_named(shop: Any, sessions: Sessions) -> None:
    plain, odd = shop.upload(CSV), shop.upload(CSV)
    with sessions.begin() as session:
        session.execute(update(Import).where(Import.id == odd).values(unknown_columns=["Colour", "Size"]))

    assert shop.report(plain)["unknown_columns"] == []
    assert shop.report(odd)["unknown_columns"] == ["Colour", "Size"]


def test_every_wrapping_comes_to_the_same(shop: Any, client: TestClient, admin: SignedUser) -> None:
    rows = [{"sku": shop.sku(), "name": "Lamp", "price": "1.50", "stock": 2} for _ in range(4)]
    as_csv = "sku,name,price,stock\n{sku},{name},{price},{stock}\n"
    answers = [
        send(client, admin, as_csv.format(**rows[0]), "text/csv; charset=utf-8"),
        client.post(PATH, files={"file": ("p.csv", as_csv.format(**rows[1]))}, headers=admin.headers),
        client.post(PATH, json={"products": [rows[2]]}, headers=admin.headers),
        send(client, admin, str(rows[3]).replace("'", '"'), "application/x-ndjson"),
    ]

    for row, answer in zip(rows, answers, strict=True):
        shop.work_on(UUID(answer.json()["task_id"]))
        product = shop.see_sku(row["sku"])
        assert (product["name"], product["price"], product["stock"]) == ("Lamp", "1.50", 2)


@pytest.mark.parametrize(
    ("text", "media_type", "known"),
    [
        ("SKU,Colour,name\nA1,red,x\nA1,,y\n", "text/csv", (["SKU", "Colour", "name"], ["Colour"], True)),
        ("sku,name\nA1,x\n", "text/csv", (["sku", "name"], [], False)),
        ('{"products":[{"sku":"A1","size":5}]}', "application/json", (None, ["size"], False)),
    ],
)
def test_what_was_seen_of_a_file_is_entered_with_its_import(
    shop: Any, sessions: Sessions, text: str, media_type: str, known: tuple[Any, ...]
) -> None:
    import_id = shop.upload(text, media_type)

    with sessions.begin() as session:
        job = session.get_one(Import, import_id)
        assert (job.columns, job.unknown_columns, job.repeats) == known


def test_a_large_file_in_a_form_is_taken_too(shop: Any, client: TestClient, admin: SignedUser) -> None:
    sku = shop.sku()
    text = "sku,name,price,description\n" + "".join(f"{sku}-{n},Lamp,1,{'x' * 3000}\n" for n in range(700))

    answer = client.post(PATH, files={"file": ("p.csv", text)}, headers=admin.headers)

    assert answer.status_code == 202
    assert shop.report(answer.json()["task_id"])["total"] == 700


def test_uploads_are_listed_newest_first(shop: Any, client: TestClient, admin: SignedUser) -> None:
    ids = [str(shop.upload(CSV)) for _ in range(3)]

    page = client.get(f"{PATH}?page_size=2", headers=admin.headers).json()
    first = client.get(f"{PATH}?limit=2", headers=admin.headers).json()
    second = client.get(f"{PATH}?{first['next'].partition('?')[2]}", headers=admin.headers).json()

    assert [job["task_id"] for job in page["results"]] == [ids[2], ids[1]]
    assert page["count"] >= 3
    assert [job["task_id"] for job in first["results"]] == [ids[2], ids[1]]
    assert second["results"][0]["task_id"] == ids[0]
    assert "count" not in first
    assert client.get(f"{PATH}?cursor=WyJ4Il0", headers=admin.headers).status_code == 400


def test_a_repeated_key_begins_one_import(shop: Any, client: TestClient, admin: SignedUser) -> None:
    key = {"Idempotency-Key": str(new_id())}

    first, second = send(client, admin, CSV, headers=key), send(client, admin, CSV, headers=key)
    other_file = send(client, admin, CSV + "A2,Torch,2\n", headers=key)
    other_options = send(client, admin, CSV, headers=key, params={"mode": "create"})

    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert [other_file.status_code, other_options.status_code] == [422, 422]


# Nothing is forgotten


@pytest.fixture
def upload(settings: CatalogSettings, admin: SignedUser) -> Upload:
    """A file that has come in."""
    path = settings.upload_dir / str(new_id())
    path.write_text(CSV)
    user = User(admin.id, "admin", "admin", admin.session, ("pwd",))
    return Upload(path, "csv", UploadOptions(), user, None)


def touched(sessions: Sessions, import_id: UUID) -> datetime | None:
    """When a worker was last told of the import, or last worked on it."""
    with sessions.begin() as session:
        return session.scalars(select(Import.touched_at).where(Import.id == import_id)).one()


def test_an_import_that_no_worker_could_be_told_of_is_told_of_later(
    client: TestClient, sessions: Sessions, upload: Upload, broker: Broker
) -> None:

    answer = begin_import(sessions, FolderStore(upload.path.parent), upload, enqueue=lambda _: False)

    assert answer.status == 202
    eventually(lambda: touched(sessions, UUID(answer.body["task_id"])))
    eventually(lambda: is_told(broker, UUID(answer.body["task_id"])))


@pytest.mark.parametrize("status", ["pending", "running"])
def test_an_import_that_lies_still_is_told_of_again(shop: Any, sessions: Sessions, broker: Broker, status: str) -> None:
    import_id = shop.upload(CSV)
    eventually(lambda: is_told(broker, import_id))
    long_ago = now() - timedelta(minutes=2)
    with sessions.begin() as session:
        session.execute(update(Import).where(Import.id == import_id).values(touched_at=long_ago, status=status))

    eventually(lambda: touched(sessions, import_id) > long_ago)
    eventually(lambda: is_told(broker, import_id))


def is_told(broker: Broker, import_id: UUID) -> bool:
    """Whether a message about this import lies in the queue, from which all are taken."""
    return any(str(import_id) in str(message) for message in broker.take(JOBS, broker.size(JOBS)))


def test_imports_that_are_over_are_left_alone(shop: Any, sessions: Sessions) -> None:
    done = UUID(shop.take_in(CSV)["task_id"])
    with sessions.begin() as session:
        session.execute(update(Import).where(Import.id == done).values(touched_at=None))
    told: list[UUID] = []

    enqueue_waiting(sessions, lambda import_id: not told.append(import_id))  # type: ignore[func-returns-value]

    assert done not in told


def test_while_the_broker_is_away_nobody_is_told_and_nobody_waits_long(settings: CatalogSettings) -> None:
    code = "from catalog.tasks import enqueue; import uuid; print('told', enqueue(uuid.uuid4()))"
    environment = os.environ | {"STOA_BROKER_URL": "amqp://nobody:nothing@127.0.0.1:9/none"}

    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=20, check=True
    )

    assert "told False" in said.stdout
