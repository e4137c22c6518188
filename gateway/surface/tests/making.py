"""What a good request is about: things made for one knock, each new, so that no cell depends on another."""

from datetime import timedelta
from typing import Any

from auth.models import Purpose
from common.clock import now
from common.ids import new_id
from notifier.models import Notification, State

from .callers import PASSWORD, Caller
from .doors import Make
from .house import Platform

Made = dict[str, Any]


def new_account(_: Platform, __: Caller) -> Made:
    name = f"newcomer-{new_id().hex}"
    return {"json": {"username": name, "email": f"{name}@example.com", "password": PASSWORD}}


def own_password(_: Platform, owner: Caller) -> Made:
    return {"json": {"username": owner.username, "password": PASSWORD}}


def own_address(_: Platform, owner: Caller) -> Made:
    return {"json": {"email": owner.email}}


def own_code(platform: Platform, owner: Caller) -> Made:
    _asked(platform, "request-otp", owner)
    return {"json": {"email": owner.email, "otp": platform.mailed(Purpose.SIGN_IN, owner.email)}}


def own_refresh_token(_: Platform, owner: Caller) -> Made:
    return {"json": {"refresh_token": owner.refresh_token}}


def own_session(_: Platform, owner: Caller) -> Made:
    return {"session_id": owner.session}


def a_reset_link(platform: Platform, owner: Caller) -> Made:
    _asked(platform, "password-reset", owner)
    token = platform.mailed(Purpose.PASSWORD_RESET, owner.email)
    return {"json": {"token": token, "new_password": "cypresses on the hill"}}


def a_verification_link(platform: Platform, owner: Caller) -> Made:
    return {"json": {"token": platform.mailed(Purpose.EMAIL_CHECK, owner.email)}}


def a_mailed_challenge(platform: Platform, owner: Caller) -> Made:
    return {"challenge_id": platform.challenge(Purpose.EMAIL_CHECK, owner.email).id}


def an_account(_: Platform, owner: Caller) -> Made:
    return {"user_id": owner.id}


def a_product(platform: Platform, _: Caller) -> Made:
    return {"product_id": _product(platform)["id"]}


def a_sku(platform: Platform, _: Caller) -> Made:
    return {"sku": _product(platform)["sku"]}


def a_new_category(_: Platform, __: Caller) -> Made:
    return {"json": {"name": f"Lamps {new_id()}"}}


def a_new_slug(_: Platform, __: Caller) -> Made:
    return {"slug": f"lamps-{new_id()}"}


def a_category(platform: Platform, _: Caller) -> Made:
    made = _by_admin(platform, "/api/products/categories/", 201, json={"name": f"Lamps {new_id()}"})
    return {"slug": made["slug"]}


def an_upload(platform: Platform, _: Caller) -> Made:
    sent = {"content": "sku,name,price\nM-1,Oil lamp,2.50\n", "headers": {"Content-Type": "text/csv"}}
    return {"task_id": _by_admin(platform, "/api/products/bulk-upload/", 202, **sent)["task_id"]}


def a_cancelled_upload(platform: Platform, owner: Caller) -> Made:
    made = an_upload(platform, owner)
    _by_admin(platform, f"/api/products/bulk-upload/{made['task_id']}/cancel/", 202)
    return made


def a_task(platform: Platform, owner: Caller) -> Made:
    return {"params": an_upload(platform, owner)}


def a_wish_to_hold(platform: Platform, _: Caller) -> Made:
    line = {"product_id": _product(platform)["id"], "quantity": 1}
    until = (now() + timedelta(minutes=5)).isoformat()
    return {"json": {"reservations": [{"order_id": str(new_id()), "expires_at": until, "lines": [line]}]}}


def something_in_the_cart(**changed: int) -> Make:
    """A wish about a product that the owner has in the cart, and that a guest has whose token is shown besides."""

    def make(platform: Platform, owner: Caller) -> Made:
        put_in = platform.http["cart"].post("/api/cart/add_item/", json={"product_id": 1}, headers=owner.headers)
        assert put_in.status_code == 200, put_in.text
        return {"json": {"product_id": 1, **changed}, "headers": {"X-Cart-Token": _guest(platform)}}

    return make


def a_guests_cart(platform: Platform, _: Caller) -> Made:
    return {"json": {"cart_token": _guest(platform)}}


def _guest(platform: Platform) -> str:
    put_in = platform.http["cart"].post("/api/cart/add_item/", json={"product_id": 1})
    assert put_in.status_code == 200, put_in.text
    return str(put_in.headers["X-Cart-Token"])


def an_order(platform: Platform, owner: Caller) -> Made:
    body = {"items": [{"product_id": 1, "quantity": 1}]}
    placed = platform.http["orders"].post("/api/orders/", json=body, headers=owner.headers)
    assert placed.status_code == 201, placed.text
    return {"order_id": placed.json()["id"]}


def a_sent_mail(platform: Platform, owner: Caller) -> Made:
    mail_id = new_id()
    mail = {"id": mail_id, "cause": f"made/{mail_id}", "type": "order_status", "user_id": owner.id}
    fate = {"state": State.SENT, "attempts": 1, "error": "", "created_at": now(), "due_at": now(), "sent_at": now()}
    said = {"email": "ada@example.com", "subject": "Your order", "data": {"name": "Ada"}}
    with platform.apps["notifier"].state.sessions.begin() as session:
        session.add(Notification(**mail, **fate, **said))
    return {"notification_id": mail_id}


def room_for_a_webhook(platform: Platform, _: Caller) -> Made:
    """A new webhook, and room for it: there may be only so many."""
    admin = dict(platform.people["notifier"].someone("admin").headers)
    notifier = platform.http["notifier"]
    for known in notifier.get("/api/webhooks/?page_size=100", headers=admin).json()["results"]:
        assert notifier.delete(f"/api/webhooks/{known['id']}/", headers=admin).status_code == 204
    return {"json": {"url": "https://example.com/webhooks", "events": ["order.*"]}}


def a_webhook(platform: Platform, owner: Caller) -> Made:
    draft = room_for_a_webhook(platform, owner)
    made = _by_admin(platform, "/api/webhooks/", 201, service="notifier", **draft)
    return {"webhook_id": made["id"]}


def a_delivery(platform: Platform, owner: Caller) -> Made:
    made = a_webhook(platform, owner)
    sent = _by_admin(platform, f"/api/webhooks/{made['webhook_id']}/test/", 202, service="notifier")
    return made | {"delivery_id": sent["id"]}


def _product(platform: Platform) -> Made:
    body = {"sku": f"M-{new_id()}", "name": "Oil lamp", "price": "2.50", "stock": 9}
    return _by_admin(platform, "/api/products/", 201, json=body)


def _by_admin(
    platform: Platform, path: str, status: int, *, service: str = "catalog", headers: Made | None = None, **sent: Any
) -> Made:
    shown = dict(platform.people[service].someone("admin").headers) | (headers or {})
    answer = platform.http[service].post(path, headers=shown, **sent)
    assert answer.status_code == status, answer.text
    made: Made = answer.json()
    return made


def _asked(platform: Platform, door: str, owner: Caller) -> None:
    answer = platform.http["auth"].post(f"/api/auth/{door}/", json={"email": owner.email})
    assert answer.is_success, answer.text
