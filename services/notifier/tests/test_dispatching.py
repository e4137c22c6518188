"""When mails are handed to the workers: a lone one at once, many by the handful, and one that is urgent before them."""

from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from common.database import Sessions
from common.ids import new_id
from common.testing.broker import Broker
from common.testing.waiting import eventually
from notifier import dispatch, tasks

from .authority import Requested
from .desk import all_mails
from .telling import code_requested, placed, registered, reset_requested

NEVER_S = 3600.0
"""As far as a test is concerned."""


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[list[UUID]]:
    """What the workers are given; nobody looks for mails unless he is woken."""
    given: list[list[UUID]] = []
    monkeypatch.setattr(dispatch, "LOOK_S", NEVER_S)
    monkeypatch.setattr(tasks, "enqueue", lambda ids: given.append(list(ids)))
    return given


@pytest.fixture
def gathering(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not urgent gathers without end once something was handed over."""
    monkeypatch.setattr(dispatch, "GATHER_S", NEVER_S)


def types(sessions: Sessions, ids: list[UUID]) -> list[str]:
    return [mail.type for mail in all_mails(sessions) if mail.id in ids]


@pytest.mark.parametrize("requested", [code_requested, reset_requested])
def test_a_lone_mail_goes_at_once_others_gather_and_what_is_urgent_does_not(
    handed: list[list[UUID]],
    gathering: None,
    client: TestClient,
    broker: Broker,
    sessions: Sessions,
    requested: Requested,
) -> None:
    user = new_id()
    broker.tell(registered(user))
    eventually(lambda: len(handed) == 1)
    broker.tell(placed(user))
    eventually(lambda: len(all_mails(sessions)) == 2)
    for number in (2, 3):
        broker.tell(requested(new_id()))
        eventually(lambda number=number: len(handed) == number)  # type: ignore[misc]
    first, *urgent = [types(sessions, ids) for ids in handed]
    assert first == ["welcome"]
    assert {kind for kinds in urgent for kind in kinds} <= {"one_time_code", "password_reset"}


def test_what_has_gathered_is_handed_over_too(
    handed: list[list[UUID]], client: TestClient, broker: Broker, sessions: Sessions
) -> None:
    user = new_id()
    broker.tell(registered(user))
    eventually(lambda: len(handed) == 1)
    for _ in range(5):
        broker.tell(placed(user))
    eventually(lambda: len({mail_id for ids in handed for mail_id in ids}) == 6)
    assert sum(map(len, handed)) == len(all_mails(sessions)) == 6
