"""The HTTP door of notifier."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from common.knocking import Admin, CurrentUser, IdempotencyKey, SessionsDep, from_state, signed
from common.pagination import Page
from common.replies import reply
from notifier.preferring import change_preferences, read_preferences
from notifier.queries import list_notifications
from notifier.resending import resend_mail
from notifier.schemas import NotificationsQuery, NotificationView, PreferencesChange, PreferencesView

router = APIRouter(prefix="/api/notifications", tags=["notifications"], dependencies=signed)

ListUrl = Annotated[str, from_state("list_url")]

Described = dict[int | str, dict[str, Any]]
RESENT: Described = {
    404: {"description": "There is no such mail"},
    409: {
        "description": "`one_time_secret`: it holds a code or a link that is not sent twice; `still_waiting`: it, or "
        "the copy of it that `notification` names, has not been sent yet; `switched_off`: its user does not want such "
        "mails; or `idempotency_in_progress`"
    },
}


@router.get("/", response_model=Page[NotificationView])
def list_all(
    user: CurrentUser, sessions: SessionsDep, url: ListUrl, query: Annotated[NotificationsQuery, Query()]
) -> Page[NotificationView]:
    """Mails to you, newest first; an administrator sees everyone's."""
    return list_notifications(sessions, user, query, url)


@router.get("/preferences/", response_model=PreferencesView)
def preferences(user: CurrentUser, sessions: SessionsDep) -> PreferencesView:
    """Which of the mails that you may do without you want."""
    return read_preferences(sessions, user)


@router.patch("/preferences/", response_model=PreferencesView)
def prefer(user: CurrentUser, sessions: SessionsDep, body: PreferencesChange) -> PreferencesView:
    """Switch mails of a type on or off, from the next event on; what is not named stays as it is."""
    return change_preferences(sessions, user, body)


@router.post("/{notification_id}/resend/", status_code=202, response_model=NotificationView, responses=RESENT)
def resend(
    request: Request, notification_id: UUID, admin: Admin, key: IdempotencyKey, sessions: SessionsDep
) -> Response:
    """Send a mail again: a copy of it, to where its user is reached now, is queued and shown."""
    return reply(request, resend_mail(sessions, notification_id, admin, key))
