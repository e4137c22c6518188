"""The role matrix: every operation of all six services, who may knock at it, and what each is answered."""

from stoa.faring import PREFIXES

from .callers import PASSWORD
from .doors import Door, Inside, Service, sends
from .making import (
    a_cancelled_upload,
    a_category,
    a_delivery,
    a_guests_cart,
    a_mailed_challenge,
    a_new_category,
    a_new_slug,
    a_product,
    a_reset_link,
    a_sent_mail,
    a_sku,
    a_task,
    a_verification_link,
    a_webhook,
    a_wish_to_hold,
    an_account,
    an_order,
    an_upload,
    new_account,
    own_address,
    own_code,
    own_password,
    own_refresh_token,
    own_session,
    room_for_a_webhook,
    something_in_the_cart,
)
from .services import SERVICES

SIGNS_IN = "who has only an expired token left must still be able to sign in, and it gives nothing by the token"
MAILED = "what was mailed says who asks, and it must work in a browser that holds an old token"
PROBE = "asked by what watches over the process, inside the network; the gateway leads nobody here"

auth = Service("auth")
auth.deaf("POST", "/api/auth/register/", 201, sent=new_account, why=SIGNS_IN)
auth.deaf("POST", "/api/auth/login/", 200, sent=own_password, why=SIGNS_IN)
auth.deaf("POST", "/api/auth/request-otp/", 200, sent=own_address, why=SIGNS_IN)
auth.deaf("POST", "/api/auth/verify-otp/", 200, sent=own_code, why=SIGNS_IN)
auth.deaf("POST", "/api/auth/refresh/", 200, sent=own_refresh_token, why=SIGNS_IN)
auth.deaf("POST", "/api/auth/password-reset/", 202, sent=own_address, why=SIGNS_IN)
auth.deaf("POST", "/api/auth/password-reset/confirm/", 200, sent=a_reset_link, why=MAILED)
auth.deaf("POST", "/api/auth/verify-email/", 200, sent=a_verification_link, why=MAILED)
auth.deaf("GET", "/api/auth/jwks.json", 200, why="public keys, which are asked for in order to check tokens")
auth.members("POST", "/api/auth/logout/", 200)
auth.members("GET", "/api/auth/me/", 200)
auth.members("PATCH", "/api/auth/me/", 200, sent=sends(json={"first_name": "Zoë"}))
new_password = {"old_password": PASSWORD, "new_password": "a lantern for the long way"}
auth.members("POST", "/api/auth/change-password/", 200, sent=sends(json=new_password))
auth.members("GET", "/api/auth/sessions/", 200)
auth.owners("DELETE", "/api/auth/sessions/{session_id}/", 204, admin=404, ids=own_session)
auth.admins("GET", "/api/auth/users/", 200)
auth.admins("GET", "/api/auth/users/{user_id}/", 200, ids=an_account)
auth.admins("PATCH", "/api/auth/users/{user_id}/", 200, ids=an_account, sent=sends(json={"is_active": False}))

catalog = Service("catalog")
lamp = {"name": "Oil lamp", "price": "2.50"}
catalog.everyone("GET", "/api/products/", 200)
catalog.everyone("GET", "/api/products/{product_id}/", 200, ids=a_product)
catalog.everyone("GET", "/api/products/by-sku/{sku}/", 200, ids=a_sku)
catalog.admins("POST", "/api/products/", 201, sent=sends(json=lamp))
catalog.admins("PUT", "/api/products/{product_id}/", 200, ids=a_product, sent=sends(json=lamp))
catalog.admins("PATCH", "/api/products/{product_id}/", 200, ids=a_product, sent=sends(json={"stock": 7}))
catalog.admins("DELETE", "/api/products/{product_id}/", 204, ids=a_product)
adjustment = sends(json={"delta": -1, "reason": "damaged"})
catalog.admins("POST", "/api/products/{product_id}/stock/adjust/", 200, ids=a_product, sent=adjustment)
catalog.admins("GET", "/api/products/{product_id}/stock/movements/", 200, ids=a_product)
catalog.admins("GET", "/api/products/stock/reconcile/", 200)
catalog.everyone("GET", "/api/products/categories/", 200)
catalog.admins("POST", "/api/products/categories/", 201, sent=a_new_category)
catalog.admins("POST", "/api/products/categories/{slug}/", 201, ids=a_new_slug)
catalog.admins("DELETE", "/api/products/categories/{slug}/", 204, ids=a_category)
catalog.admins("GET", "/api/products/export/", 200)
csv = sends(content="sku,name,price\nM-1,Oil lamp,2.50\n", headers={"Content-Type": "text/csv"})
catalog.admins("POST", "/api/products/bulk-upload/", 202, sent=csv)
catalog.admins("GET", "/api/products/bulk-upload/", 200)
catalog.admins("GET", "/api/products/bulk-upload/template/", 200)
catalog.admins("GET", "/api/products/bulk-upload/{task_id}/", 200, ids=an_upload)
catalog.admins("GET", "/api/products/bulk-upload/{task_id}/errors/", 200, ids=an_upload)
catalog.admins("POST", "/api/products/bulk-upload/{task_id}/cancel/", 202, ids=an_upload)
catalog.admins("POST", "/api/products/bulk-upload/{task_id}/retry/", 202, ids=a_cancelled_upload)
catalog.admins("GET", "/api/products/scheduled_tasks/", 200, sent=a_task)

