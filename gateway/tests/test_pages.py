"""The pages in a real browser: what is up, live sold counts, the papers on the API, and the operator's desk."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from common.testing.proxy import proxied

from .browsing import Reader
from .people import PASSWORD, Json, Person, Visitor, new_product, ok, wait_for_numbers
from .site import PATIENCE_S, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CONTENT = {
    "/": "[data-service] .state[data-is=good]",
    "/live": "#state[data-is=good]",
    "/docs": ".opblock-tag",
    "/docs/events": ".event",
    "/admin": "#sign-in",
}
KEPT = "JSON.parse(sessionStorage.getItem('stoa.session'))"
PHONE = {"viewport": {"width": 360, "height": 740}}

expect.set_options(timeout=PATIENCE_S * 1000)


def _sign_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("Username or address").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def desk(reader: Reader, site: Site) -> Page:
    """The operator's page, with the administrator signed in."""
    page = reader.open("/admin")
    _sign_in(page, site.settings.admin_username, site.settings.admin_password)
    expect(page.locator("#desk")).to_be_visible()
    expect(page.get_by_role("heading", name="Admin")).to_be_focused()
    return page


@pytest.mark.parametrize("path", CONTENT)
def test_a_page_fits_a_phone_and_follows_light_and_darkness(reader: Reader, path: str) -> None:
    page = reader.open(path, color_scheme="light", **PHONE)
    _fits(page, CONTENT[path])
    assert _brightness(page) > 600
    page.emulate_media(color_scheme="dark")
    assert _brightness(page) < 150


def test_the_desk_fits_a_phone(desk: Page, admin: Person, ada: Person) -> None:
    _found(desk, ok(ada.order(new_product(admin)), 201))
    desk.set_viewport_size(PHONE["viewport"])
    expect(desk.locator("[data-operations]")).to_have_count(6)
    _fits(desk, "[data-order]")


def _fits(page: Page, content: str) -> None:
    """See that nothing of a page that shows its content is wider than the phone."""
    expect(page.locator(content).first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["viewport"]["width"]


def _brightness(page: Page) -> int:
    """Of the ground, from 0 to 765."""
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(",")))


def test_the_overview_says_that_every_part_is_up(reader: Reader) -> None:
    page = reader.open("/")
    expect(page.get_by_role("status")).to_have_text("All parts are up")
    expect(page.locator("[data-service] .state[data-is=good]")).to_have_count(6)


def _ever(page: Page, product: int) -> Any:
    return page.locator(f"[data-product='{product}'] .figure").last


def test_an_order_moves_the_number_on_the_live_page(reader: Reader, admin: Person, ada: Person) -> None:
    jar = new_product(admin, stock=5000)
    ok(ada.order(jar, 950), 201)
    page = reader.open("/live")
    expect(page.locator("#state")).to_have_text("Live")
    expect(_ever(page, jar)).to_have_text("950")
    ok(ada.order(jar, 7), 201)
    expect(_ever(page, jar)).to_have_text("957")
    expect(page.locator(f"[data-product='{jar}'] .figure").first).to_have_text("957")
    assert int(page.locator("#since").inner_text()) >= 7
    expect(page.locator("#chart canvas")).to_be_visible()


def test_a_best_seller_passes_another_as_orders_come_in(reader: Reader, admin: Person, ada: Person) -> None:
    jar, cup = new_product(admin, stock=5000), new_product(admin, stock=5000)
    ok(ada.order(jar, 998), 201)
    ok(ada.order(cup, 997), 201)
    page = reader.open("/live")
    rows = page.locator(f"[data-product='{jar}'], [data-product='{cup}']")
    expect(rows.first).to_have_attribute("data-product", str(jar))
    ok(ada.order(cup, 2), 201)
    expect(rows.first).to_have_attribute("data-product", str(cup))


