"""The idempotency keys' tests: one key, one effect, whoever asks however often."""

import json
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from common import idempotency
from common.clock import now
from common.database import Sessions, retried
from common.errors import Conflict, Invalid, KeyReused, Problem
from common.idempotency import (
    LEASE,
    Answer,
    Claim,
    check_key,
    claim_all,
    claim_one,
    finish,
    finish_all,
    finish_scope,
    forget,
    free,
    idempotency_keys,
    known,
    new_claim,
    purge,
)

BODY = {"items": [{"product_id": 1, "quantity": 2}]}


def claim_for(key: str | None = "k", holder: str = "ada", route: str = "POST /api/orders/", body: Any = BODY) -> Claim:
    return new_claim(key, holder, route, body)


@pytest.fixture
def claimed(sessions: Sessions) -> Callable[[Claim], Claim | Answer | Problem]:
    """What becomes of a claim in a transaction of its own, run again when it lost a deadlock."""

    @retried
    def claim(wanted: Claim) -> Claim | Answer | Problem:
        with sessions.begin() as session:
            return claim_all(session, [wanted])[0]

    return claim


Claimed = Callable[[Claim], Claim | Answer | Problem]


def store(sessions: Sessions, claim: Claim, answer: Answer) -> None:
    with sessions.begin() as session:
        finish(session, claim, answer)


