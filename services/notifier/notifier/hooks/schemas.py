"""The bodies that webhooks are managed with."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import MISSING, ConfigDict, Field

from common.clock import now
from common.fields import Body, UtcTime, View
from common.pagination import ListQuery
from notifier.hooks.models import LONGEST_URL, Delivery, DeliveryState, Endpoint

PATTERN = r"^(\*|[a-z_]{1,30}\.(\*|[a-z_]{1,32}))$"

Url = Annotated[str, Field(min_length=1, max_length=LONGEST_URL, examples=["https://example.com/webhooks"])]
Pattern = Annotated[str, Field(pattern=PATTERN, examples=["order.*", "product.low_stock", "*"])]
Patterns = Annotated[list[Pattern], Field(min_length=1, max_length=20)]
Description = Annotated[str, Field(max_length=200)]


class EndpointDraft(Body):
    """A new endpoint."""

    url: Url
    events: Patterns
    description: Description = ""
    active: bool = True


class EndpointChange(Body):
    """What is to be another; what is left out stays."""

    url: Url | MISSING = MISSING
    events: Patterns | MISSING = MISSING
    description: Description | MISSING = MISSING
    active: bool | MISSING = MISSING


class EndpointView(View):
    id: UUID
    url: str
    events: list[str]
    description: str
    active: bool
    disabled_reason: str | None
    disabled_at: UtcTime | None
    failures_in_a_row: int = Field(validation_alias="failures")
    rests_until: UtcTime | None
    previous_secret_until: UtcTime | None
    created_at: UtcTime
    updated_at: UtcTime


class EndpointWithSecret(EndpointView):
    """An endpoint with the secret that its deliveries are signed with; it is shown this once."""

    model_config = ConfigDict(populate_by_name=True)

    secret: str

    @classmethod
    def of(cls, endpoint: Endpoint, secret: str) -> Self:
        """The endpoint as its maker sees it."""
        return cls(**EndpointView.model_validate(endpoint).model_dump(), secret=secret)


class DeliveryView(View):
    id: UUID
    event_id: UUID
    event_type: str
    status: str = Field(validation_alias="state")
    attempts: int
    status_code: int | None
    duration_ms: int | None
    answer: str
    error: str
    created_at: UtcTime
    delivered_at: UtcTime | None
    next_attempt_at: UtcTime | None = None

    @classmethod
    def of(cls, delivery: Delivery, endpoint: Endpoint) -> Self:
        """The delivery; its next attempt waits for an endpoint that rests, and for ever for one that is disabled."""
        view = cls.model_validate(delivery)
        if delivery.state == DeliveryState.QUEUED and endpoint.active:
            rested = endpoint.rests_until if not delivery.is_asked_for else None
            view.next_attempt_at = max(delivery.due_at, rested or delivery.due_at, now())
        return view


class DeliveriesQuery(ListQuery):
    status: DeliveryState | None = None
