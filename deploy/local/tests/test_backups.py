"""A backup that is not whole, not ours or not for this version is refused before anything is touched."""

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stoa.backups import back_up, fingerprint, read_manifest
from stoa.credentials import read_credentials
from stoa.preflight import NotNow
from stoa.servers import SCHEMAS
from stoa.settings import Settings
from stoa.stack import Stack
from stoa.starting import UNFINISHED, House

pytestmark = pytest.mark.unit

Backup = Callable[..., Path]


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    settings = Settings(run=tmp_path / "run", port_base=1024, _env_file=None)
    settings.folder.mkdir()
    return Stack(settings, read_credentials(settings))


@pytest.fixture
def backup(stack: Stack, tmp_path: Path) -> Backup:
    """A backup of nothing, with something in its manifest changed."""

    def make(**changed: Any) -> Path:
        folder = tmp_path / "backup"
        folder.mkdir()
        content = gzip.compress(b"-- nothing")
        (folder / "schemas.sql.gz").write_bytes(content)
        manifest = {
            "format": 1,
            "taken_at": "2026-11-27T00:00:00Z",
            "stoa": "0.1.0",
            "server": "10.11",
            "revisions": {schema: ["0001"] for schema in SCHEMAS},
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "secrets": fingerprint(stack.credentials),
        }
        (folder / "manifest.json").write_text(json.dumps(manifest | changed))
        return folder

    return make


def test_a_whole_backup_is_read(stack: Stack, backup: Backup) -> None:
    assert read_manifest(stack, backup()).format == 1


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"format": 2}, "of another kind"),
        ({"revisions": {"auth": []}}, "of another kind"),
        ({"secrets": "0" * 32}, "made with other secrets"),
        ({"revisions": dict.fromkeys(SCHEMAS, ["9999"])}, "made by a newer auth than this one"),
        ({"sha256": "0" * 64}, "is damaged: schemas.sql.gz"),
        ({"taken_at": "yesterday"}, "manifest.json is damaged"),
    ],
    ids=["format", "schemas", "secrets", "newer", "content", "manifest"],
)
def test_what_cannot_be_brought_back_is_refused_with_a_sentence(
    stack: Stack, backup: Backup, changed: dict[str, Any], why: str
) -> None:
    with pytest.raises(NotNow, match=why):
        read_manifest(stack, backup(**changed))


def test_a_folder_that_is_none_or_only_half_of_one_is_refused(stack: Stack, backup: Backup, tmp_path: Path) -> None:
    with pytest.raises(NotNow, match=r"it has no manifest\.json"):
        read_manifest(stack, tmp_path)
    folder = backup()
    (folder / "schemas.sql.gz").unlink()
    with pytest.raises(NotNow, match="is damaged"):
        read_manifest(stack, folder)


def test_without_a_database_no_backup_is_begun(stack: Stack, tmp_path: Path) -> None:
    with pytest.raises(NotNow, match="The database is not running"):
        back_up(stack, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_starts_on_what_a_broken_restore_has_left(stack: Stack) -> None:
    (stack.settings.folder / UNFINISHED).touch()
    with pytest.raises(NotNow, match="A restore was broken off"):
        House(stack.settings, lambda _: pytest.fail("nothing is done")).up()
