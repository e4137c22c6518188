"""The bodies that catalog gives about bulk uploads, and what one may be asked with."""

from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from catalog.upload_models import Import
from common.fields import UtcTime, View


class UploadOptions(BaseModel):
    """How a file is to be taken."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["upsert", "create", "update"] = "upsert"
    on_error: Literal["skip", "abort"] = "skip"
    dry_run: bool = False


class UploadAccepted(View):
    message: str
    task_id: UUID
    status_url: str


class ImportView(View):
    """A bulk upload as far as it has come."""

    task_id: UUID
    status: Literal["pending", "running", "finished", "failed", "cancelled"]
    reason: str | None = Field(description="Why it failed as a whole")
    mode: str
    on_error: str
    dry_run: bool
    unknown_columns: list[str] = Field(description="Columns of the file that mean nothing here and are passed over")
    total: int
    processed: int = Field(description="Rows that are done, whatever became of them")
    created: int
    updated: int
    unchanged: int
    failed: int
    duplicates: int = Field(description="Rows that a later row of the same file has taken the place of")
    ignored: int = Field(description="Values of fields that the server alone sets")
    rows_per_second: float
    created_at: UtcTime
    started_at: UtcTime | None
    finished_at: UtcTime | None

    @classmethod
    def of(cls, job: Import) -> Self:
        """The view of an import."""
        worked_out: dict[str, Any] = {
            "task_id": job.id,
            "unknown_columns": job.unknown_columns or [],
            "rows_per_second": job.rows_per_second,
        }
        return cls(**worked_out, **{name: getattr(job, name) for name in cls.model_fields if name not in worked_out})


class BadRowView(View):
    """A row that was not taken, with what it held."""

    line: int = Field(description="Line of the file at which the row begins; the header is line 1")
    sku: str | None
    field: str
    code: str
    message: str
    row: Any = Field(validation_alias="raw")


class ScheduledTask(View):
    """A bulk upload under its older name, with the status words of its older days."""

    task_id: UUID
    status: Literal["PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED"]
    result: ImportView | None