def test_a_cut_connection_goes_on_where_it_was_cut(
    reader: Reader, site: Site, admin: Person, ada: Person, stranger: Visitor
) -> None:
    jar = new_product(admin, stock=5000)
    ok(ada.order(jar, 960), 201)
    with proxied(site.url) as door:
        page = reader.open(f"{door.through(site.url)}/live")
        expect(_ever(page, jar)).to_have_text("960")
        door.shut()
        expect(page.locator("#state")).to_have_text("Cut off")
        expect(page.locator("#wait")).to_contain_text("next try in")
        expect(page.get_by_role("button", name="Try now")).to_be_visible()
        for _ in range(3):
            ok(ada.order(jar), 201)
        wait_for_numbers(stranger, jar, stock=4037, sold=963)
        door.open()
        page.locator("#now").dispatch_event("click")  # which may be gone, for the page tries by itself too
        expect(page.locator("#state")).to_have_text("Live")
        expect(page.get_by_role("log")).to_contain_text(re.compile("that (was|were) missed"))
        expect(_ever(page, jar)).to_have_text("963")
        ok(ada.order(jar), 201)
        expect(_ever(page, jar)).to_have_text("964")


def test_a_page_whose_place_in_the_stream_is_not_known_says_so(reader: Reader, site: Site) -> None:
    with proxied(site.url) as door:
        page = reader.open("about:blank")
        page.route_web_socket("**/ws/products/", _of_another_stream)
        page.goto(f"{door.through(site.url)}/live")
        expect(page.locator("#state")).to_have_text("Live")
        door.cut()
        expect(page.get_by_role("log")).to_contain_text("begun anew")
        expect(page.locator("#state")).to_have_text("Live")


def _of_another_stream(socket: Any) -> None:
    """Let the page resume a stream that the service does not know."""
    server = socket.connect_to_server()
    socket.on_message(lambda text: server.send(_renamed(text)))


def _renamed(text: str) -> str:
    said = json.loads(text)
    return json.dumps(said | {"stream": "elsewhere"}) if said["action"] == "resume" else text


def _try_out(page: Page, operation: str) -> Any:
    """Send a request from the API page; the status that was answered."""
    block = page.locator(".opblock", has=page.get_by_text(operation, exact=True)).first
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table .response-col_status").last


def test_one_sign_in_holds_for_every_document(reader: Reader, ada: Person) -> None:
    page = reader.open("/docs")
    expect(page.locator(".opblock-summary-get .opblock-summary-path", has_text="/api/orders/stats/")).to_be_visible()
    _sign_in(page, ada.username, PASSWORD)
    expect(page.locator("#who")).to_have_text(ada.username)
    for service, operation in (("cart", "/api/cart/"), ("notifier", "/api/notifications/")):
        page.locator("#services").get_by_label(service).check()
        expect(page.locator(".opblock-summary-path", has_text="/api/orders/stats/")).to_have_count(0)
        expect(_try_out(page, operation)).to_have_text("200")
    page.reload()
    expect(page.locator("#who")).to_have_text(ada.username)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password", exact=True)).to_be_visible()


def test_the_event_catalogue_tells_fields_and_hearers(reader: Reader) -> None:
    page = reader.open("/docs/events#order.placed")
    event = page.locator("[id='order.placed']")
    expect(event.locator(".ways")).to_have_text("orderstocatalogcartrealtimenotifier")
    for field in ("order_id", "lines", "quantity"):
        expect(event.get_by_role("rowheader", name=field, exact=True)).to_be_visible()


def test_a_customer_has_no_business_at_the_desk(reader: Reader, ada: Person) -> None:
    page = reader.open("/admin")
    _sign_in(page, "nobody", PASSWORD)
    expect(page.get_by_role("status").first).to_have_text("this name and this password do not belong together")
    _sign_in(page, ada.username, PASSWORD)
    expect(page.get_by_role("status").first).to_have_text("This account is no administrator's.")
    expect(page.locator("#desk")).to_be_hidden()


