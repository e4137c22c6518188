"""The buckets' room: uploaded files in an object store that speaks S3, in pieces and never whole in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from obstore.exceptions import BaseError
from obstore.store import S3Store

from catalog.settings import CatalogSettings
from catalog.storage import FolderStore
from common.clock import now
from common.errors import Unavailable
from common.ids import new_id

log = structlog.get_logger(__name__)

PIECE = 5 * 1024 * 1024
"""Smallest part of a file sent in parts (a rule of S3), and what is read at once."""
CONNECT_S, ANSWER_S, RETRY_S = 2, 30, 10
RETRIES = 2
RETRY_AFTER_S = 10
NO_BUCKET = "NoSuchBucket"
"""S3's word for it; the client calls it a missing file."""


class BucketStore:
    """A prefix of a bucket; what is on its way in or being worked on lies in a folder of this machine."""

    def __init__(self, settings: CatalogSettings) -> None:
        self.folder = settings.upload_dir
        self._local = FolderStore(self.folder)
        self._bucket = S3Store(
            urlsplit(settings.upload_store).netloc,
            prefix=urlsplit(settings.upload_store).path.strip("/") or None,
            client_options={"allow_http": True, "connect_timeout": f"{CONNECT_S}s", "timeout": f"{ANSWER_S}s"},
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_S)},
            **_access(settings),
        )

    def keep(self, path: Path, name: str) -> None:
        with _asking("keep"):
            self._bucket.put(name, path, chunk_size=PIECE)
        path.unlink()

    @contextmanager
    def fetch(self, name: str) -> Iterator[Path]:
        self.folder.mkdir(parents=True, exist_ok=True)
        copy = self.folder / f"{name}.{new_id()}"
        try:
            with _asking("fetch"), copy.open("wb") as file:
                for piece in self._bucket.get(name).stream(min_chunk_size=PIECE):
                    file.write(piece)
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def has(self, name: str) -> bool:
        try:
            with _asking("look for"):
                self._bucket.head(name)
        except FileNotFoundError:
            return False
        return True

    def drop(self, name: str) -> None:
        with _asking("drop"):
            self._bucket.delete(name)

    def tidy(self, older_than: timedelta) -> None:
        self._local.tidy(older_than)
        before = now() - older_than
        with _asking("tidy"):
            for batch in self._bucket.list():
                old = [found["path"] for found in batch if found["last_modified"] < before]
                if old:
                    self._bucket.delete(old)


def _access(settings: CatalogSettings) -> dict[str, Any]:
    """What the settings say; what they leave out is looked for where S3 clients do."""
    said = {
        "endpoint": settings.upload_s3_endpoint,
        "region": settings.upload_s3_region,
        "access_key_id": settings.upload_s3_access_key,
        "secret_access_key": settings.upload_s3_secret_key.get_secret_value(),
    }
    return {name: value for name, value in said.items() if value}


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Whatever the store says but that a file is not there means that it is away; so does a bucket that is missing."""
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        if isinstance(error, FileNotFoundError) and NO_BUCKET not in str(error):
            raise
        log.error("upload_store_away", asked_to=what, error=repr(error)[:500])
        raise Unavailable("files cannot be stored at the moment; try again", retry_after_s=RETRY_AFTER_S) from error
