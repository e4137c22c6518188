"""Which media type an Accept header asks for."""

import pytest

from catalog.accepting import choose
from common.errors import NotAcceptable

pytestmark = pytest.mark.unit

CSV, NDJSON = "text/csv", "application/x-ndjson"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", CSV),
        (" ", CSV),
        ("*/*", CSV),
        ("text/csv", CSV),
        ("application/x-ndjson", NDJSON),
        ("Application/X-NDJSON", NDJSON),
        ("application/x-ndjson;charset=utf-8", NDJSON),
        ("application/*", NDJSON),
        ("text/html, */*;q=0.8", CSV),
        ("text/csv;q=0.5, application/x-ndjson", NDJSON),
        ("text/csv;q=0.5, application/x-ndjson; q=0.50", CSV),
        ("text/csv;q=0, */*", NDJSON),
        ("*/*, text/*;q=0.1", NDJSON),
        ("text/csv;q=nonsense, application/x-ndjson;q=0.1", NDJSON),
    ],
)
def test_the_best_liked_type_is_chosen(accept: str, chosen: str) -> None:
    assert choose(accept, [CSV, NDJSON]) == chosen


@pytest.mark.parametrize(
    "accept", ["text/html", "application/json", "*/*;q=0", "text/csv;q=0.0", "csv", ",", "text/csv;q=²", "text/csv;q="]
)
def test_what_is_not_offered_is_not_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="text/csv or application/x-ndjson"):
        choose(accept, [CSV, NDJSON])
