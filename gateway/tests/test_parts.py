"""The scripts of the pages in a real browser, before services that are played: what seldom happens to real ones."""

import json

import pytest
from playwright.sync_api import Page, Route, expect

from .browsing import Reader
from .playing import Listening, counts, update
from .site import PATIENCE_S, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SESSION = """
    const { Session } = await import('/static/parts/session.js');
    let lapsed = 0;
    const me = new Session(() => lapsed++);
"""
HIDE = "Object.defineProperty(document, 'hidden', { get: () => window.away ?? false })"
LOOK = "away => { window.away = away; document.dispatchEvent(new Event('visibilitychange')); }"

SOON = "const real = AbortSignal.timeout; AbortSignal.timeout = (ms) => real.call(AbortSignal, ms / 1000)"

expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture
def desk(reader: Reader, site: Site) -> Page:
    """The operator's page on its way, with somebody signed in; every service answers 404 until a test plays it."""
    page = reader.open("/")
    kept = {"access": "a", "refresh": "r", "until": 9e15, "user": {"username": "admin", "role": "admin"}}
    page.evaluate("kept => sessionStorage.setItem('stoa.session', JSON.stringify(kept))", kept)
    page.route("**/api/*/**", lambda route: route.fulfill(status=404, json={}))
    page.goto("about:blank")
    return page


@pytest.fixture
def live(reader: Reader, site: Site) -> tuple[Page, Listening]:
    """The live page, which has been greeted and waits for its first counts; its clock can be put forward."""
    listening = Listening()
    page = reader.open("about:blank")
    page.clock.install()
    page.add_init_script(HIDE)
    page.route_web_socket("**/ws/products/", listening)
    page.goto(f"{site.url}/live")
    return page, listening


def _figures(page: Page, minute: str, since: str, ever: str) -> None:
    for name, text in (("minute", minute), ("since", since), ("ever", ever)):
        expect(page.locator(f"#{name}")).to_have_text(text)


def test_the_live_page_counts_on_whatever_happened_meanwhile(live: tuple[Page, Listening]) -> None:
    page, listening = live
    _figures(page, "–", "–", "–")
    listening.say(**counts("a", 900, 50))
    listening.say(**update(901, 52))
    _figures(page, "2", "2", "52")

    _cut_for_more_than_a_minute(page, listening)
    listening.answers = {"resume": [update(902, 55)], "ping": [{"type": "pong"}]}
    _back(page, listening, "a", 902)
    expect(page.get_by_role("log")).to_contain_text("Back, with the one message that was missed.")
    _figures(page, "0", "5", "55")

    _cut_for_more_than_a_minute(page, listening)
    listening.answers = {"resume": [counts("b", 3, 60, reset=True), update(4, 61)]}
    _back(page, listening, "b", 3)
    expect(page.get_by_role("log")).to_contain_text("begun anew")
    _figures(page, "1", "11", "61")


def _cut_for_more_than_a_minute(page: Page, listening: Listening) -> None:
    listening.cut()
    expect(page.locator("#state")).to_contain_text("Cut off")
    page.clock.fast_forward("01:10")


def _back(page: Page, listening: Listening, stream: str, seq: int) -> None:
    listening.hello |= {"stream": stream, "seq": seq}
    listening.open = True
    page.locator("#now").dispatch_event("click")


def test_the_overview_names_the_part_that_is_down(reader: Reader) -> None:
    page = reader.open("/")
    services = dict.fromkeys(("auth", "catalog", "cart", "notifier", "realtime"), "up") | {"orders": "down"}
    body = json.dumps({"status": "degraded", "services": services})
    page.route("**/api/health/", lambda route: route.fulfill(status=503, content_type="application/json", body=body))
    page.reload()
    expect(page.get_by_role("status")).to_have_text("1 of 6 down: orders")
    expect(page.locator("[data-service=orders] .state")).to_have_attribute("data-is", "bad")
    page.route("**/api/health/", lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("status")).to_have_text("The gateway does not answer")


def test_dead_letters_are_counted_and_given_back(desk: Page, site: Site) -> None:
    left = [2]

    def orders(route: Route) -> None:
        if route.request.method == "POST":
            assert route.request.post_data_json == {}
            told = {"replayed": left.pop(), "left": 0}
        else:
            outbox = {"waiting": 1234, "oldest_s": 7}
            told = {"service": "orders", "outbox": outbox, "dead_letters": left[0] if left else 0}
        route.fulfill(json=told)

    desk.route("**/api/orders/operations/**", orders)
    desk.goto(f"{site.url}/admin")
    row = desk.locator("[data-operations=orders]")
    expect(row.get_by_role("cell")).to_have_text(["orders", "1,234", "7 s", "2", "Replay"])
    expect(desk.locator("[data-operations=auth]").get_by_role("cell").nth(1)).to_have_text("not available")
    row.get_by_role("button").click()
    expect(desk.locator("#operations-said")).to_have_text("orders: 2 given back to be heard again.")
    expect(row.get_by_role("button")).to_be_disabled()
