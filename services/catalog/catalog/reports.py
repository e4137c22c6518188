"""What catalog can be asked about its bulk uploads."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from catalog.models import MOST_ID
from catalog.upload_models import BadRow, Import
from catalog.upload_schemas import BadRowView, ImportView, ScheduledTask
from common.database import Sessions
from common.errors import Invalid, NotFound
from common.pagination import ListQuery, Page, keyed, numbered

Row = TypeVar("Row", Import, BadRow)
View = TypeVar("View", bound=BaseModel)

TASK_STATES: dict[str, Literal["PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED"]] = {
    "pending": "PENDING",
    "running": "STARTED",
    "finished": "SUCCESS",
    "failed": "FAILURE",
    "cancelled": "REVOKED",
}


@dataclass(frozen=True)
class Listing(Generic[Row, View]):
    """A list in one fixed order: its rows, how one is shown, which rows come after a cursor's key."""

    rows: Select[Row]
    show: Callable[[Row], View]
    after: Callable[[Any], ColumnElement[bool]]

    def page(self, session: Session, query: ListQuery, base_url: str) -> Page[View]:
        """The page that was asked for. Raises Invalid, NotFound past the end."""
        if query.by_cursor:
            return self._keyed(session, query, base_url)
        count = session.scalar(select(func.count()).select_from(self.rows.order_by(None).subquery())) or 0
        rows = session.scalars(self.rows.offset(query.offset).limit(query.size))
        return numbered(base_url, query, count, [self.show(row) for row in rows])

    def _keyed(self, session: Session, query: ListQuery, base_url: str) -> Page[View]:
        key = query.after()
        rows = self.rows if key is None else self.rows.where(self._beyond(key))
        found = session.scalars(rows.limit(query.size + 1)).all()
        page = found[: query.size]
        last = [_word(page[-1].id)] if len(found) > len(page) else None
        return keyed(base_url, query, [self.show(row) for row in page], last)

    def _beyond(self, key: list[Any]) -> ColumnElement[bool]:
        try:
            (only,) = key
            return self.after(only)
        except (ValueError, AttributeError, TypeError):
            raise Invalid("this cursor belongs to another list", code="invalid_cursor") from None


def _word(key: UUID | int) -> str | int:
    return key if isinstance(key, int) else str(key)


def _number(key: Any) -> int:
    if isinstance(key, int) and 0 <= key <= MOST_ID:
        return key
    raise ValueError("not an id")


_imports = Listing(
    select(Import).order_by(Import.id.desc()), ImportView.of, after=lambda key: Import.id < UUID(str(key))
)


def list_imports(sessions: Sessions, query: ListQuery, base_url: str) -> Page[ImportView]:
    """A page of imports, newest first. Raises Invalid, NotFound past the end."""
    with sessions.begin() as session:
        return _imports.page(session, query, base_url)


def find_import(sessions: Sessions, import_id: UUID) -> ImportView:
    """One import. Raises NotFound."""
    with sessions.begin() as session:
        return ImportView.of(found(session, import_id))


def find_task(sessions: Sessions, import_id: UUID) -> ScheduledTask:
    """One import in the words of a task queue; its result once it is over. Raises NotFound."""
    with sessions.begin() as session:
        job = found(session, import_id)
        result = ImportView.of(job) if job.is_over else None
        return ScheduledTask(task_id=job.id, status=TASK_STATES[job.status], result=result)


def list_bad_rows(sessions: Sessions, import_id: UUID, query: ListQuery, base_url: str) -> Page[BadRowView]:
    """A page of an import's bad rows, in the order of the file. Raises Invalid, NotFound."""
    rows = select(BadRow).where(BadRow.import_id == import_id).order_by(BadRow.id)
    listing = Listing(rows, BadRowView.model_validate, after=lambda key: BadRow.id > _number(key))
    with sessions.begin() as session:
        found(session, import_id)
        return listing.page(session, query, base_url)


def found(session: Session, import_id: UUID) -> Import:
    """The import itself. Raises NotFound."""
    job = session.get(Import, import_id)
    if job is None:
        raise NotFound("there is no such upload", code="upload_not_found")
    return job
