"""The pictures of the pages that README shows, taken by `make screenshots`, while orders come in."""

import os
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .browsing import Reader, chromium
from .people import Person, Visitor, ok
from .site import PATIENCE_S, Site

FOLDER = os.environ.get("STOA_PICTURES", "")
MOST_BYTES = 150_000
"""What a reader of README loads with each."""
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}}
WATCHED_MS = 75_000
"""More than a minute: then the line shows units per minute in full."""

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not FOLDER, reason="`make screenshots` takes them"),
]

expect.set_options(timeout=PATIENCE_S * 1000)


@contextmanager
def _customers(customer: Person, stranger: Visitor) -> Iterator[None]:
    """Orders come in, the same in each run, some products more often than others."""
    chance, enough = random.Random(17), threading.Event()
    products = [product["id"] for product in ok(stranger.get("/api/products/?in_stock=true&page_size=10"))["results"]]
    weights = [1 / (place + 1) for place in range(len(products))]

    def go() -> None:
        while not enough.wait(chance.uniform(0.1, 1.2)):
            customer.order(chance.choices(products, weights)[0], chance.choice([1, 1, 1, 2]))

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def _take(page: Page, name: str) -> None:
    path = Path(FOLDER, f"{name}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, animations="disabled")
    assert path.stat().st_size < MOST_BYTES


def _upload(page: Page, site: Site) -> None:
    page.get_by_label("Username or address").fill(site.settings.admin_username)
    page.get_by_label("Password", exact=True).fill(site.settings.admin_password)
    page.get_by_role("button", name="Sign in").click()
    rows = "".join(f"ALA-{line},Alabastron {line},3.50,1\n" for line in range(20_000))
    file: Any = {"name": "products.csv", "mimeType": "text/csv", "buffer": f"sku,name,price,stock\n{rows}".encode()}
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator("#job-share")).to_have_text(re.compile(r"^([4-9]\d|100) %$"))


def test_pictures_are_taken(site: Site, admin: Person, ada: Person, stranger: Visitor) -> None:
    for product in ok(stranger.get("/api/products/?page_size=10"))["results"]:
        ok(admin.post(f"/api/products/{product['id']}/stock/adjust/", {"delta": 5000, "reason": "received"}))
    with chromium() as browser, _customers(ada, stranger):
        reader = Reader(browser, site)
        live, phone = reader.open("/live", **WIDE), reader.open("/live", color_scheme="dark", **PHONE)
        live.wait_for_timeout(WATCHED_MS)
        _take(live, "live")
        _take(phone, "live-phone")
        overview = reader.open("/", **WIDE)
        expect(overview.get_by_role("status")).to_have_text("All parts are up")
        _take(overview, "overview")
        docs = reader.open("/docs", **WIDE)
        expect(docs.locator(".opblock").first).to_be_visible()
        docs.locator("#services").evaluate("choice => choice.scrollIntoView()")
        _take(docs, "api")
        events = reader.open("/docs/events#order.placed", **WIDE)
        expect(events.locator("[id='order.placed']")).to_be_visible()
        _take(events, "events")
        desk = reader.open("/admin", **WIDE)
        _upload(desk, site)
        _take(desk, "admin")
        reader.close()
