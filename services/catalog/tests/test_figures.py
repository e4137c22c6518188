"""What Prometheus is told of catalog: holds that nobody gives back, uploads that do not come on."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from catalog.figures import figures
from catalog.models import HELD, Reservation
from catalog.upload_models import WRITE, Import
from common.clock import now
from common.database import Sessions
from common.ids import new_id


@pytest.fixture
def session(sessions: Sessions) -> Iterator[Session]:
    """Nothing of it is committed, so that sweepers and workers see nothing."""
    with sessions() as session:
        yield session
        session.rollback()


def told(session: Session) -> dict[str, dict[str, float]]:
    session.flush()
    return {one.name: dict(one.values) for one in figures(session)}


def upload(status: str, idle_s: float) -> Import:
    moment = now() - timedelta(seconds=idle_s)
    odd: dict[str, Any] = {"file": "x", "format": "csv", "mode": "upsert", "on_error": "skip", "dry_run": False}
    odd |= {"created_at": moment, "touched_at": moment}
    return Import(id=new_id(), started_by=new_id(), status=status, phase=WRITE, total=9, **odd)


@pytest.mark.parametrize(("late_s", "more"), [(-60, 0), (590, 0), (610, 1)])
def test_a_hold_that_nobody_gives_back_is_told_after_ten_minutes(session: Session, late_s: int, more: int) -> None:
    before = told(session)["stoa_catalog_holds_overdue"][""]
    ended = now() - timedelta(seconds=late_s)
    session.add(Reservation(order_id=new_id(), state=HELD, expires_at=ended, created_at=ended))
    assert told(session)["stoa_catalog_holds_overdue"][""] == before + more


def test_uploads_are_counted_until_they_are_through_and_the_one_that_stands_still_is_timed(session: Session) -> None:
    before = told(session)["stoa_catalog_imports"]
    session.add_all([upload("pending", 5), upload("running", 500_000), upload("finished", 900_000)])
    after = told(session)
    assert after["stoa_catalog_imports"] == {state: count + 1 for state, count in before.items()}
    assert 500_000 <= after["stoa_catalog_import_idle_seconds"][""] < 600_000