cart = Service("cart")
cart.everyone("GET", "/api/cart/", 200)
cart.everyone("POST", "/api/cart/add_item/", 200, sent=sends(json={"product_id": 1, "quantity": 2}))
cart.everyone("POST", "/api/cart/update_item/", 200, sent=something_in_the_cart(quantity=3))
cart.everyone("POST", "/api/cart/remove_item/", 200, sent=something_in_the_cart())
cart.everyone("POST", "/api/cart/clear/", 200)
cart.members("POST", "/api/cart/merge/", 200, sent=a_guests_cart)
cart.everyone("POST", "/api/cart/validate/", 200)

orders = Service("orders")
items = {"items": [{"product_id": 1, "quantity": 1}]}
step = sends(json={"status": "processing"})
orders.members("GET", "/api/orders/", 200)
orders.members("POST", "/api/orders/", 201, sent=sends(json=items))
orders.admins("GET", "/api/orders/stats/", 200)
orders.owners("GET", "/api/orders/{order_id}/", 200, ids=an_order)
orders.owners("GET", "/api/orders/{order_id}/timeline/", 200, ids=an_order)
orders.owners("DELETE", "/api/orders/{order_id}/", 200, ids=an_order)
orders.owners("POST", "/api/orders/{order_id}/cancel/", 200, ids=an_order, sent=sends(json={}))
orders.admins("PUT", "/api/orders/{order_id}/", 200, ids=an_order, sent=step)
orders.admins("PATCH", "/api/orders/{order_id}/", 200, ids=an_order, sent=step)

notifier = Service("notifier")
notifier.members("GET", "/api/notifications/", 200)
notifier.members("GET", "/api/notifications/preferences/", 200)
notifier.members("PATCH", "/api/notifications/preferences/", 200, sent=sends(json={"order_status": False}))
notifier.admins("POST", "/api/notifications/{notification_id}/resend/", 202, ids=a_sent_mail)
notifier.admins("GET", "/api/webhooks/", 200)
notifier.admins("POST", "/api/webhooks/", 201, sent=room_for_a_webhook)
notifier.admins("GET", "/api/webhooks/{webhook_id}/", 200, ids=a_webhook)
notifier.admins("PATCH", "/api/webhooks/{webhook_id}/", 200, ids=a_webhook, sent=sends(json={"active": False}))
notifier.admins("DELETE", "/api/webhooks/{webhook_id}/", 204, ids=a_webhook)
notifier.admins("POST", "/api/webhooks/{webhook_id}/rotate-secret/", 200, ids=a_webhook)
notifier.admins("POST", "/api/webhooks/{webhook_id}/test/", 202, ids=a_webhook)
notifier.admins("GET", "/api/webhooks/{webhook_id}/deliveries/", 200, ids=a_webhook)
notifier.admins("POST", "/api/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver/", 202, ids=a_delivery)

realtime = Service("realtime")
realtime.everyone("GET", "/api/realtime/products/", 200)
realtime.everyone("GET", "/api/realtime/products/stream/", 200)
realtime.everyone("GET", "/api/realtime/top/", 200)
realtime.members("POST", "/api/realtime/ticket/", 200)

ALL = (auth, catalog, cart, orders, notifier, realtime)
for service in ALL:
    prefix = PREFIXES[service.name]
    service.admins("GET", f"{prefix}/operations/", 200)
    service.admins("POST", f"{prefix}/operations/outbox/retry/", 200)
    service.admins("GET", f"{prefix}/operations/dead-letters/", 200)
    service.admins("POST", f"{prefix}/operations/dead-letters/replay/", 200, sent=sends(json={}))
    service.admins("POST", f"{prefix}/operations/dead-letters/drop/", 200, sent=sends(json={"ids": ["no-such-event"]}))
for service in ALL:
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        service.deaf("GET", path, 200, why=PROBE)

DOORS: tuple[Door, ...] = tuple(door for service in ALL for door in service.doors)

INSIDE = (
    Inside("auth", "GET", "/internal/sessions/{sid}/", ids=lambda _, owner: {"sid": owner.session}),
    Inside("auth", "GET", "/internal/challenges/{challenge_id}/", ("notifier",), ids=a_mailed_challenge),
    Inside("auth", "GET", "/internal/administrators/", ("notifier",)),
    Inside("catalog", "GET", "/internal/products/", ("cart", "realtime")),
    Inside("catalog", "POST", "/internal/reservations/", ("orders",), sent=a_wish_to_hold),
    Inside("cart", "GET", "/internal/carts/{user_id}/", ("orders",), ids=lambda _, owner: {"user_id": owner.id}),
    Inside("orders", "POST", "/internal/orders/{order_id}/resolve/", ("catalog",), ids=an_order),
    Inside("orders", "GET", "/internal/orders/", ("catalog", "notifier", "realtime")),
)
"""What sister services ask each other with tokens of their own."""

SOCKETS = (("realtime", "/ws/products/"), ("realtime", "/ws/echo/"))
"""Open to everyone; who sends a token must send a good one."""

OWN_SOCKETS = (("realtime", "/ws/orders/"), ("realtime", "/ws/imports/{task_id}/"))
"""For whoever has signed in, about what is their own."""

ADMINS_SOCKETS = ("/ws/imports/{task_id}/",)
"""Those of them that are for administrators alone."""


def entries(service: str) -> set[tuple[str, str]]:
    """Methods and paths of a service in the table."""
    assert service in SERVICES
    found = {(door.method, door.path) for door in (*DOORS, *INSIDE) if door.service == service}
    return found | {("SOCKET", path) for name, path in (*SOCKETS, *OWN_SOCKETS) if name == service}
