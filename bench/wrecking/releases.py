"""The releases' room: the next four of orders, by which a column gets another name while the shop is open.

Each is a copy of today's code with what its developers would have changed (docs/migrations.md).
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from stoa.settings import ROOT

SERVICE = "orders"
MODELS, MOVING = "orders/models.py", "orders/moving.py"
NOW = '    tracking: Mapped[str] = mapped_column(String(200), default="")\n'
BOTH = """\
    was: Mapped[str] = mapped_column("tracking", String(200), key="was", default="")
    parcel: Mapped[str | None] = mapped_column(String(200))

    @property
    def tracking(self) -> str:
        return self.{read}

    @tracking.setter
    def tracking(self, told: str) -> None:
        self.was = self.parcel = told

"""
THEN = '    tracking: Mapped[str] = mapped_column("parcel", String(200), key="tracking", default="")\n'
FILL = text(
    "UPDATE orders SET parcel = tracking WHERE parcel IS NULL OR parcel <> tracking COLLATE utf8mb4_bin LIMIT 1000"
)

MIGRATION = '''\
"""Made for a trial."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{revision}", "{before}", None, None


def upgrade() -> None:
    {change}
'''
EXPAND = 'op.add_column("orders", sa.Column("parcel", sa.String(200), nullable=True))'
LET_GO = (
    'op.alter_column("orders", "tracking", server_default="", existing_type=sa.String(200), existing_nullable=False)'
)
CONTRACT = 'op.drop_column("orders", "tracking")'


@dataclass(frozen=True)
class Edit:
    """What stands once in a file, and what is to stand there."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Release:
    """What it changes of today's code, and the migrations that have been added up to it."""

    name: str
    edits: Sequence[Edit]
    migrations: Sequence[str]

    def write(self, folder: Path) -> Path:
        """Its code in a folder of its own. Raises ValueError when today's is no longer what it changes."""
        place = folder / self.name
        shutil.copytree(ROOT / "services" / SERVICE, place, ignore=shutil.ignore_patterns("tests", "__pycache__"))
        for edit in self.edits:
            file = place / edit.file
            parts = file.read_text().split(edit.old)
            if len(parts) != 2:
                raise ValueError(f"{edit.file} does not hold once: {edit.old}")
            file.write_text(edit.new.join(parts))
        self._add_migrations(place / SERVICE / "migrations" / "versions")
        return place

    def _add_migrations(self, versions: Path) -> None:
        newest = int(max(path.name for path in versions.glob("[0-9]*.py")).partition("_")[0])
        for number, change in enumerate(self.migrations, newest + 1):
            told = MIGRATION.format(revision=f"{number:04}", before=f"{number - 1:04}", change=change)
            (versions / f"{number:04}_parcel.py").write_text(told)


def _writing_both(read: str) -> Sequence[Edit]:
    return [
        Edit(MODELS, NOW, BOTH.format(read=read)),
        Edit(MOVING, '"status", "tracking",', '"status", "was", "parcel",'),
    ]


WRITES_BOTH = Release("orders-1", _writing_both("was"), [EXPAND])
"""Reads the old column, which the release before it goes on changing."""
READS_NEW = Release("orders-2", _writing_both("parcel"), [EXPAND])
"""What was missing in the new column has been filled in; the old one is still written for the release before it."""
FORGETS_OLD = Release("orders-3", [Edit(MODELS, NOW, THEN)], [EXPAND, LET_GO])
TAKES_AWAY = Release("orders-4", FORGETS_OLD.edits, [EXPAND, LET_GO, CONTRACT])


def fill(engine: Engine) -> None:
    """What releases have written that did not know the new column; none of them runs any more."""
    while True:
        with engine.begin() as connection:
            if connection.execute(FILL).rowcount == 0:
                return
