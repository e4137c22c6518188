"""`stoa outbox` and `stoa dead-letters`: what waits and what died is told, and by the exit code too."""

import pytest
from typer.testing import CliRunner

from common.testing.sisters import fake_sister
from stoa import cli
from stoa.faring import PREFIXES

pytestmark = pytest.mark.unit

LETTER = {"id": "event-1", "type": None, "reason": "undecodable", "attempts": 5, "died_at": None}


@pytest.fixture
def shop():
    with fake_sister() as shop:
        shop.answer("POST", "/api/auth/login/", lambda *_: (200, {"access_token": "good"}))
        for service, prefix in PREFIXES.items():
            fine = {"service": service, "outbox": {"waiting": 7, "oldest_s": 1.5}, "dead_letters": 0, "broker": "ok"}
            shop.answer("GET", f"{prefix}/operations/", lambda *_, fine=fine: (200, fine))
            shop.answer("GET", f"{prefix}/operations/dead-letters/", lambda *_: (200, {"count": 0, "results": []}))
        yield shop


@pytest.fixture
def run(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("STOA_RUN", str(tmp_path / "run"))

    def invoke(*words, url=shop.url):
        done = CliRunner().invoke(cli.app, [*words, "--url", url], env={"COLUMNS": "200"})
        return done.exit_code, " ".join(done.output.split())

    return invoke


def test_when_all_is_well_so_is_the_exit_code(run, shop):
    code, said = run("outbox")
    assert (code, said.count("1.5 s"), all(service in said for service in PREFIXES)) == (0, 6, True)
    assert run("dead-letters") == (0, "There are no dead letters.")
    assert set(shop.shown) == {"", "Bearer good"}


@pytest.mark.parametrize(
    ("status", "told", "shown"),
    [
        (200, {"outbox": None, "dead_letters": 3, "broker": "ok"}, "cart – – 3 ok"),
        (200, {"outbox": None, "dead_letters": None, "broker": "away"}, "cart – – – away"),
        (503, {"detail": "the database does not answer"}, "cart – – – The shop refuses it (503): the database"),
    ],
)
def test_what_is_amiss_in_one_service_is_told_beside_the_others(run, shop, status, told, shown):
    shop.answer("GET", "/api/cart/operations/", lambda *_: (status, told))
    code, said = run("outbox")
    assert code == 1
    assert shown in said
    assert said.count("1.5 s") == 5


def test_dead_letters_of_one_service_are_listed(run, shop):
    shop.answer("GET", "/api/cart/operations/dead-letters/", lambda *_: (200, {"count": 1, "results": [LETTER]}))
    code, said = run("dead-letters", "cart")
    assert (code, "cart event-1 – undecodable 5 –" in said) == (1, True)
    assert [path for _, path, _ in shop.asked if "dead" in path] == ["/api/cart/operations/dead-letters/?limit=100"]
    assert run("dead-letters", "catalog")[0] == 0
    code, said = run("dead-letters", "shelf")
    assert (code, "There is no service shelf" in said) == (2, True)


def test_who_cannot_look_is_told_why(run, shop):
    shop.answer("POST", "/api/auth/login/", lambda *_: (401, {"detail": "wrong name or password"}))
    for command in ("outbox", "dead-letters"):
        code, said = run(command)
        assert (code, "(401): wrong name or password." in said) == (2, True)
        code, said = run(command, url="http://127.0.0.1:1")
        assert (code, "does not answer" in said) == (2, True)
