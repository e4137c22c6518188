"""The wreckage: work that was torn by SIGKILL in the middle, to be looked at again when it should be mended."""

import threading
from dataclasses import dataclass

import httpx

from common.testing.waiting import eventually

from .people import Json, Person, all_at_once, new_product, ok, register
from .site import PATIENCE_S, Site

HANDS = 8
STILL_ALIVE = ("auth", "cart", "notifier", "realtime")
BURST = 80
BEFORE_THE_KILL = 20
MAILS = 60
ROWS = 3000
PREFIX = "Shard"


@dataclass(frozen=True)
class Burst:
    """Orders, one piece each; by key the status of the first answer, 0 if there was none."""

    buyer: Person
    product: int
    stock: int
    first: dict[str, int]


@dataclass(frozen=True)
class Post:
    """Mails that were to be sent, by the order's number."""

    reader: Person
    numbers: list[str]
    sent: int


@dataclass(frozen=True)
class Import:
    """An upload and how far it had come."""

    url: str
    status: Json


@dataclass(frozen=True)
class Wreckage:
    """All of it; `killed` are the processes with the numbers they had."""

    burst: Burst
    post: Post
    upload: Import
    killed: dict[str, int]


def wreck(site: Site, http: httpx.Client, admin: Person) -> Wreckage:
    """Kill both workers, and the two services that place an order, in the middle of their work; then all others."""
    killed: dict[str, int] = {}
    post = _tear_mails(site, http, admin, killed)
    upload = _tear_upload(site, admin, killed)
    burst = _tear_burst(site, http, admin, killed)
    killed |= site.kill(*STILL_ALIVE)
    site.wait_for_others(killed)
    return Wreckage(burst, post, upload, killed)


def _tear_mails(site: Site, http: httpx.Client, admin: Person, killed: dict[str, int]) -> Post:
    reader = register(http, "reader")
    product = new_product(admin, stock=MAILS)
    site.stop("notifier-worker")
    numbers = all_at_once(lambda _: str(ok(reader.order(product), 201)["number"]), range(MAILS), HANDS)
    eventually(lambda: confirmations(reader) == MAILS, PATIENCE_S)
    site.let("notifier-worker")
    eventually(lambda: confirmations(reader, status="sent") > 0, PATIENCE_S)
    killed |= site.kill("notifier-worker")
    return Post(reader, numbers, confirmations(reader, status="sent"))


def confirmations(reader: Person, **which: str) -> int:
    """How many order confirmations the log of mails knows."""
    return int(ok(reader.get("/api/notifications/", params={"type": "order_confirmation"} | which))["count"])


def _tear_upload(site: Site, admin: Person, killed: dict[str, int]) -> Import:
    lines = ["sku,name,price,stock", *(f"{PREFIX}-{row},{PREFIX} {row},1.00,1" for row in range(ROWS))]
    headers = {"Content-Type": "text/csv"}
    answer = admin.post("/api/products/bulk-upload/", headers=headers, content="\n".join(lines))
    url = str(ok(answer, 202)["status_url"])
    eventually(lambda: ok(admin.get(url))["processed"], PATIENCE_S)
    killed |= site.kill("catalog-worker")
    return Import(url, ok(admin.get(url)))


def _tear_burst(site: Site, http: httpx.Client, admin: Person, killed: dict[str, int]) -> Burst:
    """Place orders with many hands and kill the services under them."""
    buyer = register(http, "buyer")
    product = new_product(admin, stock=BURST)
    first: dict[str, int] = {}
    warm = threading.Event()

    def place(number: int) -> None:
        key = f"burst-{number}"
        try:
            first[key] = buyer.order(product, key=key).status_code
        except httpx.TransportError:
            first[key] = 0
        if len(first) >= BEFORE_THE_KILL:
            warm.set()

    def strike() -> None:
        warm.wait(PATIENCE_S)
        killed.update(site.kill("orders", "catalog"))

    hammer = threading.Thread(target=strike)
    hammer.start()
    all_at_once(place, range(BURST), HANDS)
    hammer.join()
    return Burst(buyer, product, BURST, first)