def test_an_uploads_bar_comes_to_its_end_and_bad_rows_come_back(desk: Page) -> None:
    rows = "".join(f"LYK-{line},Lykion {line},{'dear' if line == 7 else '3.50'},1\n" for line in range(1500))
    file = {"name": "lykia.csv", "mimeType": "text/csv", "buffer": f"sku,name,price,stock\n{rows}".encode()}
    desk.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    desk.get_by_role("button", name="Upload", exact=True).click()
    expect(desk.locator("#job-state")).to_have_text("finished")
    expect(desk.locator("#job-share")).to_have_text("100 %")
    assert desk.locator("#job-bar").evaluate("bar => bar.value / bar.max") == 1
    expect(desk.locator("#job-counts")).to_contain_text("1,500 of 1,500 rows: 1,499 created, 1 bad")
    with desk.expect_download() as saved:
        desk.get_by_role("button", name="Bad rows as a file").click()
    assert "LYK-7" in saved.value.path().read_text()


def test_a_file_that_cannot_be_taken_is_refused_in_words(desk: Page) -> None:
    file = {"name": "empty.csv", "mimeType": "text/csv", "buffer": b"sku,name,price\n"}
    desk.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    desk.get_by_role("button", name="Upload", exact=True).click()
    expect(desk.locator("#upload .said.refused")).not_to_be_empty()
    expect(desk.locator("#job")).to_be_hidden()


def _found(desk: Page, order: Json) -> Locator:
    """The order's row, once it was looked for by its number."""
    desk.get_by_placeholder("Number").fill(order["number"])
    desk.get_by_role("button", name="Show").click()
    return desk.locator(f"[data-order='{order['id']}']")


def test_orders_are_found_and_moved_and_another_hand_is_told_of(desk: Page, admin: Person, ada: Person) -> None:
    order = ok(ada.order(new_product(admin)), 201)
    row = _found(desk, order)
    row.get_by_role("button", name="Process").click()
    expect(row.locator(".state")).to_have_text("processing")
    ok(admin.patch(f"/api/orders/{order['id']}/", {"status": "shipped"}))
    row.get_by_role("button", name="Ship").click()
    desk.get_by_label("Tracking").fill("GR 17")
    desk.locator("#ship").get_by_role("button", name="Ship", exact=True).click()
    expect(desk.locator("#orders-said")).to_contain_text("was moved by somebody else")
    expect(row.locator(".state")).to_have_text("shipped")
    row.get_by_role("button", name="Delivered").click()
    expect(row.locator(".state")).to_have_text("delivered")
    expect(row.get_by_role("button")).to_have_count(0)


def test_cancelling_asks_first(desk: Page, admin: Person, ada: Person) -> None:
    order = ok(ada.order(new_product(admin)), 201)
    row = _found(desk, order)
    row.get_by_role("button", name="Cancel").click()
    desk.locator("#sure").get_by_role("button", name="Leave it").click()
    expect(row.locator(".state")).to_have_text("pending")
    row.get_by_role("button", name="Cancel").click()
    desk.locator("#sure").get_by_role("button", name="Cancel the order").click()
    expect(row.locator(".state")).to_have_text("cancelled")


def test_a_sign_in_is_renewed_before_it_runs_out(desk: Page) -> None:
    before = desk.evaluate(f"{KEPT}.access")
    desk.evaluate(f"sessionStorage.setItem('stoa.session', JSON.stringify({{...{KEPT}, until: Date.now()}}))")
    desk.reload()
    expect(desk.locator("[data-order], #orders-empty:not([hidden])").first).to_be_visible()
    assert desk.evaluate(f"{KEPT}.access") != before


def test_a_sign_in_that_was_ended_elsewhere_leads_back_to_the_door(desk: Page, stranger: Visitor) -> None:
    token = desk.evaluate(f"{KEPT}.access")
    ok(stranger.post("/api/auth/logout/", {}, headers={"Authorization": f"Bearer {token}"}))
    expect(desk.locator("#door")).to_be_visible()
    expect(desk.get_by_role("status").first).to_have_text("The session has ended; sign in again.")
    expect(desk.get_by_label("Username or address")).to_be_focused()
