"""The operator's desk in a real browser, before services that are played: what comes late, twice or not at all."""

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from .browsing import Reader
from .playing import HIDE, LOOK, caught, order, page_of
from .site import PATIENCE_S, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture
def desk(reader: Reader, site: Site) -> Page:
    """The operator's page on its way, with somebody signed in; every service answers 404 until a test plays it."""
    page = reader.open("/")
    kept = {"access": "a", "refresh": "r", "until": 9e15, "user": {"username": "admin", "role": "admin"}}
    page.evaluate("kept => sessionStorage.setItem('stoa.session', JSON.stringify(kept))", kept)
    page.route("**/api/*/**", lambda route: route.fulfill(status=404, json={}))
    page.clock.install()
    page.add_init_script(HIDE)
    return page


def test_a_page_that_is_gone_back_to_is_read_again_once_another_has_signed_out(desk: Page, site: Site) -> None:
    desk.goto(f"{site.url}/admin")
    expect(desk.locator("#desk")).to_be_visible()
    back = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
    desk.evaluate(f"window.same = true; {back}")
    expect(desk.locator("#desk")).to_be_visible()
    assert desk.evaluate("window.same")
    desk.evaluate(f"sessionStorage.clear(); {back}")
    expect(desk.locator("#door")).to_be_visible()
    expect(desk.locator(":focus")).to_have_count(0)


def test_an_answer_that_comes_late_does_not_take_back_a_move(desk: Page, site: Site) -> None:
    late: list[Route] = []
    moves: list[Route] = []
    desk.route("**/api/orders/?*", lambda route: route.fulfill(json=page_of(order(1, "pending"))))
    desk.route("**/api/orders/o7/", lambda route: moves.append(route))
    desk.goto(f"{site.url}/admin")
    row = desk.locator("[data-order=o7]")
    expect(row.locator(".state")).to_have_text("pending")
    desk.route("**/api/orders/?*", lambda route: late.append(route))
    show = desk.get_by_role("button", name="Show")
    with desk.expect_request("**/api/orders/?*"):
        show.click()
    with desk.expect_request("**/api/orders/?*status=shipped"):
        desk.get_by_label("Status").select_option("shipped")
        show.click()
    row.get_by_role("button", name="Process").click()
    expect(row.get_by_role("button")).to_have_count(2)
    for button in row.get_by_role("button").all():
        expect(button).to_be_disabled()
    caught(desk, moves).fulfill(json=order(2, "processing"))
    expect(row.locator(".state")).to_have_text("processing")
    expect(row.get_by_role("button", name="Ship")).to_be_focused()
    late[1].fulfill(json=page_of(order(1, "pending"), order(1, "shipped") | {"id": "o8"}))
    expect(desk.locator("[data-order=o8]")).to_be_visible()
    expect(row.locator(".state")).to_have_text("processing")
    with desk.expect_response(late[0].request.url):
        late[0].fulfill(json=page_of())
    expect(desk.locator("[data-order=o8]")).to_be_visible()


def test_an_upload_that_did_not_get_through_is_sent_again_as_the_same(desk: Page, site: Site) -> None:
    keys: list[str] = []
    url = "/api/products/bulk-upload/u1/"
    job = {"processed": 9, "total": 9, "status": "finished", "finished_at": "now", "failed": 2, "created": 7}

    def take(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.abort()
        else:
            route.fulfill(status=202, json={"status_url": url})

    desk.route("**/api/products/bulk-upload/?*", take)
    desk.route(f"**{url}", lambda route: route.fulfill(json=job))
    desk.goto(f"{site.url}/admin")
    file: Any = {"name": "few.csv", "mimeType": "text/csv", "buffer": b"sku,name,price\n"}
    desk.locator("input[type=file]").set_input_files(file)
    send = desk.get_by_role("button", name="Upload", exact=True)
    send.click()
    expect(desk.locator("#upload .said")).to_have_text("The file did not get through; send it again.")
    send.click()
    expect(desk.locator("#job-errors")).to_be_visible()

    states: list[Route] = []
    desk.route(f"**{url}", lambda route: states.append(route))
    with desk.expect_request(f"**{url}"):
        send.click()
    expect(desk.locator("#job-share")).to_have_text("0 %")
    expect(desk.locator("#job-errors")).to_be_hidden()
    desk.evaluate(LOOK, True)
    caught(desk, states).fulfill(json=job | {"processed": 3, "status": "running", "finished_at": None})
    expect(desk.locator("#job-share")).to_have_text("33 %")
    desk.clock.run_for(60_000)
    assert states == []
    with desk.expect_request(f"**{url}"):
        desk.evaluate(LOOK, False)
    caught(desk, states).fulfill(status=404, json={"detail": "there is no such upload"})
    expect(desk.locator("#upload .said")).to_have_text("there is no such upload")
    expect(desk.locator("#job-state")).to_have_text("out of sight")
    assert keys[0] == keys[1] != keys[2]


def test_dead_letters_are_counted_and_given_back(desk: Page, site: Site) -> None:
    left = [2]
    asked: list[str] = []

    def orders(route: Route) -> None:
        asked.append(route.request.url)
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
    expect(row.get_by_role("rowheader")).to_have_text("orders")
    expect(row.get_by_role("cell")).to_have_text(["1,234", "7 s", "2", "Replay"])
    expect(desk.locator("[data-operations=auth]").get_by_role("cell").first).to_have_text("not available")
    row.get_by_role("button").click()
    expect(desk.locator("#operations-said")).to_have_text("orders: 2 given back to be heard again.")
    expect(row.get_by_role("button")).to_be_disabled()
    expect(row).to_be_focused()
    desk.evaluate(LOOK, True)
    asked.clear()
    desk.clock.run_for(60_000)
    desk.evaluate("fetch('/api/orders/operations/last/')")
    assert [url.removeprefix(site.url) for url in asked] == ["/api/orders/operations/last/"]
    with desk.expect_request("**/api/orders/operations/"):
        desk.evaluate(LOOK, False)
