"""What the tests of cart stand on: the whole application, a fake catalog, products in the copy."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from redis import Redis
from sqlalchemy import delete

from cart.clients import Catalog
from cart.copying import keep_copies
from cart.main import build
from cart.models import THE_ROUND, ProductCopy, Round
from cart.settings import CartSettings
from common.clock import now
from common.database import Sessions, new_engine, new_sessions
from common.events.catalog import ProductCreated
from common.http import Sister
from common.revocation import EPOCH
from common.service_tokens import Badge
from common.testing.badges import Badges
from common.testing.broker import Broker
from common.testing.signing import SignedUser, Signer
from common.testing.sisters import FakeSister, fake_sister

SERVICE = Path(__file__).parents[1]
PRODUCTS = "/internal/products/"

NewProduct = Callable[..., ProductCreated]
NewClient = Callable[..., TestClient]

numbers = count(1)


@pytest.fixture(scope="session")
def database_url(new_schema: Callable[[Path], str]) -> str:
    """Cart's schema; nothing in it is compared with what the tests' catalogs say of everything."""
    url = new_schema(SERVICE)
    engine = new_engine(url)
    with new_sessions(engine).begin() as session:
        session.add(Round(id=THE_ROUND, after=0, due_at=now() + timedelta(days=1)))
    engine.dispose()
    return url


@pytest.fixture(scope="session")
def broker(new_broker: Callable[[], Broker]) -> Broker:
    """Cart's virtual host."""
    return new_broker()


@pytest.fixture(scope="session")
def auth(signer: Signer) -> Iterator[FakeSister]:
    """Auth, for the whole run."""
    with fake_sister() as played:
        signer.publish_on(played)
        yield played


@pytest.fixture(scope="session")
def catalog() -> Iterator[FakeSister]:
    """Catalog, which knows nothing until a test tells it."""
    with fake_sister() as played:
        played.answer("GET", PRODUCTS, lambda *_: (200, {"products": []}))
        yield played


@pytest.fixture(scope="session")
def settings(
    database_url: str, broker: Broker, redis_url: str, auth: FakeSister, catalog: FakeSister, badges: Badges
) -> CartSettings:
    """Where everything is."""
    with Redis.from_url(redis_url) as redis:
        redis.set(EPOCH, "test")
    return CartSettings(
        env="test",
        database_url=database_url,
        broker_url=broker.url,
        redis_url=redis_url,
        auth_url=auth.url,
        catalog_url=catalog.url,
        service_key=badges.key("cart"),
        sister_keys=badges.public("orders"),
        currency="GBP",
        catalog_timeout_s=5,  # a busy machine is no dead sister
    )


@pytest.fixture(scope="session")
def client(settings: CartSettings) -> Iterator[TestClient]:
    """The running service."""
    with TestClient(build(settings), raise_server_exceptions=False) as running:
        yield running


@pytest.fixture
def beside(settings: CartSettings) -> Iterator[NewClient]:
    """Makes a client of a second replica with other settings, for tests that leave its breaker open."""
    running: list[TestClient] = []

    def start(**changes: Any) -> TestClient:
        client = TestClient(build(settings.model_copy(update=changes)), raise_server_exceptions=False)
        running.append(client.__enter__())
        return client

    yield start
    for client in running:
        client.__exit__(None, None, None)


@pytest.fixture(scope="session")
def sessions(database_url: str) -> Iterator[Sessions]:
    """A way into the tables."""
    engine = new_engine(database_url)
    yield new_sessions(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def product() -> NewProduct:
    """Makes up a product that nobody has heard of."""

    def make(**changes: Any) -> ProductCreated:
        number = changes.pop("product_id", None) or next(numbers)
        usual: dict[str, Any] = {
            "product_id": number,
            "version": 1,
            "sku": f"SKU-{number}",
            "name": f"Lantern {number}",
            "price": Decimal("12.50"),
            "currency": "GBP",
            "status": "active",
            "availability": "in_stock",
        }
        return ProductCreated(**usual | changes)

    return make


@pytest.fixture
def copied(product: NewProduct, sessions: Sessions) -> NewProduct:
    """Makes up a product that is in the copy already; with `product_id` it brings a later version of one."""

    def make(**changes: Any) -> ProductCreated:
        made = product(**changes)
        with sessions.begin() as session:
            keep_copies(session, [made])
        return made

    return make


@pytest.fixture
def user(signer: Signer) -> SignedUser:
    """Somebody whose cart is empty."""
    return signer.user()


@pytest.fixture
def say(client: TestClient, user: SignedUser) -> Callable[..., Any]:
    """Posts to the cart as the user."""

    def post(word: str, body: Any = None, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post(f"/api/cart/{word}/", json=body, headers=user.headers | named)

    return post


@pytest.fixture
def seen(client: TestClient, user: SignedUser) -> Callable[[], Any]:
    """Reads the user's cart."""
    return lambda: client.get("/api/cart/", headers=user.headers).json()


@pytest.fixture
def guest(client: TestClient) -> Callable[..., dict[str, str]]:
    """Makes a guest with so many pieces of each product in the cart; the headers that show the token."""

    def make(*products: ProductCreated, quantity: int = 1) -> dict[str, str]:
        shown: dict[str, str] = {}
        for product in products:
            body = {"product_id": product.product_id, "quantity": quantity}
            answer = client.post("/api/cart/add_item/", json=body, headers=shown)
            assert answer.status_code == 200, answer.text
            shown = shown or {"X-Cart-Token": answer.headers["x-cart-token"]}
        return shown

    return make


@pytest.fixture
def merge(client: TestClient) -> Callable[..., Any]:
    """Merges a guest's cart into a user's."""

    def post(user: SignedUser, shown: dict[str, str], **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"cart_token": shown["X-Cart-Token"]}
        return client.post("/api/cart/merge/", json=body, headers=user.headers | named)

    return post


@pytest.fixture
def put(client: TestClient) -> Callable[..., Any]:
    """Puts something in, as a user or a guest."""

    def post(whose: SignedUser | dict[str, str], product: ProductCreated, quantity: int = 1) -> Any:
        headers = whose.headers if isinstance(whose, SignedUser) else whose
        body = {"product_id": product.product_id, "quantity": quantity}
        return client.post("/api/cart/add_item/", json=body, headers=headers)

    return post


@pytest.fixture(scope="session")
def own_schema(new_schema: Callable[[Path], str]) -> str:
    """A schema in which the copies are compared with catalog's list."""
    return new_schema(SERVICE)


@pytest.fixture
def own(own_schema: str) -> Iterator[Sessions]:
    """A way into its tables, which are empty."""
    engine = new_engine(own_schema)
    sessions = new_sessions(engine)
    with sessions.begin() as session:
        session.execute(delete(ProductCopy))
        session.execute(delete(Round))
    yield sessions
    engine.dispose()


@pytest.fixture
def listed(sister: FakeSister, badges: Badges) -> Iterator[Catalog]:
    """A catalog that the test plays."""
    asked = Sister("catalog", sister.url, Badge("cart", badges.key("cart")), timeout_s=5)
    yield Catalog(asked)
    asked.close()
