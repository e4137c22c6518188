"""The storage room: where an accepted file lies until it is worked on."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from catalog.settings import CatalogSettings
from common.clock import now


class Store(Protocol):
    """Keeps files by their names. Raises Unavailable when it cannot be reached, FileNotFoundError for what is gone."""

    folder: Path
    """Where a body is written while it comes in."""

    def keep(self, path: Path, name: str) -> None:
        """Take over a file that lies in `folder`; it is safe once this has returned."""

    def fetch(self, name: str) -> AbstractContextManager[Path]:
        """The file on this machine, for as long as it is used."""

    def has(self, name: str) -> bool:
        """Whether the file is still there."""

    def drop(self, name: str) -> None:
        """Throw the file away, if it is there."""

    def tidy(self, older_than: timedelta) -> None:
        """Throw away what has lain here for longer."""


class FolderStore:
    """A folder that the web processes and the worker share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, path: Path, name: str) -> None:
        path.replace(self.folder / name)

    @contextmanager
    def fetch(self, name: str) -> Iterator[Path]:
        yield self.folder / name

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def drop(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def tidy(self, older_than: timedelta) -> None:
        before = (now() - older_than).timestamp()
        for file in self.folder.glob("*"):
            with suppress(FileNotFoundError):  # another replica was faster
                if file.stat().st_mtime < before:
                    file.unlink()


def new_store(settings: CatalogSettings) -> Store:
    """The store that the settings name."""
    if not settings.upload_store.startswith("s3://"):
        return FolderStore(Path(settings.upload_store or settings.upload_dir))
    from catalog.buckets import BucketStore  # noqa: PLC0415 - memory that only a deployment with a bucket spends

    return BucketStore(settings)
