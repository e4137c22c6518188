"""The migrations' bench: every service's schema goes up, agrees with its models, goes down and up again."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect


def config(folder: Path, url: str) -> Config:
    """A service's alembic configuration, pointed at a schema."""
    settings = Config(toml_file=folder / "pyproject.toml")
    settings.attributes["url"] = url
    return settings


def migrate(folder: Path, url: str) -> None:
    """Bring the schema to the newest revision."""
    command.upgrade(config(folder, url), "head")


def walk(folder: Path, url: str) -> None:
    """Up, compare with the models, down to nothing, up again; raises where that fails."""
    settings = config(folder, url)
    command.upgrade(settings, "head")
    command.check(settings)
    command.downgrade(settings, "base")
    engine = create_engine(url)
    left = set(inspect(engine).get_table_names()) - {"alembic_version"}
    engine.dispose()
    assert not left, f"downgrading left {left}"
    command.upgrade(settings, "head")
