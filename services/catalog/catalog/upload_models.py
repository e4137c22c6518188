"""The tables of bulk uploads and the rules that they keep."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from catalog.models import LONGEST_SKU, Base
from common.clock import now
from common.database import EXACT, TABLE_OPTIONS, UtcDateTime, Uuid

PENDING, RUNNING, FINISHED, FAILED, CANCELLED = "pending", "running", "finished", "failed", "cancelled"
CHECK, WRITE = "check", "write"
TICK = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Import(Base):
    """A bulk upload. `processed` rows of the file are done in this phase: whoever goes on begins after them.

    They are the sum of those created, updated, unchanged, failed and duplicates, unless nothing was written at all.
    """

    __tablename__ = "imports"
    __table_args__ = (
        CheckConstraint("status in ('pending', 'running', 'finished', 'failed', 'cancelled')", name="status_is_known"),
        CheckConstraint("mode in ('upsert', 'create', 'update')", name="mode_is_known"),
        CheckConstraint("on_error in ('skip', 'abort')", name="on_error_is_known"),
        CheckConstraint("phase in ('check', 'write')", name="phase_is_known"),
        Index("ix_imports_status", "status", "touched_at"),
        TABLE_OPTIONS,
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    started_by: Mapped[UUID] = mapped_column(Uuid)
    file: Mapped[str] = mapped_column(String(64))
    format: Mapped[str] = mapped_column(String(16))
    mode: Mapped[str] = mapped_column(String(16))
    on_error: Mapped[str] = mapped_column(String(16))
    dry_run: Mapped[bool]
    status: Mapped[str] = mapped_column(String(16), default=PENDING)
    phase: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(255))
    total: Mapped[int]
    processed: Mapped[int] = mapped_column(default=0)
    created: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    ignored: Mapped[int] = mapped_column(default=0)
    duplicates: Mapped[int] = mapped_column(default=0)
    repeats: Mapped[bool] = mapped_column(default=False)
    columns: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    unknown_columns: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    touched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in (FINISHED, FAILED, CANCELLED)

    @property
    def rows_per_second(self) -> float:
        """Rows worked on per second since it began, to its end or until now."""
        if self.started_at is None:
            return 0.0
        seconds = ((self.finished_at or now()) - self.started_at).total_seconds()
        return round(self.processed / max(seconds, 0.001), 1)

    @property
    def writes(self) -> bool:
        """Whether rows are written in the present phase, as against only checked."""
        return self.phase == WRITE

    @property
    def can_begin_again(self) -> bool:
        """Whether it is over and has not done what it was to do."""
        return self.status in (FAILED, CANCELLED)

    @property
    def begins_anew(self) -> bool:
        """Whether a retry starts with the first row: after bad rows that may be good now, and after half a check."""
        had_bad_rows = self.stops_at_bad_rows and self.status == FAILED and self.failed > 0
        return had_bad_rows or self.is_first_check

    @property
    def is_first_check(self) -> bool:
        """Whether it only checks at present what it is to write later."""
        return not self.writes and not self.dry_run

    @property
    def stops_at_bad_rows(self) -> bool:
        """Whether one bad row is the end of it."""
        return self.on_error == "abort"

    @property
    def sequence(self) -> int:
        """Grows with everything that happens to it, over retries too."""
        return 0 if self.touched_at is None else (self.touched_at - EPOCH) // TICK

    def touch(self) -> None:
        """Note that something happens now; later than what happened before, whatever this machine's clock says."""
        moment = now()
        self.touched_at = moment if self.touched_at is None else max(moment, self.touched_at + TICK)

    def count(
        self,
        *,
        created: int = 0,
        updated: int = 0,
        unchanged: int = 0,
        failed: int = 0,
        duplicates: int = 0,
        ignored: int = 0,
    ) -> None:
        """Add a chunk's rows; progress forgives earlier failed attempts."""
        self.created += created
        self.updated += updated
        self.unchanged += unchanged
        self.failed += failed
        self.duplicates += duplicates
        self.ignored += ignored
        self.processed += created + updated + unchanged + failed + duplicates
        self.touch()
        self.attempts = 0

    def begin_writing(self) -> None:
        """From the phase of checking to that of writing, from the first row on."""
        self.phase = WRITE
        self.processed = self.created = self.updated = self.unchanged = self.duplicates = self.ignored = 0
        self.touch()

    def write_nothing(self) -> None:
        """None of the good rows is, or will be, written."""
        self.created = self.updated = self.unchanged = 0

    def begin_again(self) -> None:
        """As if no worker had been told of it yet: from the checkpoint on, or anew."""
        if self.begins_anew:
            self.phase = CHECK
            self.processed = self.failed = self.duplicates = self.ignored = 0
            self.started_at = None
            self.write_nothing()
        self.status = PENDING
        self.reason = self.finished_at = None
        self.attempts = 0
        self.touch()

    def end(self, status: str, reason: str | None = None) -> None:
        """Nothing more will happen; what was only checked so far is not written."""
        if self.is_first_check:
            self.write_nothing()
        self.status = status
        self.reason = reason
        self.finished_at = now()
        self.touch()


class BadRow(Base):
    """A row of a file that was not taken, and why."""

    __tablename__ = "import_errors"
    __table_args__ = (
        ForeignKeyConstraint(["import_id"], ["imports.id"]),
        Index("ix_import_errors_import_id", "import_id", "line"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    import_id: Mapped[UUID] = mapped_column(Uuid)
    line: Mapped[int]
    sku: Mapped[str | None] = mapped_column(String(LONGEST_SKU, collation=EXACT))
    field: Mapped[str] = mapped_column(String(64))
    code: Mapped[str] = mapped_column(String(32))
    message: Mapped[str] = mapped_column(String(500))
    raw: Mapped[Any] = mapped_column(JSON)


import_errors = Base.metadata.tables["import_errors"]