def let_the_lease_run_out(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(update(idempotency_keys).values(lease_until=now() - timedelta(seconds=1)))


def code(outcome: object) -> str:
    assert isinstance(outcome, Problem), outcome
    return outcome.problem_code


def resource(outcome: object) -> UUID:
    assert isinstance(outcome, Claim), outcome
    return outcome.resource_id


def test_a_new_key_is_claimed_with_the_id_it_came_with(claimed: Claimed) -> None:
    claim = claim_for()
    assert claimed(claim) == claim


def test_a_finished_key_is_answered_as_it_was(sessions: Sessions, claimed: Claimed) -> None:
    claim = claim_for()
    claimed(claim)
    store(sessions, claim, Answer(201, {"number": "A-1", "total": "12.50"}, {"Location": "/api/orders/1/"}))
    replay = claimed(claim_for())
    assert replay == Answer(201, {"number": "A-1", "total": "12.50"}, {"Location": "/api/orders/1/"}, replayed=True)
    assert claimed(claim_for()) == replay


def test_an_answer_keeps_the_order_of_its_names(sessions: Sessions, claimed: Claimed) -> None:
    """MySQL's JSON would put the short ones first."""
    body = {"number": 1, "id": 2, "at": {"longer": 3, "b": "\u00fc"}}
    mine = claimed(claim_for())
    assert isinstance(mine, Claim)
    store(sessions, mine, Answer(201, body))
    again = claimed(claim_for())
    assert isinstance(again, Answer)
    assert json.dumps(again.body) == json.dumps(body)


def test_an_answer_without_a_body_is_kept_too(sessions: Sessions, claimed: Claimed) -> None:
    claim = claim_for()
    claimed(claim)
    store(sessions, claim, Answer(204, None))
    assert claimed(claim_for()) == Answer(204, None, {}, replayed=True)


def test_a_key_that_is_being_worked_on_is_a_conflict_with_a_time_to_come_back(claimed: Claimed) -> None:
    claimed(claim_for())
    outcome = claimed(claim_for())
    assert code(outcome) == "idempotency_in_progress"
    assert isinstance(outcome, Conflict)
    assert outcome.headers["Retry-After"] == "1"


def test_a_key_with_another_body_is_refused_before_and_after_the_end(sessions: Sessions, claimed: Claimed) -> None:
    claim = claim_for()
    claimed(claim)
    assert isinstance(claimed(claim_for(body={"items": []})), KeyReused)
    store(sessions, claim, Answer(201, {}))
    assert isinstance(claimed(claim_for(body={"items": []})), KeyReused)
    let_the_lease_run_out(sessions)
    assert isinstance(claimed(claim_for(body={"items": []})), KeyReused)


def test_holders_and_routes_have_keys_of_their_own(claimed: Claimed) -> None:
    claims = [claim_for(), claim_for(holder="bob"), claim_for(route="POST /api/cart/"), claim_for("other")]
    assert [claimed(claim) for claim in claims] == claims


@pytest.mark.unit
def test_the_same_wish_in_another_order_is_the_same_body() -> None:
    one, other = claim_for(body={"a": 1, "b": [1, 2]}), claim_for(body={"b": [1, 2], "a": 1})
    assert (one.scope, one.fingerprint) == (other.scope, other.fingerprint)
    assert one.fingerprint != claim_for(body={"a": 1, "b": [2, 1]}).fingerprint
    assert one.owner != other.owner


@pytest.mark.unit
@pytest.mark.parametrize("body", [{"n": 10**40}, {"t": "\ud800"}, {"f": float("nan")}, None, []])
def test_every_body_has_a_fingerprint(body: Any) -> None:
    assert claim_for(body=body).fingerprint == claim_for(body=body).fingerprint


@pytest.mark.unit
def test_without_a_key_each_request_is_one_of_its_own() -> None:
    assert claim_for(None).scope != claim_for(None).scope


def test_a_claim_whose_owner_died_is_taken_over_with_the_same_resource(sessions: Sessions, claimed: Claimed) -> None:
    first, second, third = claim_for(), claim_for(), claim_for()
    claimed(first)
    let_the_lease_run_out(sessions)
    assert resource(claimed(second)) == first.resource_id
    assert code(claimed(third)) == "idempotency_in_progress"
    let_the_lease_run_out(sessions)
    assert resource(claimed(third)) == first.resource_id


def test_an_owner_who_claims_again_gets_the_resource_of_the_work_that_was_taken_over(
    sessions: Sessions, claimed: Claimed
) -> None:
    first, second = claim_for(), claim_for()
    claimed(first)
    let_the_lease_run_out(sessions)
    claimed(second)
    assert resource(claimed(second)) == first.resource_id
    store(sessions, second, Answer(201, {"n": 1}))
    assert claimed(second) == Answer(201, {"n": 1}, {}, replayed=False)


def test_an_owner_who_comes_too_late_does_not_finish_a_second_time(sessions: Sessions, claimed: Claimed) -> None:
    late, owner = claim_for(), claim_for()
    claimed(late)
    let_the_lease_run_out(sessions)
    claimed(owner)
    with pytest.raises(Conflict):
        store(sessions, late, Answer(409, {"late": True}))
    with sessions.begin() as session:
        finish_all(session, [(late, Answer(409, {"late": True}))])
    store(sessions, owner, Answer(201, {"late": False}))
    with pytest.raises(Conflict):
        store(sessions, late, Answer(409, {"late": True}))
    with sessions.begin() as session:
        finish_all(session, [(late, Answer(409, {"late": True}))])
    assert claimed(claim_for()) == Answer(201, {"late": False}, {}, replayed=True)


def test_many_are_finished_in_one_statement(sessions: Sessions, claimed: Claimed) -> None:
    claims = [claim_for(f"k{number}") for number in range(10)]
    for claim in claims:
        claimed(claim)
    with sessions.begin() as session:
        finish_all(session, [(claim, Answer(201, {"n": n}, {"X": str(n)})) for n, claim in enumerate(claims)])
        finish_all(session, [])
    for number in range(10):
        assert claimed(claim_for(f"k{number}")) == Answer(201, {"n": number}, {"X": str(number)}, replayed=True)


def test_work_that_another_settles_is_answered_once(sessions: Sessions, claimed: Claimed) -> None:
    claim = claim_for()
    claimed(claim)
    with sessions.begin() as session:
        finish_scope(session, claim.scope, claim_for().resource_id, Answer(500, {}))
        finish_scope(session, claim.scope, claim.resource_id, Answer(409, {"expired": True}))
        finish_scope(session, claim.scope, claim.resource_id, Answer(201, {}))
    assert claimed(claim_for()) == Answer(409, {"expired": True}, {}, replayed=True)


def test_a_freed_key_is_taken_over_at_once(sessions: Sessions, claimed: Claimed) -> None:
    first, second = claim_for(), claim_for()
    claimed(first)
    with sessions.begin() as session:
        free(session, [first])
    assert resource(claimed(second)) == first.resource_id
    with sessions.begin() as session:
        free(session, [first])
    assert code(claimed(claim_for())) == "idempotency_in_progress", "only its owner frees a claim"


def test_a_claim_that_is_forgotten_was_never_made_and_a_finished_one_stays(
    sessions: Sessions, claimed: Claimed
) -> None:
    begun, done = claim_for(), claim_for("l")
    for claim in (begun, done):
        claimed(claim)
    store(sessions, done, Answer(201, {}))
    with sessions.begin() as session:
        forget(session, begun)
        forget(session, done)
        assert (known(session, begun), known(session, done)) == (False, True)


def test_a_claim_that_is_rolled_back_leaves_nothing(sessions: Sessions, claimed: Claimed) -> None:
    claim = claim_for()
    session = sessions()
    claim_one(session, claim)
    session.rollback()
    session.close()
    with sessions.begin() as other:
        assert not known(other, claim)
    fresh = claim_for()
    assert claimed(fresh) == fresh


def test_twins_in_one_batch_are_one_effect(sessions: Sessions) -> None:
    twins = [claim_for("a"), claim_for("b"), claim_for("a"), claim_for("a", body={})]
    with sessions.begin() as session:
        outcomes = claim_all(session, twins)
    assert outcomes[:2] == twins[:2]
    assert code(outcomes[2]) == "idempotency_in_progress"
    assert code(outcomes[3]) == "idempotency_key_reused"


def race(times: int, work: Callable[[int], object]) -> list[Any]:
    """What `times` threads get that begin at the same moment."""
    start, outcomes = threading.Barrier(times), [None] * times

    def run(number: int) -> None:
        start.wait()
        outcomes[number] = work(number)  # type: ignore[call-overload]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.fixture
def many(database_url: str) -> Any:
    """Sessions for many threads at once."""
    from common.database import new_engine, new_sessions

    engine = new_engine(database_url, pool_size=50)
    yield new_sessions(engine)
    engine.dispose()


@pytest.mark.parametrize("found", ["new", "stale"])
def test_of_fifty_at_once_one_owns_the_work(many: Sessions, found: str) -> None:
    @retried
    def claim(wanted: Claim) -> Claim | Answer | Problem:
        with many.begin() as session:
            return claim_all(session, [wanted])[0]

    before = claim_for()
    if found == "stale":
        claim(before)
        let_the_lease_run_out(many)
    claims = [claim_for() for _ in range(50)]
    outcomes = race(50, lambda number: claim(claims[number]))
    owners = [outcome for outcome in outcomes if isinstance(outcome, Claim)]
    assert len(owners) == 1
    assert {code(outcome) for outcome in outcomes if not isinstance(outcome, Claim)} == {"idempotency_in_progress"}
    if found == "stale":
        assert owners[0].resource_id == before.resource_id


def test_fifty_at_once_with_the_effect_in_the_same_transaction_have_one_effect(many: Sessions) -> None:
    @retried
    def place(_: int) -> object:
        with many.begin() as session:
            outcome = claim_all(session, [claim_for()])[0]
            if isinstance(outcome, Claim):
                session.execute(text("INSERT INTO effects (what) VALUES ('placed')"))
                finish(session, outcome, Answer(201, {"id": str(outcome.resource_id)}))
                return "placed"
            return outcome

    outcomes: Sequence[Any] = race(50, place)
    assert outcomes.count("placed") == 1
    replays = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    assert len(replays) == 49
    assert len({answer.body["id"] for answer in replays}) == 1
    with many.begin() as session:
        assert session.scalar(text("SELECT COUNT(*) FROM effects")) == 1


def test_old_finished_keys_are_dropped_in_chunks_and_unfinished_ones_stay(
    monkeypatch: pytest.MonkeyPatch, sessions: Sessions, claimed: Claimed
) -> None:
    monkeypatch.setattr(idempotency, "PURGE_CHUNK", 2)
    for number in range(6):
        claim = claim_for(f"k{number}")
        claimed(claim)
        if number != 5:
            store(sessions, claim, Answer(201, {}))
    with sessions.begin() as session:
        assert purge(session) == 0
        session.execute(
            update(idempotency_keys)
            .where(idempotency_keys.c.scope != claim_for("k4").scope)
            .values(expires_at=now() - timedelta(seconds=1))
        )
    counts = []
    for _ in range(3):
        with sessions.begin() as session:
            counts.append(purge(session))
    assert counts == [2, 2, 0]
    with sessions.begin() as session:
        assert [known(session, claim_for(f"k{number}")) for number in range(6)] == [False] * 4 + [True] * 2


def test_a_lease_lasts_a_minute(sessions: Sessions, claimed: Claimed) -> None:
    claimed(claim_for())
    with sessions.begin() as session:
        left = session.scalars(text("SELECT lease_until FROM idempotency_keys")).one()
    assert abs((left - now().replace(tzinfo=None)) - LEASE) < timedelta(seconds=5)


@pytest.mark.unit
@pytest.mark.parametrize("key", ["a", "k" * 255, "with spaces ~!", "0190d9a0-0000-7000-8000-000000000000"])
def test_a_good_key_is_taken(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.unit
def test_no_key_is_no_key() -> None:
    assert check_key(None) is None


@pytest.mark.unit
@pytest.mark.parametrize("key", ["", "k" * 256, "kä", "a\tb", "a\nb", "\x7f", "\x00", "\ud800"])
def test_a_bad_key_is_refused(key: str) -> None:
    with pytest.raises(Invalid):
        check_key(key)
