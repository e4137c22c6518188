"""Passwords: what may be chosen, how it is hashed, how many at once."""

import asyncio
import threading

import pytest
from argon2 import PasswordHasher

from auth.passwords import HashingPool, Passwords, check_choice, common_ones
from auth.settings import AuthSettings
from common.errors import Invalid, Unavailable

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def light() -> Passwords:
    return Passwords(time_cost=1, memory_kib=64, parallelism=1)


@pytest.mark.parametrize("password", ["password", "PassWord1", "qwertyuiop", "1234567890", "iloveyou"])
def test_a_common_password_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_choice(password, [])
    assert refused.value.problem_code == "weak_password"
    assert refused.value.errors is not None
    assert "password" in refused.value.errors


@pytest.mark.parametrize("password", ["ada.lovelace", "ADA.Lovelace", "ada.lovelace@example.com"])
def test_ones_own_name_or_address_is_refused(password: str) -> None:
    with pytest.raises(Invalid):
        check_choice(password, ["ada.lovelace", "ada.lovelace@example.com", ""])


def test_an_uncommon_password_is_taken() -> None:
    check_choice("oranges in the portico", ["ada", "ada@example.com"])


def test_the_list_holds_thousands_of_passwords_long_enough_to_be_chosen() -> None:
    assert len(common_ones()) > 3000
    assert all(len(word) >= 8 and word == word.casefold() for word in common_ones())


def test_a_password_matches_its_own_hash_only(light: Passwords) -> None:
    kept = light.hash("oranges")
    assert "oranges" not in kept
    assert light.matches("oranges", kept)
    assert not light.matches("oranges ", kept)
    assert light.hash("oranges") != kept


def test_without_an_account_the_same_work_is_done_and_nothing_matches(
    light: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    verify = PasswordHasher.verify

    def noted(hasher: PasswordHasher, kept: str, password: str) -> bool:
        asked.append(kept)
        return verify(hasher, kept, password)

    monkeypatch.setattr(PasswordHasher, "verify", noted)
    assert not light.matches("oranges", None)
    assert not light.matches("oranges", light.hash("apples"))
    assert [kept.rsplit("$", 2)[0] for kept in asked] == ["$argon2id$v=19$m=64,t=1,p=1"] * 2


def test_a_hash_made_with_other_parameters_is_outdated(light: Passwords) -> None:
    stronger = Passwords(time_cost=2, memory_kib=64, parallelism=1)
    assert stronger.is_outdated(light.hash("oranges"))
    assert not light.is_outdated(light.hash("oranges"))


def test_a_damaged_hash_matches_nothing(light: Passwords) -> None:
    assert not light.matches("oranges", "not a hash")


def test_the_parameters_are_owasps_minimum(settings_alone: AuthSettings) -> None:
    s = settings_alone
    kept = Passwords(s.argon2_time_cost, s.argon2_memory_kib, s.argon2_parallelism).hash("oranges")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.fixture
def settings_alone() -> AuthSettings:
    return AuthSettings(env="test", database_url="", broker_url="", redis_url="", secret_key="x" * 32)


def test_a_crowd_beyond_the_queue_is_sent_away_and_the_others_are_served() -> None:
    gate, pool = threading.Event(), HashingPool(threads=1, queue=2)

    async def crowd() -> list[object]:
        waiting = [asyncio.create_task(pool.run(gate.wait, 10)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as refused:
            await pool.run(gate.wait, 10)
        assert refused.value.problem_code == "overloaded"
        assert refused.value.headers["Retry-After"]
        gate.set()
        served = await asyncio.gather(*waiting)
        return [*served, await pool.run(gate.wait, 10)]

    try:
        assert asyncio.run(crowd()) == [True] * 4
    finally:
        pool.close()


def test_what_fails_leaves_the_pool_free() -> None:
    pool = HashingPool(threads=1, queue=0)

    async def twice() -> int:
        with pytest.raises(ZeroDivisionError):
            await pool.run(divmod, 1, 0)
        return (await pool.run(divmod, 4, 2))[0]

    try:
        assert asyncio.run(twice()) == 2
    finally:
        pool.close()
