"""What If-Match lets through (RFC 9110, section 13.1.1)."""

import pytest

from common.errors import PreconditionFailed
from common.preconditions import check_match

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("seen", [None, "*", '"1"', ' "1" ', '"7", "1"', '"7",*'])
def test_whoever_has_seen_this_version_or_asks_for_none_may_go_on(seen: str | None) -> None:
    check_match('"1"', seen, "toy")


@pytest.mark.parametrize("seen", ['"2"', "1", "", " ", ",", "nonsense", 'W/"1"', '"7", "8"'])
def test_a_version_that_the_client_has_not_seen_is_refused_with_the_present_one(seen: str) -> None:
    with pytest.raises(PreconditionFailed, match="the toy has changed since") as refused:
        check_match('"1"', seen, "toy")
    assert refused.value.body()["current"] == '"1"'
