"""What notifier can be asked."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from common.database import Sessions
from common.errors import Invalid
from common.ids import parse_id
from common.pagination import Page, keyed, numbered
from common.tokens import User
from notifier.models import NOBODY, Notification
from notifier.schemas import NotificationsQuery, NotificationView


def list_notifications(sessions: Sessions, user: User, query: NotificationsQuery, url: str) -> Page[NotificationView]:
    """A page of the mails to the user, or to anyone for an admin; newest first."""
    wanted = _filtered(select(Notification), user, query).order_by(Notification.id.desc())
    with sessions.begin() as session:
        if query.by_cursor:
            rows = session.scalars(_before(wanted, query).limit(query.size + 1)).all()
            shown = rows[: query.size]
            last = [str(shown[-1].id)] if len(rows) > query.size else None
            return keyed(url, query, _views(shown, user), last)
        count = session.scalar(_filtered(select(func.count()).select_from(Notification), user, query)) or 0
        rows = session.scalars(wanted.offset(query.offset).limit(query.page_size)).all()
        return numbered(url, query, count, _views(rows, user))


def _views(rows: Sequence[Notification], user: User) -> list[NotificationView]:
    """What a mail server said is for administrators: it may name hosts."""
    views = [NotificationView.model_validate(row) for row in rows]
    return views if user.is_admin else [view.model_copy(update={"error": ""}) for view in views]


def _filtered(statement: Select[Any], user: User, query: NotificationsQuery) -> Select[Any]:
    """A mail of which nobody has told yet whose it is is shown to no one."""
    whose = Notification.user_id != NOBODY if user.is_admin else Notification.user_id == user.id
    statement = statement.where(whose)
    if query.type is not None:
        statement = statement.where(Notification.type == query.type)
    if query.status is not None:
        statement = statement.where(Notification.state == query.status)
    return statement


def _before(statement: Select[Any], query: NotificationsQuery) -> Select[Any]:
    keys = query.after()
    if keys is None:
        return statement
    last: UUID | None = parse_id(str(keys[0])) if len(keys) == 1 else None
    if last is None:
        raise Invalid("this cursor is not one of ours; begin again with an empty one", code="invalid_cursor")
    return statement.where(Notification.id < last)
