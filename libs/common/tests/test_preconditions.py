"""What If-Match lets through, and what If-None-Match says is known (RFC 9110, section 13.1)."""

import pytest

from common.errors import PreconditionFailed
from common.preconditions import check_match, is_known

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("seen", [None, "*", '"1"', ' "1" ', '"7", "1"', '"7",*'])
def test_whoever_has_seen_this_version_or_asks_for_none_may_go_on(seen: str | None) -> None:
    check_match('"1"', seen, "toy")


@pytest.mark.parametrize("seen", ['"2"', "1", "", " ", ",", "nonsense", 'W/"1"', '"7", "8"'])
def test_a_version_that_the_client_has_not_seen_is_refused_with_the_present_one(seen: str) -> None:
    with pytest.raises(PreconditionFailed, match="the toy has changed since") as refused:
        check_match('"1"', seen, "toy")
    assert refused.value.body()["current"] == '"1"'


@pytest.mark.parametrize("seen", ["*", '"1"', 'W/"1"', '"7" , W/"1"'])
def test_a_version_that_the_client_names_is_known(seen: str) -> None:
    assert is_known('"1"', seen)


@pytest.mark.parametrize("seen", [None, "", ",", '"2"', "1", 'W/"2", "3"'])
def test_any_other_version_is_news(seen: str | None) -> None:
    assert not is_known('"1"', seen)
