"""An integrator hears by webhook of what happens in the shop, through the whole platform."""

import pytest

from common.testing.waiting import eventually

from .integrator import listening
from .people import Person, new_product, ok
from .site import PATIENCE_S, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_an_order_arrives_at_the_integrator_once_and_signed(site: Site, admin: Person, ada: Person) -> None:
    jar = new_product(admin)
    with listening(site) as integrator:
        made = ok(admin.post("/api/webhooks/", {"url": integrator.url, "events": ["order.*"]}), 201)
        webhook = f"/api/webhooks/{made['id']}/"
        try:
            order = ok(ada.order(jar, 2, key="one-order-for-the-integrator"), 201)
            assert ok(ada.order(jar, 2, key="one-order-for-the-integrator"), 201) == order
            ok(ada.post(f"/api/orders/{order['id']}/cancel/"))
            eventually(lambda: len(integrator.told_of(order["id"])) == 2, PATIENCE_S)
            placed, cancelled = integrator.told_of(order["id"])
            assert [told.event["type"] for told in (placed, cancelled)] == ["order.placed", "order.cancelled"]
            assert all(told.is_signed_with(made["secret"]) for told in (placed, cancelled))
            assert placed.event["data"]["number"] == order["number"]
            assert placed.event["data"]["total"] == order["total"]

            probe = ok(admin.post(f"{webhook}test/"), 202)
            eventually(lambda: len(integrator.told_of(made["id"])) == 1, PATIENCE_S)
            told = [told.headers["webhook-id"] for told in integrator.told]
            assert len(told) == len(set(told)), "each event once"
            assert probe["event_id"] in told
            eventually(lambda: {row["attempts"] for row in _log(admin, webhook)} == {1}, PATIENCE_S)
            eventually(lambda: {row["status"] for row in _log(admin, webhook)} == {"delivered"}, PATIENCE_S)
        finally:
            assert admin.delete(webhook).status_code == 204


def _log(admin: Person, webhook: str) -> list[dict[str, object]]:
    return list(ok(admin.get(f"{webhook}deliveries/", params={"page_size": 100}))["results"])
