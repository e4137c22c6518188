"""Where files wait: a folder or a bucket, which may be away without a file being lost."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select

from catalog.buckets import PIECE, BucketStore
from catalog.settings import CatalogSettings
from catalog.storage import FolderStore, Store, new_store
from catalog.upload_models import Import
from common.errors import Unavailable
from common.testing.signing import SignedUser
from common.testing.waiting import eventually

PATH = "/api/products/bulk-upload/"
AWAY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A server that speaks S3, with a bucket."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: _answers(f"{url}/moto-api/"), seconds=30)
        httpx.put(f"{url}/stoa").raise_for_status()
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def in_bucket(settings: CatalogSettings, folder: Path, endpoint: str, place: str = "s3://stoa/some/uploads") -> Any:
    """A store in this bucket."""
    changed = {
        "upload_dir": folder,
        "upload_store": place,
        "upload_s3_endpoint": endpoint,
        "upload_s3_region": "eu-central-1",
        "upload_s3_access_key": "stoa",
        "upload_s3_secret_key": SecretStr("secret"),
    }
    return new_store(settings.model_copy(update=changed))


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of each kind."""
    if request.param == "folder":
        return FolderStore(tmp_path)
    settings = request.getfixturevalue("settings")
    return in_bucket(settings, tmp_path, request.getfixturevalue("s3"), f"s3://stoa/{tmp_path.name}")


def kept(store: Store, name: str, content: bytes = b"sku\nA1\n") -> None:
    """Have a file of this content kept."""
    path = store.folder / f"{name}.new"
    path.write_bytes(content)
    store.keep(path, name)


def test_what_is_kept_can_be_fetched_until_it_is_dropped(store: Store) -> None:
    kept(store, "file")

    with store.fetch("file") as path:
        assert path.read_bytes() == b"sku\nA1\n"
    assert store.has("file")
    store.drop("file")
    store.drop("file")
    assert not store.has("file")
    with pytest.raises(FileNotFoundError), store.fetch("file") as path:
        path.read_bytes()


def test_what_has_lain_for_long_is_thrown_away(store: Store) -> None:
    kept(store, "file")

    store.tidy(timedelta(days=1))
    assert store.has("file")
    store.tidy(timedelta(seconds=-60))
    assert not store.has("file")


