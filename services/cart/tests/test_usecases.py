"""What cart does unasked."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, Table, insert, select, text
from sqlalchemy.exc import DBAPIError

from cart.models import KEEP_GUESTS, Base, Cart, Line
from cart.usecases import MOST_EXPIRED, tidy
from common.clock import now
from common.database import Sessions
from common.idempotency import KEEP, idempotency_keys
from common.ids import new_id
from common.outbox import KEEP_HEARD, inbox
from common.testing.explaining import plans


def enter(sessions: Sessions, table: Table, row: dict[str, Any]) -> None:
    with sessions.begin() as session:
        session.execute(insert(table).values(row))


def test_what_is_past_its_keeping_time_is_dropped_and_the_rest_stays(sessions: Sessions) -> None:
    old, fresh = new_id(), new_id()
    for event, age in ((old, KEEP_HEARD + timedelta(hours=1)), (fresh, timedelta(hours=1))):
        enter(sessions, inbox, {"event_id": event, "type": "order.placed", "heard_at": now() - age})
        key = {
            "scope": event.bytes * 2,
            "fingerprint": event.bytes * 2,
            "owner": event,
            "resource_id": event,
            "lease_until": now(),
            "expires_at": now() + KEEP - age,
            "status": 200,
        }
        enter(sessions, idempotency_keys, key)

    tidy(sessions)

    with sessions.begin() as session:
        events = set(session.scalars(select(inbox.c.event_id)))
        keys = set(session.scalars(select(idempotency_keys.c.resource_id)))
    assert (old in events, fresh in events) == (False, True)
    assert (old in keys, fresh in keys) == (False, True)


def cart(**changes: Any) -> dict[str, Any]:
    """A row of a cart that was changed now."""
    usual = {"id": new_id(), "version": 1, "created_at": now(), "updated_at": now()}
    return usual | changes


def test_the_carts_of_guests_are_dropped_to_the_last_when_their_time_is_over(sessions: Sessions) -> None:
    over = [cart(expires_at=now() - timedelta(seconds=1)) for _ in range(2 * MOST_EXPIRED + 1)]
    merged = cart(expires_at=now() - timedelta(seconds=1), merged_by=new_id())
    stays = [cart(expires_at=now() + timedelta(minutes=5)), cart(user_id=new_id(), updated_at=now() - KEEP_GUESTS * 9)]
    line = {"product_id": 1, "id": new_id(), "quantity": 1, "price": 1, "added_at": now()}
    for row in (*over, merged, *stays):
        enter(sessions, Base.metadata.tables["carts"], row)
        enter(sessions, Base.metadata.tables["cart_lines"], line | {"cart_id": row["id"]})

    tidy(sessions)

    known = [row["id"] for row in (*over, merged, *stays)]
    with sessions.begin() as session:
        carts = set(session.scalars(select(Cart.id).where(Cart.id.in_(known))))
        lines = set(session.scalars(select(Line.cart_id).where(Line.cart_id.in_(known))))
    assert carts == lines == {row["id"] for row in stays}


def test_carts_whose_time_is_over_are_found_by_an_index(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(insert(Cart), [cart(user_id=new_id()) for _ in range(1000)])
        session.execute(text("ANALYZE TABLE carts"))
        engine = session.get_bind()
    assert isinstance(engine, Engine)

    drops = [plan for plan in plans(engine, lambda: tidy(sessions)) if plan["key"] == "ix_carts_expires_at"]
    assert {plan["type"] for plan in drops} == {"range"}


def test_a_cart_of_a_user_has_no_end_and_one_of_a_guest_has(sessions: Sessions) -> None:
    for row in (cart(), cart(user_id=new_id(), expires_at=now())):
        with pytest.raises(DBAPIError, match="guests_carts_end"):
            enter(sessions, Base.metadata.tables["carts"], row)
