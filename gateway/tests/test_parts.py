"""The scripts of the pages in a real browser, before services that are played: what seldom happens to real ones."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from .browsing import Reader
from .playing import HIDE, LOOK, Listening, caught, counts, document, update
from .site import PATIENCE_S, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SESSION = """
    const { Session } = await import('/static/parts/session.js');
    let lapsed = 0;
    const me = (window.me = new Session(() => lapsed++));
"""

SOON = "window.real = AbortSignal.timeout; AbortSignal.timeout = (ms) => window.real.call(AbortSignal, ms / 1000)"

expect.set_options(timeout=PATIENCE_S * 1000)


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


def test_nobody_asks_for_a_ranking_that_nobody_sees(live: tuple[Page, Listening]) -> None:
    page, listening = live
    asked: list[str] = []

    def rank(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(json={"data": []})

    page.route("**/api/realtime/top/**", rank)
    listening.say(**counts("a", 900, 50))
    expect(page.locator("#state")).to_have_text("Live")
    expect(page.locator("#empty")).to_be_visible()
    page.evaluate(LOOK, True)
    page.clock.run_for(2000)  # what was planned before
    asked.clear()
    listening.say(**update(901, 52))
    expect(page.locator("#ever")).to_have_text("52")
    page.clock.run_for(60_000)
    assert asked == []
    with page.expect_request("**/api/realtime/top/**"):
        page.evaluate(LOOK, False)


def test_an_older_ranking_does_not_take_the_place_of_a_newer_one(reader: Reader) -> None:
    page = reader.open("/")
    shown = page.evaluate("""async () => {
        const { Best } = await import('/static/parts/best.js');
        const table = document.createElement('table'), late = [];
        document.body.append(table);
        const answer = (id) => Response.json({ data: [{ id, sold_count: 1 }] });
        window.fetch = () => new Promise((resolve) => late.push((id) => resolve(answer(id))));
        const best = new Best(table.createTBody(), document.createElement('p'), new Map());
        for (const id of [7, 8]) best.names.set(id, `product ${id}`);
        const all = [best.refresh(), best.refresh()];
        late[1](8);
        await all[1];
        late[0](7);
        await all[0];
        return table.textContent;
    }""")
    assert "product 8" in shown


@pytest.fixture
def refreshes(reader: Reader) -> tuple[Page, list[Any]]:
    """A page to import scripts on, and what was sent to renew a sign-in."""
    page = reader.open("/")
    sent: list[Any] = []

    def renew(route: Route) -> None:
        sent.append(route.request.post_data_json)
        route.fulfill(json={"access_token": f"new-{len(sent)}", "refresh_token": "r", "expires_in": 30})

    page.route("**/api/auth/refresh/", renew)
    return page, sent


def test_a_short_sign_in_is_renewed_once_it_is_nearly_over(refreshes: tuple[Page, list[Any]]) -> None:
    page, sent = refreshes
    keep = "me.keep({ access_token: 'old', refresh_token: 'r', expires_in: 30, user: { id: 1 } });"
    assert page.evaluate(f"async () => {{ {SESSION} {keep} return await me.token(); }}") == "old"
    assert sent == []
    twin = page.context.new_page()  # has no copy of what is stored, as a duplicated tab has
    twin.goto(page.url)
    twin.evaluate(f"async () => {{ {SESSION} {keep} }}")
    assert page.evaluate(f"async () => {{ {SESSION} me.kept.until -= 22501; return await me.token(); }}") == "new-1"
    twin.wait_for_function("me.kept.access === 'new-1'")
    assert len(sent) == 1


def test_a_renewal_does_not_bring_back_who_has_signed_out(refreshes: tuple[Page, list[Any]]) -> None:
    page, sent = refreshes
    going = "me.keep({ expires_in: -99, user: { id: 1 } }); const going = me.token(); me.forget();"
    said = page.evaluate(f"async () => {{ {SESSION} {going} return [await going, sessionStorage.length, lapsed]; }}")
    assert (said, len(sent)) == ([None, 0, 0], 1)


def test_who_signs_in_presses_once_and_silence_ends_in_words(reader: Reader) -> None:
    page = reader.open("/docs")
    asked: list[Route] = []
    page.route("**/api/auth/login/", lambda route: asked.append(route))
    page.get_by_label("Username or address").fill("ada")
    page.get_by_label("Password", exact=True).fill("figs")
    button = page.get_by_role("button", name="Sign in")
    page.evaluate(SOON)
    button.click()
    expect(page.locator("#said")).to_have_text("No answer came; try again in a moment.")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    page.evaluate("AbortSignal.timeout = window.real")
    with page.expect_request("**/api/auth/login/"):
        button.click()
    expect(button).to_be_disabled()
    tokens = {"access_token": "a", "refresh_token": "r", "expires_in": 900}
    asked[-1].fulfill(json=tokens | {"user": {"username": "ada", "role": "customer"}})
    expect(page.locator("#who")).to_have_text("ada")
    expect(page.get_by_role("button", name="Sign out")).to_be_focused()


def test_what_a_document_lacks_is_named_and_a_late_one_takes_no_others_place(reader: Reader, site: Site) -> None:
    page = reader.open("about:blank")
    asked, held = list[Route](), list[Route]()
    page.route("**/docs/openapi**", lambda route: asked.append(route))
    with page.expect_request("**/docs/openapi.json"):
        page.goto(f"{site.url}/docs")
    caught(page, asked).fulfill(json=document("/api/cart/", missing=["orders"]))
    expect(page.locator("#missing")).to_contain_text("no answer came: orders.")
    expect(page.locator(".opblock-summary-path")).to_have_text("/api/cart/")
    for name in ("orders", "auth"):
        with page.expect_request(f"**/docs/openapi/{name}.json"):
            page.locator("#services").get_by_label(name).check()
        held.append(caught(page, asked))
    of_orders, of_auth = held
    of_auth.fulfill(json=document("/api/auth/me/"))
    expect(page.locator(".opblock-summary-path")).to_have_text("/api/auth/me/")
    with page.expect_response("**/docs/openapi/orders.json"):
        of_orders.fulfill(status=503, json={})
    expect(page.locator("#missing")).to_be_empty()
    expect(page.locator(".opblock-summary-path")).to_have_text("/api/auth/me/")
    with page.expect_request("**/docs/openapi/cart.json"):
        page.locator("#services").get_by_label("cart").check()
    caught(page, asked).fulfill(status=503, json={})
    expect(page.locator("#missing")).to_contain_text("no answer came: cart.")
    assert asked == []