def test_a_large_file_goes_into_a_bucket_in_pieces_and_leaves_nothing_here(
    settings: CatalogSettings, s3: str, tmp_path: Path
) -> None:
    store = in_bucket(settings, tmp_path, s3)
    content = bytes(range(256)) * (PIECE // 128) + b"end"
    kept(store, "large", content)
    assert list(tmp_path.iterdir()) == []

    with store.fetch("large") as path:
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == []


def test_what_was_left_behind_on_this_machine_is_tidied_too(settings: CatalogSettings, s3: str, tmp_path: Path) -> None:
    store = in_bucket(settings, tmp_path, s3)
    (tmp_path / "half").touch()

    store.tidy(timedelta(seconds=-60))

    assert list(tmp_path.iterdir()) == []


ASKING: dict[str, Callable[[Store], object]] = {
    "keep": lambda store: kept(store, "file"),
    "fetch": lambda store: store.fetch("file").__enter__(),
    "drop": lambda store: store.drop("file"),
    "tidy": lambda store: store.tidy(timedelta(days=1)),
    "has": lambda store: store.has("file"),
}
BUCKETS = [(AWAY, "s3://stoa/uploads", asked) for asked in ASKING] + [
    ("", "s3://nobody/uploads", asked) for asked in ("keep", "fetch", "drop", "tidy")
]


@pytest.mark.parametrize(("endpoint", "place", "asked"), BUCKETS)
def test_a_bucket_that_is_away_is_not_an_empty_one(
    settings: CatalogSettings, s3: str, tmp_path: Path, endpoint: str, place: str, asked: str
) -> None:
    store = in_bucket(settings, tmp_path, endpoint or s3, place)

    with pytest.raises(Unavailable) as refusal:
        ASKING[asked](store)

    assert int(refusal.value.headers["Retry-After"]) > 0


def test_the_settings_say_where_files_wait(settings: CatalogSettings, tmp_path: Path) -> None:
    elsewhere = new_store(settings.model_copy(update={"upload_store": str(tmp_path)}))
    bucket = new_store(settings.model_copy(update={"upload_store": "s3://stoa/x", "upload_s3_region": "eu-west-1"}))

    assert new_store(settings).folder == settings.upload_dir
    assert elsewhere.folder == tmp_path
    assert isinstance(bucket, BucketStore)
    assert "hush" not in repr(settings.model_copy(update={"upload_s3_secret_key": SecretStr("hush")}))


# Uploads and imports on a bucket


@pytest.fixture
def on(client: Any) -> Iterator[Callable[[Store], None]]:
    """Let the application keep its files in this store."""
    state = client.app.state
    before = state.store
    yield lambda store: setattr(state, "store", store)
    state.store = before


def test_a_file_goes_through_a_bucket(
    shop: Any, settings: CatalogSettings, s3: str, tmp_path: Path, on: Callable[[Store], None]
) -> None:
    shop.store = in_bucket(settings, tmp_path, s3)
    on(shop.store)

    report = shop.take_in(shop.lamps(shop.sku(), 3))

    assert (report["status"], shop.counts(report)) == ("finished", {"created": 3})
    assert list(tmp_path.iterdir()) == []


def test_while_the_bucket_is_away_uploads_are_refused_and_leave_nothing(
    shop: Any, client: TestClient, admin: SignedUser, settings: Any, tmp_path: Path, on: Callable[[Store], None]
) -> None:
    on(in_bucket(settings, tmp_path, AWAY))
    headers = admin.headers | {"Content-Type": "text/csv"}
    before = client.get(PATH, headers=admin.headers).json()["count"]

    answer = client.post(PATH, content="sku,name,price\nA1,Lamp,1\n", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert list(tmp_path.iterdir()) == []
    assert client.get(PATH, headers=admin.headers).json()["count"] == before


def test_a_folder_that_cannot_be_written_to_refuses_uploads(
    client: TestClient, admin: SignedUser, tmp_path: Path, on: Callable[[Store], None]
) -> None:
    (tmp_path / "file").touch()
    on(FolderStore(tmp_path / "file"))

    answer = client.post(PATH, content="sku\nA1\n", headers=admin.headers | {"Content-Type": "text/csv"})

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_a_repeated_key_leaves_one_file_in_the_bucket(
    shop: Any,
    client: TestClient,
    admin: SignedUser,
    settings: Any,
    s3: str,
    tmp_path: Path,
    on: Callable[[Store], None],
) -> None:
    store = in_bucket(settings, tmp_path, s3, "s3://stoa/repeated")
    on(store)
    headers = admin.headers | {"Content-Type": "text/csv", "Idempotency-Key": shop.sku()}

    answers = [client.post(PATH, content="sku,name\nA1,x\n", headers=headers) for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert httpx.get(f"{s3}/stoa?list-type=2&prefix=repeated").text.count("<Key>") == 1


def test_an_import_waits_for_its_bucket_however_often_it_is_told_of(
    shop: Any, settings: Any, s3: str, tmp_path: Path, on: Callable[[Store], None]
) -> None:
    there = in_bucket(settings, tmp_path, s3)
    on(there)
    import_id = shop.upload(shop.lamps(shop.sku(), 3))

    shop.store = in_bucket(settings, tmp_path, AWAY)
    for _ in range(3):
        shop.work_on(import_id)
    waiting, attempts = shop.report(import_id), _attempts(shop, import_id)
    shop.store = there
    shop.work_on(import_id)

    assert (waiting["status"], waiting["processed"], attempts) == ("running", 0, 0)
    assert shop.counts(shop.report(import_id)) == {"created": 3}


def _attempts(shop: Any, import_id: UUID) -> int:
    with shop.sessions.begin() as session:
        attempts: int = session.scalars(select(Import.attempts).where(Import.id == import_id)).one()
        return attempts
