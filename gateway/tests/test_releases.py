"""A service's next release beside its sisters' present ones, under load: no request fails, no event is lost.

Each service in its turn: both releases at once, the next one alone, both again, the old one alone on the new schema.
"""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import pytest

from common.testing.servers import docker_answers
from common.testing.waiting import eventually
from stoa.faring import PREFIXES
from stoa.servers import SCHEMAS

from . import next_release
from .containers import ContainerSite, own_containers
from .next_release import Releases
from .operator import Operator
from .people import Person, new_product, ok, register, sign_in
from .site import PATIENCE_S

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not docker_answers(), reason="releases are images"),
]

NOW, NEXT = "", next_release.TAG
ROUNDS = 15
"""Rounds of the load before the next step."""
BUYERS = 3
PLENTY = 1_000_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerSite]:
    """A stack of which every service is found at two addresses."""
    folder = tmp_path_factory.mktemp("releases")
    next_release.write(folder / "next")
    network = f"10.{random.randrange(100, 200)}.{random.randrange(250)}"
    with own_containers(also=lambda description: next_release.beside(description, network)) as site:
        for service in SCHEMAS:
            next_release.build(folder / "next", service)
        yield site
    next_release.forget()


@pytest.fixture(scope="module")
def visitors(shop: ContainerSite) -> Iterator[httpx.Client]:
    limits = httpx.Limits(max_connections=50, keepalive_expiry=150)
    with httpx.Client(base_url=shop.url, timeout=60, limits=limits, trust_env=False) as http:
        yield http


@pytest.fixture
def keeper(shop: ContainerSite, visitors: httpx.Client) -> Person:
    """The administrator, freshly signed in: a token lives for a quarter of an hour."""
    return sign_in(visitors, shop.settings.admin_username, shop.settings.admin_password)


@dataclass
class Load:
    """What people do all the while, and what of it failed."""

    product: int
    rounds: int = 0
    sold: int = 0
    failures: list[str] = field(default_factory=list)
    _one: threading.Lock = field(default_factory=threading.Lock)

    def go_on(self, buyer: Person, over: threading.Event) -> None:
        """Something of every service, until it is over."""
        while not over.is_set():
            try:
                kept = self._round(buyer)
            except (AssertionError, httpx.HTTPError) as failure:
                self.failures.append(repr(failure))
                kept = 0
            with self._one:
                self.rounds, self.sold = self.rounds + 1, self.sold + kept

    def _round(self, buyer: Person) -> int:
        """How many pieces were bought in the end."""
        ok(sign_in(buyer.http, buyer.username).get("/api/auth/me/"))
        ok(buyer.get("/api/products/"))
        ok(buyer.get(f"/api/products/{self.product}/"))
        ok(buyer.post("/api/cart/add_item/", {"product_id": self.product}))
        placed = ok(buyer.order(self.product, 2, key=str(uuid4())), 201)
        ok(buyer.get(f"/api/orders/{placed['id']}/"))
        ok(buyer.get("/api/notifications/"))
        ok(buyer.get("/api/realtime/products/"))
        if self.rounds % 4:
            return 2
        ok(buyer.post(f"/api/orders/{placed['id']}/cancel/"))
        return 0


@contextmanager
def shopping(load: Load, buyers: list[Person]) -> Iterator[None]:
    over = threading.Event()
    with ThreadPoolExecutor(len(buyers)) as pool:
        hands = [pool.submit(load.go_on, buyer, over) for buyer in buyers]
        try:
            yield
        finally:
            over.set()
    for hand in hands:
        hand.result()


@pytest.mark.parametrize("service", SCHEMAS)
def test_a_release_runs_beside_the_other_and_beside_its_sisters(
    shop: ContainerSite, visitors: httpx.Client, keeper: Person, service: str
) -> None:
    releases, load = Releases(shop, service), Load(new_product(keeper, stock=PLENTY))
    buyers = [register(visitors, "buyer") for _ in range(BUYERS)]

    def going_on() -> None:
        wanted = load.rounds + ROUNDS
        eventually(lambda: load.rounds >= wanted, PATIENCE_S)

    with shopping(load, buyers):
        going_on()
        releases.migrate()
        going_on()
        for stopped, started in ((NOW, NEXT), (NEXT, NOW)):
            releases.start(started)
            _served_by_both(shop, service)
            going_on()
            releases.stop(stopped)
            register(visitors, "late")
            _upload(keeper)
            going_on()
    assert load.failures == []
    eventually(lambda: _numbers(keeper, load.product) == (PLENTY - load.sold, load.sold), PATIENCE_S)
    for prefix in PREFIXES.values():
        assert not ok(keeper.get(f"{prefix}/operations/"))["dead_letters"]
    _, wrong = Operator(shop).doctor("--patience", "60")
    assert [line for line in wrong if "schema at its newest" not in line] == []


def _numbers(keeper: Person, product: int) -> tuple[int, int]:
    said = ok(keeper.get(f"/api/products/{product}/"))
    live = ok(keeper.get(f"/api/realtime/products/?ids={product}"))["data"][0]["sold_count"]
    assert said["sold_count"] == live
    return said["stock"], said["sold_count"]


def _upload(keeper: Person) -> None:
    """A file that a worker takes in."""
    rows = f"sku,name,price\n{uuid4()},Lamp,2.50\n"
    answer = keeper.post("/api/products/bulk-upload/", headers={"Content-Type": "text/csv"}, content=rows)
    url = ok(answer, 202)["status_url"]
    done = eventually(lambda: (told := ok(keeper.get(url)))["finished_at"] and told, PATIENCE_S)
    assert (done["status"], done["created"]) == ("finished", 1)


def _served_by_both(shop: ContainerSite, service: str) -> None:
    """Return once the gateway sends requests to the one and to the other."""
    up = f'traefik_service_server_up{{service="{service}'

    def counted() -> int:
        return sum(line.endswith(" 1") for line in shop.metrics("gateway").splitlines() if line.startswith(up))

    eventually(lambda: counted() >= 2, PATIENCE_S)
