"""The HTTP door of notifier."""

from typing import Annotated

from fastapi import APIRouter, Query

from common.knocking import CurrentUser, SessionsDep, from_state, signed
from common.pagination import Page
from notifier.queries import list_notifications
from notifier.schemas import NotificationsQuery, NotificationView

router = APIRouter(prefix="/api/notifications", tags=["notifications"], dependencies=signed)

ListUrl = Annotated[str, from_state("list_url")]


@router.get("/", response_model=Page[NotificationView])
def list_all(
    user: CurrentUser, sessions: SessionsDep, url: ListUrl, query: Annotated[NotificationsQuery, Query()]
) -> Page[NotificationView]:
    """Mails to you, newest first; an administrator sees everyone's."""
    return list_notifications(sessions, user, query, url)
