"""The ended sessions in Redis stay true to MySQL, whatever happens to either."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from redis import Redis
from sqlalchemy import select

from auth.grants import Client, Grants
from auth.models import User, UserSession
from auth.revocations import Keeper, RevokedSet
from auth.signing import Signing
from auth.tidying import tidy
from common.clock import now
from common.database import Sessions
from common.revocation import EPOCH, revoked_key
from common.testing.waiting import eventually

from .conftest import SECRET, Person


@pytest.fixture
def shelf(own_redis_url: str) -> Iterator["Redis"]:
    """An empty Redis database that no running auth keeps."""
    with Redis.from_url(own_redis_url.removesuffix("/1") + "/3") as redis:
        redis.flushdb()
        yield redis


@pytest.fixture
def revoked(shelf: "Redis") -> RevokedSet:
    return RevokedSet(shelf, 600)


def ended(sessions: Sessions, person: Person, ago: timedelta) -> UUID:
    """A session that was ended so long ago, of which Redis knows nothing."""
    grants = Grants(Signing(sessions, SECRET, 600), SECRET, 600, 30, 90)
    with sessions.begin() as session:
        user = session.scalars(select(User).where(User.username == person.form["username"])).one()
        opened = grants.open(session, user, Client("", ""), "pwd")
        opened.session.revoked_at = now() - ago
    return opened.session.id


def test_a_missing_set_is_built_from_what_ended_in_the_last_quarter_of_an_hour(
    sessions: Sessions, ada: Person, shelf: "Redis", revoked: RevokedSet
) -> None:
    lately, long_ago = ended(sessions, ada, timedelta(minutes=14)), ended(sessions, ada, timedelta(minutes=16))
    assert not revoked.is_standing()
    Keeper(sessions, revoked).keep()
    assert revoked.is_standing()
    assert shelf.exists(revoked_key(lately))
    assert not shelf.exists(revoked_key(long_ago))
    assert 890 < shelf.ttl(EPOCH) <= 900


def test_an_emptied_redis_is_noticed_and_filled_again(sessions: Sessions, redis: "Redis", ada: Person) -> None:
    session = ended(sessions, ada, timedelta(minutes=5))
    eventually(lambda: redis.exists(EPOCH))
    redis.flushdb()
    eventually(lambda: redis.exists(EPOCH))
    assert redis.exists(revoked_key(session))


def test_the_first_pass_of_a_process_tells_what_its_forerunner_could_not(
    sessions: Sessions, ada: Person, shelf: "Redis", revoked: RevokedSet
) -> None:
    Keeper(sessions, revoked).keep()
    untold = ended(sessions, ada, timedelta(minutes=5))
    Keeper(sessions, revoked).keep()
    assert shelf.exists(revoked_key(untold))


def test_a_pass_looks_back_to_the_last_one_that_succeeded(
    sessions: Sessions, ada: Person, shelf: "Redis", revoked: RevokedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Keeper(sessions, revoked)

    def keep(minutes_ago: int, told: RevokedSet = revoked) -> None:
        monkeypatch.setattr("auth.revocations.now", lambda: now() - timedelta(minutes=minutes_ago))
        monkeypatch.setattr(keeper, "_revoked", told)
        keeper.keep()

    with Redis.from_url("redis://127.0.0.1:1/0") as nowhere:
        cut_off = RevokedSet(nowhere, 600)
        keep(10)
        untold = ended(sessions, ada, timedelta(minutes=9))
        assert not cut_off.add([untold])
        keep(5, cut_off)
        keep(0)
    assert shelf.exists(revoked_key(untold))


def test_an_epoch_of_another_run_of_redis_is_not_believed(
    sessions: Sessions, ada: Person, shelf: "Redis", revoked: RevokedSet
) -> None:
    keeper = Keeper(sessions, revoked)
    keeper.keep()
    session = ended(sessions, ada, timedelta(minutes=5))
    shelf.set(EPOCH, "an older run")
    keeper.keep()
    assert shelf.exists(revoked_key(session))
    assert shelf.get(EPOCH) != b"an older run"


def test_a_redis_emptied_while_the_set_is_read_gets_no_epoch(
    sessions: Sessions, ada: Person, shelf: "Redis", revoked: RevokedSet
) -> None:
    late = ended(sessions, ada, timedelta(0))

    def read_before_the_end() -> list[UUID]:
        revoked.add([late])
        shelf.flushdb()
        return []

    revoked.rebuild(read_before_the_end)
    assert not shelf.exists(EPOCH)
    Keeper(sessions, revoked).keep()
    assert revoked.is_standing()
    assert shelf.exists(revoked_key(late))


def test_an_epoch_that_has_fallen_is_not_set_up_by_going_on(shelf: "Redis", revoked: RevokedSet) -> None:
    revoked.go_on([])
    assert not shelf.exists(EPOCH)


def test_sessions_that_have_expired_are_tidied_away(sessions: Sessions, ada: Person) -> None:
    kept, dropped = ended(sessions, ada, timedelta(0)), ended(sessions, ada, timedelta(0))
    with sessions.begin() as session:
        session.get_one(UserSession, dropped).expires_at = now() - timedelta(seconds=1)
    tidy(sessions)
    with sessions.begin() as session:
        assert session.get(UserSession, kept) is not None
        assert session.get(UserSession, dropped) is None
