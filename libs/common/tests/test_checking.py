"""What differs is compared again until it agrees, and only what stays is a fault."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
from sqlalchemy.exc import OperationalError

from common import checking
from common.checking import MOST_NAMED, MOST_SUSPECTS, Check, Finding, Seen, Suspicion, check_command, code_of, compare
from common.commands import perform
from common.errors import Unavailable

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service's process finds; none of it is asked here."""
    monkeypatch.setattr(checking, "PAUSE_S", 0.0)
    for name in ("DATABASE_URL", "BROKER_URL", "REDIS_URL"):
        monkeypatch.setenv(f"STOA_{name}", "nowhere://127.0.0.1:1/")


def suspicion(*products: int) -> Suspicion[int]:
    noted = Suspicion[int]()
    noted.add({product: f"product {product} differs" for product in products})
    return noted


def test_a_difference_that_goes_is_none_and_one_that_stays_is_named() -> None:
    looks: list[list[int]] = []

    def again(products: Sequence[int]) -> Mapping[int, str]:
        looks.append(list(products))
        return {product: f"product {product} still differs" for product in products if product == 2 or len(looks) < 3}

    seen = suspicion(1, 2).settle("9 products", again, 0.05)
    assert list(seen.wrong) == ["product 2 still differs"]
    assert looks[:4] == [[1, 2], [1, 2], [1, 2], [2]]


def test_what_agrees_at_once_is_not_looked_at_again() -> None:
    def again(products: Sequence[int]) -> Mapping[int, str]:
        raise AssertionError(products)

    assert suspicion().settle("9 products", again, 10).sentence == "9 products"


def test_no_more_is_kept_in_mind_than_there_is_room_for() -> None:
    noted = suspicion(*range(MOST_SUSPECTS + 5))
    seen = noted.settle("many", lambda ids: {each: noted.suspects[each] for each in ids}, 0)
    assert (len(seen.wrong), seen.more) == (MOST_SUSPECTS, True)
    assert seen.sentence.endswith(f"; and more than {MOST_SUSPECTS - MOST_NAMED} others")


def test_what_did_not_fit_into_the_mind_is_looked_at_anew() -> None:
    looks: list[int] = []

    def pages() -> Iterator[tuple[int, Mapping[int, str]]]:
        looks.append(1)
        fault = {7: "product 7 differs"}
        yield (MOST_SUSPECTS, dict.fromkeys(range(100, 100 + MOST_SUSPECTS), "late")) if len(looks) == 1 else (0, {})
        yield 3, fault

    def again(ids: Sequence[int]) -> Mapping[int, str]:
        return {7: "product 7 differs"} if 7 in ids else {}

    assert list(compare("products", pages, again, 0.05).wrong) == ["product 7 differs"]
    assert len(looks) == 2


def test_more_differences_than_fit_at_each_look_are_a_fault_although_each_settles() -> None:
    late = dict.fromkeys(range(MOST_SUSPECTS + 1), "late")
    seen = compare("products", lambda: [(5000, late)], lambda _: {}, 0.05)
    assert list(seen.wrong) == [f"more than {MOST_SUSPECTS} of 5000 products differ whenever one looks"]


def _refused() -> Seen:
    raise Unavailable("orders does not answer")


def _cut_off() -> Seen:
    raise OperationalError("SELECT 1", {}, ConnectionError())


WELL, WRONG, AWAY = lambda: Seen("all"), lambda: Seen("all", ["one is wrong"]), _refused


@pytest.mark.parametrize(
    ("looks", "code", "found"),
    [
        ([WELL], 0, ["all"]),
        ([WELL, WRONG], 1, ["all", "one is wrong"]),
        ([AWAY, WELL], 2, ["orders does not answer", "all"]),
        ([_cut_off], 2, ["the database cannot be asked: OperationalError"]),
        ([AWAY, WRONG], 1, ["orders does not answer", "one is wrong"]),
    ],
    ids=["well", "wrong", "away", "cut off", "away and wrong"],
)
def test_each_finding_is_a_line_whatever_became_of_the_others(
    looks: list[Callable[[], Seen]], code: int, found: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[float] = []

    def checks(patience_s: float) -> list[Check]:
        told.append(patience_s)
        return [Check("a number", "us", look) for look in looks]

    assert perform("cart", [check_command(checks)], ["check", "--patience", "3"]) == code
    findings = [Finding.model_validate_json(line) for line in capsys.readouterr().out.splitlines()]
    assert ([each.found for each in findings], code_of(findings), told) == (found, code, [3.0])
