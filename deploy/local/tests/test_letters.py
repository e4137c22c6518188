"""`stoa dead-letters show|replay|drop`: wherever a letter lies, and nothing that was not meant."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from common.testing.sisters import FakeSister, fake_sister
from stoa import caring, cli
from stoa.faring import PREFIXES

pytestmark = pytest.mark.unit

Run = Callable[..., tuple[int, str]]
NAMES = ("a", "b", "c")


class Letters:
    """A shop whose services have these dead letters; each call parts with one at most, as if the time were over."""

    def __init__(self, played: FakeSister) -> None:
        self.of: dict[str, list[str]] = {service: [] for service in PREFIXES}
        self.url = played.url
        played.answer("POST", "/api/auth/login/", lambda *_: (200, {"access_token": "good"}))
        for service, prefix in PREFIXES.items():
            at = f"{prefix}/operations/dead-letters/"
            played.answer("GET", at, lambda path, _, service=service: self._list(service, path))
            for verb in ("replay", "drop"):
                done = f"{verb}ped" if verb == "drop" else "replayed"
                reply = lambda _, body, service=service, done=done: self._part(service, body, done)  # noqa: E731
                played.answer("POST", f"{at}{verb}/", reply)

    def _list(self, service: str, path: str) -> tuple[int, Any]:
        offset = int(path.rpartition("offset=")[2]) if "offset=" in path else 0
        shown = [
            {"id": each, "type": "order.placed", "envelope": {"[b]": each}} for each in self.of[service][offset:][:1]
        ]
        return 200, {"count": len(self.of[service]), "left": 0, "results": shown}

    def _part(self, service: str, body: Any, done: str) -> tuple[int, Any]:
        gone = [each for each in self.of[service] if each in body.get("ids", self.of[service])]
        gone = gone if body else gone[:1]
        self.of[service] = [each for each in self.of[service] if each not in gone]
        return 200, {done: len(gone), "left": len(self.of[service])}


@pytest.fixture
def shop() -> Iterator[FakeSister]:
    with fake_sister() as played:
        yield played


@pytest.fixture
def letters(shop: FakeSister) -> Letters:
    return Letters(shop)


@pytest.fixture
def run(letters: Letters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("STOA_RUN", str(tmp_path / "run"))
    monkeypatch.setattr(caring, "console", Console(width=200))

    def invoke(*words: str, typed: str | None = None) -> tuple[int, str]:
        done = CliRunner().invoke(cli.app, ["dead-letters", *words, "--url", letters.url], input=typed)
        return done.exit_code, " ".join(done.output.split())

    return invoke


def test_a_letter_is_shown_as_each_service_has_it(run: Run, letters: Letters) -> None:
    letters.of |= {"cart": ["a"], "realtime": ["a"]}
    code, said = run("show", "a")
    assert (code, said.count('"id": "a"'), "cart:" in said, "realtime:" in said, '"[b]"' in said) == (0, 2, *[True] * 3)
    assert run("show", "z") == (1, "No service that was asked has a dead letter z.")
    code, said = run("show", "a", "--service", "cart")
    assert (code, said.count('"id": "a"')) == (0, 1)


def test_named_letters_are_heard_again_and_those_not_found_are_told_by_the_exit_code(
    run: Run, letters: Letters
) -> None:
    letters.of |= {"cart": ["a", "b"], "notifier": ["c"]}
    assert run("replay", "a", "c") == (0, "2 letters are heard again, 1 are left.")
    assert letters.of["cart"] == ["b"]
    assert run("replay", "a") == (1, "0 letters are heard again, 1 are left.")


def test_all_letters_are_heard_again_call_after_call(run: Run, letters: Letters) -> None:
    letters.of |= {"cart": list(NAMES), "catalog": list(NAMES)}
    assert run("replay", "--all", "--service", "cart") == (0, "3 letters are heard again.")
    assert (letters.of["cart"], letters.of["catalog"]) == ([], list(NAMES))
    assert run("replay", "--all") == (0, "3 letters are heard again.")


def test_letters_are_dropped_only_by_who_means_it(run: Run, letters: Letters) -> None:
    letters.of |= {"cart": list(NAMES)}
    code, said = run("drop", "a", typed="n\n")
    assert (code, "Drop 1 for good?" in said, letters.of["cart"]) == (1, True, list(NAMES))
    assert run("drop", "a")[0] == 1, "nobody is there to say yes"
    assert run("drop", "a", typed="y\n")[0] == 0
    assert run("drop", "b", "z", "--yes") == (1, "1 letters are gone for good.")
    assert letters.of["cart"] == ["c"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["show"], "the id of one letter"),
        (["replay"], "the ids of letters, or --all"),
        (["replay", "a", "--all"], "the ids of letters, or --all"),
        (["drop", "--all"], "never all"),
        (["drop"], "never all"),
        (["replay", "a", "--service", "shelf"], "There is no service shelf"),
        (["replay", *map(str, range(501))], "At most 500"),
    ],
    ids=["show", "replay", "replay both", "drop all", "drop", "service", "many"],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(
    run: Run, letters: Letters, shop: FakeSister, words: list[str], why: str
) -> None:
    code, said = run(*words)
    assert (code, why in said, shop.asked) == (2, True, [])


def test_a_service_that_does_not_answer_is_named_and_the_others_are_asked(
    run: Run, letters: Letters, shop: FakeSister
) -> None:
    letters.of |= {"realtime": ["a"]}
    shop.answer("POST", "/api/cart/operations/dead-letters/replay/", lambda *_: (503, {"detail": "the broker is away"}))
    code, said = run("replay", "a")
    assert (code, letters.of["realtime"]) == (2, [])
    assert "cart: The shop refuses it (503): the broker is away." in said


def test_the_list_can_be_asked_for_by_name(run: Run, letters: Letters) -> None:
    assert run("list") == run() == run("list", "cart") == (0, "There are no dead letters.")
