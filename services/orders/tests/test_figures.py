"""What Prometheus is told of orders: only what the sweeper cannot settle."""

from datetime import timedelta
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from common.clock import now
from common.testing.signing import SignedUser
from orders.figures import figures
from orders.models import Order, Placement

from .conftest import Shelves
from .test_placing import order


@pytest.mark.parametrize(("late_s", "told"), [(-5, 0), (55, 0), (65, 1)])
def test_an_intent_that_nobody_settles_is_told_a_minute_after_its_deadline(
    client: TestClient, shelves: Shelves, ada: SignedUser, engine: Engine, late_s: int, told: int
) -> None:
    placed = UUID(order(client, ada).json()["id"])
    with Session(engine) as session:  # never committed, so that the sweeper sees nothing of it
        deadline = now() - timedelta(seconds=late_s)
        intent = update(Order).where(Order.id == placed).values(placement=Placement.PENDING, deadline=deadline)
        session.execute(intent, execution_options={"synchronize_session": False})
        assert [(one.name, dict(one.values)) for one in figures(session)] == [
            ("stoa_orders_intents_overdue", {"": told})
        ]
