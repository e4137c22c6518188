"""What can be asked about webhooks."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.database import Sessions
from common.errors import NotFound
from common.ids import parse_id
from common.pagination import Key, ListQuery, Page, read_page
from notifier.hooks.models import Delivery, Endpoint
from notifier.hooks.schemas import DeliveriesQuery, DeliveryView, EndpointView


def list_endpoints(sessions: Sessions, query: ListQuery, url: str) -> Page[EndpointView]:
    """A page of endpoints, newest first."""
    with sessions.begin() as session:
        return read_page(session, select(Endpoint), Key(Endpoint.id, parse_id), query, url, EndpointView.model_validate)


def find_endpoint(sessions: Sessions, endpoint_id: UUID) -> Endpoint:
    """One endpoint. Raises NotFound."""
    with sessions.begin() as session:
        return known(session, endpoint_id)


def list_deliveries(sessions: Sessions, endpoint_id: UUID, query: DeliveriesQuery, url: str) -> Page[DeliveryView]:
    """A page of an endpoint's deliveries, newest first. Raises NotFound."""
    with sessions.begin() as session:
        endpoint = known(session, endpoint_id)
        wanted = select(Delivery).where(Delivery.endpoint_id == endpoint_id)
        if query.status is not None:
            wanted = wanted.where(Delivery.state == query.status)
        return read_page(
            session,
            wanted,
            Key(Delivery.id, parse_id),
            query,
            f"{url}{endpoint_id}/deliveries/",
            lambda row: DeliveryView.of(row, endpoint),
        )


def known(session: Session, endpoint_id: UUID, *, locked: bool = False) -> Endpoint:
    """The endpoint's row. Raises NotFound."""
    endpoint = session.get(Endpoint, endpoint_id, with_for_update=locked or None)
    if endpoint is None:
        raise NotFound("there is no such webhook", code="webhook_not_found")
    return endpoint
