"""What an operator asks of cart."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cart.commands import main
from cart.copying import PAGE
from cart.models import ProductCopy
from cart.settings import CartSettings
from common.database import Sessions
from common.events.catalog import ProductCreated
from common.testing.sisters import FakeSister

Made = Callable[..., ProductCreated]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, settings: CartSettings, sister: FakeSister) -> None:
    """The variables of the command, with a catalog of its own."""
    for name in ("database_url", "broker_url", "redis_url"):
        monkeypatch.setenv(f"STOA_{name.upper()}", getattr(settings, name))
    monkeypatch.setenv("STOA_CATALOG_URL", sister.url)


def paged(products: list[ProductCreated]) -> Callable[..., tuple[int, Any]]:
    """Catalog's list of everything, page by page."""

    def answer(path: str, _: Any) -> tuple[int, Any]:
        asked = parse_qs(urlsplit(path).query)
        after, limit = int(asked["after"][0]), int(asked["limit"][0])
        page = [product for product in products if product.product_id > after][:limit]
        bodies = [product.model_dump(mode="json") for product in page]
        return 200, {"products": [body | {"id": body.pop("product_id")} for body in bodies]}

    return answer


@pytest.mark.usefixtures("environment")
def test_the_copy_is_rebuilt_page_by_page_and_only_forward(
    sister: FakeSister, product: Made, copied: Made, sessions: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = copied(version=5, name="Newer than the list")
    made = [newer.model_copy(update={"version": 4, "name": "Listed"}), *(product() for _ in range(PAGE))]
    sister.answer("GET", "/internal/products/", paged(made))

    assert main(["rebuild"]) == 0
    assert f"{PAGE + 1} products" in capsys.readouterr().out
    with sessions.begin() as session:
        copies = [session.get_one(ProductCopy, product.product_id) for product in made]
    assert copies[0].name == "Newer than the list"
    assert [copy.name for copy in copies[1:]] == [product.name for product in made[1:]]


@pytest.mark.usefixtures("environment")
def test_a_catalog_that_does_not_answer_ends_the_rebuild_with_a_sentence(
    sister: FakeSister, capsys: pytest.CaptureFixture[str]
) -> None:
    sister.answer("GET", "/internal/products/", lambda *_: (500, {}))

    assert main(["rebuild"]) == 1
    assert "catalog does not answer" in capsys.readouterr().err


@pytest.mark.unit
def test_a_word_that_is_no_command_is_explained() -> None:
    with pytest.raises(SystemExit):
        main(["rebuilt"])
