"""`stoa outbox` and `stoa dead-letters`: what waits and what died is told, and by the exit code too."""

import re

import pytest
from rich.console import Console
from typer.testing import CliRunner

from common.testing.sisters import fake_sister
from stoa import caring, cli
from stoa.faring import PREFIXES
from stoa.settings import ROOT

pytestmark = pytest.mark.unit

LETTER = {
    "id": "01890000-0000-7000-8000-000000000000",
    "type": None,
    "reason": "undecodable",
    "attempts": 5,
    "died_at": None,
}

PARKED = {"waiting": 2, "oldest_s": 0.5, "parked": 1}
NO_LETTERS = {"count": 0, "left": 0, "results": []}


@pytest.fixture
def shop():
    with fake_sister() as shop:
        shop.answer("POST", "/api/auth/login/", lambda *_: (200, {"access_token": "good"}))
        for service, prefix in PREFIXES.items():
            outbox = {"waiting": 7, "oldest_s": 1.5, "parked": 0}
            fine = {"service": service, "outbox": outbox, "dead_letters": 0, "broker": "ok"}
            shop.answer("GET", f"{prefix}/operations/", lambda *_, fine=fine: (200, fine))
            shop.answer("GET", f"{prefix}/operations/dead-letters/", lambda *_: (200, NO_LETTERS))
        yield shop


@pytest.fixture
def run(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("STOA_RUN", str(tmp_path / "run"))

    def invoke(*words, url=shop.url, columns=200):
        monkeypatch.setattr(caring, "console", Console(width=columns))
        done = CliRunner().invoke(cli.app, [*words, "--url", url])
        return done.exit_code, " ".join(done.output.split())

    return invoke


def test_when_all_is_well_so_is_the_exit_code(run, shop):
    code, said = run("outbox")
    assert (code, said.count("1.5 s"), all(service in said for service in PREFIXES)) == (0, 6, True)
    assert run("dead-letters") == (0, "There are no dead letters.")
    assert set(shop.shown) == {"", "Bearer good"}


@pytest.mark.parametrize(
    ("status", "told", "shown", "left"),
    [
        (200, {"outbox": None, "dead_letters": 3, "broker": "ok"}, "cart – – – 3 ok", 1),
        (200, {"outbox": None, "dead_letters": None, "broker": "away"}, "cart – – – – away", 1),
        (200, {"outbox": PARKED, "dead_letters": 0, "broker": "ok"}, "cart 2 0.5 s 1 0 ok", 1),
        (
            503,
            {"detail": "[red]no[/red] database"},
            "cart – – – – The shop refuses it (503): [red]no[/red] database",
            2,
        ),
    ],
)
def test_what_is_amiss_in_one_service_is_told_beside_the_others(run, shop, status, told, shown, left):
    shop.answer("GET", "/api/cart/operations/", lambda *_: (status, told))
    code, said = run("outbox")
    assert code == left
    assert shown in said
    assert said.count("1.5 s") == 5


def test_dead_letters_of_one_service_are_listed(run, shop):
    many = {"count": 8, "left": 7, "results": [LETTER]}
    shop.answer("GET", "/api/cart/operations/dead-letters/", lambda *_: (200, many))
    code, said = run("dead-letters", "cart")
    assert (code, f"cart {LETTER['id']} – undecodable 5 – cart and 7 more" in said) == (1, True)
    assert [path for _, path, _ in shop.asked if "dead" in path] == ["/api/cart/operations/dead-letters/?limit=100"]
    assert run("dead-letters", "catalog")[0] == 0
    code, said = run("dead-letters", "shelf")
    assert (code, "There is no service shelf" in said) == (2, True)


def test_an_id_can_be_copied_from_a_narrow_terminal_and_nothing_is_read_as_markup(run, shop):
    odd = LETTER | {"type": "[b]x[/b]", "reason": "a reason that is longer than the room there is for it"}
    shop.answer(
        "GET", "/api/cart/operations/dead-letters/", lambda *_: (200, NO_LETTERS | {"results": [odd], "count": 1})
    )
    code, said = run("dead-letters", "cart", columns=100)
    assert (code, LETTER["id"] in said, "[b]x[/b]" in said) == (1, True, True)


def test_a_service_that_does_not_answer_hides_no_letters_of_the_others(run, shop):
    shop.answer("GET", "/api/auth/operations/dead-letters/", lambda *_: (503, {"detail": "the [b]broker[/b] is away"}))
    shop.answer(
        "GET", "/api/cart/operations/dead-letters/", lambda *_: (200, NO_LETTERS | {"results": [LETTER], "count": 1})
    )
    code, said = run("dead-letters")
    assert (code, LETTER["id"] in said, "(503): the [b]broker[/b] is away" in said) == (2, True, True)


def test_who_cannot_look_is_told_why(run, shop):
    shop.answer("POST", "/api/auth/login/", lambda *_: (401, {"detail": "wrong name or password"}))
    for command in ("outbox", "dead-letters"):
        code, said = run(command)
        assert (code, "(401): wrong name or password." in said) == (2, True)
        code, said = run(command, url="http://127.0.0.1:1")
        assert (code, "does not answer" in said) == (2, True)


def test_the_gateway_and_the_pages_know_the_same_prefixes():
    page = (ROOT / "gateway/portal/portal/static/parts/operations.js").read_text()
    assert dict(re.findall(r'^  (\w+): "(/api/[\w-]+)",$', page, re.MULTILINE)) == PREFIXES
    (table,) = re.findall(r"\$paths := dict (.*?) -\}\}", (ROOT / "gateway/routes.yaml").read_text(), re.DOTALL)
    led = {service: prefixes.split("|")[0] for service, prefixes in re.findall(r'"(\w+)" "([^"]+)"', table)}
    assert led == PREFIXES
