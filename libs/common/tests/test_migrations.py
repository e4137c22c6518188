"""Migrations' tests: a table in use is changed all the same, nobody is kept out of it, and what breaks is found."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from common import migrations
from common.testing.migrations import migrate, refusals, shape
from common.testing.waiting import eventually

HOUSE = {
    "pyproject.toml": '[tool.alembic]\nscript_location = "%(here)s/moves"\n',
    "moves/env.py": "from sqlalchemy import MetaData\n\nfrom common.migrations import run\n\nrun(MetaData())\n",
    "moves/versions/0001_first.py": """
from alembic import op

revision, down_revision = "0001", None

def upgrade():
    op.execute("ALTER TABLE toys ADD COLUMN colour VARCHAR(20) NULL")
""",
}
WAITING = "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock%'"


@pytest.fixture
def url(empty_schema: Callable[[str], str]) -> str:
    return empty_schema("toys")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url, connect_args={"read_timeout": 20})
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE toys (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL, size INT NULL)"))
    yield engine
    engine.dispose()


def test_a_table_in_use_is_changed_and_nobody_waits_for_whoever_uses_it(
    url: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_WAIT_S", 1)
    for name, lines in HOUSE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines)
    change = threading.Thread(target=migrate, args=(tmp_path, url))
    with engine.connect() as user, engine.connect() as other:
        user.execute(text("SELECT * FROM toys"))
        change.start()
        eventually(lambda: other.scalar(text(WAITING)))
        assert other.execute(text("INSERT INTO toys VALUES (1, 'top', 2)")).rowcount == 1
        other.commit()
        assert "colour" not in shape(engine)["toys"]
        user.rollback()
        change.join(60)
    assert "colour" in shape(engine)["toys"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("ADD COLUMN colour VARCHAR(20) NULL", []),
        ("ADD COLUMN colour VARCHAR(20) NOT NULL DEFAULT 'red'", []),
        ("ADD COLUMN half INT AS (size / 2)", []),
        ("ADD COLUMN colour VARCHAR(20) NULL, ADD UNIQUE (colour)", []),
        ("ADD INDEX (name), MODIFY name VARCHAR(200) NULL", []),
        ("ADD COLUMN colour VARCHAR(20) NOT NULL", ["toys.colour must be given"]),
        ("DROP COLUMN size", ["toys.size is gone"]),
        ("CHANGE size length INT NULL", ["toys.size is gone"]),
        ("MODIFY size INT NOT NULL", ["toys.size may not be NULL any more"]),
        ("ADD UNIQUE (name)", ["toys: name must be unique now"]),
        ("RENAME TO games", ["toys is gone"]),
    ],
)
def test_what_code_of_before_would_stumble_over_is_named(engine: Engine, change: str, found: list[str]) -> None:
    before = shape(engine)
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE toys {change}"))
    assert list(refusals(before, shape(engine))) == found
