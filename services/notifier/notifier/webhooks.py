"""The HTTP door of notifier to the webhooks of integrators; administrators only."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from common.knocking import SessionsDep, for_admins, from_state
from common.pagination import ListParams, Page
from notifier.hooks import keeping, queries
from notifier.hooks.keeping import Keeper
from notifier.hooks.schemas import (
    DeliveriesQuery,
    DeliveryView,
    EndpointChange,
    EndpointDraft,
    EndpointView,
    EndpointWithSecret,
)

PREFIX = "/api/webhooks"

router = APIRouter(prefix=PREFIX, tags=["webhooks"], dependencies=for_admins)


async def _kept_nowhere(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


KeeperDep = Annotated[Keeper, from_state("keeper")]
ListUrl = Annotated[str, from_state("webhooks_url")]
secret_inside = [Depends(_kept_nowhere)]

FULL: dict[int | str, dict[str, Any]] = {409: {"description": "`too_many_webhooks`: there are as many as there may be"}}
DISABLED: dict[int | str, dict[str, Any]] = {409: {"description": "`webhook_disabled`: enable it first"}}
BUSY: dict[int | str, dict[str, Any]] = {
    409: {"description": "`webhook_disabled`: enable it first; `delivery_in_progress`: it is being sent"}
}


def _created(response: Response, endpoint: EndpointWithSecret) -> EndpointWithSecret:
    response.headers["Location"] = f"{PREFIX}/{endpoint.id}/"
    return endpoint


@router.get("/", response_model=Page[EndpointView])
def list_webhooks(sessions: SessionsDep, url: ListUrl, query: ListParams) -> Page[EndpointView]:
    """All webhooks, newest first."""
    return queries.list_endpoints(sessions, query, url)


@router.post("/", status_code=201, dependencies=secret_inside, responses=FULL)
def create_webhook(
    response: Response, draft: EndpointDraft, sessions: SessionsDep, keeper: KeeperDep
) -> EndpointWithSecret:
    """Add a webhook; its secret is shown in this answer and never again."""
    return _created(response, keeping.create_endpoint(sessions, keeper, draft))


@router.get("/{webhook_id}/", response_model=EndpointView)
def find_webhook(webhook_id: UUID, sessions: SessionsDep) -> Any:
    """One webhook."""
    return queries.find_endpoint(sessions, webhook_id)


@router.patch("/{webhook_id}/", response_model=EndpointView)
def change_webhook(webhook_id: UUID, change: EndpointChange, sessions: SessionsDep, keeper: KeeperDep) -> Any:
    """Change a webhook; `active` switches it on again after it was disabled, and what was waiting goes out."""
    return keeping.change_endpoint(sessions, keeper, webhook_id, change)


@router.delete("/{webhook_id}/", status_code=204)
def remove_webhook(webhook_id: UUID, sessions: SessionsDep) -> None:
    """Remove a webhook; its log is seen no more and dropped soon after."""
    keeping.remove_endpoint(sessions, webhook_id)


@router.post("/{webhook_id}/rotate-secret/", dependencies=secret_inside)
def rotate_secret(webhook_id: UUID, sessions: SessionsDep, keeper: KeeperDep) -> EndpointWithSecret:
    """Make a new secret, shown in this answer; for 24 hours deliveries are signed with the previous one too."""
    return keeping.rotate_secret(sessions, keeper, webhook_id)


@router.post("/{webhook_id}/test/", status_code=202, responses=DISABLED)
def send_test(webhook_id: UUID, sessions: SessionsDep) -> DeliveryView:
    """Have a `webhook.test` event delivered there."""
    return keeping.send_test(sessions, webhook_id)


@router.get("/{webhook_id}/deliveries/", response_model=Page[DeliveryView])
def list_deliveries(
    webhook_id: UUID, sessions: SessionsDep, url: ListUrl, query: Annotated[DeliveriesQuery, Query()]
) -> Page[DeliveryView]:
    """What was and is to be delivered there, newest first, with what became of it."""
    return queries.list_deliveries(sessions, webhook_id, query, url)


@router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver/", status_code=202, responses=BUSY)
def redeliver(webhook_id: UUID, delivery_id: UUID, sessions: SessionsDep) -> DeliveryView:
    """Send a delivery again, under the same `webhook-id`."""
    return keeping.redeliver(sessions, webhook_id, delivery_id)
