"""What a service does at a terminal."""

import pytest
from sqlalchemy.exc import OperationalError

from common.commands import Command, Work, perform
from common.errors import Unavailable

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service's process finds; none of it is asked here."""
    for name in ("DATABASE_URL", "BROKER_URL", "REDIS_URL"):
        monkeypatch.setenv(f"STOA_{name}", "nowhere://127.0.0.1:1/")


def _perform(work: Work, *arguments: str, failed: int = 1) -> int:
    return perform("cart", [Command("rebuild", "copy all", work, failed=failed)], arguments or ("rebuild",))


def test_lines_and_code_are_those_of_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert _perform(lambda: (["one", "two"], 3)) == 3
    assert capsys.readouterr().out == "one\ntwo\n"


def _refused() -> tuple[list[str], int]:
    raise Unavailable("catalog does not answer")


def _cut_off() -> tuple[list[str], int]:
    raise OperationalError("SELECT 1", {}, ConnectionError())


@pytest.mark.parametrize(
    ("work", "why"),
    [(_refused, "catalog does not answer\n"), (_cut_off, "the database cannot be asked: OperationalError\n")],
)
def test_what_cannot_be_done_is_one_sentence_and_the_code_for_it(
    work: Work, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _perform(work, failed=2) == 2
    assert capsys.readouterr().err == why


def test_another_word_is_none() -> None:
    with pytest.raises(SystemExit) as ended:
        _perform(lambda: ([], 0), "destroy")
    assert ended.value.code == 2
