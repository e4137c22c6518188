"""Brings each service's schema to the newest revision, and leaves alone those that are there already."""

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

from stoa.preflight import NotNow
from stoa.processes import Migration
from stoa.servers.server import tail


def migrate(migrations: Sequence[Migration]) -> None:
    """Run what is to be done, as many at once as there are processors."""
    due = [migration for migration in migrations if not _is_newest(migration)]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(_run, due))


def present_revisions(migration: Migration) -> list[str]:
    """Where the schema stands."""
    engine = create_engine(migration.environment["STOA_DATABASE_URL"], poolclass=NullPool)
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return []
        return sorted(connection.scalars(text("SELECT version_num FROM alembic_version")))


def is_known(migration: Migration, revisions: Sequence[str]) -> bool:
    """Whether a schema at these revisions can be brought to the newest."""
    known = {script.revision for script in _scripts(migration).walk_revisions()}
    return set(revisions) <= known


def _is_newest(migration: Migration) -> bool:
    """Compare the schema's revision with the newest file; ten times cheaper than starting Alembic."""
    return set(present_revisions(migration)) == set(_scripts(migration).get_heads())


def _scripts(migration: Migration) -> ScriptDirectory:
    return ScriptDirectory.from_config(Config(toml_file=migration.directory / "pyproject.toml"))


def _run(migration: Migration) -> None:
    with migration.log.open("wb") as log:
        done = subprocess.run(
            migration.command,
            cwd=migration.directory,
            env=migration.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise NotNow(f"The schema of {migration.service} cannot be migrated.", tail(migration.log))
