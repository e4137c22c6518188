"""The migrations' bench: every service's schema goes up, agrees with its models, goes down and up again.

On its way up, code of before each revision must be able to go on with the schema of after it (docs/migrations.md).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect

Shape = dict[str, dict[str, Any]]
"""Columns by table and name, as the server describes them; what must be unique stands under an empty name."""
UNIQUE = ""


def config(folder: Path, url: str) -> Config:
    """A service's alembic configuration, pointed at a schema."""
    settings = Config(toml_file=folder / "pyproject.toml")
    settings.attributes["url"] = url
    return settings


def migrate(folder: Path, url: str) -> None:
    """Bring the schema to the newest revision."""
    command.upgrade(config(folder, url), "head")


def walk(folder: Path, url: str) -> None:
    """Up step by step, compare with the models, down to nothing, up again; raises where that fails."""
    settings = config(folder, url)
    engine = create_engine(url)
    for revision, module in _revisions(settings):
        before = shape(engine)
        command.upgrade(settings, revision)
        found = list(refusals(before, shape(engine)))
        assert bool(found) == hasattr(module, "BREAKS"), f"{revision}: {found}; see docs/migrations.md"
    command.check(settings)
    command.downgrade(settings, "base")
    left = set(inspect(engine).get_table_names()) - {"alembic_version"}
    engine.dispose()
    assert not left, f"downgrading left {left}"
    command.upgrade(settings, "head")


def shape(engine: Engine) -> Shape:
    """The tables of a schema now."""
    now = inspect(engine)
    found: Shape = {}
    for table in now.get_table_names():
        found[table] = {column["name"]: column for column in now.get_columns(table)}
        found[table][UNIQUE] = {tuple(index["column_names"]) for index in now.get_indexes(table) if index["unique"]}
    return found


def refusals(before: Shape, after: Shape) -> Iterator[str]:
    """What code that knows only the tables of before would stumble over."""
    for table, columns in before.items():
        if table not in after:
            yield f"{table} is gone"
        else:
            yield from _of_a_table(table, columns, after[table])


def _of_a_table(table: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for name in before.keys() - {UNIQUE}:
        if name not in after:
            yield f"{table}.{name} is gone"
        elif before[name]["nullable"] and not after[name]["nullable"]:
            yield f"{table}.{name} may not be NULL any more"
    for name in after.keys() - before.keys():
        if not (after[name]["nullable"] or after[name]["default"] or after[name].get("computed")):
            yield f"{table}.{name} must be given"
    for names in after[UNIQUE] - before[UNIQUE]:
        if before.keys() >= set(names):
            yield f"{table}: {', '.join(names)} must be unique now"


def _revisions(settings: Config) -> list[tuple[str, Any]]:
    scripts = ScriptDirectory.from_config(settings).walk_revisions()
    return [(script.revision, script.module) for script in scripts][::-1]
