"""The bodies that notifier takes and gives, and what its list can be asked."""

from uuid import UUID

from pydantic import Field

from common.fields import Body, UtcTime, View
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
    resent_of: UUID | None
    created_at: UtcTime
    sent_at: UtcTime | None


class NotificationsQuery(ListQuery):
    type: str | None = None
    status: State | None = None


class PreferencesView(View):
    """Whether the user wants mails of these types; all others are always sent."""

    order_status: bool
    import_finished: bool
    low_stock: bool


class PreferencesChange(Body):
    """Types of mails to be switched on or off."""

    order_status: bool | None = None
    import_finished: bool | None = None
    low_stock: bool | None = None
