"""Backups: all schemas as they were at one moment, in a folder that is either whole or not there.

One `mariadb-dump` reads all six in one transaction, so what a sale has written in several of them is in the copy whole
or not at all, while people go on buying.
"""

import gzip
import hashlib
import hmac
import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO

from pydantic import AwareDatetime, BaseModel, ValidationError

from stoa.credentials import Credentials
from stoa.migrating import is_known, present_revisions
from stoa.preflight import NotNow
from stoa.servers import SCHEMAS, MariaDb
from stoa.servers.server import write
from stoa.stack import Stack

FORMAT = 1
SCHEMAS_FILE, MANIFEST_FILE = "schemas.sql.gz", "manifest.json"
OPTIONS = (
    *("--single-transaction", "--skip-lock-tables", "--routines", "--events", "--triggers"),
    *("--hex-blob", "--no-autocommit", "--add-drop-database", "--databases", *SCHEMAS),
)
END = b"-- Dump completed"
"""What the last line begins with; a dump that broke off has none."""
CHUNK = 1024 * 1024
LEVEL = 5
"""Of gzip: more takes twice as long and saves a twentieth."""


class Manifest(BaseModel):
    """What a backup is: when, of what, and how to tell that it is whole and ours."""

    format: int
    taken_at: AwareDatetime
    stoa: str
    server: str
    revisions: dict[str, list[str]]
    sha256: str
    bytes: int
    secrets: str
    """A fingerprint of the secrets without which keys and addresses in it cannot be read; it tells nothing of them."""


def back_up(stack: Stack, folder: Path) -> Manifest:
    """Write a backup, beside running services too. Raises NotNow where one cannot be made; then nothing is left."""
    if not stack.mysql.ready():
        raise NotNow("The database is not running; `stoa up` starts it.")
    if folder.exists():
        raise NotNow(f"{folder} is there already; each backup goes into a folder of its own.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        manifest = _written(stack, draft)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return manifest


def read_manifest(stack: Stack, folder: Path) -> Manifest:
    """What there is to be restored. Raises NotNow for what is damaged, or is not for this shop and this version."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
    except FileNotFoundError:
        raise NotNow(f"{folder} is no backup: it has no {MANIFEST_FILE}.") from None
    except ValidationError:
        raise NotNow(f"{folder} is no backup that can be read: its {MANIFEST_FILE} is damaged.") from None
    if manifest.format != FORMAT or set(manifest.revisions) != set(SCHEMAS):
        raise NotNow(f"{folder} is a backup of another kind, made by Stoa {manifest.stoa}.")
    if manifest.secrets != fingerprint(stack.credentials):
        raise NotNow(f"{folder} was made with other secrets; put back STOA_SECRET_KEY and STOA_WEBHOOK_KEY first.")
    for migration in stack.migrations:
        if not is_known(migration, manifest.revisions[migration.service]):
            raise NotNow(f"{folder} was made by a newer {migration.service} than this one.")
    if not (folder / SCHEMAS_FILE).is_file() or _digest(folder / SCHEMAS_FILE) != manifest.sha256:
        raise NotNow(f"{folder} is damaged: {SCHEMAS_FILE} is not what was written.")
    return manifest


def load(server: MariaDb, folder: Path) -> None:
    """Put a backup in the place of what the schemas hold. Raises NotNow when it breaks off."""
    with (
        gzip.open(folder / SCHEMAS_FILE) as source,
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(server.client("mariadb"), stdin=subprocess.PIPE, stderr=complaints) as client,
    ):
        try:
            if client.stdin is not None:
                shutil.copyfileobj(source, client.stdin, CHUNK)
                client.stdin.close()
        except BrokenPipeError:
            pass  # it says itself why it has ended
        except BaseException:
            client.kill()
            raise
        if client.wait() != 0:
            raise NotNow(
                "The schemas could not be loaded; nothing is started before a restore succeeds.", _read(complaints)
            )


def fingerprint(credentials: Credentials) -> str:
    """The same for the same secrets, and useless for finding them."""
    both = f"{credentials.secret_key}\n{credentials.webhook_key}".encode()
    return hmac.new(both, b"stoa backup", hashlib.sha256).hexdigest()[:32]


def _written(stack: Stack, draft: Path) -> Manifest:
    revisions = {migration.service: present_revisions(migration) for migration in stack.migrations}
    moment, file = datetime.now(UTC), draft / SCHEMAS_FILE
    _dump(stack.mysql, file)
    manifest = Manifest(
        format=FORMAT,
        taken_at=moment,
        stoa=version("stoa-local"),
        server=stack.mysql.version(),
        revisions=revisions,
        sha256=_digest(file),
        bytes=file.stat().st_size,
        secrets=fingerprint(stack.credentials),
    )
    write(draft / MANIFEST_FILE, manifest.model_dump_json(indent=2) + "\n")
    return manifest


def _dump(server: MariaDb, file: Path) -> None:
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen([*server.client("mariadb-dump"), *OPTIONS], stdout=subprocess.PIPE, stderr=complaints) as dump,
        os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target,
    ):
        try:
            last = _compress(dump.stdout, target)
        except BaseException:
            dump.kill()
            raise
        if dump.wait() != 0 or END not in last:
            raise NotNow("The schemas could not be read to their end.", _read(complaints))


def _compress(source: IO[bytes] | None, target: IO[bytes]) -> bytes:
    """Write it compressed and safely on the disk; the last of what was read."""
    last = b""
    with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=LEVEL) as packed:
        while source is not None and (chunk := source.read(CHUNK)):
            packed.write(chunk)
            last = (last + chunk)[-200:]
    target.flush()
    os.fsync(target.fileno())
    return last


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _read(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return complaints.read().decode(errors="replace").strip()
