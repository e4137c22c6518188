"""The bodies that notifier gives, and what its list can be asked."""

from uuid import UUID

from pydantic import Field

from common.fields import UtcTime, View
from common.pagination import ListQuery
from notifier.models import State


class NotificationView(View):
    id: UUID
    type: str
    user: UUID = Field(validation_alias="user_id")
    email: str
    subject: str
    status: str = Field(validation_alias="state")
    attempts: int
    error: str
    created_at: UtcTime
    sent_at: UtcTime | None


class NotificationsQuery(ListQuery):
    type: str | None = None
    status: State | None = None
